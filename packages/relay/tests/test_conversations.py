import msgspec
import pytest

from llmgw_domain.errors import StoreUnavailable
from llmgw_relay.conversations import KeptConversations, MemoryConversations, StoredResponse
from llmgw_relay.testing import MemoryKeep, MemorySealer
from llmgw_relay.wrapping import MAX_BODY


def kept(id: str, tenant: str = "t") -> StoredResponse:
    item = msgspec.Raw(b'{"a":1}')
    return StoredResponse(id=id, tenant=tenant, body=b"{}", input=(item,), output=(item,))


async def test_a_response_is_its_tenant_s():
    """Nobody else finds or deletes it."""
    kept_here = MemoryConversations(lambda: 0.0)
    kept_here.put(kept("x"))
    assert kept("x").items == (await kept_here.get("t", "x")).items
    assert await kept_here.get("u", "x") is None
    assert not await kept_here.delete("u", "x")
    assert await kept_here.delete("t", "x")
    assert await kept_here.get("t", "x") is None


async def test_memory_is_bounded():
    """The longest unused goes first, and what is put again is counted once."""
    kept_here = MemoryConversations(lambda: 0.0, limit=2 * kept("x").size)
    for name in "xyx":
        kept_here.put(kept(name))
    await kept_here.get("t", "y")
    kept_here.put(kept("z"))
    assert [False, True, True] == [await kept_here.get("t", i) is not None for i in "xyz"]


async def test_what_is_old_is_gone():
    """As at OpenAI, which promises a month."""
    now = 0.0
    kept_here = MemoryConversations(lambda: now, ttl=10.0)
    kept_here.put(kept("x"))
    now = 11.0
    assert await kept_here.get("t", "x") is None


# --- durably ----------------------------------------------------------------------------------------------------------


class Bench:
    """Two processes on one keep."""

    def __init__(self):
        self.keep = MemoryKeep()
        self.now = 0.0
        self.one, self.other = self.process(), self.process()

    def process(self, **options):
        return KeptConversations(self.keep, MemorySealer(), lambda: self.now, **options)


async def test_every_process_goes_on_from_a_response():
    """With all its items as they were; for a moment it is not looked up again."""
    bench = Bench()
    bench.one.put(kept("x"))
    assert [kept("x")] * 2 == [await bench.other.get("t", "x") for _ in range(2)]
    assert 1 == len(bench.keep.asked)
    assert [None, None] == [await bench.other.get("u", "x"), await bench.other.get("t", "y")]


async def test_what_was_written_once_is_read_forever():
    """A record of an earlier release."""
    bench = Bench()
    record = b'\x01\x84\xa2id\xa1x\xa4body\xc4\x02{}\xa5input\x91\xc4\x07{"a":1}\xa6output\x91\xc4\x07{"a":1}'
    sealed = MemorySealer().seal(record, b"llmgw kept\0" + msgspec.msgpack.encode(("conversation", "t", "x")))
    bench.keep.put("conversation", "t", "x", sealed, 60.0)
    assert kept("x") == await bench.one.get("t", "x")
    bench.one.put(kept("x"))
    assert sealed == bench.keep.changes[-1].body


async def test_what_is_deleted_is_gone_everywhere():
    """At once where it was deleted, within seconds where it was remembered; nobody else can delete it."""
    bench = Bench()
    bench.one.put(kept("x"))
    await bench.other.get("t", "x")
    assert not await bench.one.delete("u", "x")
    assert await bench.one.delete("t", "x")
    assert not await bench.one.delete("t", "x")
    assert await bench.one.get("t", "x") is None
    bench.now = 6.0
    assert await bench.other.get("t", "x") is None
    bench.keep.away = True
    with pytest.raises(StoreUnavailable):
        await bench.other.get("t", "x")


async def test_what_is_remembered_serves_without_the_store():
    """What is not may be there all the same, and that is said."""
    bench = Bench()
    bench.one.put(kept("x"))
    bench.now = 100.0
    bench.keep.away = True
    assert kept("x") == await bench.one.get("t", "x")
    with pytest.raises(StoreUnavailable):
        await bench.other.get("t", "x")
    with pytest.raises(StoreUnavailable):
        await bench.other.delete("t", "x")


async def test_a_response_that_is_too_large_is_its_process_s():
    """It would be megabytes for everybody; this process serves it as long as it remembers it."""
    bench = Bench()
    large = StoredResponse(id="x", tenant="t", body=b"x" * MAX_BODY, input=(), output=())
    bench.one.put(large)
    bench.now = 100.0
    assert large == await bench.one.get("t", "x")
    assert await bench.other.get("t", "x") is None
    assert [] == bench.keep.changes


async def test_the_memory_in_front_is_bounded():
    """What fell out of it is looked up."""
    bench = Bench()
    process = bench.process(limit=kept("x").size)
    for name in "xy":
        process.put(kept(name))
    assert [kept("x"), kept("y")] == [await process.get("t", name) for name in "xy"]
    assert process._near.size <= kept("x").size
