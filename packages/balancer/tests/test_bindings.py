from hypothesis import given
from hypothesis import strategies as st

from llmgw_balancer.bindings import Bindings


def test_a_session_counts_where_it_was_last_for_a_while():
    """A turn elsewhere moves it; a minute without one ends it."""
    bindings = Bindings(60.0, lambda account: None)
    bindings.bind("s", "a", 0.0)
    bindings.bind("s", "b", 10.0)
    assert (0, 1) == (bindings.at("a"), bindings.at("b"))
    bindings.sweep(69.9)
    assert 1 == bindings.at("b")
    bindings.sweep(70.0)
    assert (0, 0) == (bindings.at("b"), len(bindings))


def test_the_oldest_of_too_many_are_forgotten(monkeypatch):
    """Memory is bounded, and counts with it."""
    monkeypatch.setattr("llmgw_balancer.bindings._MOST", 3)
    bindings = Bindings(60.0, lambda account: None)
    for n in range(5):
        bindings.bind(f"s{n}", "a" if n < 2 else "b", float(n))
    assert (0, 3) == (bindings.at("a"), bindings.at("b"))


@given(st.lists(st.tuples(st.sampled_from("stuvw"), st.sampled_from("abc"), st.floats(0, 40)), max_size=40))
def test_every_change_of_a_count_is_told(steps):
    """Whoever listens has the same numbers, and at the end of all time they are zero."""
    counted = {}
    bindings = Bindings(60.0, lambda account: counted.update({account: bindings.at(account)}))
    now = 0.0
    for key, account, passed in steps:
        now += passed
        bindings.sweep(now)
        bindings.bind(key, account, now)
        assert all(counted.get(x, 0) == bindings.at(x) for x in "abc")
        assert len(bindings) == sum(bindings.at(x) for x in "abc")
    bindings.sweep(now + 60)
    assert {0} >= set(counted.values())
