import hashlib

import msgspec

from llmgw_domain.chat import Origin, RedactedThinking, Thinking
from llmgw_protocols.signatures import Kept, Message
from llmgw_relay.stash import KeptStash, MemoryStash, digest
from llmgw_relay.testing import MemoryKeep, MemorySealer


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


# --- durably ----------------------------------------------------------------------------------------------------------


class Bench:
    """Two processes on one keep."""

    def __init__(self):
        self.keep = MemoryKeep()
        self.now = 0.0
        self.one, self.other = self.process(), self.process()

    def process(self, **options):
        return KeptStash(self.keep, MemorySealer(), lambda: self.now, **options)


async def test_every_process_finds_reasoning():
    """Once looked up it is at hand; by its own tenant."""
    bench = Bench()
    bench.one.put("t", ["x", "y"], kept("hm"))
    assert [{"x": kept("hm"), "y": kept("hm")}] * 2 == [await bench.other.get("t", ["x", "y"]) for _ in range(2)]
    assert 1 == len(bench.keep.asked)
    assert {} == await bench.other.get("u", ["x"])


async def test_every_part_of_it_survives():
    """Blocks, signatures of calls, and where messages began."""
    whole = Kept(
        origin=Origin("openai", "m", "a"),
        blocks=(Thinking("hm", "s", Origin("openai")), RedactedThinking("xyz", Origin("openai"))),
        calls={"call_1": "sig"},
        messages=(Message(0, "commentary", 1), Message(7, None, 2)),
        length=12,
    )
    bench = Bench()
    bench.one.put("t", ["x"], whole)
    assert {"x": whole} == await bench.other.get("t", ["x"])


async def test_what_was_written_once_is_read_forever():
    """A record of an earlier release."""
    bench = Bench()
    record = (
        b"\x01\x85\xa6origin\x83\xa6family\xa9anthropic\xa5model\xa1m\xa7account\xa1a"
        b"\xa6blocks\x91\x84\xa4type\xa8Thinking\xa4text\xa2hm\xa9signature\xa1s"
        b"\xa6origin\xc0\xa5calls\x80\xa8messages\x90\xa6length\x00"
    )
    name = digest(b"t\0x")
    sealed = MemorySealer().seal(record, b"llmgw kept\0" + msgspec.msgpack.encode(("stash", "t", name)))
    bench.keep.put("stash", "t", name, sealed, 60.0)
    assert {"x": kept("hm")} == await bench.one.get("t", ["x"])
    bench.one.put("t", ["x"], kept("hm"))
    assert sealed == bench.keep.changes[-1].body


async def test_what_was_never_kept_is_looked_for_once():
    """The same turns come again with every request; after a while it is looked for again, or as soon as it is put."""
    bench = Bench()
    for _ in range(3):
        assert {} == await bench.other.get("t", ["x", "y"])
    assert 1 == len(bench.keep.asked)
    bench.other.put("t", ["y"], kept("hm"))
    assert {"y": kept("hm")} == await bench.other.get("t", ["x", "y"])
    bench.one.put("t", ["x"], kept("hm"))
    bench.now = 700.0
    assert ["x", "y"] == sorted(await bench.other.get("t", ["x", "y"]))


async def test_what_is_put_is_not_taken_for_absent():
    """Even where the memory in front has no room for it."""
    bench = Bench()
    process = bench.process(limit=1)
    assert {} == await process.get("t", ["x"])
    process.put("t", ["x"], kept("hm"))
    assert {"x": kept("hm")} == await process.get("t", ["x"])


async def test_without_its_store_a_turn_goes_without():
    """What is at hand is given; the rest is looked for again as soon as it can be."""
    bench = Bench()
    bench.one.put("t", ["x"], kept("hm"))
    bench.other.put("t", ["y"], kept("hm"))
    bench.keep.away = True
    assert ["x"] == [*await bench.one.get("t", ["x", "y"])]
    bench.keep.away = False
    assert ["x", "y"] == sorted(await bench.one.get("t", ["x", "y"]))


async def test_nothing_of_a_key_is_readable():
    """Ids of calls may hold names of functions; a keyed digest hides which text was said, too."""
    bench = Bench()
    process = bench.process(digest=lambda text: hashlib.blake2s(text, key=b"secret").hexdigest())
    process.put("t", ["functions.weather:0"], kept("hm"))
    assert hashlib.blake2s(b"t\0functions.weather:0", key=b"secret").hexdigest() == bench.keep.changes[0].id
    assert ["functions.weather:0"] == [*await bench.process(digest=process._digest).get("t", ["functions.weather:0"])]
    assert {} == await bench.one.get("t", ["functions.weather:0"])


async def test_keys_of_any_text():
    """Whatever a client sends as the id of a call."""
    bench = Bench()
    names = ["\0", "\ud800", "x" * 10_000, ""]
    bench.one.put("t", names, kept("hm"))
    assert set(names) == set(await bench.other.get("t", names))
