import msgspec

from llmgw_relay.conversations import MemoryConversations, StoredResponse


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
