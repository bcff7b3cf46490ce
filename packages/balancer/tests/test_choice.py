import pytest

from llmgw_balancer import Exclusion, Wanted


def test_a_call_does_not_want_where_it_was_or_what_cannot_serve_it():
    """What was tried is said first."""
    wanted = Wanted(tried={"a", "c"}, only={"a", "b"})
    words = {name: wanted.excludes(name) for name in "abcd"}
    assert {"a": Exclusion.TRIED, "b": None, "c": Exclusion.TRIED, "d": Exclusion.UNFIT} == words
    assert Wanted().excludes("a") is None
    assert Exclusion.UNFIT is Wanted(only=()).excludes("a")


@pytest.mark.parametrize(
    ("wanted", "lasts"),
    [(Wanted(), False), (Wanted(session="s"), True), (Wanted(prefix=b"p"), True), (Wanted(tokens=9), False)],
)
def test_a_call_without_a_session_or_prefix_is_alone(wanted, lasts):
    """No others of its kind are to come."""
    assert lasts is wanted.lasts
