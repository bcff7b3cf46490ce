"""The last deltas, for peers that lack a few."""

from hypothesis import given
from hypothesis import strategies as st

from llmgw_crdt import Delta, RecordMap
from llmgw_crdt.backlog import Backlog


def chain(node: str, *hlcs: int) -> list[Delta]:
    """Deltas of one author, each after the one before."""
    made, after = [], 0
    for hlc in hlcs:
        made.append(Delta(node, hlc, after, "k", "x", (hlc, node), {"f": hlc}, {}, False))
        after = hlc
    return made


def filled(limit: int, deltas: list[Delta]) -> Backlog:
    backlog = Backlog(limit)
    for delta in deltas:
        backlog.add(delta)
    return backlog


def test_a_peer_is_brought_from_where_it_is_to_here():
    """Only what it lacks, of each author in order."""
    deltas = chain("a", 1, 5, 9) + chain("b", 2, 4)
    backlog = filled(10, deltas)
    found = backlog.between({"a": 5}, {"a": 9, "b": 4}, 10)
    assert [(d.node, d.hlc) for d in found] == [("a", 9), ("b", 2), ("b", 4)]
    assert [] == backlog.between({"a": 9, "b": 4}, {"a": 9, "b": 4}, 10)
    assert [("a", 9)] == [(d.node, d.hlc) for d in backlog.between({"a": 5}, {"a": 9, "b": 4}, 1)]


def test_what_was_dropped_is_not_bridged():
    """The oldest went for want of room: a peer that lacks it needs the whole state."""
    backlog = filled(2, chain("a", 1, 5, 9))
    assert backlog.between({}, {"a": 9}, 10) is None
    assert [5, 9] == [d.hlc for d in backlog.between({"a": 1}, {"a": 9}, 10)]


def test_a_gap_is_not_bridged():
    """A link that never came by here can't be given on."""
    deltas = chain("a", 1, 5, 9)
    backlog = filled(10, [deltas[0], deltas[2]])
    assert backlog.between({"a": 1}, {"a": 9}, 10) is None


def test_the_same_delta_is_kept_once():
    """However often it comes."""
    deltas = chain("a", 1, 5)
    backlog = Backlog(10)
    assert [True, True, False, False] == [backlog.add(d) for d in (*deltas, *deltas)]
    assert 2 == len(backlog)


@given(st.lists(st.integers(1, 40), unique=True, min_size=1).map(sorted), st.integers(1, 50), st.data())
def test_what_it_gives_takes_the_peer_to_where_this_node_is(hlcs, limit, data):
    """Or it says that it does not reach back; it never leaves a gap."""
    deltas = chain("a", *hlcs)
    backlog = filled(limit, data.draw(st.permutations(deltas)))
    reached = data.draw(st.sampled_from([0, *hlcs]))
    found = backlog.between({"a": reached} if reached else {}, {"a": hlcs[-1]}, 1000)
    assert len(backlog) <= limit
    if found is not None:
        peer = RecordMap("b")
        for delta in deltas:
            if delta.hlc <= reached:
                peer.apply(delta)
        for delta in found:
            peer.apply(delta)
        assert {"a": hlcs[-1]} == peer.vector
