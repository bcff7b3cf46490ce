import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmgw_crdt.counter import PNCounter, Share

actions = st.lists(st.tuples(st.sampled_from("abc"), st.one_of(st.integers(-50, 50), st.just("reset"))), max_size=20)


@given(actions, st.data())
def test_counters_agree_whatever_the_links_do(steps, data):
    """Nodes add and begin anew; their shares come in any order and number; all see the sum of what counts."""
    counters = {node: PNCounter(node, 1) for node in "abc"}
    expected = dict.fromkeys("abc", 0)
    said = []
    for epoch, (node, action) in enumerate(steps, 2):
        if isinstance(action, int):
            said.append(counters[node].add(action))
            expected[node] += action
        else:
            said.append(counters[node].reset(epoch))
            expected[node] = 0
    if said:
        for counter in counters.values():
            counter.merge(data.draw(st.lists(st.sampled_from(said))))
            counter.merge(data.draw(st.permutations(said)))
    assert [sum(expected.values())] * 3 == [counter.value for counter in counters.values()]


shares = st.builds(Share, st.just("a"), st.integers(0, 2), st.integers(0, 3), st.integers(0, 3))


@given(shares, shares, shares)
def test_joining_shares_is_a_semilattice(one, two, three):
    """Order, grouping and repetition do not matter, for shares that no node would make as well."""
    assert one.join(two) == two.join(one)
    assert one.join(two).join(three) == one.join(two.join(three))
    assert one == one.join(one)


def test_a_late_share_of_an_earlier_epoch_is_left_out():
    """A reset is not undone by larger numbers from before it."""
    writer, reader = PNCounter("a", 1), PNCounter("b", 1)
    late = writer.add(100)
    reader.merge([writer.reset(2), writer.add(3)])
    assert (False, 3) == (reader.merge([late]), reader.value)


def test_a_restarted_node_begins_anew():
    """It remembers nothing, and its later epoch replaces what the others know of it."""
    reader = PNCounter("b", 1)
    reader.merge([PNCounter("a", 1).add(100)])
    assert (True, 7) == (reader.merge([PNCounter("a", 5).add(7)]), reader.value)


def test_the_share_of_a_node_that_is_gone_can_be_taken_away():
    """Another node begins its share anew; should it come back, it goes on from there."""
    gone, other = PNCounter("a", 1), PNCounter("b", 1)
    other.merge([gone.add(40)])
    reset = other.reset(9, "a")
    assert 0 == other.value
    gone.merge([reset])
    other.merge([gone.add(2)])
    assert (2, 2, "<PNCounter a: 2 of 1 nodes>") == (gone.value, other.value, repr(gone))


def test_an_epoch_is_above_the_one_before():
    """Beginning anew in an old epoch would be ignored by all others: it is refused."""
    counter = PNCounter("a", 5)
    with pytest.raises(ValueError, match="the share of a is in epoch 5: a new one is above it, not 5"):
        counter.reset(5)
    assert {"a": Share("a", 5, 0, 0)} == counter.shares
