import asyncio
import time

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from llmgw_eventstore import StoreAway
from llmgw_postgres.config import PostgresConfig
from llmgw_postgres.errors import StatementRefused
from llmgw_postgres.pools import Connector, Pools
from llmgw_postgres.testing import Server


async def one(pool, sql, *parameters):
    async with pool.connection() as connection:
        row = await (await connection.execute(sql, parameters or None)).fetchone()
        return row and row[0]


async def test_every_connection_has_its_limits_set(database):
    """The server itself ends long statements and idle transactions, by the pool's own limits."""
    config = PostgresConfig(read_seconds=2, write_seconds=7, idle_in_transaction_seconds=3)
    async with Pools(database, config) as pools:
        assert "2s" == await one(pools.reads, "SHOW statement_timeout")
        assert "7s" == await one(pools.writes, "SHOW statement_timeout")
        assert "3s" == await one(pools.writes, "SHOW idle_in_transaction_session_timeout")


async def test_a_statement_that_takes_too_long_is_a_store_that_is_away(database):
    """The server cancels it; the connection stays good."""
    async with Pools(database, PostgresConfig(read_seconds=0.1, read_connections=1)) as pools:
        backend = await one(pools.reads, "SELECT pg_backend_pid()")
        with pytest.raises(StoreAway, match="statement timeout"):
            await one(pools.reads, "SELECT pg_sleep(10)")
        assert backend == await one(pools.reads, "SELECT pg_backend_pid()")


async def test_a_use_that_takes_too_long_is_a_store_that_is_away(database):
    """However many statements it is made of; the connection is good again."""
    config = PostgresConfig(read_seconds=0.2, checkout_seconds=0.2, read_connections=1)
    async with Pools(database, config) as pools:
        backend = await one(pools.reads, "SELECT pg_backend_pid()")
        with pytest.raises(StoreAway, match=r"did not finish within 0\.4 s"):  # noqa: PT012  -- many, not one
            async with pools.reads.connection() as connection:
                for _ in range(10):
                    await connection.execute("SELECT pg_sleep(0.1)")
        assert backend == await one(pools.reads, "SELECT pg_backend_pid()")


@pytest.mark.slow
async def test_a_frozen_server_is_a_store_that_is_away():
    """It ends no statement, and takes no cancellation: the wait is over all the same, and the pool recovers."""
    with Server() as server:
        async with Pools(server.conninfo, PostgresConfig(read_seconds=0.5, checkout_seconds=0.5)) as pools:
            await one(pools.reads, "SELECT 1")
            await asyncio.to_thread(server.freeze)
            began = time.monotonic()
            with pytest.raises(StoreAway):
                await one(pools.reads, "SELECT 1")
            assert time.monotonic() - began < 12
            await asyncio.to_thread(server.thaw)
            assert 1 == await one(pools.reads, "SELECT 1")


async def test_a_server_that_is_not_there_is_told_with_the_reason(nowhere):
    """Opening waits for nothing; a checkout fails in its own time and says what the last attempt met."""
    config = PostgresConfig(checkout_seconds=0.3)
    async with Pools(nowhere, config) as pools:
        with pytest.raises(StoreAway, match="Connection refused") as away:
            await one(pools.reads, "SELECT 1")
    assert "canary" not in str(away.value)


async def test_all_connections_in_use_is_told_as_such(database):
    """A pool that is exhausted is not a server that is down."""
    config = PostgresConfig(read_connections=1, checkout_seconds=0.2)
    async with Pools(database, config) as pools, pools.reads.connection():
        with pytest.raises(StoreAway, match="every connection is in use"):
            await one(pools.reads, "SELECT 1")


@pytest.mark.parametrize("address", ["postgresql://gw:canary secret@h:port/db", "password='canary", "canary"])
async def test_an_address_that_makes_no_sense_is_not_quoted(address):
    """libpq quotes what it can't read, and that may be the password."""
    connector = Connector(address, PostgresConfig(), statement_seconds=1)
    with pytest.raises(psycopg.OperationalError) as error:
        await connector.connect()
    assert "database.url is no libpq URI or keyword string" == str(error.value)
    assert error.value.__suppress_context__


async def test_the_address_may_be_asked_for_at_each_connect(database):
    """Passwords rotate: a callable, plain or async, is called for every connection."""
    calls = []

    def plain():
        calls.append("plain")
        return database

    async def awaited():
        calls.append("awaited")
        return database

    for conninfo in (plain, awaited):
        async with Pools(conninfo, PostgresConfig(read_connections=1, write_connections=1)) as pools:
            assert 1 == await one(pools.reads, "SELECT 1")
            assert 1 == await one(pools.writes, "SELECT 1")
    assert ["plain", "plain", "awaited", "awaited"] == calls


async def test_an_address_that_can_not_be_had_is_a_store_that_is_away():
    """Whoever gives the addresses may fail; it is asked again, and its text is not shown."""

    def asked():
        raise RuntimeError("no canary today")

    async with Pools(asked, PostgresConfig(checkout_seconds=0.2)) as pools:
        with pytest.raises(StoreAway, match=r"database\.url can't be had: RuntimeError") as away:
            await one(pools.reads, "SELECT 1")
    assert "canary" not in str(away.value)


async def test_a_refused_statement_leaves_the_connection_usable(database):
    """A transaction that is left open is rolled back, and the error says what is wrong."""
    async with Pools(database, PostgresConfig(read_connections=1)) as pools:
        backend = await one(pools.reads, "SELECT pg_backend_pid()")
        with pytest.raises(StatementRefused, match="run `gateway migrate`"):
            await one(pools.reads, "SELECT * FROM nothing_here")
        assert backend == await one(pools.reads, "SELECT pg_backend_pid()")


async def test_after_a_restart_one_call_fails_and_not_one_for_each_connection():
    """The first error condemns the other connections to that server, which are made anew."""
    with Server() as server:
        async with Pools(server.conninfo, PostgresConfig(read_connections=4)) as pools:
            async with asyncio.TaskGroup() as group:
                for _ in range(4):
                    group.create_task(one(pools.reads, "SELECT pg_sleep(0.1)"))
            await asyncio.to_thread(server.restart)
            with pytest.raises(StoreAway):
                await one(pools.reads, "SELECT 1")
            assert [1] * 8 == [await one(pools.reads, "SELECT 1") for _ in range(8)]


async def test_the_primary_is_found_among_several_hosts():
    """Of the hosts named, the one that takes writes is used, and after a promotion the other one."""
    with Server(tcp=True) as primary, Server.replica_of(primary) as replica:
        both = make_conninfo(
            host="127.0.0.1,127.0.0.1", port=f"{replica.port},{primary.port}", user="postgres", dbname="postgres"
        )
        async with Pools(both) as pools:
            assert primary.port == int(await one(pools.reads, "SHOW port"))
            await asyncio.to_thread(primary.kill)
            await asyncio.to_thread(replica.promote)
            with pytest.raises(StoreAway):
                await one(pools.reads, "SELECT 1")
            assert replica.port == int(await one(pools.reads, "SHOW port"))
            assert "<Pool llmgw-reads" in repr(pools.reads)
