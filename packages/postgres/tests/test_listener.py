import asyncio

import pytest

from llmgw_eventstore import Cursor, StoreAway
from llmgw_eventstore.testing import make_events
from llmgw_postgres.config import PostgresConfig
from llmgw_postgres.listener import Listener
from llmgw_postgres.pools import Connector, Pools


def listener(database, poll_seconds):
    return Listener(Connector(database, PostgresConfig(), statement_seconds=5), poll_seconds)


async def test_a_notification_wakes_long_before_the_next_look(database, store):
    """With a poll once an hour, an append of another process is noticed at once."""
    end = (await store.append("fact", make_events([1]))).cursor
    async with listener(database, 3600.0) as listening:
        assert await listening.wait("fact", Cursor(), 10.0)
        assert not await listening.wait("fact", end, 0.05)
        async with asyncio.timeout(10), asyncio.TaskGroup() as group:
            waiting = group.create_task(listening.wait("fact", end, 60.0))
            other = group.create_task(listening.wait("state", Cursor(), 0.5))
            await store.append("fact", make_events([2]))
        assert (True, False) == (waiting.result(), other.result())


async def test_what_is_not_notified_is_found_by_looking(database, store, server):
    """A row that came without a notification is seen by the next poll."""
    end = (await store.append("fact", make_events([1]))).cursor
    async with listener(database, 0.1) as listening:
        assert not await listening.wait("fact", end, 0.3)
        async with asyncio.timeout(10), asyncio.TaskGroup() as group:
            waiting = group.create_task(listening.wait("fact", end, 60.0))
            async with Pools(database) as pools, pools.writes.connection() as connection:
                await connection.execute("UPDATE llmgw.fact_events SET position = position + 1")
        assert waiting.result()


async def test_a_lost_connection_is_made_again(database, store, server):
    """The listener comes back by itself, and sees what happened meanwhile."""
    end = (await store.append("fact", make_events([1]))).cursor
    async with listener(database, 3600.0) as listening:
        assert await listening.wait("fact", Cursor(), 10.0)
        # The pools' last statement is another one: only those who listen are cut off, and lose the notification.
        cut = "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity WHERE query LIKE '%AS state_end%'"
        assert [(2,)] == await asyncio.to_thread(server.execute, f"{cut} AND pid <> pg_backend_pid()")
        await store.append("fact", make_events([2]))
        assert await listening.wait("fact", end, 10.0)


async def test_a_notification_of_someone_else_harms_no_one(database, store, server):
    """Any user of the database may notify anything on any channel; what is no position is passed over."""
    end = (await store.append("fact", make_events([1]))).cursor
    async with listener(database, 3600.0) as listening:
        assert await listening.wait("fact", Cursor(), 10.0)
        async with Pools(database) as pools, pools.writes.connection() as connection:
            for payload in ("", "soon", "-1", "1.5", "9" * 30):
                await connection.execute("SELECT pg_notify('llmgw_state', %s)", (payload,))
        await store.append("fact", make_events([2]))
        assert await listening.wait("fact", end, 10.0)


async def test_waiting_for_a_server_that_is_away_says_so(nowhere):
    """No silence: the wait ends in `StoreAway` with the reason, when its time has passed."""
    async with Listener(Connector(nowhere, PostgresConfig(), statement_seconds=1), 1.0) as listening:
        with pytest.raises(StoreAway, match="Connection refused"):
            await listening.wait("fact", Cursor(), 0.3)
        assert "Connection refused" in repr(listening)
