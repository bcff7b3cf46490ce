from hypothesis import given
from hypothesis import strategies as st

from llmgw_crdt.vector import EARLY_LIMIT, Vector, floor_of, lacking


@given(st.lists(st.integers(1, 5), min_size=1, max_size=12), st.data())
def test_a_vector_never_claims_what_was_not_received(gaps, data):
    """Links of one author in any order, some lost, some doubled: it reaches to the last one before the first loss."""
    links, last = [], 0
    for gap in gaps:
        links.append((last, last + gap))
        last += gap
    arrived = data.draw(st.lists(st.sampled_from(links)))
    vector = Vector()
    for after, hlc in arrived:
        vector.advance("a", after, hlc)
    unbroken = next((n for n, link in enumerate(links) if link not in arrived), len(links))
    expected = links[unbroken - 1][1] if unbroken else 0
    assert (expected, True) == (vector.get("a"), vector.covers("a", expected))
    assert not vector.covers("a", expected + 1)


def test_an_early_link_is_taken_once_the_gap_is_filled():
    """What came too early counts from the moment when nothing is missing before it."""
    vector = Vector()
    assert [False, False, 2] == [vector.advance("a", 1, 2), vector.advance("a", 2, 3), vector.early("a")]
    assert [True, 3, 0] == [vector.advance("a", 0, 1), vector.get("a"), vector.early("a")]


def test_an_author_that_forgot_its_last_link_is_stepped_over():
    """A link that is tied to an earlier one takes the vector from wherever it is in between."""
    vector = Vector({"a": 5})
    vector.advance("a", 5, 10)
    assert vector.advance("a", 5, 20)
    assert {"a": 20} == vector.as_dict()
    assert not vector.advance("a", 5, 10)


def test_claims_of_a_whole_state_fill_gaps():
    """Merging raises, never lowers, and takes the links that waited."""
    vector = Vector({"a": 5, "b": 9})
    vector.advance("a", 7, 8)
    vector.merge({"a": 7, "b": 1, "c": 2})
    assert Vector({"a": 8, "b": 9, "c": 2}) == vector
    assert "<Vector {'a': 8, 'b': 9, 'c': 2}>" == repr(vector)


def test_early_links_are_bounded_and_come_again():
    """A flood beyond a gap takes no more memory than the limit, and what was forgotten is not claimed."""
    vector = Vector()
    for n in range(1, EARLY_LIMIT + 50):
        vector.advance("a", n, n + 1)
    assert EARLY_LIMIT == vector.early("a")
    vector.advance("a", 0, 1)
    assert EARLY_LIMIT + 1 == vector.get("a")
    assert vector.advance("a", EARLY_LIMIT + 1, EARLY_LIMIT + 2)


def test_vectors_are_compared_author_by_author():
    """`lacking` names who has less; `floor_of` is what all claim."""
    assert {"a": 1, "c": 0} == lacking({"a": 2, "b": 3, "c": 4}, {"a": 1, "b": 3, "d": 9})
    assert {"a": 1, "b": 0} == floor_of([{"a": 2, "b": 3}, {"a": 1}])
    assert {"a": 2} == floor_of([{"a": 2}])
