"""What outlives a call on a real server: the conformance suite, and what a server adds to it."""

from __future__ import annotations

import asyncio
import time

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from llmgw_eventstore import StoreAway
from llmgw_postgres.config import PostgresConfig
from llmgw_postgres.kept import PgKept
from llmgw_postgres.migrate import migrate
from llmgw_postgres.pools import Pools
from llmgw_postgres.queries import queries
from llmgw_postgres.testing import Server
from llmgw_relay.buffered import BufferedKeep
from llmgw_relay.keep import Sought, decode
from llmgw_relay.testing import KeepConformance, MemoryStamps, by_id, drop_of, put_of, touch_of


@pytest.fixture(scope="module")
def shared(server):
    """One database for all of these tests: a table is emptied sooner than a database is made."""
    server.execute("CREATE DATABASE kept TEMPLATE migrated")
    yield make_conninfo(server.conninfo, dbname="kept")
    server.execute("DROP DATABASE kept WITH (FORCE)")


@pytest.fixture
def database(shared):
    rows(shared, "TRUNCATE llmgw.kept")
    return shared


@pytest.fixture
async def store(pools):
    return PgKept(pools)


class TestPgKept(KeepConformance):
    @pytest.fixture
    async def store(self, pools, database):
        async with Pools(database) as other:
            self._other = PgKept(other)
            yield PgKept(pools)

    async def beside(self, store):
        return self._other


def rows(database, sql):
    with psycopg.connect(database, autocommit=True) as connection:
        cursor = connection.execute(sql)
        return cursor.fetchall() if cursor.description else []


async def test_what_is_offered_again_is_not_written_again(store, database):
    """A spool that is read from its beginning costs no writes."""
    batch = [put_of("x", 1, b"1"), put_of("y", 2), drop_of("y", 3), touch_of("x", 30.0)]
    await store.apply(batch)
    before = rows(database, "SELECT ctid, xmin::text, id FROM llmgw.kept ORDER BY id")
    await store.apply(batch)
    assert before == rows(database, "SELECT ctid, xmin::text, id FROM llmgw.kept ORDER BY id")


async def test_what_has_expired_is_swept(store, database):
    """A portion at a time, and nothing else."""
    await store.apply([put_of(f"x{i}", i, ttl=0.1) for i in range(5)] + [put_of("y", 1), drop_of("z", 1, ttl=0.1)])
    await asyncio.sleep(0.15)
    assert [4, 2, 0] == [await store.sweep(4) for _ in range(3)]
    assert [("y",)] == rows(database, "SELECT id FROM llmgw.kept")


async def test_a_sweep_waits_for_nobody(store, database):
    """A row that someone is writing is left for the next time."""
    await store.apply([put_of("x", 1, ttl=0.1), put_of("y", 1, ttl=0.1)])
    await asyncio.sleep(0.15)
    with psycopg.connect(database) as writer:
        writer.execute("SELECT 1 FROM llmgw.kept WHERE id = 'x' FOR UPDATE")
        async with asyncio.timeout(5):
            assert 1 == await store.sweep()
    assert 1 == await store.sweep()


async def test_a_drop_leaves_nothing_of_the_body(store, database):
    """What a client deleted is not in the table any more."""
    await store.apply([put_of("x", 1, b"what was said")])
    await store.apply([drop_of("x", 2)])
    assert [(None,)] == rows(database, "SELECT body FROM llmgw.kept")


async def test_odd_names_and_times_fail_no_batch(store):
    """One record that the server can't hold as it is must not hold up a spool."""
    await store.apply([put_of("a\0b", 1, b"odd", tenant="t\0"), put_of("x", 1, b"x", ttl=1e15), touch_of("x", 1e300)])
    assert [b"odd"] == [put.body for put in (await store.find(by_id("a\0b", tenant="t\0"))).puts]
    assert [b"x"] == [put.body for put in (await store.find(by_id("x"))).puts]


@pytest.mark.parametrize("name", ["by_ids", "of_tenant", "sweep"])
async def test_no_look_reads_the_whole_table(name, store, database):
    """Each question has its index."""
    await store.apply([put_of(f"x{i}", i, tenant=f"t{i % 50}", ttl=60.0 + i) for i in range(5000)])
    values = {"kinds": ["k"], "tenant": "t7", "ids": ["x7", "x8"], "limit": 10}
    asked = [values, {**values, "tenant": None}] if name == "by_ids" else [values]
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("ANALYZE llmgw.kept")
        for parameters in asked:
            plan = connection.execute(b"EXPLAIN " + queries("kept")[name], parameters).fetchall()
            assert not [line for (line,) in plan if "Seq Scan" in line], plan


async def test_a_server_that_is_gone_is_away():
    """And one that is back is there again, for the same store."""
    config = PostgresConfig(checkout_seconds=0.5, connect_seconds=1, append_seconds=1.0)
    with Server() as own:
        await migrate(own.conninfo)
        async with Pools(own.conninfo, config) as pools:
            store = PgKept(pools)
            await store.apply([put_of("x", 1, b"1")])
            await asyncio.to_thread(own.kill)
            for attempt in (store.find(by_id("x")), store.apply([put_of("x", 2)]), store.sweep()):
                with pytest.raises(StoreAway):
                    await attempt
            await asyncio.to_thread(own.start)
            async with asyncio.timeout(20):
                while True:
                    try:
                        found = await store.find(by_id("x"))
                        break
                    except StoreAway:
                        await asyncio.sleep(0.1)
            assert [b"1"] == [put.body for put in found.puts]


class Node:
    """A node's keep on this store; its journal is drained into it at will."""

    def __init__(self, store, writer):
        self.journal = []
        self.store = store
        self.keep = BufferedKeep(
            store, self.journal.append, writer=writer, stamps=MemoryStamps(), clock=time.monotonic, wall=time.time
        )

    async def drain(self):
        await self.store.apply([decode(frame) for frame in self.journal])


async def test_nodes_see_each_other_s_records(pools):
    """Puts, drops and lists, through the database, with the journals offered again and again."""
    store = PgKept(pools)
    one, other = Node(store, "n1"), Node(store, "n2")
    for name in "xyz":
        one.keep.put("k", "t", name, name.encode(), 60.0)
    await one.drain()
    assert [b"y"] == [put.body for put in (await other.keep.find(by_id("y", tenant=None))).puts]
    other.keep.drop("k", "t", "y", 60.0)
    other.keep.touch("k", "t", "x", 90.0)
    await other.drain()
    await one.drain()
    for node in (one, other, Node(store, "n3")):
        found = await node.keep.find(Sought(kinds=("k",), tenant="t"))
        assert (["z", "x"], True) == ([put.id for put in found.puts], found.complete)


async def test_a_frozen_server_holds_up_nobody_for_long():
    """Nothing answers and no connection breaks: the first look waits as long as it may, the next ones not at all."""
    with Server() as own:
        await migrate(own.conninfo)
        async with Pools(own.conninfo) as pools:
            store = PgKept(pools)
            await store.find(by_id("x"))
            node = Node(store, "n1")
            node.keep.put("k", "t", "x", b"1", 60.0)
            own.freeze()
            try:
                began = time.monotonic()
                found = [await node.keep.find(by_id("x")) for _ in range(3)]
                waited = time.monotonic() - began
            finally:
                own.thaw()
            assert [([b"1"], False)] * 3 == [([put.body for put in f.puts], f.complete) for f in found]
            assert 0.9 < waited < 2.5
            await node.keep.close()
