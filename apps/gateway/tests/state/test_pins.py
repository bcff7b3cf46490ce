"""What the processes of a node know of sessions; over their link, see `test_hub`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Sequence
from pathlib import Path

import msgspec
import pytest

from llmgw_affinity import Pin, Stay, merged
from llmgw_affinity.placing import Instant, forgotten
from llmgw_domain import Event, uuid7
from llmgw_eventstore import StoreAway, StoreError, encode
from llmgw_eventstore.spool import Spool, SpoolReader
from llmgw_gateway.state import pins as pins_module
from llmgw_gateway.state.pins import HostPins, WorkerPins, hear_forgotten, recalled
from llmgw_relay.pin_facts import Placed


def pin(number: int = 1, account: str = "a", since: int = 1, warm_until: float = 0.0) -> Pin:
    stay = Stay(account=account, since=since, node="n", warm_until=warm_until, cached=int(warm_until > 0), told=since)
    return Pin(key=f"{number:032x}", epoch=0, home=stay, current=stay)


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that is busy is not a database that hangs."""
    monkeypatch.setattr(pins_module, "_STORE_SECONDS", 20.0)
    monkeypatch.setattr(pins_module, "_FIND_SECONDS", 20.0)


class Far:
    """The database, as it is for these tests."""

    def __init__(self, *pins: Pin) -> None:
        self.pins = {each.key: each for each in pins}
        self.asked: list[list[str]] = []
        self.hangs = False
        self.error: Exception | None = None

    async def get(self, keys: Collection[str]) -> dict[str, Pin]:
        self.asked.append([*keys])
        if self.hangs:
            await asyncio.sleep(3600)
        if self.error is not None:
            raise self.error
        await asyncio.sleep(0)
        return {key: self.pins[key] for key in keys if key in self.pins}


class Now:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


async def test_the_host_asks_the_database_for_what_it_does_not_know_to_be_warm() -> None:
    """A cold session may be warm elsewhere; one that is warm here is not asked for."""
    far, wall = Far(pin(1, "b", since=2, warm_until=200.0)), Now()
    host = HostPins(far.get, time.monotonic, wall)
    host.put(pin(1), changed=True)
    both = merged(pin(1), far.pins[pin(1).key])
    assert both == await host.find(pin(1).key)
    assert both == await host.find(pin(1).key)
    assert 1 == len(far.asked)
    wall.now = 201.0
    assert both == await host.find(pin(1).key)
    assert 2 == len(far.asked)
    await host.close()


async def test_many_who_ask_are_one_look() -> None:
    """A thousand sessions at once, some of them twice, are a look or two."""
    far = Far(*(pin(number) for number in range(1000)))
    host = HostPins(far.get, time.monotonic, Now())
    keys = [pin(number).key for number in range(1000)] + [pin(number).key for number in range(10)]
    found = await asyncio.gather(*(host.find(key) for key in keys))
    assert [far.pins[key] for key in keys] == found
    assert len(far.asked) <= 2
    assert 1000 == len(host)
    await host.close()


async def test_a_database_that_hangs_is_waited_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Then what is known is the answer, at once, until it is tried again."""
    monkeypatch.setattr(pins_module, "_STORE_SECONDS", 0.2)
    far, clock = Far(), Now()
    far.hangs = True
    host = HostPins(far.get, clock, Now())
    host.put(pin(1), changed=True)
    began = time.monotonic()
    assert [pin(1), None] == await asyncio.gather(host.find(pin(1).key), host.find(pin(2).key))
    for _ in range(50):
        assert pin(1) == await host.find(pin(1).key)
    assert time.monotonic() - began < 10.0
    assert 1 == len(far.asked)
    far.hangs, clock.now = False, clock.now + 10.0
    far.pins[pin(2).key] = pin(2)
    while await host.find(pin(2).key) is None:
        clock.now += 10.0
    assert pin(2) == host.known(pin(2).key)
    await host.close()


@pytest.mark.parametrize("error", [StoreAway("gone"), StoreError("refused")])
async def test_a_database_that_fails_fails_no_turn(error: Exception) -> None:
    """The host answers with what it knows."""
    far = Far()
    far.error = error
    host = HostPins(far.get, time.monotonic, Now())
    assert await host.find(pin(1).key) is None
    host.put(pin(1), changed=True)
    assert pin(1) == await host.find(pin(1).key)
    assert 1 == len(far.asked)
    await host.close()


async def test_what_is_forgotten_anywhere_is_told_the_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """From where the log ended on, and also after the database was away."""
    monkeypatch.setattr(pins_module, "_HEARD_SECONDS", 0.001)
    nowhere = forgotten(pin(1, warm_until=200.0), Instant(hlc=9, node="m", now=100.0))
    told: list[Sequence[Pin]] = []
    answers: list[tuple[list[Pin], int] | Exception] = [([], 7), StoreAway("gone"), ([nowhere], 9)]
    asked: list[int] = []
    enough = asyncio.Event()

    async def log(after: int) -> tuple[list[Pin], int]:
        asked.append(after)
        if len(asked) == 4:
            enough.set()
        answer = answers.pop(0) if answers else ([], 9)
        if isinstance(answer, Exception):
            raise answer
        return answer

    host = HostPins(Far().get, time.monotonic, Now(), tell=told.append)
    host.put(pin(1, warm_until=200.0), changed=True)
    task = asyncio.get_running_loop().create_task(hear_forgotten(log, host))
    await enough.wait()
    task.cancel()
    assert ([7, 7, 9], [[nowhere]], nowhere) == (asked[1:4], told, host.known(nowhere.key))


class Line:
    """A link to control, as it is for these tests."""

    def __init__(self) -> None:
        self.told: list[tuple[tuple[Pin, ...], bool]] = []
        self.asked: list[str] = []
        self.answer: Pin | None = None
        self.error: Exception | None = None

    def tell_pins(self, pins: Sequence[Pin], *, changed: bool) -> None:
        self.told.append((tuple(pins), changed))

    async def find_pin(self, key: str, seconds: float) -> Pin | None:
        self.asked.append(key)
        await asyncio.sleep(0)
        if self.error is not None:
            raise self.error
        return self.answer


async def test_turns_that_ask_at_once_share_the_answer() -> None:
    """A worker asks control once for a session; one of the turns may give up meanwhile."""
    line = Line()
    line.answer = pin(1)
    pins = WorkerPins(line, time.monotonic)
    async with asyncio.TaskGroup() as group:
        turns = [group.create_task(pins.find(pin(1).key)) for _ in range(5)]
        await asyncio.sleep(0)
        turns.pop(0).cancel()
    assert [pin(1)] * 4 == [turn.result() for turn in turns]
    assert ([pin(1).key], pin(1)) == (line.asked, pins.known(pin(1).key))


async def test_what_a_turn_made_of_a_pin_is_told() -> None:
    """And what others tell is merged."""
    line = Line()
    pins = WorkerPins(line, time.monotonic)
    pins.put(pin(1), changed=True)
    pins.put(pin(2), changed=False)
    assert [((pin(1),), True), ((pin(2),), False)] == line.told
    pins.heard([pin(1, "b", since=2)])
    assert merged(pin(1), pin(1, "b", since=2)) == pins.known(pin(1).key)


async def test_a_control_process_that_is_silent_is_not_asked_again_and_again() -> None:
    """Until a second is over, or there is a new link. One that is gone costs nothing to ask."""
    line, clock = Line(), Now()
    pins = WorkerPins(line, clock)
    line.error = StoreAway("no link")
    for _ in range(2):
        assert await pins.find(pin(1).key) is None
    assert 2 == len(line.asked)
    line.error = TimeoutError()
    for _ in range(2):
        assert await pins.find(pin(1).key) is None
    assert 3 == len(line.asked)
    line.error, line.answer = None, pin(1)
    pins.met()
    assert pin(1) == await pins.find(pin(1).key)
    assert (4, []) == (len(line.asked), line.told)
    pins.met()
    assert [((pin(1),), False)] == line.told


def event(said: Pin) -> Event:
    return Event(
        id=uuid7(1.0, said.home.since),
        hlc=said.home.since,
        node="n",
        v=1,
        kind="session.bound",
        tenant="t",
        actor="key:k",
        cause=None,
        subject=f"session/{said.key}",
        body=msgspec.Raw(msgspec.json.encode(Placed(pin=said))),
    )


def test_what_the_spools_hold_is_known_at_the_start(tmp_path: Path) -> None:
    """Drained or not; other frames, and what can't be read, are passed over."""
    with Spool.open(tmp_path / "worker-0") as one, Spool.open(tmp_path / "worker-1") as other:
        one.append([encode(event(pin(1))), b'{"pin":{', b"K\x01rest"])
        reader = SpoolReader(tmp_path / "worker-0")
        reader.mark(reader.read(reader.marked)[1])
        other.append([encode(event(pin(2)))])
    with Spool.open(tmp_path / "worker-1-kept") as kept:
        kept.append([encode(event(pin(3)))])
    host = HostPins(Far().get, time.monotonic, Now())
    host.recall(recalled(tmp_path))
    assert (pin(1), pin(2), None) == tuple(host.known(pin(number).key) for number in (1, 2, 3))
    assert [] == [*recalled(tmp_path / "nowhere")]


async def test_what_is_known_from_before_is_asked_for_once() -> None:
    """Warm or not: another node may have served the session meanwhile. While the database is away it is the answer."""
    far, clock = Far(pin(1, "b", since=2, warm_until=200.0)), Now()
    far.error = StoreAway("gone")
    host = HostPins(far.get, clock, Now())
    before = pin(1, warm_until=200.0)
    host.recall(iter([before]))
    assert before == await host.find(before.key)
    far.error, clock.now = None, clock.now + 10.0
    both = merged(before, far.pins[before.key])
    assert [both, both] == [await host.find(before.key) for _ in range(2)]
    assert 2 == len(far.asked)
    await host.close()
