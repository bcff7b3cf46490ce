import psycopg

from llmgw_eventstore import Cursor
from llmgw_eventstore.testing import make_events
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
