from hypothesis import given
from hypothesis import strategies as st

from llmgw_crdt import RecordMap
from llmgw_crdt.backlog import Backlog


def chains(counts) -> list:
    """Deltas of several authors, each author's in order."""
    made = []
    for node, count in zip("abc", counts, strict=True):
        author = RecordMap(node)
        made += [author.write(n * 10, "k", f"{node}{n}", {"n": n}) for n in range(1, count + 1)]
    return made


@given(
    st.tuples(*[st.integers(0, 5)] * 3),
    st.tuples(*[st.integers(0, 5)] * 3),
    st.integers(1, 15),
    st.integers(1, 6),
    st.data(),
)
def test_what_it_gives_takes_the_peer_without_a_gap(counts, there, limit, batch, data):
    """Whatever arrived in whatever order, an answer leads on from the peer's vector; else it says that it can't."""
    made = chains(counts)
    backlog = Backlog(limit)
    for delta in data.draw(st.permutations(made)):
        backlog.add(delta)
    records, peer = RecordMap("r"), RecordMap("p")
    for delta in made:
        records.apply(delta)
        if delta.hlc <= 10 * there["abc".index(delta.node)]:
            peer.apply(delta)
    answer = backlog.between(peer.vector, records.vector, batch)
    lacks = [delta for delta in made if not peer.has(delta)]
    if answer is None:
        assert len(made) > limit
        return
    assert min(batch, len(lacks)) == len(answer)
    for delta in answer:
        peer.apply(delta)
        assert peer.has(delta)


def test_it_keeps_the_latest_arrivals_and_each_once():
    """Its limit is a number of deltas; what comes again takes no place."""
    made = chains((3, 2, 0))
    backlog = Backlog(3)
    assert [True] * 5 == [backlog.add(delta) for delta in made]
    assert [False] * 3 == [backlog.add(delta) for delta in made[2:]]
    assert (3, "<Backlog 3 of 3 deltas by 2 nodes>") == (len(backlog), repr(backlog))
    assert made[2:] == backlog.between({"a": 20}, {"a": 30, "b": 20}, 10)
    assert backlog.between({"a": 10}, {"a": 30, "b": 20}, 10) is None


def test_a_gap_is_not_passed_over():
    """A delta that came by another way (a whole state) is missing here, and the backlog knows."""
    made = chains((3, 0, 0))
    backlog = Backlog(10)
    for delta in (made[0], made[2]):
        backlog.add(delta)
    assert backlog.between({}, {"a": 30}, 10) is None
    assert [made[2]] == backlog.between({"a": 20}, {"a": 30}, 10)
    assert [made[0]] == backlog.between({}, {"a": 10}, 10)
    assert backlog.between({}, {"a": 40}, 10) is None
