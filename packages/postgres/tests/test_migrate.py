import asyncio

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from llmgw_eventstore import Cursor, StoreAway
from llmgw_eventstore.testing import make_events
from llmgw_postgres._binaries import BinariesMissing, find
from llmgw_postgres.errors import StatementRefused
from llmgw_postgres.migrate import Applied, SchemaMismatch, migrate, migrations, outstanding, parse
from llmgw_postgres.pools import Pools
from llmgw_postgres.projections import Projections
from llmgw_postgres.replicas import Replicas
from llmgw_postgres.store import PgEventStore
from llmgw_postgres.testing import Server
from llmgw_postgres.upkeep import upkeep

FIRST = parse("0001_first.sql", "CREATE TABLE llmgw.first (n integer)")
SECOND = parse("0002_second.sql", "-- why\n-- needs: 1\nCREATE TABLE llmgw.second (n integer)")


def known():
    """The migrations of this release, and one more after them."""
    return [*migrations(), parse("9000_later.sql", "CREATE TABLE llmgw.later (n integer)")]


def applied(migration):
    return Applied(migration.number, migration.name, migration.checksum, migration.needs)


def rows(conninfo, sql):
    with psycopg.connect(conninfo) as connection:
        return connection.execute(sql).fetchall()


def test_migrations_are_numbered_once_and_say_why():
    """Each file has a number of its own and begins with a comment."""
    numbers = [migration.number for migration in migrations()]
    assert sorted(set(numbers)) == numbers
    assert all(migration.sql.startswith("-- ") for migration in migrations())


def test_a_file_by_another_name_is_an_error():
    """A file that would be applied in no order is not passed over in silence."""
    with pytest.raises(ValueError, match="NNNN_name"):
        parse("add_index.sql", "")


def test_only_what_is_missing_is_outstanding():
    """Whatever was not applied yet is, in the order of numbers, also below one that was."""
    assert [FIRST, SECOND] == outstanding([FIRST, SECOND], [])
    assert [FIRST] == outstanding([FIRST, SECOND], [applied(SECOND)])
    assert [] == outstanding([FIRST, SECOND], [applied(FIRST), applied(SECOND)])


def test_a_newer_schema_that_still_fits_is_used():
    """The previous release runs beside the next one: a migration that it does not know is no reason to stop."""
    assert [] == outstanding([FIRST], [applied(FIRST), applied(SECOND)])


def test_a_newer_schema_that_does_not_fit_is_refused():
    """The error names the migration that is needed, and says what to do."""
    needy = Applied(3, "third", "x", needs=2)
    with pytest.raises(SchemaMismatch) as mismatch:
        outstanding([FIRST], [applied(FIRST), applied(SECOND), needy])
    assert "(migration 0003_third) needs a release that knows migration 0002" in str(mismatch.value)
    assert "upgrade this node" in str(mismatch.value)


def test_a_file_that_was_edited_is_refused():
    """What was applied stays as it was: a change is a new file."""
    with pytest.raises(SchemaMismatch, match="0001_first is not what was applied"):
        outstanding([FIRST], [Applied(1, "first", "other", None)])


async def test_a_database_is_brought_up_once(empty):
    """An empty database gets everything, a second run finds nothing to do, a later release adds its own."""
    assert [str(migration) for migration in migrations()] == await migrate(empty)
    assert [] == await migrate(empty)
    assert ["9000_later"] == await migrate(empty, known=known())
    assert [(len(migrations()) + 1,)] == rows(empty, "SELECT count(*) FROM llmgw.migrations")
    assert 3 <= rows(empty, "SELECT count(*) FROM pg_inherits WHERE inhparent = 'llmgw.fact_events'::regclass")[0][0]


async def test_processes_that_start_together_take_turns(empty):
    """Each migration is applied by exactly one of them, and none fails."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(migrate(empty)) for _ in range(4)]
    assert [str(migration) for migration in migrations()] == sorted(name for task in tasks for name in task.result())


async def test_a_migration_that_fails_leaves_nothing_of_itself(empty):
    """It is one transaction; those before it stay, and it is tried again by the next start."""
    broken = parse("9001_broken.sql", "CREATE TABLE llmgw.half (n integer); SELECT * FROM missing")
    with pytest.raises(StatementRefused):
        await migrate(empty, known=[*known(), broken])
    assert [("llmgw.later", None)] == rows(
        empty, "SELECT to_regclass('llmgw.later')::text, to_regclass('llmgw.half')::text"
    )
    with pytest.raises(StatementRefused):
        await migrate(empty, known=[*known(), broken])


async def test_a_server_that_is_away_is_told(nowhere):
    """Migrating is repeated later, as everything else."""
    with pytest.raises(StoreAway):
        await migrate(nowhere)


@pytest.mark.parametrize("major", [15, 18])
async def test_a_plain_role_needs_no_more_than_to_create(major):
    """It is no superuser, and may create in its database: that is enough for everything that the gateway does."""
    try:
        binaries = find(major)
    except BinariesMissing:
        pytest.skip(f"PostgreSQL {major} is not installed")
    with Server(binaries=binaries) as server:
        for statement in (
            "CREATE ROLE gateway LOGIN",
            "CREATE DATABASE gateway",
            "GRANT CREATE ON DATABASE gateway TO gateway",
        ):
            await asyncio.to_thread(server.execute, statement)
        conninfo = make_conninfo(server.conninfo, user="gateway", dbname="gateway")
        await migrate(conninfo)
        async with Pools(conninfo) as pools, PgEventStore(pools) as store, Replicas(pools, [conninfo]) as replicas:
            await store.append("fact", make_events([1]))
            assert await store.wait("fact", Cursor(), 10.0)
            assert 1 == len((await store.read("fact", Cursor(), 10)).events)
            await store.save_snapshot("a", Cursor(1, 1), b"body")
            assert [] == await upkeep(pools)
            assert 1 == await Projections(pools).advance()
            assert [] == await Projections(pools).replay(repair=True)
            assert "gateway" == await replicas.read(who)


async def who(connection):
    row = await (await connection.execute("SELECT current_user")).fetchone()
    return row[0]
