"""The conformance suite of the log: every store passes it, whatever it keeps its events in.

A store's tests inherit `StoreConformance`, give it a `store` fixture with an empty store, and override `beside` where
another process would have a handle of its own. Bodies are compared as JSON values, because a store may space them anew.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable, Sequence
from typing import TypeVar

import msgspec

from llmgw_domain import Event, uuid7
from llmgw_eventstore.store import ClockOff, Cursor, EventStore, Log, Stored, StoreError, TimelineChanged

Refusal = TypeVar("Refusal", bound=StoreError)

BEGINNING = 1_700_000_000.0
"""Seconds since 1970 of the events in these tests: long past for every clock."""


def make_event(
    number: int, *, kind: str = "request.opened", body: object = None, hlc: int | None = None, node: str = "n1"
) -> Event:
    """The `number`th event: equal numbers give equal ids."""
    at = BEGINNING + number / 1000
    return Event(
        id=uuid7(at, number),
        hlc=int(at * 1000) << 16 if hlc is None else hlc,
        node=node,
        v=1,
        kind=kind,
        tenant="acme",
        actor="key:k1",
        cause=None,
        subject=f"request/{number}",
        body=msgspec.Raw(msgspec.json.encode({"n": number} if body is None else body)),
    )


def make_events(numbers: Iterable[int], kind: str = "request.opened") -> list[Event]:
    return [make_event(number, kind=kind) for number in numbers]


def plain(event: Event) -> dict[str, object]:
    """An event as plain values, its body parsed: two events are the same if these are."""
    return {**msgspec.structs.asdict(event), "body": msgspec.json.decode(event.body)}


def contents(events: Iterable[Event | Stored]) -> list[dict[str, object]]:
    return [plain(item.event if isinstance(item, Stored) else item) for item in events]


async def read_all(store: EventStore, log: Log, limit: int = 100) -> list[Stored]:
    """Everything in a log, page by page."""
    found: list[Stored] = []
    cursor = Cursor()
    while (page := await store.read(log, cursor, limit)).events:
        found += page.events
        cursor = page.cursor
    return found


async def refused(kind: type[Refusal], attempt: Awaitable[object]) -> Refusal:
    """The refusal that an attempt ends with; anything else fails the test."""
    try:
        result = await attempt
    except kind as error:
        return error
    raise AssertionError(f"expected {kind.__name__}, got {result!r}")


class StoreConformance:
    """What every `EventStore` does. Inherit it, and give it a fixture `store`: an empty store."""

    async def beside(self, store: EventStore) -> EventStore:
        """Another handle on the same log, as a second process has it; override where there is such a thing."""
        return store

    async def test_events_come_back_in_the_order_of_their_appending(self, store: EventStore) -> None:
        """Batches and the events in them keep their order, and nothing of an event is lost."""
        events = make_events([5, 3, 9, 1])
        await store.append("fact", events[:3])
        await store.append("fact", events[3:])
        found = await read_all(store, "fact")
        assert contents(events) == contents(found)
        positions = [stored.position for stored in found]
        assert sorted(set(positions)) == positions
        assert positions[0] > 0

    async def test_the_two_logs_are_apart(self, store: EventStore) -> None:
        """What is appended to one log is not in the other, even under the same id."""
        await store.append("fact", [make_event(1)])
        await store.append("state", [make_event(1, kind="state.written"), make_event(2, kind="state.deleted")])
        assert contents([make_event(1)]) == contents(await read_all(store, "fact"))
        assert [1, 2] == [_number(stored) for stored in await read_all(store, "state")]

    async def test_unknown_kinds_and_newer_versions_are_kept(self, store: EventStore) -> None:
        """What this release can't read is stored and given back as it is."""
        events = [make_event(1, kind="later.thing"), msgspec.structs.replace(make_event(2), v=9)]
        await store.append("fact", events)
        assert contents(events) == contents(await read_all(store, "fact"))

    async def test_every_json_value_survives(self, store: EventStore) -> None:
        """A body may hold any JSON: large integers, NUL characters, names and text of every script, a bare number."""
        bodies: Sequence[object] = [
            {"n": 2**63 - 1, "f": 1e-9, "none": None, "deep": [[{}]]},
            {"text": "a\x00b \u2028 \U0001f600 \\u0000 \\", "": "empty name"},
            7,
        ]
        events = [make_event(number, body=body) for number, body in enumerate(bodies, 1)]
        await store.append("fact", events)
        assert contents(events) == contents(await read_all(store, "fact"))

    async def test_an_event_is_stored_once(self, store: EventStore) -> None:
        """Repeats within a batch and over batches change nothing, and the first form of an event stays."""
        first = await store.append("fact", [*make_events([1, 2]), make_event(1, body="again")])
        second = await store.append("fact", [make_event(2, body="again"), make_event(3), make_event(1)])
        third = await store.append("fact", make_events([2, 1]))
        assert (2, 1, 0) == (first.fresh, second.fresh, third.fresh)
        assert contents(make_events([1, 2, 3])) == contents(await read_all(store, "fact"))

    async def test_an_append_says_where_its_events_are(self, store: EventStore) -> None:
        """Behind the cursor of an append there is nothing of its batch, and up to it there is all of it."""
        await store.append("fact", make_events(range(1, 6)))
        appended = await store.append("fact", make_events([3, 6]))
        await store.append("fact", make_events([7]))
        behind = await store.read("fact", appended.cursor, 100)
        assert [7] == [_number(stored) for stored in behind.events]
        repeated = await store.append("fact", make_events([2, 4]))
        behind = await store.read("fact", repeated.cursor, 100)
        assert {2, 4}.isdisjoint(_number(stored) for stored in behind.events)
        assert repeated.cursor.timeline == behind.cursor.timeline

    async def test_an_empty_batch_is_no_event(self, store: EventStore) -> None:
        """Appending nothing is allowed, and stores nothing."""
        assert 0 == (await store.append("fact", [])).fresh
        page = await store.read("fact", Cursor(), 10)
        assert ((), 0) == (page.events, page.cursor.position)

    async def test_a_page_holds_no_more_than_its_limit(self, store: EventStore) -> None:
        """Pages are full while there is enough, follow each other without gap or repeat, and end empty."""
        events = make_events(range(1, 8))
        await store.append("fact", events)
        sizes: list[int] = []
        found: list[Stored] = []
        cursor = Cursor()
        for _ in range(4):
            page = await store.read("fact", cursor, 3)
            sizes.append(len(page.events))
            found += page.events
            cursor = page.cursor
        assert [3, 3, 1, 0] == sizes
        assert contents(events) == contents(found)
        assert cursor == Cursor(cursor.timeline, found[-1].position)

    async def test_a_large_event_is_an_event(self, store: EventStore) -> None:
        """A body of two megabytes, and a batch of a thousand events, come back whole."""
        large = make_event(0, body={"text": "x" * 2_000_000})
        await store.append("fact", [large])
        await store.append("fact", make_events(range(1, 1001)))
        found = await read_all(store, "fact", limit=500)
        assert plain(large) == plain(found[0].event)
        assert list(range(1, 1001)) == [_number(stored) for stored in found[1:]]

    async def test_the_same_batch_by_many_writers_at_once(self, store: EventStore) -> None:
        """Writers that repeat each other's events at the same time store each event once, and count it once."""
        handles = [store, await self.beside(store)]
        numbers = list(range(1, 41))
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(handles[turn % 2].append("fact", make_events(numbers[turn:] + numbers[:turn])))
                for turn in range(0, 40, 5)
            ]
        assert 40 == sum(task.result().fresh for task in tasks)
        assert numbers == sorted(_number(stored) for stored in await read_all(store, "fact"))

    async def test_a_tailing_reader_misses_nothing(self, store: EventStore) -> None:
        """Readers that follow while many write see every event once, in one order, each writer's in its own."""
        beside = await self.beside(store)
        writers, batches, size = 6, 10, 3
        total = writers * batches * size

        async def write(handle: EventStore, writer: int) -> None:
            for batch in range(batches):
                first = (writer * batches + batch) * size
                await handle.append("fact", make_events(range(first, first + size)))

        async def follow(handle: EventStore, limit: int) -> list[tuple[int, int]]:
            seen: list[tuple[int, int]] = []
            cursor = Cursor()
            while len(seen) < total:
                assert await handle.wait("fact", cursor, 30.0)
                page = await handle.read("fact", cursor, limit)
                seen += [(stored.position, _number(stored)) for stored in page.events]
                cursor = page.cursor
            return seen

        async with asyncio.timeout(60), asyncio.TaskGroup() as group:
            readers = [group.create_task(follow(handle, limit)) for handle, limit in ((store, 7), (beside, 100))]
            for writer in range(writers):
                group.create_task(write((store, beside)[writer % 2], writer))
        first, second = (reader.result() for reader in readers)
        assert first == second
        assert sorted(set(first)) == first
        assert list(range(total)) == sorted(number for _, number in first)
        for writer in range(writers):
            own = [number for _, number in first if number // (batches * size) == writer]
            assert sorted(own) == own

    async def test_wait_ends_when_something_comes(self, store: EventStore) -> None:
        """A waiting reader is woken by an append of another handle, long before its time is over."""
        await store.append("fact", make_events([1]))
        cursor = (await store.read("fact", Cursor(), 10)).cursor
        beside = await self.beside(store)
        async with asyncio.timeout(20), asyncio.TaskGroup() as group:
            waiting = group.create_task(store.wait("fact", cursor, 60.0))
            await asyncio.sleep(0.05)
            assert not waiting.done()
            await beside.append("fact", make_events([2]))
        assert waiting.result()

    async def test_wait_does_not_wait_for_what_is_there(self, store: EventStore) -> None:
        """With something to read it returns at once, at the end of the log when its time has passed."""
        appended = await store.append("fact", make_events([1]))
        async with asyncio.timeout(20):
            assert await store.wait("fact", Cursor(), 60.0)
            assert not await store.wait("fact", appended.cursor, 0.05)

    async def test_a_reader_that_stops_waiting_harms_no_one(self, store: EventStore) -> None:
        """Waiting can be cancelled; the store serves on."""
        async with asyncio.timeout(20), asyncio.TaskGroup() as group:
            waiting = group.create_task(store.wait("fact", Cursor(), 60.0))
            await asyncio.sleep(0.05)
            waiting.cancel()
        await store.append("fact", make_events([1]))
        assert await store.wait("fact", Cursor(), 5.0)

    async def test_a_stamp_of_the_future_is_refused(self, store: EventStore) -> None:
        """A state event far ahead of the store's clock is refused with its whole batch; a fact's is not looked at."""
        future = make_event(2, kind="state.written", hlc=(1 << 63) - 1, node="n-ahead")
        error = await refused(ClockOff, store.append("state", [make_event(1, kind="state.written"), future]))
        assert "n-ahead" == error.node
        assert error.ahead > 60
        assert [] == await read_all(store, "state")
        await store.append("fact", [make_event(2, hlc=(1 << 63) - 1)])
        assert [2] == [_number(stored) for stored in await read_all(store, "fact")]

    async def test_a_cursor_of_another_timeline_is_refused(self, store: EventStore) -> None:
        """Positions mean nothing on another timeline; the error names the store's, and the beginning is always good."""
        appended = await store.append("fact", make_events([1]))
        foreign = Cursor(appended.cursor.timeline + 1, appended.cursor.position)
        error = await refused(TimelineChanged, store.read("fact", foreign, 10))
        assert appended.cursor.timeline == error.timeline
        assert await store.wait("fact", foreign, 5.0)
        assert 1 == len((await store.read("fact", Cursor(foreign.timeline, 0), 10)).events)

    async def test_snapshots_are_kept_by_name(self, store: EventStore) -> None:
        """The last one saved under a name is given back, byte for byte; another name has its own."""
        assert await store.load_snapshot("replica") is None
        await store.save_snapshot("replica", Cursor(1, 10), b"first")
        await store.save_snapshot("replica", Cursor(1, 20), bytes(range(256)) * 1000)
        await store.save_snapshot("usage", Cursor(2, 5), b"")
        beside = await self.beside(store)
        assert (Cursor(1, 20), bytes(range(256)) * 1000) == await beside.load_snapshot("replica")
        assert (Cursor(2, 5), b"") == await beside.load_snapshot("usage")


def _number(stored: Stored) -> int:
    return int(stored.event.subject.removeprefix("request/"))
