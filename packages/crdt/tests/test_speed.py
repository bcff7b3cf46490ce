"""What merging costs at 1,000 accounts, 500 models and 10,000 keys, in processor time. It prints; it does not judge."""

import gc
from time import process_time

import msgspec
import pytest

from llmgw_crdt import RecordMap

KINDS = {"account": (1_000, 15), "model": (500, 10), "key": (10_000, 10)}


def filled() -> RecordMap:
    records, hlc = RecordMap("a"), 1
    for kind, (count, width) in KINDS.items():
        for n in range(count):
            fields = {f"field_{i}": f"value {n} of {i}" if i % 3 else n * i for i in range(width)}
            records.write(hlc, kind, f"{kind}-{n}", fields)
            hlc += 1
    return records


def took(what: str, act, times: int = 1) -> None:
    gc.collect()
    each = []
    for _ in range(times):
        begun = process_time()
        act()
        each.append(process_time() - begun)
    each.sort()
    print(f"{what:>24}: median {each[len(each) // 2] * 1e6:12,.1f} us, slowest {each[-1] * 1e6:12,.1f} us")


@pytest.mark.bench
def test_what_merging_costs():
    """A delta, a digest after it, and the whole state there and back."""
    records = filled()
    took("first digest", records.digest)
    author = RecordMap("b")
    author.merge(records.dump())
    patches = [author.write(1, "account", f"account-{n % 1000}", {"field_3": n}) for n in range(5000)]
    todo = iter(patches)
    took("a delta", lambda: records.apply(next(todo)), 2500)
    took("a delta and a digest", lambda: (records.apply(next(todo)), records.digest()), 2500)
    took("a write", lambda: records.write(1, "key", "key-7", {"field_1": "x"}), 2000)
    took("dump", records.dump, 5)
    dump = records.dump()
    took("JSON of the dump", lambda: msgspec.json.encode(dump), 5)
    took("merge into an empty map", lambda: RecordMap("c").merge(dump), 5)
    copy = RecordMap("d")
    copy.merge(dump)
    took("merge of the same again", lambda: copy.merge(dump), 5)
    assert copy.digest() == records.digest()
