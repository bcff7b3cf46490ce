"""Pins merge: whatever is heard, in whatever order and however often, all nodes end with the same."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from llmgw_affinity import Pin, Stay, merged

stays = st.builds(
    Stay,
    account=st.sampled_from("ab"),
    since=st.integers(1, 3),
    node=st.sampled_from("mn"),
    warm_until=st.sampled_from([0.0, 10.0, 20.0]),
    cached=st.sampled_from([0, 100, 200]),
    told=st.integers(0, 3),
)
pins = st.builds(Pin, key=st.just("0" * 32), epoch=st.integers(0, 2), home=stays, current=stays)


def stay(account: str, since: int, **more: object) -> Stay:
    return Stay(account=account, since=since, node="n", **more)  # type: ignore[arg-type]


@given(pins, pins, pins)
def test_pins_merge_in_any_order(a: Pin, b: Pin, c: Pin) -> None:
    """Commutative, associative, idempotent."""
    assert merged(a, b) == merged(b, a)
    assert merged(merged(a, b), c) == merged(a, merged(b, c))
    assert merged(a, a) == a
    assert merged(merged(a, b), b) == merged(a, b)


def test_the_earliest_home_and_the_latest_current_win() -> None:
    """Two nodes that bind one session at once agree on the first; where it was last served counts."""
    one = Pin(key="k", epoch=0, home=stay("a", 5), current=stay("a", 5))
    other = Pin(key="k", epoch=0, home=stay("b", 7), current=stay("b", 7))
    both = merged(one, other)
    assert ("a", "b", True) == (both.home.account, both.current.account, both.away)


def test_a_new_home_wins_over_an_older_one() -> None:
    """A session that was given another home has a later epoch, whenever that was heard."""
    one = Pin(key="k", epoch=0, home=stay("a", 5), current=stay("a", 5))
    moved = Pin(key="k", epoch=1, home=stay("b", 9), current=stay("b", 9))
    assert moved == merged(one, moved)


def test_the_latest_evidence_of_a_stay_counts() -> None:
    """Evidence of another stay at the same account is none of this one."""
    cold = Pin(key="k", epoch=0, home=stay("a", 5), current=stay("a", 5))
    told = Pin(key="k", epoch=0, home=stay("a", 5, warm_until=9.0, cached=70, told=6), current=stay("b", 6))
    both = merged(cold, told)
    assert (70, 9.0) == (both.home.cached, both.home.warm_until)
    assert (True, False) == (both.home.warm(8.0), both.home.warm(9.0))
    assert not both.current.warm(0.0)
