import asyncio
import errno
import gc

import pytest

from llmgw_eventstore import StoreAway
from llmgw_eventstore import decode as decode_event
from llmgw_eventstore import encode as encode_event
from llmgw_eventstore.spool import Spool, SpoolCursor, SpoolFull, SpoolReader
from llmgw_eventstore.testing import make_event
from llmgw_relay.buffered import BufferedKeep
from llmgw_relay.keep import Drop, Found, Put, Sought, Touch, decode, is_change
from llmgw_relay.memory_kept import MemoryKept
from llmgw_relay.testing import MemoryStamps, by_id, drop_of

LIST = Sought(kinds=("k",), tenant="t")


class Far:
    """A store that can be away, and slow."""

    def __init__(self, wall):
        self.kept = MemoryKept(wall)
        self.away = False
        self.hang = False
        self.asked = 0

    async def find(self, sought):
        self.asked += 1
        if self.hang:
            await asyncio.Event().wait()
        if self.away:
            raise StoreAway
        return await self.kept.find(sought)


class Bench:
    """Nodes on one store, each with a journal that can be drained into it."""

    def __init__(self):
        self.now = 0.0
        self.far = Far(self.wall)
        self.journal = []

    def wall(self):
        return 1e9 + self.now

    def node(self, writer="n1", store=None, journal=None, **options):
        stamps = MemoryStamps()
        arguments = {"writer": writer, "stamps": stamps, "clock": lambda: self.now, "wall": self.wall, **options}
        return BufferedKeep(store or self.far, journal or self.journal.append, **arguments)

    async def drain(self):
        await self.far.kept.apply([decode(frame) for frame in self.journal])


async def bodies(keep, sought):
    return [put.body for put in (await keep.find(sought)).puts]


async def test_what_is_put_is_in_the_journal_and_found_at_once():
    """Long before the store has it; and once it has, it is there once."""
    bench = Bench()
    keep = bench.node()
    keep.put("k", "t", "x", b"1", 60.0)
    keep.touch("k", "t", "x", 90.0)
    keep.drop("k", "t", "y", 60.0)
    assert [Put, Touch, Drop] == [type(decode(frame)) for frame in bench.journal]
    for _ in range(2):
        assert [b"1"] == await bodies(keep, by_id("x", "y")) == await bodies(keep, LIST)
        assert (await keep.find(LIST)).complete
        await bench.drain()
    assert 1e9 + 90.0 == (await bench.far.kept.find(by_id("x"))).puts[0].expires


async def test_other_nodes_find_what_has_been_drained():
    """By id, whoever's it is, and in a tenant's list."""
    bench = Bench()
    bench.node().put("k", "t", "x", b"1", 60.0)
    await bench.drain()
    other = bench.node("n2")
    assert [b"1"] == await bodies(other, by_id("x", tenant=None)) == await bodies(other, LIST)


async def test_a_later_change_wins_over_the_buffer():
    """What another node put or dropped since is seen here."""
    bench = Bench()
    keep, other = bench.node(), bench.node("n2")
    for name in "xy":
        keep.put("k", "t", name, b"1", 60.0)
    await bench.drain()
    await other.find(by_id("x", "y"))
    other.put("k", "t", "x", b"2", 60.0)
    other.drop("k", "t", "y", 60.0)
    await bench.drain()
    assert [b"2"] == await bodies(keep, by_id("x", "y")) == await bodies(keep, LIST)


async def test_a_drop_is_later_than_what_was_seen():
    """Even where the clock of the node that put it is ahead."""
    bench = Bench()
    bench.node(stamps=MemoryStamps(1_000_000)).put("k", "t", "x", b"1", 60.0)
    await bench.drain()
    other = bench.node("n2")
    assert [b"1"] == await bodies(other, by_id("x"))
    other.drop("k", "t", "x", 60.0)
    other.put("k", "t", "y", b"2", 60.0)
    await bench.drain()
    assert [b"2"] == await bodies(bench.node("n3"), by_id("x", "y"))
    assert [1_000_001, 1_000_002, 1_000_003] == [decode(frame).stamp for frame in bench.journal]


async def test_without_its_store_it_gives_what_it_knows():
    """And says that there may be more."""
    bench = Bench()
    keep = bench.node()
    keep.put("k", "t", "x", b"1", 60.0)
    bench.far.away = True
    found = await keep.find(by_id("x", "y"))
    assert ([b"1"], False) == ([put.body for put in found.puts], found.complete)
    assert not (await keep.find(LIST)).complete


async def test_a_store_that_is_away_is_not_asked_again_and_again():
    """A call must not wait for it, one after the other; after a pause it is tried again."""
    bench = Bench()
    keep = bench.node()
    bench.far.away = True
    for _ in range(3):
        await keep.find(by_id("x"))
    assert (1, True) == (bench.far.asked, keep.away)
    bench.far.away = False
    bench.now = 6.0
    assert Found((), complete=True) == await keep.find(by_id("x"))
    assert not keep.away


async def test_a_store_that_hangs_is_away():
    """The wait is bounded."""
    bench = Bench()
    bench.far.hang = True
    keep = bench.node(patience=0.02)
    async with asyncio.timeout(5):
        assert not (await keep.find(by_id("x"))).complete
    assert keep.away


async def test_a_look_can_be_cancelled():
    """That says nothing about the store."""
    bench = Bench()
    bench.far.hang = True
    keep = bench.node()
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        looking = group.create_task(keep.find(by_id("x")))
        await asyncio.sleep(0)
        looking.cancel()
    assert not keep.away


async def test_a_look_that_takes_long_to_end_holds_up_nobody():
    """Whoever asked has the answer; closing waits for the look, and what it ends with is nobody's affair."""
    bench = Bench()
    freed = asyncio.Event()

    class Stubborn:
        async def find(self, sought):
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                await freed.wait()
                raise StoreAway from None

    complaints = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: complaints.append(context))
    keep = bench.node(store=Stubborn(), patience=0.02)
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        assert not (await keep.find(by_id("x"))).complete
        closing = group.create_task(keep.close())
        await asyncio.sleep(0.02)
        assert not closing.done()
        freed.set()
    await keep.close()
    gc.collect()
    assert [] == complaints


@pytest.mark.parametrize("error", [SpoolFull("full"), OSError(errno.ENOSPC, "no space")])
async def test_a_full_disk_fails_no_call(error):
    """What can't be written is known here alone, and counted."""
    bench = Bench()

    def full(frame):
        raise error

    keep = bench.node(journal=full)
    keep.put("k", "t", "x", b"1", 60.0)
    assert ([b"1"], 1) == (await bodies(keep, by_id("x")), keep.unjournaled)


async def test_a_worker_s_store_is_its_control_process():
    """What one worker put, another finds there while the database is away; nobody takes that for everything."""
    bench = Bench()
    bench.far.away = True
    control = bench.node("control")
    worker, other = bench.node("w1", store=control), bench.node("w2", store=control)
    worker.put("k", "t", "x", b"1", 60.0)
    for frame in bench.journal:
        control.note(decode(frame))
    assert [b"1"] == await bodies(other, by_id("x")) == await bodies(other, LIST)
    assert not (await other.find(by_id("y"))).complete
    control.note(drop_of("x", 9, ttl=1e9))
    assert [] == await bodies(worker, by_id("x")) == await bodies(worker, LIST)


async def test_a_list_whose_tombstones_can_t_be_asked_for_is_not_complete():
    """The store went away in the middle of it."""
    bench = Bench()

    class Once:
        async def find(self, sought):
            if sought.ids is not None:
                raise StoreAway
            return Found((), complete=True)

    keep = bench.node(store=Once())
    keep.put("k", "t", "x", b"1", 60.0)
    assert not (await keep.find(LIST)).complete


async def test_changes_and_events_share_a_spool(tmp_path):
    """After a restart both are read from it, each told by its frame; read from the beginning again, nothing changes."""
    bench = Bench()
    with Spool.open(tmp_path) as spool:
        keep = bench.node(journal=lambda frame: spool.append([frame]))
        keep.put("k", "t", "x", bytes(range(256)) * 100, 60.0)
        spool.append([encode_event(make_event(1))])
        keep.put("k", "t", "y", b"\xfelg\xff" * 10, 60.0)
        keep.drop("k", "t", "y", 60.0)
    for _ in range(2):
        frames, _ = SpoolReader(tmp_path).read(SpoolCursor())
        assert ["change", "event", "change", "change"] == ["change" if is_change(f) else "event" for f in frames]
        assert make_event(1) == decode_event(frames[1])
        await bench.far.kept.apply([decode(frame) for frame in frames if is_change(frame)])
        assert [bytes(range(256)) * 100] == await bodies(bench.node("n2"), LIST)
