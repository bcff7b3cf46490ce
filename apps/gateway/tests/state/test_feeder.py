"""From spools to a store that comes and goes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from llmgw_domain import Event, uuid7
from llmgw_eventstore import Appended, ClockOff, Cursor, Log, StoreAway, StoreError, encode
from llmgw_eventstore.memory import MemoryStore
from llmgw_eventstore.spool import Spool
from llmgw_gateway.state import feeder as module
from llmgw_gateway.state.feeder import SET_ASIDE, Feeder, sorted_out
from llmgw_relay import keep
from llmgw_relay.memory_kept import MemoryKept


class Store(MemoryStore):
    """A store that can be away, or lose its answers."""

    away = False
    deaf = False

    async def append(self, log: Log, events: Sequence[Event]) -> Appended:
        if self.away:
            raise StoreAway("gone fishing")
        done = await super().append(log, events)
        if self.deaf:
            raise StoreAway("lost the answer")
        return done


def event(number: int, kind: str = "request.opened") -> Event:
    return Event(
        id=uuid7(1_700_000_000.0, number),
        hlc=number,
        node="n",
        v=1,
        kind=kind,
        tenant="t",
        actor="key:k",
        cause=None,
        subject=f"request/{number}",
        body=msgspec.Raw(b"{}"),
    )


def put(id: str) -> keep.Put:
    return keep.Put(kind="k", tenant="t", id=id, expires=time.time() + 100, stamp=1, writer="n", body=b"x")


@asynccontextmanager
async def feeding(folder: Path, store: Store, kept: MemoryKept | None = None) -> AsyncIterator[Feeder]:
    feeder = Feeder(folder, store, MemoryKept(time.time) if kept is None else kept, keep_seconds=900)
    running = asyncio.get_running_loop().create_task(feeder.run())
    try:
        yield feeder
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def stored(store: Store, log: Log = "fact") -> list[str]:
    page = await store.read(log, Cursor(), 100_000)
    return [item.event.subject for item in page.events]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses are short here."""
    for name in ("_IDLE_SECONDS", "_FIRST_PAUSE", "_LONGEST_PAUSE", "_LOOK_SECONDS"):
        monkeypatch.setattr(module, name, 0.02)


async def test_every_spool_is_fed_to_where_its_frames_belong(tmp_path: Path) -> None:
    """State, facts and kept records of several processes, in each one's order."""
    store, kept = Store(), MemoryKept(time.time)
    async with feeding(tmp_path, store, kept) as feeder:
        with Spool.open(tmp_path / "control") as control, Spool.open(tmp_path / "worker-0") as worker:
            control.append([encode(event(1, "state.written"))])
            worker.append([encode(event(n)) for n in range(2, 50)] + [keep.encode(put("r"))])
            await asyncio.sleep(0.05)
            assert await feeder.drained(5)
    assert ["request/1"] == await stored(store, "state")
    assert [f"request/{n}" for n in range(2, 50)] == await stored(store)
    assert [put("r").body] == [found.body for found in kept.look(keep.Sought(kinds=("k",), tenant="t"))]  # type: ignore[union-attr]


async def test_a_store_that_is_away_loses_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Events wait in their files, in order; it is said once, and once when it is over."""
    caplog.set_level("WARNING")
    store = Store()
    store.away = True
    async with feeding(tmp_path, store) as feeder:
        with Spool.open(tmp_path / "w") as spool:
            for number in range(20):
                spool.append([encode(event(number))])
                await asyncio.sleep(0.005)
            assert not await feeder.drained(0.1)
            assert "gone fishing" == feeder.away
            store.away = False
            assert await feeder.drained(5)
    assert [f"request/{n}" for n in range(20)] == await stored(store)
    said = [record.message for record in caplog.records]
    assert ["the database takes no events; they wait in the spool", "the database takes events again"] == said


async def test_a_lost_answer_doubles_nothing(tmp_path: Path) -> None:
    """What the store took before it failed to say so is sent again, and there once."""
    store = Store()
    store.deaf = True
    async with feeding(tmp_path, store) as feeder:
        with Spool.open(tmp_path / "w") as spool:
            spool.append([encode(event(n)) for n in range(10)])
            await asyncio.sleep(0.1)
            store.deaf = False
            assert await feeder.drained(5)
    assert [f"request/{n}" for n in range(10)] == await stored(store)


async def test_a_new_feeder_goes_on_where_the_last_one_was(tmp_path: Path) -> None:
    """And a rewind offers again what is kept, to a store that has lost it."""
    with Spool.open(tmp_path / "w") as spool:
        spool.append([encode(event(1))])
        async with feeding(tmp_path, Store()) as feeder:
            assert await feeder.drained(5)
        second = Store()
        async with feeding(tmp_path, second) as feeder:
            spool.append([encode(event(2))])
            assert await feeder.drained(5)
            assert ["request/2"] == await stored(second)
            feeder.rewind()
            assert await feeder.drained(5)
        assert {"request/1", "request/2"} == set(await stored(second))


async def test_a_frame_that_is_none_holds_up_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It is set aside beside the spool, for a person to look at, with an alarm."""
    store = Store()
    async with feeding(tmp_path, store) as feeder:
        with Spool.open(tmp_path / "w") as spool:
            spool.append([encode(event(1)), b"\x00what", encode(event(2))])
            assert await feeder.drained(5)
    assert ["request/1", "request/2"] == await stored(store)
    assert b"\x00what".hex() + "\n" == (tmp_path / "w" / SET_ASIDE).read_text()
    assert "can't be read" in caplog.text


async def test_a_clock_that_is_off_is_said(tmp_path: Path) -> None:
    """Changes wait until it is set right; commands are refused meanwhile, by this."""

    class Strict(Store):
        off = True

        async def append(self, log: Log, events: Sequence[Event]) -> Appended:
            if log == "state" and self.off:
                raise ClockOff(events[0], 300.0)
            return await super().append(log, events)

    store = Strict()
    async with feeding(tmp_path, store) as feeder:
        with Spool.open(tmp_path / "control") as spool:
            spool.append([encode(event(1, "state.written"))])
            assert not await feeder.drained(0.1)
            assert "300 s ahead" in (feeder.clock_off or "")
            store.off = False
            assert await feeder.drained(5)
    assert feeder.clock_off is None


async def test_an_event_that_is_refused_holds_up_nothing(tmp_path: Path) -> None:
    """The others of its batch are stored; it is set aside."""

    class Picky(Store):
        async def append(self, log: Log, events: Sequence[Event]) -> Appended:
            if any(event.subject == "request/2" for event in events):
                raise StoreError("not that one")
            return await super().append(log, events)

    store = Picky()
    async with feeding(tmp_path, store) as feeder:
        with Spool.open(tmp_path / "w") as spool:
            spool.append([encode(event(n)) for n in range(4)])
            assert await feeder.drained(5)
    assert ["request/0", "request/1", "request/3"] == await stored(store)
    assert encode(event(2)).hex() + "\n" == (tmp_path / "w" / SET_ASIDE).read_text()


def test_frames_are_sorted_in_their_order() -> None:
    """Each heap has the order of the spool."""
    frames = [encode(event(1)), keep.encode(put("a")), encode(event(2, "state.deleted")), encode(event(3)), b"?"]
    batch = sorted_out(frames)
    assert ["request/2"] == [e.subject for e in batch.state]
    assert ["request/1", "request/3"] == [e.subject for e in batch.facts]
    assert ([put("a").id], [b"?"]) == ([c.id for c in batch.kept], batch.unreadable)
