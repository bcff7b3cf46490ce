"""Many write, some follow: nothing is missed, doubled, or out of order, and how fast that is."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack

import msgspec
import pytest

from llmgw_eventstore import Cursor
from llmgw_eventstore.testing import make_event
from llmgw_postgres.config import PostgresConfig
from llmgw_postgres.migrate import migrate
from llmgw_postgres.pools import Pools
from llmgw_postgres.store import PgEventStore
from llmgw_postgres.testing import Server

BODY = {
    "request_id": "req_0123456789abcdef",
    "at": 1_700_000_000.25,
    "tenant": "acme",
    "key": "k1",
    "dialect": "messages",
    "model": "claude-sonnet",
    "account": "anthropic-a",
    "provider": "anthropic",
    "target_model": "claude-sonnet-4-5",
    "attempt": 1,
}
"""A fact of the usual size."""

READERS = 3


class Tail(msgspec.Struct):
    """What one reader saw: positions with numbers, and its lag behind each event in seconds."""

    seen: list[tuple[int, int]]
    lags: list[float]


class Race:
    """`writers` processes' worth of writers and three readers, each with connections of its own."""

    def __init__(self, conninfo: str, events: int, writers: int, batch: int, rate: float = float("inf")) -> None:
        self._conninfo = conninfo
        self.events = [make_event(number, body=BODY) for number in range(events)]
        self._writers = writers
        self._batch = batch
        self._rate = rate
        self._begun = [0.0] * events
        self.seconds = 0.0
        self.tails: list[Tail] = []

    async def run(self) -> None:
        async with AsyncExitStack() as stack:
            stores = [await self._open(stack) for _ in range(self._writers + READERS)]
            async with asyncio.TaskGroup() as group:
                readers = [group.create_task(self._follow(store)) for store in stores[:READERS]]
                group.create_task(self._write(stores[READERS:]))
        self.tails = [reader.result() for reader in readers]

    async def _open(self, stack: AsyncExitStack) -> PgEventStore:
        config = PostgresConfig(write_connections=1, read_connections=1)
        pools = await stack.enter_async_context(Pools(self._conninfo, config))
        store = await stack.enter_async_context(PgEventStore(pools))
        await store.append("fact", [])
        return store

    async def _write(self, stores: list[PgEventStore]) -> None:
        began = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for writer, store in enumerate(stores):
                group.create_task(self._write_own(store, writer))
        self.seconds = time.perf_counter() - began

    async def _write_own(self, store: PgEventStore, writer: int) -> None:
        own, began = self.events[writer :: self._writers], time.perf_counter()
        for first in range(0, len(own), self._batch):
            due = began + first * self._writers / self._rate
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            now = time.perf_counter()
            for event in own[first : first + self._batch]:
                self._begun[number(event)] = now
            await store.append("fact", own[first : first + self._batch])

    async def _follow(self, store: PgEventStore) -> Tail:
        tail, cursor = Tail([], []), Cursor()
        while len(tail.seen) < len(self.events):
            assert await store.wait("fact", cursor, 30.0)
            page = await store.read("fact", cursor, 1000)
            cursor = page.cursor
            now = time.perf_counter()
            for stored in page.events:
                tail.seen.append((stored.position, number(stored.event)))
                tail.lags.append(now - self._begun[number(stored.event)])
        return tail

    def check(self) -> None:
        """Each reader saw every event once, all in the same order, and each writer's in its own."""
        first = self.tails[0].seen
        assert all(tail.seen == first for tail in self.tails)
        assert sorted({position for position, _ in first}) == [position for position, _ in first]
        assert list(range(len(self.events))) == sorted(number for _, number in first)
        for writer in range(self._writers):
            own = [number for _, number in first if number % self._writers == writer]
            assert sorted(own) == own

    def __str__(self) -> str:
        lags = sorted(lag for tail in self.tails for lag in tail.lags)
        middle, high = lags[len(lags) // 2], lags[len(lags) * 99 // 100]
        return (
            f"{len(self.events)} events, {self._writers} writers, batches of {self._batch}, rate {self._rate:.0f}: "
            f"{len(self.events) / self.seconds:.0f} events/s; from append to reader: "
            f"median {middle * 1000:.1f} ms, p99 {high * 1000:.1f} ms, most {lags[-1] * 1000:.1f} ms"
        )


def number(event) -> int:
    return int(event.subject.removeprefix("request/"))


@pytest.mark.parametrize("batch", [1, 25])
async def test_readers_miss_nothing_while_eight_write(database, batch):
    """Eight writers and three tailing readers, with small batches and large ones."""
    race = Race(database, events=80 * batch, writers=8, batch=batch)
    await race.run()
    race.check()


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize(("batch", "rate"), [(50, float("inf")), (500, float("inf")), (500, 20_000)])
async def test_a_hundred_thousand_events(batch, rate, capsys, monkeypatch):
    """At full size, on a server that writes through to a disk: nothing missed, and the figures of docs/database.md."""
    monkeypatch.setattr("llmgw_postgres.testing.quick_folder", lambda: None)
    settings = {"fsync": "on", "full_page_writes": "on", "autovacuum": "on", "shared_buffers": "128MB"}
    with Server(settings=settings) as server:
        await migrate(server.conninfo)
        race = Race(server.conninfo, events=100_000, writers=8, batch=batch, rate=rate)
        await race.run()
    race.check()
    with capsys.disabled():
        print(f"\n{race}")
