import asyncio

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from llmgw_eventstore import Cursor, TimelineChanged
from llmgw_eventstore.testing import make_events
from llmgw_postgres.pools import Pools
from llmgw_postgres.store import PgEventStore
from llmgw_postgres.timelines import claim, ends


def elsewhere(database):
    """As if the log had come to another server: a standby that took over, or a restored dump."""
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("UPDATE llmgw.timelines SET place = 'elsewhere/' || timeline WHERE place NOT LIKE 'else%'")


async def test_a_place_has_one_timeline(pools, store):
    """Claiming again changes nothing."""
    async with pools.writes.connection() as connection:
        first = await ends(connection)
        await claim(connection)
        assert first == await ends(connection)
        assert 1 == first["fact"].timeline >> 32


async def test_another_place_is_a_later_timeline(database, pools, store):
    """It is greater than the one before it, so cursors stay ordered, and it remembers what both have in common."""
    old = (await store.append("fact", make_events(range(5)))).cursor
    elsewhere(database)
    new = (await store.append("fact", make_events(range(5, 8)))).cursor
    assert old < new
    assert (old.timeline >> 32) + 1 == new.timeline >> 32
    async with pools.reads.connection() as connection:
        rows = await connection.execute("SELECT state_position, fact_position FROM llmgw.timelines ORDER BY timeline")
        assert [(0, 0), (0, old.position)] == await rows.fetchall()


async def test_a_cursor_holds_as_far_as_the_logs_are_the_same(database, store):
    """A reader that was behind the parting stays where it is, one that was past it goes back to it."""
    old = (await store.append("fact", make_events(range(5)))).cursor
    elsewhere(database)
    middle = (await store.append("fact", make_events(range(5, 8)))).cursor
    elsewhere(database)
    new = (await store.append("fact", make_events([9]))).cursor
    timeline = new.timeline
    assert Cursor(timeline, 3) == await store.common("fact", Cursor(old.timeline, 3))
    assert Cursor(timeline, old.position) == await store.common("fact", Cursor(old.timeline, old.position + 40))
    assert Cursor(timeline, middle.position) == await store.common("fact", Cursor(middle.timeline, 10**6))
    assert new == await store.common("fact", new)


async def test_a_cursor_of_an_unknown_timeline_holds_nowhere(store):
    """A standby that had not heard of it may have parted anywhere: its reader begins again."""
    end = (await store.append("fact", make_events(range(5)))).cursor
    assert Cursor(end.timeline, 0) == await store.common("fact", Cursor(end.timeline + 1, 3))


async def test_a_copy_of_the_database_has_a_timeline_of_its_own(database, server):
    """A restored dump goes on apart from its original: what both held is common, what came later is not."""
    async with Pools(database) as pools, PgEventStore(pools) as store:
        shared = (await store.append("fact", make_events(range(3)))).cursor
    name = conninfo_to_dict(database)["dbname"]
    await asyncio.to_thread(server.execute, f"CREATE DATABASE {name}_copy TEMPLATE {name}")
    copy = make_conninfo(database, dbname=f"{name}_copy")
    async with Pools(database) as pools, PgEventStore(pools) as store:
        ahead = (await store.append("fact", make_events(range(3, 6)))).cursor
        assert shared.timeline == ahead.timeline
    async with Pools(copy) as pools, PgEventStore(pools) as store:
        with pytest.raises(TimelineChanged):
            await store.read("fact", ahead, 10)
        common = await store.common("fact", ahead)
        assert shared.position == common.position
        assert [] == list((await store.read("fact", common, 10)).events)
        new = (await store.append("fact", make_events(range(10, 13)))).cursor
        assert ahead.position == new.position
        assert 3 == len((await store.read("fact", common, 10)).events)
    await asyncio.to_thread(server.execute, f"DROP DATABASE {name}_copy WITH (FORCE)")


async def test_a_log_that_was_put_back_has_a_new_timeline(database, store):
    """A reader that is further than the log reaches is not left waiting until its position is given away."""
    await store.append("fact", make_events(range(3)))
    ahead = (await store.append("fact", make_events(range(3, 6)))).cursor
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("DELETE FROM llmgw.fact_events WHERE position > 3")
        connection.execute("SELECT setval('llmgw.fact_position', 3)")
    with pytest.raises(TimelineChanged):
        await store.read("fact", ahead, 10)
    new = (await store.append("fact", make_events(range(6, 20)))).cursor
    assert (ahead.timeline >> 32) + 1 == new.timeline >> 32
    with pytest.raises(TimelineChanged):
        await store.read("fact", ahead, 10)
    common = await store.common("fact", ahead)
    assert (new.timeline, 3) == (common.timeline, common.position)
    assert 14 == len((await store.read("fact", common, 20)).events)


async def test_a_reader_at_the_end_begins_no_timeline(store):
    """Reading again and again at the end of the log changes nothing."""
    end = (await store.append("fact", make_events(range(3)))).cursor
    for _ in range(3):
        assert end == (await store.read("fact", end, 10)).cursor
    assert end.timeline == (await store.append("fact", make_events([3]))).cursor.timeline
