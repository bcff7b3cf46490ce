"""A real server for the whole run, and a database of its own for each test, copied from a migrated one."""

from __future__ import annotations

import asyncio
import itertools
import socket

import pytest
from psycopg.conninfo import make_conninfo

from llmgw_postgres.migrate import migrate
from llmgw_postgres.pools import Pools
from llmgw_postgres.store import PgEventStore
from llmgw_postgres.testing import Server

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def server():
    with Server() as server:
        server.execute("CREATE DATABASE migrated")
        asyncio.run(migrate(make_conninfo(server.conninfo, dbname="migrated")))
        yield server


@pytest.fixture
def nowhere():
    """An address where connections are refused: its port is taken, and nobody listens on it."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"host=127.0.0.1 port={taken.getsockname()[1]} user=gw password=canary dbname=gw"


@pytest.fixture
def empty(server):
    """The address of a database without the schema."""
    name = f"empty_{next(_numbers)}"
    server.execute(f"CREATE DATABASE {name}")
    yield make_conninfo(server.conninfo, dbname=name)
    server.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def database(server):
    """The address of a database with the schema."""
    name = f"test_{next(_numbers)}"
    server.execute(f"CREATE DATABASE {name} TEMPLATE migrated STRATEGY file_copy")
    yield make_conninfo(server.conninfo, dbname=name)
    server.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
async def pools(database):
    async with Pools(database) as pools:
        yield pools


@pytest.fixture
async def store(pools):
    async with PgEventStore(pools) as store:
        yield store
