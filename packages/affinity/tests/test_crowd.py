"""More calls at once than one conversation has are a crowd, until they have left."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from llmgw_affinity import Crowd


def test_more_than_a_few_at_once_are_a_crowd() -> None:
    """The first few still pass; when one has left, there is room for another."""
    crowd = Crowd(most=2)
    assert [True, True, False] == [crowd.enter("a") for _ in range(3)]
    assert crowd.enter("b")
    crowd.leave("a")
    crowd.leave("a")
    assert crowd.enter("a")
    assert "<Crowd of 3 calls under 2 keys>" == repr(crowd)


def test_memory_is_bounded() -> None:
    """Beyond the bound keys are not counted, and leaving does not harm those that are."""
    crowd = Crowd(most=1, bound=2)
    assert [True] * 4 == [crowd.enter(key) for key in "abcd"]
    assert [True, False, 2] == [crowd.enter("c"), crowd.enter("a"), len(crowd)]
    for key in "aabcdc":
        crowd.leave(key)
    assert 0 == len(crowd)


@given(st.lists(st.sampled_from("abc")))
def test_everybody_leaves(keys: list[str]) -> None:
    """Nothing is left behind, whatever the order."""
    crowd = Crowd()
    for key in keys:
        crowd.enter(key)
    for key in reversed(keys):
        crowd.leave(key)
    assert 0 == len(crowd)
