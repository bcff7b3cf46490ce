"""The store on real servers: the conformance suite on the newest and the oldest, and what they add to it."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from llmgw_eventstore import Cursor, StoreAway
from llmgw_eventstore.testing import StoreConformance, make_event, read_all
from llmgw_postgres._binaries import BinariesMissing, find
from llmgw_postgres.config import PostgresConfig
from llmgw_postgres.errors import StatementRefused
from llmgw_postgres.migrate import migrate
from llmgw_postgres.pools import Pools
from llmgw_postgres.store import PgEventStore
from llmgw_postgres.testing import Server

OLDEST = 15


class TestPgEventStore(StoreConformance):
    """On the wheel's server."""

    @pytest.fixture(autouse=True)
    async def other(self, database):
        async with Pools(database) as pools, PgEventStore(pools) as other:
            self._other = other
            yield

    async def beside(self, store):
        return self._other


@pytest.fixture(scope="module")
def oldest():
    try:
        binaries = find(OLDEST)
    except BinariesMissing:
        pytest.skip(f"PostgreSQL {OLDEST} is not installed")
    with Server(binaries=binaries) as server:
        asyncio.run(migrate(server.conninfo))
        yield server


class TestOnTheOldestServer(StoreConformance):
    """On PostgreSQL 15, where the system has it."""

    @pytest.fixture
    async def store(self, oldest):
        tables = "llmgw.state_events, llmgw.fact_events, llmgw.snapshots"
        await asyncio.to_thread(oldest.execute, f"TRUNCATE {tables}")
        async with Pools(oldest.conninfo) as pools, PgEventStore(pools) as store:
            yield store

    async def beside(self, store):
        return store


async def test_an_id_that_is_none_is_refused(store):
    """That is a defect of the writer, and no reason to try again; nothing of the batch is stored."""
    wrong = msgspec.structs.replace(make_event(2), id="second")
    with pytest.raises(StatementRefused, match="invalid input syntax for type uuid"):
        await store.append("fact", [make_event(1), wrong])
    assert [] == await read_all(store, "fact")


async def test_names_keep_everything_but_nul(store):
    """Tabs, newlines, backslashes and the marks of COPY survive; NUL, which PostgreSQL can't hold, is replaced."""
    names = ["a\tb\nc", "\\N", "\\.", "", "\u2028\U0001f600", "a\0b"]
    events = [msgspec.structs.replace(make_event(n), tenant=name, cause=name) for n, name in enumerate(names)]
    await store.append("fact", events)
    found = [(stored.event.tenant, stored.event.cause) for stored in await read_all(store, "fact")]
    assert [(name, name) for name in [*names[:-1], "a\ufffdb"]] == found


async def test_an_append_that_is_cancelled_leaves_the_connection_good(database):
    """The transaction is gone, and the next append goes over the same connection."""
    async with Pools(database, PostgresConfig(write_connections=1)) as pools, PgEventStore(pools) as store:
        await store.append("fact", [make_event(1)])
        events = [make_event(number) for number in range(2, 3000)]
        for delay in (0.0, 0.001, 0.01, 0.03):
            async with asyncio.TaskGroup() as group:
                appending = group.create_task(store.append("fact", events))
                await asyncio.sleep(delay)
                appending.cancel()
            count = len(await read_all(store, "fact", limit=5000))
            assert count in (1, 2999)
        assert 1 == (await store.append("fact", [make_event(5000)])).fresh


async def test_a_store_opens_while_its_server_is_away(nowhere):
    """Every method says `StoreAway`; nothing waits longer than it may."""
    config = PostgresConfig(checkout_seconds=0.2)
    async with Pools(nowhere, config) as pools, PgEventStore(pools) as store:
        for attempt in (
            lambda: store.append("fact", [make_event(1)]),
            lambda: store.read("fact", Cursor(), 10),
            lambda: store.wait("fact", Cursor(), 0.2),
            lambda: store.save_snapshot("a", Cursor(), b""),
            lambda: store.load_snapshot("a"),
            lambda: store.common("fact", Cursor(1, 1)),
        ):
            with pytest.raises(StoreAway, match="Connection refused"):
                await attempt()
        assert "<PgEventStore <Pool llmgw-writes" in repr(store)
