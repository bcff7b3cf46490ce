"""The database of a node: none, one that is away, and a real one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

import msgspec
import pytest

from llmgw_domain import Event, uuid7
from llmgw_eventstore import Cursor, StoreAway
from llmgw_gateway.state.log import open_database
from llmgw_postgres.config import PostgresConfig
from llmgw_postgres.testing import Server

CONFIG = PostgresConfig(connect_seconds=1, checkout_seconds=0.2)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server() as server:
        yield server


def event(number: int) -> Event:
    return Event(
        id=uuid7(time.time(), number),
        hlc=int(time.time() * 1000) << 16,
        node="n",
        v=1,
        kind="state.written",
        tenant="",
        actor="system",
        cause=None,
        subject="policy/p",
        body=msgspec.Raw(b"{}"),
    )


async def test_without_a_database_everything_is_taken_and_forgotten() -> None:
    """A node without one needs no other code than one with it."""
    async with open_database(None, [], CONFIG) as database:
        assert database.prepared.is_set()
        assert 1 == (await database.store.append("state", [event(1)])).fresh
        assert () == (await database.store.read("state", Cursor(), 10)).events
        assert not await database.store.wait("state", Cursor(), 0.001)
        await database.store.save_snapshot("s", Cursor(), b"")
        assert await database.store.load_snapshot("s") is None
        assert database.replicas is None
        assert {} == await database.find_pins(["0" * 32])


async def test_one_that_is_away_holds_up_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """Opening and closing take no time, and its store says that it is away."""
    began = time.monotonic()
    async with open_database("host=127.0.0.1 port=1 user=x password=hunter2", [], CONFIG) as database:
        assert time.monotonic() - began < 0.5
        with pytest.raises(StoreAway):
            await database.store.append("state", [event(1)])
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await database.find_pins(["0" * 32])
        assert not database.prepared.is_set()
    assert "hunter2" not in caplog.text


async def test_a_real_one_is_prepared_when_it_comes(server: Server) -> None:
    """Also if it comes later than the gateway: the schema is made then."""
    server.stop()
    async with open_database(server.conninfo, [], CONFIG) as database:
        await asyncio.sleep(0.3)
        assert not database.prepared.is_set()
        await asyncio.to_thread(server.start)
        async with asyncio.timeout(20):
            await database.prepared.wait()
        assert 1 == (await database.store.append("state", [event(2)])).fresh
