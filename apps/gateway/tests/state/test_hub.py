"""Control and its workers, over real sockets."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

from llmgw_affinity import Pin, Stay
from llmgw_affinity.placing import Instant, forgotten
from llmgw_balancer import Balancer, Pause
from llmgw_cluster import serving, staying
from llmgw_control import KeyRecord, Records, Replica
from llmgw_control.testing import Desk, ReversedSealing
from llmgw_control.views import Actor
from llmgw_domain import Account, Candidate, Catalog, Provider, Secret, Target
from llmgw_gateway.state.follower import Follower
from llmgw_gateway.state.hub import Hub
from llmgw_gateway.state.messages import Overlay, WorkerStatus
from llmgw_gateway.state.pauses import HostPauses
from llmgw_gateway.state.pins import HostPins
from llmgw_gateway.state.served import Served
from llmgw_relay.buffered import BufferedKeep
from llmgw_relay.keep import Sought, encode
from llmgw_relay.memory_kept import MemoryKept
from llmgw_relay.testing import MemoryStamps
from llmgw_telemetry import Metrics, Totals

OWNER = Actor("admin:o", "owner")
FILE = Records(keys=(KeyRecord(id="filed", hash="sha256:" + "0" * 64),))


STAY = Stay(account="a", since=1, node="n")
PIN = Pin(key="0" * 32, epoch=0, home=STAY, current=STAY)


class Worker:
    """A worker's side: what it serves, and what it counted."""

    def __init__(self, slot: int) -> None:
        self.slot = slot
        self.metrics = Metrics()
        self.calls = self.metrics.counter("calls_total", "C.")
        self.replica = Replica("n")
        self.catalogs: list[Catalog] = []
        self.served = Served(ReversedSealing().reveal, self.catalogs.append, time.monotonic)
        self.follower = Follower(slot, self.replica, self.served, self.status, time.monotonic)
        self.balancer = Balancer(clock=time.monotonic, rand=lambda: 0.0)
        self.follower.pauses.serve(self.balancer)

    def status(self) -> WorkerStatus:
        return WorkerStatus(
            slot=self.slot,
            pid=self.slot + 1000,
            addresses=(),
            catalog=self.served.current().version,
            draining=False,
            connections=0,
            in_flight={},
            states={},
            metrics=self.metrics.collect(),
        )


class House:
    """A control process's side, at a socket."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.desk = Desk("n", file=FILE)
        self.store = MemoryKept(time.time)
        self.keep = BufferedKeep(
            self.store, lambda frame: None, writer="n", stamps=MemoryStamps(), clock=time.monotonic, wall=time.time
        )
        self.away = False
        self.pins = HostPins(self.found, time.monotonic, time.time)
        self.totals = Totals()
        self.rejected: list[Pause] = []
        self.pauses = HostPauses(path.parent, time.time, self.rejected.append)
        self.hub = Hub(
            self.desk.replica,
            lambda: Overlay(records=FILE, file="g.toml"),
            self.keep,
            self.pins,
            self.pauses,
            self.totals,
        )

    async def found(self, keys: Collection[str]) -> dict[str, Pin]:
        """What the database has."""
        if self.away:
            await asyncio.sleep(60)
        return {key: PIN for key in keys if key == PIN.key}

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        with socket.socket(socket.AF_UNIX) as sock:
            self.path.unlink(missing_ok=True)
            sock.bind(str(self.path))
            sock.listen()
            async with serving(sock, lambda: self.hub, lambda link: None):
                yield

    @asynccontextmanager
    async def worker(self, slot: int = 0) -> AsyncIterator[Worker]:
        worker = Worker(slot)
        task = asyncio.get_running_loop().create_task(staying(self.path, worker.follower, worker.follower.met))
        try:
            async with asyncio.timeout(5):
                await worker.follower.loaded.wait()
            yield worker
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def test_a_worker_is_sent_the_whole_state(tmp_path: Path) -> None:
    """Records of the log and of the file; its catalog is control's, to the digest."""
    house = House(tmp_path / "s")
    house.desk.administration.create("key", "logged", {}, OWNER)
    async with house.open(), house.worker() as worker:
        assert {"filed", "logged"} == {key.id for key in worker.served.current().keys.values()}
        assert house.desk.catalog.version == worker.served.current().version
        assert [0] == house.hub.slots


async def test_a_change_is_served_by_every_worker_when_spread_returns(tmp_path: Path) -> None:
    """A revoked key is refused everywhere from then on."""
    house = House(tmp_path / "s")
    made = house.desk.administration.create("key", "k", {}, OWNER)
    assert made.secret is not None
    async with house.open(), house.worker(0) as one, house.worker(1) as two:
        for worker in (one, two):
            assert "k" == worker.served.current().key_for(made.secret).id
        gone = house.desk.administration.delete("key", "k", OWNER)
        await house.hub.spread(gone.events)
        assert [{"filed"}] * 2 == [{key.id for key in w.served.current().keys.values()} for w in (one, two)]


async def test_a_worker_that_was_alone_is_brought_up_to_date(tmp_path: Path) -> None:
    """It serves on while control is away, and has what happened meanwhile with its next link."""
    house = House(tmp_path / "s")
    async with house.open():
        running = house.worker()
        worker = await running.__aenter__()
    assert {"filed"} == {key.id for key in worker.served.current().keys.values()}
    house.desk.administration.create("key", "meanwhile", {}, OWNER)
    async with house.open():
        async with asyncio.timeout(5):
            while worker.served.current().version != house.desk.catalog.version:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        await running.__aexit__(None, None, None)


async def test_the_files_records_are_laid_over_every_worker(tmp_path: Path) -> None:
    """Those that are gone from it are gone."""
    house = House(tmp_path / "s")
    async with house.open(), house.worker() as worker:
        await house.hub.lay(Overlay(records=Records(), file="g.toml"))
        assert {} == {key.id: key for key in worker.served.current().keys.values()}


async def test_what_workers_counted_outlives_them(tmp_path: Path) -> None:
    """The totals are right while they live, and stay when one is gone."""
    house = House(tmp_path / "s")
    async with house.open():
        async with house.worker(0) as one, house.worker(1) as two:
            one.calls.of().inc(3)
            two.calls.of().inc(4)
            await house.hub.gather()
            assert 7 == _calls(house.totals)
            assert {0: 1000, 1: 1001} == {slot: status.pid for slot, status in house.hub.statuses.items()}
        await house.hub.gather()
        assert (7, {}, []) == (_calls(house.totals), house.hub.statuses, house.hub.slots)


async def test_a_worker_says_when_it_serves(tmp_path: Path) -> None:
    """And says it again to a control process that is new."""
    house = House(tmp_path / "s")
    async with house.open():
        running = house.worker(3)
        worker = await running.__aenter__()
        assert [] == house.hub.serving
        worker.follower.serving()
        async with asyncio.timeout(5):
            while house.hub.serving != [3]:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
    again = House(tmp_path / "s")
    async with again.open():
        async with asyncio.timeout(5):
            while again.hub.serving != [3]:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        await running.__aexit__(None, None, None)


async def test_what_a_worker_keeps_is_found_by_another(tmp_path: Path) -> None:
    """Before the database has it: control knows of it at once."""
    house = House(tmp_path / "s")
    async with house.open(), house.worker(0) as one, house.worker(1) as two:
        keep = BufferedKeep(
            one.follower, one.follower.note, writer="n/0", stamps=MemoryStamps(), clock=time.monotonic, wall=time.time
        )
        keep.put("k", "t", "x", b"body", 60)
        async with asyncio.timeout(5):
            found = await two.follower.find(Sought(kinds=("k",), tenant="t", ids=("x",)))
            while not found.puts:
                found = await two.follower.find(Sought(kinds=("k",), tenant="t", ids=("x",)))
        assert ([b"body"], True) == ([put.body for put in found.puts], found.complete)
        assert encode(found.puts[0])


async def test_where_a_session_goes_the_other_workers_hear(tmp_path: Path) -> None:
    """At once. What else a turn made of its pin they hear when they ask."""
    house = House(tmp_path / "s")
    bound = msgspec.structs.replace(PIN, key="1" * 32)
    async with house.open(), house.worker(0) as one, house.worker(1) as two:
        one.follower.pins.put(bound, changed=True)
        async with asyncio.timeout(5):
            while two.follower.pins.known(bound.key) is None:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        told = msgspec.structs.replace(bound, home=msgspec.structs.replace(STAY, warm_until=1e10, cached=7, told=2))
        one.follower.pins.put(told, changed=False)
        async with asyncio.timeout(5):
            while house.pins.known(bound.key) != told:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        assert bound == two.follower.pins.known(bound.key)
        assert told == await two.follower.pins.find(bound.key)


async def test_all_workers_hear_of_a_session_that_is_forgotten(tmp_path: Path) -> None:
    """Also the one that holds it as warm."""
    house = House(tmp_path / "s")
    nowhere = forgotten(PIN, Instant(hlc=9, node="n", now=9.0))
    async with house.open(), house.worker() as one, house.worker(1) as two:
        one.follower.pins.put(PIN, changed=True)
        house.hub.tell_pins([nowhere])
        async with asyncio.timeout(20):
            for worker in (one, two):
                while worker.follower.pins.known(PIN.key) != nowhere:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)


async def test_a_session_that_a_worker_does_not_know_is_asked_for(tmp_path: Path) -> None:
    """Control asks the database; nobody knows of a new one. A database that hangs is waited for once."""
    house = House(tmp_path / "s")
    async with house.open(), house.worker() as worker:
        pins = worker.follower.pins
        assert PIN == await pins.find(PIN.key)
        assert await pins.find("2" * 32) is None
        house.away = True
        began = time.monotonic()
        for number in range(20):
            assert await pins.find(f"{number:032}") in (None, PIN)
        assert PIN == await pins.find(PIN.key)
        assert time.monotonic() - began < 2.0
    await house.pins.close()


async def test_a_new_control_process_is_told_where_sessions_are(tmp_path: Path) -> None:
    """The database may lack what the last turns made of them."""
    house = House(tmp_path / "s")
    bound = msgspec.structs.replace(PIN, key="1" * 32)
    async with house.open():
        running = house.worker()
        worker = await running.__aenter__()
        worker.follower.pins.put(bound, changed=True)
    again = House(tmp_path / "s")
    async with again.open(), again.worker(1) as other:
        async with asyncio.timeout(5):
            while await other.follower.pins.find(bound.key) is None:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        await running.__aexit__(None, None, None)


def _calls(totals: Totals) -> float:
    (family,) = [f for f in msgspec.to_builtins(totals.collect()) if f["name"] == "calls_total"]
    return sum(value for _, value in family["numbers"])


async def test_what_a_provider_said_is_known_to_all_workers(tmp_path: Path) -> None:
    """One is told, the others and those that come later know; control hears of what is rejected."""
    house = House(tmp_path / "s")
    pauses = [
        Pause(account="a", verdict="exhausted", seconds=500.0, reason="5h"),
        Pause(account="b", verdict="disable", seconds=3600.0, reason="key", mark="m"),
    ]
    async with house.open(), house.worker(0) as one, house.worker(1) as two:
        one.balancer.relearn(pauses)
        one.follower.pauses.look()
        await until(lambda: len(two.balancer.pauses()) == 2)
        assert ["b"] == [pause.account for pause in house.rejected]
        two.follower.pauses.look()
        async with house.worker(2) as three:
            await until(lambda: len(three.balancer.pauses()) == 2)
            assert [500, 3600] == sorted(round(pause.seconds / 10) * 10 for pause in three.balancer.pauses())
        assert 1 == len(house.rejected)


async def test_workers_know_what_the_others_have(tmp_path: Path) -> None:
    """Control tells on what each one tells."""
    house = House(tmp_path / "s")
    async with house.open(), house.worker(0) as one, house.worker(1) as two:
        one.balancer.bound("a", "s1")
        candidate = Candidate(account("a"), "m", Target(pool="p", model="m"))
        lease = one.balancer.take(candidate)
        assert lease is not None
        one.follower.loads.look(one.balancer)
        await until(lambda: two.follower.loads.others("a").leases == 1)
        lease.release()
        one.follower.loads.look(one.balancer)
        await until(lambda: two.follower.loads.others("a").leases == 0)


def account(name: str) -> Account:
    return Account(id=name, provider=Provider.OPENAI, base_url="", credential=Secret("s"), pool="p")


async def until(condition: Callable[[], bool]) -> None:
    for _ in range(1000):
        if condition():
            return
        await asyncio.sleep(0.005)
    raise AssertionError("it has not come true")
