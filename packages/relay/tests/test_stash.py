from llmgw_domain.chat import Origin, Thinking
from llmgw_protocols.signatures import Kept
from llmgw_relay.stash import MemoryStash


def kept(text: str) -> Kept:
    return Kept(origin=Origin("anthropic", "m", "a"), blocks=(Thinking(text, "s"),))


async def test_reasoning_is_found_under_each_of_its_keys():
    """By its own tenant."""
    stash = MemoryStash(lambda: 0.0)
    stash.put("t", ["x", "y"], kept("hm"))
    assert {"x": kept("hm"), "y": kept("hm")} == await stash.get("t", ["x", "y", "z"])
    assert {} == await stash.get("u", ["x"])


async def test_memory_is_bounded():
    """The longest unused goes first, and what is put again is counted once."""
    stash = MemoryStash(lambda: 0.0, limit=19)
    for key in "xyx":
        stash.put("t", [key], kept("12345678"))
    await stash.get("t", ["y"])
    stash.put("t", ["z"], kept("1"))
    assert ["y", "z"] == sorted(await stash.get("t", ["x", "y", "z"]))


async def test_what_is_old_is_gone():
    """A conversation that went on elsewhere for a day starts anew."""
    now = 0.0
    stash = MemoryStash(lambda: now, ttl=10.0)
    stash.put("t", ["x"], kept("hm"))
    now = 11.0
    assert {} == await stash.get("t", ["x"])
