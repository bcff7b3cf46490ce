import asyncio
import logging

import msgspec
import pytest

from llmgw_balancer import Balancer, Pause
from llmgw_gateway.state.pauses import FILE, HostPauses, WorkerPauses

LONG = Pause(account="a", verdict="exhausted", seconds=5000.0, reason="5h")
SHORT = Pause(account="a", model="m", verdict="pause", seconds=3.0, reason="requests")
REJECTED = Pause(account="b", verdict="disable", seconds=3600.0, reason="key", mark="m")


class Host(HostPauses):
    """With a time that is moved by hand, and a list of what was rejected."""

    def __init__(self, folder):
        self.now = 1e9
        self.rejected = []
        super().__init__(folder, lambda: self.now, self.rejected.append)


class Worker(WorkerPauses):
    """With its balancer, and a list of what it told."""

    def __init__(self):
        self.now = 50.0
        self.told = []
        super().__init__(self.told.extend, lambda: self.now)
        self.balancer = Balancer(clock=lambda: self.now, rand=lambda: 0.0)


def test_the_host_knows_the_longest_of_what_it_heard(tmp_path):
    """What is no longer than that is no news."""
    host = Host(tmp_path)
    assert [LONG, SHORT, REJECTED] == host.heard([LONG, SHORT, REJECTED])
    assert [] == host.heard([LONG, msgspec.structs.replace(SHORT, seconds=2.0)])
    host.now += 2.5
    assert [4997.5, 0.5, 3597.5] == [pause.seconds for pause in host.current()]
    assert [SHORT] == host.heard([SHORT])
    assert [REJECTED] == host.rejected
    host.now += 100.0
    assert ["a", "b"] == [pause.account for pause in host.current()]


def test_it_is_known_after_a_restart(tmp_path):
    """As far as it is not over. A file that is damaged is told of, and costs no more."""
    host = Host(tmp_path)
    host.heard([LONG, SHORT])
    host.save()
    again = Host(tmp_path)
    again.now += 60.0
    again.load()
    assert [msgspec.structs.replace(LONG, seconds=4940.0)] == again.current()
    assert [] == again.rejected


def test_a_damaged_file_is_told_of(tmp_path, caplog):
    """It is replaced by the next one."""
    (tmp_path / FILE).write_text("{")
    host = Host(tmp_path)
    with caplog.at_level(logging.WARNING):
        host.load()
    assert ([], 1) == (host.current(), len(caplog.records))


async def test_it_is_written_down_when_there_is_news(tmp_path, monkeypatch):
    """Not otherwise."""
    monkeypatch.setattr("llmgw_gateway.state.pauses._SAVE_SECONDS", 0.01)
    host = Host(tmp_path)
    task = asyncio.get_running_loop().create_task(host.keep())
    await asyncio.sleep(0.05)
    assert not (tmp_path / FILE).exists()
    host.heard([LONG])
    for _ in range(500):
        if not (tmp_path / FILE).exists():
            await asyncio.sleep(0.01)
    task.cancel()
    assert (tmp_path / FILE).exists()


def test_what_an_operator_has_seen_to_is_forgotten(tmp_path):
    """With all its models."""
    host = Host(tmp_path)
    host.heard([LONG, SHORT, REJECTED])
    host.forget(["a", "unknown"])
    assert [REJECTED] == host.current()


def test_what_clients_name_is_bounded(tmp_path, monkeypatch):
    """What is over goes first, then the oldest."""
    monkeypatch.setattr("llmgw_gateway.state.pauses._MOST", 3)
    host = Host(tmp_path)
    host.heard(msgspec.structs.replace(SHORT, model=f"m{n}", seconds=10.0) for n in range(5))
    assert ["m2", "m3", "m4"] == [pause.model for pause in host.current()]


def test_a_worker_tells_what_it_was_told_by_providers():
    """Once, and again if it became longer; not what it has from others."""
    worker = Worker()
    worker.heard([REJECTED])
    worker.serve(worker.balancer)
    assert ["b"] == [pause.account for pause in worker.balancer.pauses()]
    worker.balancer.relearn([SHORT])
    worker.look()
    worker.look()
    assert [SHORT] == worker.told
    worker.now += 2.0
    worker.balancer.relearn([SHORT])
    worker.look()
    assert [SHORT, SHORT] == worker.told
    worker.met()
    worker.look()
    assert {"a", "b"} == {pause.account for pause in worker.told[2:]}


def test_two_workers_do_not_make_a_rest_longer(tmp_path):
    """However often they tell each other."""
    host, one, two = Host(tmp_path), Worker(), Worker()
    for worker in (one, two):
        worker.serve(worker.balancer)
    one.balancer.relearn([LONG])
    for _ in range(50):
        for worker, other in ((one, two), (two, one)):
            worker.told.clear()
            worker.look()
            other.heard(host.heard(worker.told))
        host.now += 0.5
        one.now += 0.5
        two.now += 0.5
    assert [4975.0] * 2 == [pytest.approx(w.balancer.pauses()[0].seconds, abs=0.1) for w in (one, two)]


def test_a_resumed_account_serves_and_can_be_told_of_again():
    """The same refusal is news then."""
    worker = Worker()
    worker.serve(worker.balancer)
    worker.heard([REJECTED])
    worker.resumed("b")
    assert [] == worker.balancer.pauses()
    worker.balancer.relearn([REJECTED])
    worker.look()
    assert [REJECTED] == worker.told
