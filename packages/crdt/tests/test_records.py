"""The laws of merging, over histories that nodes with skewed clocks made."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmgw_crdt import Clock, Delta, RecordMap
from llmgw_crdt.testing import meaning_of, shown_by

SKEWS = (0.0, 0.0, -180.0, 240.0)
"""Seconds by which each node's clock is off: two are exact, so that equal readings happen."""

steps = st.lists(
    st.tuples(
        st.integers(0, 3),
        st.sampled_from(["write", "write", "delete", "hear", "hear", "wait"]),
        st.integers(0, 7),
        st.integers(0, 2),
    ),
    min_size=1,
    max_size=30,
)


def history(script) -> list[Delta]:
    """What 4 nodes wrote that heard some of each other's deltas, in some order."""
    nodes = [RecordMap(name) for name in "abcd"]
    clocks = [Clock(node.node) for node in nodes]
    made: list[Delta] = []
    now = 1000.0
    for who, action, what, field in script:
        node, clock = nodes[who], clocks[who]
        if action == "wait":
            now += what
        elif action == "hear" and made:
            delta = made[-1 - what % len(made)]
            node.apply(delta)
            clock.observe(delta.hlc, now)
        elif action == "write":
            fields = {"xyz"[field]: [what, who]} if what else {"x": who, "y": what}
            made.append(node.write(clock.tick(now + SKEWS[who]), "k", f"id{what % 2}", fields))
        elif action == "delete" and (deleted := node.delete(clock.tick(now + SKEWS[who]), "k", f"id{what % 2}")):
            made.append(deleted)
    return made


def replica(deltas, name="r") -> RecordMap:
    records = RecordMap(name)
    for delta in deltas:
        records.apply(delta)
    return records


@given(steps, st.data())
def test_any_order_and_number_of_deltas_means_the_same(script, data):
    """Commutative and idempotent: a permutation with repetitions shows what the set of deltas means."""
    made = history(script)
    if made:
        again = data.draw(st.lists(st.sampled_from(made), max_size=10))
        records = replica(again + data.draw(st.permutations(made)) + again)
        assert meaning_of(made) == shown_by(records)
        straight = replica(made)
        assert (straight.digest(), straight.vector) == (records.digest(), records.vector)


@given(steps, st.data())
def test_any_grouping_of_states_means_the_same(script, data):
    """Associative: three replicas that heard some of the deltas, merged in any shape, show what the union means."""
    made = history(script)
    parts = [[d for d in made if where & bit] for bit in (1, 2, 4) for where in [data.draw(st.integers(0, 7))]]
    one, two, three = (replica(part).dump() for part in parts)
    left, right, inner = RecordMap("l"), RecordMap("r"), RecordMap("i")
    for dump in (one, two, three):
        left.merge(dump)
    inner.merge(three)
    inner.merge(two)
    right.merge(inner.dump())
    right.merge(one)
    right.merge(inner.dump())
    assert meaning_of({id(d): d for part in parts for d in part}.values()) == shown_by(left) == shown_by(right)
    assert (left.digest(), left.vector) == (right.digest(), right.vector)


@given(steps)
def test_deltas_and_the_whole_state_are_the_same(script):
    """A replica fed by deltas and one that got its dump, through JSON, have equal dumps and digests."""
    fed, copy = replica(history(script)), RecordMap("copy")
    changed = copy.merge(msgspec.json.decode(msgspec.json.encode(fed.dump())))
    assert (fed.dump(), fed.digest(), set(shown_by(fed))) == (copy.dump(), copy.digest(), changed)
    assert set() == copy.merge(fed.dump())


@given(steps)
def test_a_change_is_told_if_and_only_if_there_is_one(script):
    """`apply` says whether the record is any different: version, fields or existence."""
    records = RecordMap("r")
    for delta in history(script) * 2:
        before = shown_by(records)
        assert records.apply(delta) == (before != shown_by(records))


@given(steps)
def test_the_digest_follows_each_change(script):
    """Asked for after each delta or only at the end, it is the same; it differs wherever the records do."""
    often, digests = RecordMap("r"), {}
    for delta in history(script):
        often.apply(delta)
        assert digests.setdefault(often.digest(), shown_by(often)) == shown_by(often)
    assert replica(history(script)).digest() == often.digest()
    assert len({str(sorted(shown.items())) for shown in digests.values()}) == len(digests)


@given(steps)
def test_writers_are_never_ignored(script):
    """What a node writes is what it shows, however far behind its clock is; re-creating works after any deletion."""
    records = replica(history(script))
    for kind, name in [("k", "id0"), ("k", "id1")]:
        records.delete(1, kind, name)
        delta = records.write(1, kind, name, {"z": "new"})
        assert {"z": "new"} == records.get(kind, name).fields
        assert records.get(kind, name).incarnation == delta.stamp == (records.horizon, "r")


def test_of_two_writes_at_one_moment_that_of_the_greater_node_wins():
    """Two nodes with equal clock readings patch one field; wherever which comes first, the outcome is the same."""
    creation = RecordMap("a").write(10, "k", "i", {"x": 0})
    one, two = (replica([creation], name).write(20, "k", "i", {"x": name}) for name in "ab")
    assert one.hlc == two.hlc
    for records in (replica([creation, one, two]), replica([creation, two, one])):
        assert {"x": "b"} == records.get("k", "i").fields


def test_a_tombstone_wins_over_writes_of_its_incarnation_whatever_their_time():
    """A patch with a later stamp, by a node that had not heard of the deletion, does not bring the record back."""
    one, two = RecordMap("a"), RecordMap("b")
    two.apply(one.write(10, "key", "ci", {"name": "ci"}))
    deletion = one.delete(20, "key", "ci")
    late = two.write(99_999, "key", "ci", {"name": "still here"})
    assert [False, True] == [one.apply(late), two.apply(deletion)]
    assert [None, None] == [one.get("key", "ci"), two.get("key", "ci")]


def test_a_new_incarnation_is_above_every_tombstone_seen():
    """An id that is created again has only its new fields, and late deltas of its earlier life change nothing."""
    records = RecordMap("a")
    first = records.write(10, "key", "ci", {"name": "old", "note": "x"})
    grave = records.delete(20, "key", "ci")
    assert (first.incarnation, grave.stamp) == records.tombstone("key", "ci")
    again = records.write(5, "key", "ci", {"name": "new"})
    assert (21, "a") == again.incarnation > grave.stamp
    assert [False, False] == [records.apply(first), records.apply(grave)]
    assert ({"name": "new"}, None) == (records.get("key", "ci").fields, records.tombstone("key", "ci"))


def test_of_two_concurrent_creations_the_later_one_stays_wholly():
    """Nothing of the earlier is mixed in; deleting the earlier does not touch the later."""
    one, two = RecordMap("a"), RecordMap("b")
    early = one.write(10, "key", "ci", {"name": "one", "note": "of one"})
    late = two.write(10, "key", "ci", {"name": "two"})
    early_gone = one.delete(11, "key", "ci")
    for records in (replica([early, late, early_gone]), replica([late, early_gone, early])):
        assert {"name": "two"} == records.get("key", "ci").fields


def test_a_write_before_its_creation_is_applied():
    """A record may lack fields for a while; the gap is not claimed by the vector, and is filled later."""
    writer, reader = RecordMap("a"), RecordMap("b")
    creation = writer.write(10, "key", "ci", {"name": "ci", "note": "x"})
    patch = writer.write(20, "key", "ci", {"note": "y"})
    assert (True, {"note": "y"}, {}) == (reader.apply(patch), reader.get("key", "ci").fields, reader.vector)
    assert (True, {"name": "ci", "note": "y"}) == (reader.apply(creation), reader.get("key", "ci").fields)
    assert ({"a": 20}, (20, "a")) == (reader.vector, reader.get("key", "ci").version)


def test_a_delta_says_what_it_follows():
    """For audit: the stamps that its author saw on the fields it sets, and on all of them if it deletes."""
    records = RecordMap("a")
    records.write(10, "key", "ci", {"name": "ci", "note": "x"})
    patch = records.write(20, "key", "ci", {"note": "y", "new": 1})
    deletion = records.delete(30, "key", "ci")
    assert ({"note": (10, "a")}, 10) == (patch.previous, patch.after)
    assert ({"name": (10, "a"), "note": (20, "a"), "new": (20, "a")}, 20) == (deletion.previous, deletion.after)
    assert records.delete(40, "key", "ci") is None


def test_one_stamp_with_two_values_still_converges():
    """A cloned node's id stamps two values alike; the greater text wins everywhere, and digests tell the difference."""
    delta = RecordMap("a").write(10, "k", "i", {"x": 1})
    twin = RecordMap("a").write(10, "k", "i", {"x": 2})
    one, two = replica([delta, twin]), replica([twin, delta])
    assert (2, 2) == (one.get("k", "i").fields["x"], two.get("k", "i").fields["x"])
    assert replica([delta]).digest() != one.digest() == two.digest()


def test_a_node_that_lost_its_last_delta_heals_by_itself():
    """Its next delta follows what it still knows; peers that have the lost one step over it, and give it back."""
    author, peer = RecordMap("a"), RecordMap("b")
    peer.apply(author.write(10, "k", "i", {"x": 1}))
    kept = author.dump()
    lost = author.write(20, "k", "i", {"y": 2})
    peer.apply(lost)
    author = RecordMap("a")
    author.merge(kept)
    peer.apply(author.write(30, "k", "i", {"x": 3}))
    assert ({"a": 30}, {"a": 30}) == (author.vector, peer.vector)
    assert author.digest() != peer.digest()
    author.apply(lost)
    assert author.digest() == peer.digest()


@pytest.mark.parametrize(("kind", "id"), [("", "x"), ("a/b", "x"), ("k", "")])
def test_what_no_subject_can_say_is_refused(kind, id):
    """A kind has no slash, and neither is empty."""
    with pytest.raises(ValueError, match="a record has a kind without slashes and an id"):
        RecordMap("a").write(1, kind, id, {})


def test_a_map_shows_itself():
    """Counts by kind, never a value."""
    records = RecordMap("a")
    records.write(1, "key", "ci", {"hash": "canary"})
    records.write(2, "model", "vendor/m", {})
    records.write(3, "key", "old", {})
    records.delete(4, "key", "old")
    assert "<RecordMap a: 1 key, 1 model, 1 tombstones>" == repr(records)
    assert "<Record key/ci#(1, 'a') of hash>" == repr(records.get("key", "ci"))
    assert (["key", "model"], (2, "a")) == (records.kinds(), records.get("model", "vendor/m").version)
    assert (4, 1, "<RecordMap b: empty, 0 tombstones>") == (records.horizon, records.tombstones, repr(RecordMap("b")))


@pytest.mark.slow
@settings(max_examples=5000)
@given(steps, st.data())
def test_many_histories_mean_the_same_in_any_order(script, data):
    """The first law, over fifty times as many histories."""
    made = history(script)
    if made:
        assert meaning_of(made) == shown_by(replica(data.draw(st.permutations(made))))
