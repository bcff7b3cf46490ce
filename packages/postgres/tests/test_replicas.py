"""Reads on a real primary with real streaming replicas."""

from __future__ import annotations

import asyncio

import pytest

from llmgw_eventstore import StoreAway
from llmgw_eventstore.testing import make_events
from llmgw_postgres.config import PostgresConfig
from llmgw_postgres.migrate import migrate
from llmgw_postgres.pools import Pools
from llmgw_postgres.replicas import Replicas
from llmgw_postgres.store import PgEventStore
from llmgw_postgres.testing import Server

CONFIG = PostgresConfig(replica_retry_seconds=0.5, checkout_seconds=0.4)


@pytest.fixture(scope="module")
def cluster():
    """A primary and its replica; tests leave both as they were."""
    with Server() as primary:
        asyncio.run(migrate(primary.conninfo))
        with Server.replica_of(primary) as replica:
            yield primary, replica


@pytest.fixture
async def pools(cluster):
    async with Pools(cluster[0].conninfo, CONFIG) as pools:
        yield pools


@pytest.fixture
async def replicas(pools, cluster):
    async with Replicas(pools, [cluster[1].conninfo]) as replicas:
        yield replicas


async def where(connection):
    """On which server a read is done, and how many events it sees."""
    rows = await connection.execute("SELECT current_setting('cluster_name'), count(*) FROM llmgw.fact_events")
    return await rows.fetchone()


async def test_reads_go_to_the_replica(replicas):
    """As long as it streams, the primary is left in peace."""
    assert ["replica"] * 3 == [(await replicas.read(where))[0] for _ in range(3)]
    assert [3] == [replica.reads for replica in replicas.replicas]


async def test_without_replicas_the_primary_is_read(pools):
    """Replicas are an option."""
    async with Replicas(pools, []) as replicas:
        assert "primary" == (await replicas.read(where))[0]


async def test_own_writes_are_seen_at_once(pools, replicas):
    """After each append, a read with its place in the write-ahead log sees it, wherever it is done."""
    async with PgEventStore(pools) as store:
        before = (await replicas.read(where))[1]
        seen = []
        for number in range(20):
            appended = await store.append("fact", make_events([number]))
            seen.append((await replicas.read(where, appended.lsn))[1])
    assert list(range(before + 1, before + 21)) == seen
    assert any(replica.reads for replica in replicas.replicas)


async def test_a_replica_that_is_behind_is_waited_for_a_moment(pools, replicas, cluster):
    """Replay stands still: the reader with a write goes to the primary, one without gets the replica's past."""
    replica = cluster[1]
    async with PgEventStore(pools) as store:
        await asyncio.to_thread(replica.pause_replay)
        appended = await store.append("fact", make_events([100]))
        assert "primary" == (await replicas.read(where, appended.lsn))[0]
        assert "replica" == (await replicas.read(where))[0]
        await asyncio.to_thread(replica.resume_replay)
        await asyncio.to_thread(replica.catch_up)
        assert "replica" == (await replicas.read(where, appended.lsn))[0]


async def test_a_replica_that_does_not_stream_is_not_read(replicas, cluster):
    """It shows the past for an unknown time; once it hears from its primary again, it is read again."""
    replica = cluster[1]
    await asyncio.to_thread(replica.pause_streaming)
    assert "primary" == (await replicas.read(where))[0]
    await asyncio.to_thread(replica.resume_streaming)
    assert "replica" == (await replicas.read(where))[0]


async def test_a_replica_that_is_away_is_left_out_and_tried_again(replicas, cluster):
    """Its loss costs a reader nothing but the way to the primary; when it is back, it is read again."""
    replica = cluster[1]
    await replicas.read(where)
    await asyncio.to_thread(replica.kill)
    assert ["primary"] * 5 == [(await replicas.read(where))[0] for _ in range(5)]
    await asyncio.to_thread(replica.start)
    await asyncio.to_thread(replica._until, "SELECT count(*) = 1 FROM pg_stat_wal_receiver")
    await asyncio.sleep(CONFIG.replica_retry_seconds)
    assert "replica" == (await replicas.read(where))[0]


async def test_while_the_primary_is_away_the_replica_answers(replicas, cluster):
    """An old picture is better than none, but never older than what its reader wrote."""
    primary, replica = cluster
    written = (await asyncio.to_thread(primary.execute, "SELECT pg_current_wal_insert_lsn()::text"))[0][0]
    await asyncio.to_thread(replica.catch_up)
    await asyncio.to_thread(primary.kill)
    await asyncio.to_thread(replica._until, "SELECT count(*) = 0 FROM pg_stat_wal_receiver")
    try:
        assert "replica" == (await replicas.read(where))[0]
        assert "replica" == (await replicas.read(where, written))[0]
        with pytest.raises(StoreAway):
            await replicas.read(where, "FF/0")
    finally:
        await asyncio.to_thread(primary.start)
