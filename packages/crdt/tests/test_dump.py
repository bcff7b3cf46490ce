import pytest

from llmgw_crdt import RecordMap, Tombstone
from llmgw_crdt.dump import horizon_of, parse_dump, written_by_stamp


def filled() -> RecordMap:
    records = RecordMap("a")
    records.write(1, "k", "x", {"p": 1, "q": 2})
    records.write(2, "k", "x", {"p": 3})
    records.write(3, "k", "gone", {})
    records.delete(4, "k", "gone")
    return records


def test_a_dump_is_json_that_reads_back():
    """Its shape is the one of the module's docstring, and what is read gives the same JSON."""
    dump = filled().dump()
    expected = {
        "format": 1,
        "vector": {"a": 4},
        "floor": {},
        "seen": {"a": 4},
        "records": [["k", "x", [1, "a"], [[1, "a", {"q": 2}], [2, "a", {"p": 3}]]]],
        "tombstones": [["k", "gone", [3, "a"], [4, "a"]]],
    }
    assert (expected, expected, 4) == (dump, parse_dump(dump).as_json(), horizon_of(dump))
    assert {("k", "gone"): Tombstone((3, "a"), (4, "a"))} == parse_dump(dump).tombstones


def test_fields_are_grouped_by_their_write():
    """One group for each stamp, the earliest first."""
    stamps = {"p": (2, "a"), "q": (1, "a"), "r": (2, "a")}
    assert (((1, "a"), {"q": 2}), ((2, "a"), {"p": 1, "r": 3})) == written_by_stamp({"p": 1, "q": 2, "r": 3}, stamps)


def test_equal_records_give_equal_dumps():
    """Whatever order their writes came in."""
    author, other = RecordMap("a"), RecordMap("b")
    first, second = author.write(1, "k", "x", {"p": 1}), author.write(2, "k", "x", {"q": 2})
    for delta in (second, first):
        other.apply(delta)
    assert author.dump() == other.dump()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"format": 2}, "a dump of format 2: this release reads format 1, upgrade it"),
        ({"vector": {"a": "4"}}, "not a dump of records"),
        ({"records": [["k", "x"]]}, "not a dump of records"),
        ({"records": [["k", "x", [1], []]]}, "not a dump of records"),
        ({"tombstones": [["k", "x", [1, "a"], None]]}, "not a dump of records"),
        ({"floor": 3}, "not a dump of records"),
    ],
)
def test_what_is_no_dump_is_refused_and_changes_nothing(changes, reason):
    """A snapshot of a later release or a broken one leaves the replica as it was."""
    records = filled()
    before = records.dump()
    with pytest.raises(ValueError, match=reason):
        records.merge(before | changes)
    assert before == records.dump()


def test_the_horizon_of_no_dump_is_refused():
    """What does not say what it has seen can't be let in."""
    with pytest.raises(ValueError, match="not a dump of records"):
        horizon_of({"format": 1})


@pytest.mark.parametrize("size", [1, 2, 100])
def test_a_dump_in_slices_is_that_of_the_call(size):
    """Put together it is the whole dump, whatever is written or deleted while the slices are taken."""
    records = filled()
    for n in range(5):
        records.write(10 + n, "k", f"r{n}", {"n": n})
    whole, slices = records.dump(), records.dump_in_slices(size)
    taken = {"records": [], "tombstones": []}
    for n, (name, value) in enumerate(slices):
        records.write(100 + n, "k", "r4", {"n": n})
        records.delete(200 + n, "k", f"r{n % 4}")
        if name in ("records", "tombstones"):
            assert len(value) <= size
            taken[name] += value
        else:
            taken[name] = value
    assert whole == taken
