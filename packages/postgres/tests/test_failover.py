"""Servers that die: in the middle of a commit, with a standby that has heard everything, and with one that has not."""

from __future__ import annotations

import asyncio
import contextlib
import random
from contextlib import asynccontextmanager

import msgspec
import pytest
from psycopg.conninfo import make_conninfo

from llmgw_eventstore import Cursor, StoreAway, TimelineChanged
from llmgw_eventstore.testing import make_event, make_events, read_all
from llmgw_postgres.config import PostgresConfig
from llmgw_postgres.migrate import migrate
from llmgw_postgres.pools import Pools
from llmgw_postgres.replicas import Replicas
from llmgw_postgres.store import PgEventStore
from llmgw_postgres.testing import Server

CONFIG = PostgresConfig(checkout_seconds=1.0, append_seconds=1.0, replica_retry_seconds=0.2)


@asynccontextmanager
async def opened(*servers, writers=3, append_seconds=1.0):
    """A store that knows these servers and finds the primary among them."""
    conninfo = make_conninfo(
        host=",".join("127.0.0.1" for _ in servers),
        port=",".join(str(server.port) for server in servers),
        user="postgres",
        dbname="postgres",
    )
    config = msgspec.structs.replace(CONFIG, write_connections=writers, append_seconds=append_seconds)
    async with Pools(conninfo, config) as pools, PgEventStore(pools) as store:
        yield store


async def insist(store, events):
    """Append a batch again and again until it is acknowledged, as a spool is drained; gives how often it took."""
    for attempt in range(1, 200):
        try:
            await store.append("fact", events)
            return attempt
        except StoreAway:
            await asyncio.sleep(0.05)
    raise AssertionError("the store did not come back")


def numbers(stored):
    return [int(each.event.subject.removeprefix("request/")) for each in stored]


async def writing(store, batches, size=5, first=0):
    """A writer's whole work: each batch until it is acknowledged; gives how often one had to be repeated."""
    repeated = 0
    for batch in range(batches):
        start = first + batch * size
        repeated += await insist(store, make_events(range(start, start + size))) - 1
    return repeated


async def test_sessions_cut_in_the_middle_of_appends():
    """Backends are terminated at random moments: repeating the same batch stores each event exactly once."""
    with Server(tcp=True) as server:
        await migrate(server.conninfo)
        async with opened(server) as store, asyncio.TaskGroup() as group:
            writers = [group.create_task(writing(store, 40, first=writer * 200)) for writer in range(3)]
            cutting = group.create_task(cut_often(server))
            repeated = [await writer for writer in writers]
            cutting.cancel()
            found = numbers(await all_of(store))
    assert list(range(600)) == sorted(found)
    assert sum(repeated) > 0


async def cut_often(server):
    cut = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'llmgw'"
        " AND state <> 'idle' AND query NOT LIKE '%state_end%' LIMIT 1"
    )
    while True:
        await asyncio.to_thread(server.execute, cut)
        await asyncio.sleep(0.02)


async def test_a_server_killed_again_and_again():
    """SIGKILL to the whole server under load: nothing acknowledged is lost, nothing is there twice."""
    with Server(tcp=True) as server:
        await migrate(server.conninfo)
        async with opened(server) as store, asyncio.TaskGroup() as group:
            writers = [group.create_task(writing(store, 60, first=writer * 300)) for writer in range(3)]
            for _ in range(2):
                await asyncio.sleep(0.15)
                await asyncio.to_thread(server.kill)
                await asyncio.to_thread(server.start)
            repeated = [await writer for writer in writers]
            found = numbers(await all_of(store))
    assert list(range(900)) == sorted(found)
    assert sum(repeated) > 0


async def test_a_commit_that_no_standby_confirms_is_no_success():
    """With the synchronous standby frozen, neither an append nor its repetition is acknowledged, until it is back."""
    with Server(tcp=True) as primary:
        await migrate(primary.conninfo)
        with Server.replica_of(primary, synchronous=True) as standby:
            # One connection, so that the repetition has nothing of its own to write.
            async with opened(primary, writers=1, append_seconds=0.4) as store:
                await store.append("fact", make_events([1]))
                await asyncio.to_thread(standby.freeze)
                for _ in range(2):
                    with pytest.raises(StoreAway, match="a synchronous standby is away"):
                        await store.append("fact", make_events([2]))
                await asyncio.to_thread(standby.thaw)
                assert 2 == (await store.append("fact", make_events([2, 3, 4]))).fresh
                assert [1, 2, 3, 4] == numbers(await read_all(store, "fact"))


async def test_a_wait_for_the_standby_that_someone_cancels_is_no_success():
    """PostgreSQL then commits on the primary alone and only warns: the append must not be taken for done."""
    waiting = "FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
    with Server(tcp=True) as primary:
        await migrate(primary.conninfo)
        with Server.replica_of(primary, synchronous=True) as standby:
            async with opened(primary) as store:
                await store.append("fact", [])
                await asyncio.to_thread(standby.freeze)
                async with asyncio.TaskGroup() as group:
                    appending = group.create_task(attempt(store, make_events([1])))
                    await asyncio.to_thread(primary._until, f"SELECT count(*) = 1 {waiting}")
                    await asyncio.to_thread(primary.execute, f"SELECT pg_cancel_backend(pid) {waiting}")
                assert "PostgreSQL committed a batch on the primary alone" in appending.result()
                await asyncio.to_thread(standby.thaw)
                assert 0 == (await store.append("fact", make_events([1]))).fresh


async def test_a_server_killed_in_the_middle_of_a_commit():
    """The commit is written and not yet told: the batch is there after the restart, and its repetition adds nothing."""
    with Server(tcp=True) as primary:
        await migrate(primary.conninfo)
        with Server.replica_of(primary, synchronous=True) as standby:
            async with opened(primary, append_seconds=20.0) as store:
                await store.append("fact", make_events([1]))
                await asyncio.to_thread(standby.freeze)
                async with asyncio.TaskGroup() as group:
                    appending = group.create_task(attempt(store, make_events([2, 3])))
                    committing = "SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
                    await asyncio.to_thread(primary._until, committing)
                    await asyncio.to_thread(primary.kill)
                assert "PostgreSQL is away" in appending.result()
                await asyncio.to_thread(standby.thaw)
                await asyncio.to_thread(primary.start)
                assert [1, 2, 3] == numbers(await all_of(store))
                await insist(store, make_events([2, 3, 4]))
                assert [1, 2, 3, 4] == numbers(await all_of(store))


async def attempt(store, events):
    try:
        return f"{await store.append('fact', events)}"
    except StoreAway as away:
        return str(away)


async def test_a_synchronous_standby_takes_over_without_loss():
    """The primary dies under load, the standby is promoted: what was acknowledged is there, repeats are harmless."""
    with Server(tcp=True) as primary:
        await migrate(primary.conninfo)
        with Server.replica_of(primary, synchronous=True) as standby:
            async with opened(primary, standby) as store, asyncio.TaskGroup() as group:
                acknowledged = []
                writers = [group.create_task(writing_down(store, acknowledged, writer)) for writer in range(3)]
                await asyncio.sleep(0.2)
                await asyncio.to_thread(primary.kill)
                before = list(acknowledged)
                await asyncio.to_thread(standby.promote)
                there = set(numbers(await all_of(store)))
                for writer in writers:
                    await writer
                found = numbers(await read_all(store, "fact"))
    assert before
    assert set(before) <= there
    assert list(range(300)) == sorted(found)


async def writing_down(store, acknowledged, writer):
    for batch in range(20):
        mine = range(writer * 100 + batch * 5, writer * 100 + batch * 5 + 5)
        await insist(store, make_events(mine))
        acknowledged.extend(mine)


async def all_of(store):
    """Everything, from a store that may still be on its way to the new primary."""
    async with asyncio.timeout(20):
        while True:
            try:
                return await read_all(store, "fact")
            except (StoreAway, TimelineChanged):
                await asyncio.sleep(0.05)


class Reader:
    """Follows the log as the gateway does: across a changed timeline it goes on from what is in common."""

    def __init__(self, store, before=None):
        self._store = store
        self.cursor = before.cursor if before else Cursor()
        self.seen = before.seen if before else []
        self.changes = before.changes if before else 0

    async def follow(self):
        """Until it is cancelled."""
        while True:
            await self.drain()
            await asyncio.sleep(0.01)

    async def drain(self):
        """Up to the end of the log."""
        while True:
            try:
                page = await self._store.read("fact", self.cursor, 10)
            except StoreAway:
                # The first call after a failover finds out that its connection is dead.
                await asyncio.sleep(0.05)
                continue
            except TimelineChanged:
                self.changes += 1
                self.cursor = await self._store.common("fact", self.cursor)
                continue
            self.seen += page.events
            self.cursor = page.cursor
            if not page.events:
                return


async def test_a_standby_that_lagged_takes_over():
    """It has lost the newest events, and gives their positions to others; after they are offered again, no reader has
    missed one, though each of them thought that it was past those positions."""
    with Server(tcp=True) as primary:
        await migrate(primary.conninfo)
        with Server.replica_of(primary) as standby:
            async with opened(primary, standby) as store:
                await store.append("fact", make_events(range(10)))
                early, late = Reader(store), Reader(store)
                await early.drain()
                await asyncio.to_thread(standby.catch_up)
                await asyncio.to_thread(standby.pause_streaming)
                lost = make_events(range(10, 100))
                await store.append("fact", lost)
                await late.drain()
                old = late.cursor
                await asyncio.to_thread(primary.kill)
                await asyncio.to_thread(standby.promote)

                with pytest.raises(StoreAway):
                    await store.append("fact", make_events(range(100, 180)))
                assert 80 == (await store.append("fact", make_events(range(100, 180)))).fresh
                assert await store.wait("fact", old, 10.0)
                await late.drain()
                assert 90 == (await store.append("fact", lost)).fresh
                await late.drain()
                await early.drain()

                log = await read_all(store, "fact")
                reused = {each.position for each in late.seen[:100]} & {each.position for each in log[10:]}
    assert reused
    assert list(range(180)) == sorted(numbers(log))
    assert log == early.seen
    assert log == late.seen[100:] or log == late.seen[:10] + late.seen[100:]
    assert (1, 1) == (early.changes, late.changes)


async def test_two_standbys_that_know_nothing_of_each_other():
    """Both take over from the same primary, one after the other, on the same timeline of the server's: a reader of the
    first must not take the second for it."""
    timeline = "SELECT left(pg_walfile_name(pg_current_wal_lsn()), 8)"
    with Server(tcp=True) as primary:
        await migrate(primary.conninfo)
        with Server.replica_of(primary, name="first") as first, Server.replica_of(primary, name="second") as second:
            async with opened(primary, first, second) as store:
                await store.append("fact", make_events(range(5)))
                await asyncio.to_thread(first.catch_up)
                await asyncio.to_thread(second.catch_up)
                await asyncio.to_thread(second.pause_streaming)
                await asyncio.to_thread(primary.kill)
                await asyncio.to_thread(first.promote)
                timelines = [first.execute(timeline)[0][0]]
                reader = Reader(store)
                await insist(store, make_events(range(5, 30)))
                await reader.drain()
                await asyncio.to_thread(first.kill)
                await asyncio.to_thread(second.promote)
                timelines.append(second.execute(timeline)[0][0])
                await insist(store, make_events(range(30, 90)))
                await reader.drain()
                log = await read_all(store, "fact")
    assert ["00000002", "00000002"] == timelines
    assert list(range(5)) + list(range(30, 90)) == numbers(log)
    assert log == reader.seen[-len(log) :]
    assert 1 == reader.changes


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", range(3))
async def test_one_failover_after_another(seed):
    """Six times under load a lagging standby takes over. Nodes offer again what they keep, and in the end each event is
    in the log once, and a reader that followed all the time has seen each, the last log in its order."""
    rand = random.Random(seed)
    async with contextlib.AsyncExitStack() as stack:
        primary = stack.enter_context(Server(tcp=True))
        await migrate(primary.conninfo)
        kept, lost, reader = [], 0, None
        for turn in range(6):
            standby = stack.enter_context(await asyncio.to_thread(started, primary))
            async with opened(primary, standby) as store:
                reader = Reader(store, reader)
                async with asyncio.TaskGroup() as group:
                    following = group.create_task(reader.follow())
                    writing_on = group.create_task(node(store, kept, turn))
                    await asyncio.sleep(rand.random())
                    await asyncio.to_thread(standby.pause_streaming)
                    await asyncio.sleep(rand.random() / 2)
                    await asyncio.to_thread(primary.kill)
                    await asyncio.sleep(rand.random() / 2)
                    await asyncio.to_thread(standby.promote)
                    await writing_on
                    lost += (await store.append("fact", make_events(kept))).fresh
                    following.cancel()
                await reader.drain()
                assert turn + 1 == reader.changes
                log = await all_of(store)
                assert sorted(kept) == sorted(numbers(log))
                assert set(kept) == set(numbers(reader.seen))
            primary = standby
        assert lost > 0


def started(primary):
    return Server.replica_of(primary)


async def node(store, kept, turn):
    """Writes for as long as a turn may last, and remembers what was acknowledged."""
    for batch in range(150):
        mine = range((turn * 150 + batch) * 3, (turn * 150 + batch) * 3 + 3)
        await insist(store, make_events(mine))
        kept.extend(mine)
        await asyncio.sleep(0.01)


async def test_reads_and_writes_go_on_through_the_loss_of_each_server():
    """A replica is lost and comes back, the primary is lost and the replica promoted: dashboards and appends go on."""
    with Server(tcp=True) as primary:
        await migrate(primary.conninfo)
        with Server.replica_of(primary) as replica:
            async with opened(primary, replica) as store, Replicas(store._pools, [replica.conninfo]) as replicas:
                lsn = (await store.append("fact", make_events([1]))).lsn
                await asyncio.to_thread(replica.catch_up)
                assert ("replica", 1) == await replicas.read(where, lsn)
                await asyncio.to_thread(replica.kill)
                lsn = (await store.append("fact", make_events([2]))).lsn
                assert ("primary", 2) == await replicas.read(where, lsn)
                await asyncio.to_thread(replica.start)
                await asyncio.to_thread(replica.catch_up)
                await asyncio.to_thread(primary.kill)
                assert ("replica", 2) == await replicas.read(where, lsn)
                await asyncio.to_thread(replica.promote)
                await insist(store, make_events([3]))
                assert ("replica", 3) == await replicas.read(where)


async def where(connection):
    rows = await connection.execute("SELECT current_setting('cluster_name'), count(*) FROM llmgw.fact_events")
    return await rows.fetchone()


async def test_a_full_disk_is_a_store_that_is_away():
    """Nothing is half stored, and when there is room again the same batch goes in once."""
    from llmgw_postgres.testing import has_mounts

    if not has_mounts():
        pytest.skip("needs a file system of its own")
    with Server(tcp=True, disk_bytes=160 * 2**20) as server:
        await migrate(server.conninfo)
        async with opened(server) as store:
            await store.append("fact", make_events([1]))
            await asyncio.to_thread(server.fill_disk)
            large = [make_event(number, body="x" * 100_000) for number in range(2, 400)]
            with pytest.raises(StoreAway):
                await store.append("fact", large)
            await asyncio.to_thread(server.empty_disk)
            if not server.running:
                await asyncio.to_thread(server.start)
            await insist(store, large)
            assert list(range(1, 400)) == numbers(await read_all(store, "fact"))
