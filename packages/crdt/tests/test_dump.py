"""The whole state as JSON."""

import msgspec
import pytest

from llmgw_crdt import RecordMap
from llmgw_crdt.dump import horizon_of, parse_dump


def full() -> RecordMap:
    records = RecordMap("a")
    records.write(10, "account", "x", {"pool": "p", "weight": 1.5})
    records.write(11, "account", "x", {"pool": "q"})
    records.write(12, "key", "k", {})
    records.delete(13, "key", "k")
    return records


def test_a_dump_is_json_and_gives_the_same_replica():
    """Records, tombstones, and what it has seen of each author."""
    records, other = full(), RecordMap("b")
    other.merge(msgspec.json.decode(msgspec.json.encode(records.dump())))
    assert records.digest() == other.digest()
    assert (records.vector, records.horizon, records.tombstones) == (other.vector, other.horizon, other.tombstones)
    assert parse_dump(records.dump()).as_json() == records.dump()
    assert horizon_of(records.dump()) == 13


@pytest.mark.parametrize(
    "change",
    [
        {"format": 2},
        {"records": [["k"]]},
        {"records": None},
        {"vector": {"a": "soon"}},
        {"tombstones": [["k", "x", [1, "a"], "never"]]},
        {"floor": None},
    ],
)
def test_what_is_no_dump_is_refused(change):
    """Whole, before anything of it is merged."""
    records = RecordMap("b")
    with pytest.raises(ValueError, match="dump"):
        records.merge({**full().dump(), **change})
    assert RecordMap("b").dump() == records.dump()


def test_equal_records_give_equal_dumps():
    """Whatever order they were written in."""
    one, two = RecordMap("a"), RecordMap("b")
    first, second = one.write(10, "k", "x", {"f": 1}), one.write(11, "k", "x", {"g": 2})
    two.apply(second)
    two.apply(first)
    assert one.dump()["records"] == two.dump()["records"]


def test_a_horizon_is_read_without_the_rest():
    """And only from a dump."""
    with pytest.raises(ValueError, match="has seen"):
        horizon_of({"format": 1})
