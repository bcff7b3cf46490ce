import pytest

from llmgw_domain.errors import StoreUnavailable
from llmgw_relay.keep import Drop, Put, Touch
from llmgw_relay.objects import KeptObjects, MemoryObjects, Owned
from llmgw_relay.testing import MemoryKeep, MemorySealer


def owned(id: str, tenant: str = "t", kind: str = "files") -> Owned:
    return Owned(id=id, kind=kind, tenant=tenant, account="a")


async def test_an_object_is_found_by_its_id():
    """Whoever's it is; what is forgotten is not."""
    objects = MemoryObjects(lambda: 0.0)
    objects.add(owned("x"))
    assert owned("x") == await objects.find("x", "t")
    objects.forget(owned("x"))
    assert await objects.find("x", "t") is None


async def test_a_tenant_s_objects_come_latest_first():
    """Of one kind, and nobody else's."""
    objects = MemoryObjects(lambda: 0.0)
    for one in (owned("x"), owned("y"), owned("z", "other"), owned("b", kind="batches")):
        objects.add(one)
    assert ["y", "x"] == [o.id for o in await objects.of("t", "files")]


async def test_memory_is_bounded():
    """The longest unused goes first."""
    objects = MemoryObjects(lambda: 0.0, limit=2)
    objects.add(owned("x"))
    objects.add(owned("y"))
    await objects.find("x", "t")
    objects.add(owned("z"))
    assert [True, False, True] == [await objects.find(i, "t") is not None for i in "xyz"]


async def test_each_kind_has_its_own_bound():
    """Many responses do not drive out a file."""
    objects = MemoryObjects(lambda: 0.0, limit=2)
    objects.add(owned("f"))
    for one in "xyz":
        objects.add(owned(one, kind="responses"))
    assert owned("f") == await objects.find("f", "t")
    assert ["z", "y"] == [o.id for o in await objects.of("t", "responses")]


async def test_an_object_expires_after_its_last_use():
    """Using it keeps it."""
    now = 0.0
    objects = MemoryObjects(lambda: now, ttl=10.0)
    objects.add(owned("x"))
    objects.add(owned("y"))
    now = 8.0
    await objects.find("x", "t")
    now = 12.0
    assert [True, False] == [await objects.find(i, "t") is not None for i in "xy"]
    assert ["x"] == [o.id for o in await objects.of("t", "files")]


async def test_two_tenants_may_have_one_id():
    """Each finds its own, and one that has none finds the other's; forgetting is one tenant's affair."""
    objects = MemoryObjects(lambda: 0.0)
    for tenant in "tu":
        objects.add(owned("1", tenant))
    assert ["t", "u", "u"] == [(await objects.find("1", tenant)).tenant for tenant in "tuv"]
    objects.forget(owned("1", "u"))
    assert ["t", "t"] == [(await objects.find("1", tenant)).tenant for tenant in "tu"]


# --- durably ----------------------------------------------------------------------------------------------------------


class Bench:
    """Two processes on one keep."""

    def __init__(self):
        self.keep = MemoryKeep()
        self.one, self.other = self.process(), self.process()

    def process(self):
        return KeptObjects(self.keep, MemorySealer(), lambda: self.keep.wall, lambda: self.keep.wall, ttl=80.0)


async def test_every_process_finds_an_object():
    """Once looked up it is known: whose it is never changes."""
    bench = Bench()
    bench.one.add(owned("x"))
    assert [owned("x")] * 3 == [await bench.other.find("x", "t") for _ in range(3)]
    assert 1 == len(bench.keep.asked)
    assert owned("x") == await bench.process().find("x", "u")
    assert await bench.other.find("y", "t") is None


async def test_what_one_made_is_known_at_once():
    """Without a look, and while the store is away."""
    bench = Bench()
    bench.keep.away = True
    bench.one.add(owned("x"))
    assert owned("x") == await bench.one.find("x", "t")
    assert [] == bench.keep.asked


async def test_an_object_is_kept_once():
    """Looking at it again and again writes nothing, until it is time to keep it for longer."""
    bench = Bench()
    for _ in range(3):
        bench.one.add(owned("x"))
        await bench.one.find("x", "t")
    assert [Put] == [type(change) for change in bench.keep.changes]
    bench.keep.wall += 20.0
    await bench.one.find("x", "t")
    await bench.other.find("x", "t")
    bench.keep.wall += 70.0
    assert [Put, Touch] == [type(change) for change in bench.keep.changes]
    assert owned("x") == await bench.process().find("x", "t")


async def test_using_another_s_object_keeps_it_no_longer():
    """Whoever asks for what is not its own changes nothing."""
    bench = Bench()
    bench.one.add(owned("x"))
    bench.keep.wall += 50.0
    assert owned("x") == await bench.other.find("x", "u")
    assert [Put] == [type(change) for change in bench.keep.changes]


async def test_what_is_forgotten_is_gone_everywhere():
    """The one who forgot it knows it at once; who knew it may still ask its account, which says that it is gone."""
    bench = Bench()
    bench.one.add(owned("x"))
    bench.one.forget(owned("x"))
    assert Drop is type(bench.keep.changes[-1])
    assert [None, None] == [await process.find("x", "t") for process in (bench.one, bench.other)]
    assert [] == await bench.other.of("t", "files")


async def test_the_cost_of_a_batch_is_recorded_once():
    """What another process recorded is seen by one that knew the batch before; after that it need not look again."""
    bench = Bench()
    batch = owned("b", kind="batches")
    done = Owned(id="b", kind="batches", tenant="t", account="a", settled=True)
    bench.one.add(batch)
    assert not (await bench.other.find("b", "t")).settled
    bench.one.add(done)
    assert [done] * 2 == [await bench.other.find("b", "t") for _ in range(2)]
    assert 2 == len(bench.keep.asked)


async def test_two_tenants_objects_of_one_id_are_kept_apart():
    """Some servers count their ids."""
    bench = Bench()
    for tenant in "tu":
        bench.one.add(owned("1", tenant))
    assert [owned("1", "t"), owned("1", "u"), owned("1", "u")] == [await bench.other.find("1", who) for who in "tuv"]


async def test_a_list_is_its_tenant_s():
    """Of one kind, from every process, the latest first."""
    bench = Bench()
    for process, one in ((bench.one, owned("x")), (bench.other, owned("y")), (bench.one, owned("z", "u"))):
        process.add(one)
    bench.one.add(owned("b", kind="batches"))
    assert [owned("y"), owned("x")] == await bench.process().of("t", "files")


async def test_what_can_t_be_known_is_said():
    """While the store is away nothing is said to be missing, and no list is cut short."""
    bench = Bench()
    bench.one.add(owned("b", kind="batches"))
    bench.keep.away = True
    assert owned("b", kind="batches") == await bench.one.find("b", "t")
    with pytest.raises(StoreUnavailable):
        await bench.other.find("b", "t")
    with pytest.raises(StoreUnavailable):
        await bench.one.of("t", "batches")


async def test_a_record_opens_in_its_own_place_alone():
    """One that was moved to another tenant is nobody's."""
    bench = Bench()
    bench.one.add(owned("x", "u"))
    (put,) = bench.keep.changes
    bench.keep.put(put.kind, "t", put.id, put.body, 60.0)
    assert [owned("x", "u")] == [await bench.other.find("x", who) for who in "t"]
    assert 1 == bench.other.wrapping.unreadable


async def test_ids_of_any_length_and_script():
    """They are found again as they are."""
    bench = Bench()
    for name in ("x" * 5000, "\0", "\u4e2d", "sha256:0"):
        bench.one.add(owned(name))
        assert owned(name) == await bench.other.find(name, "t")
    assert all(len(change.id) < 256 and change.id.isascii() for change in bench.keep.changes)
