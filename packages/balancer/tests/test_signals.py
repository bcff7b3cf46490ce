from hypothesis import given
from hypothesis import strategies as st

from llmgw_balancer import Signals


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def signals(rand: float = 0.5) -> tuple[Signals, Clock]:
    clock = Clock()
    return Signals(clock, lambda: rand), clock


def test_a_failure_puts_an_account_in_doubt_for_a_while():
    """Two seconds after the first one; others are not touched."""
    seen, clock = signals()
    seen.failed("a")
    assert (True, False) == (seen.doubted("a"), seen.doubted("b"))
    clock.now += 2.0
    assert not seen.doubted("a")
    assert 1 == seen.doubts()["a"].failures


def test_each_failure_in_a_row_doubles_the_while():
    """Up to a minute."""
    seen, clock = signals()
    lengths = []
    for _ in range(8):
        seen.failed("a")
        lengths.append(seen.doubts()["a"].until - clock.now)
        clock.now = seen.doubts()["a"].until
    assert [2, 4, 8, 16, 32, 60, 60, 60] == lengths


def test_calls_that_fail_together_are_one_failure():
    """A connection that takes a hundred streams with it does not doubt its account for a minute."""
    seen, _ = signals()
    for _ in range(100):
        seen.failed("a")
    assert 1 == seen.doubts()["a"].failures


def test_a_success_ends_the_doubt_and_its_count():
    seen, clock = signals()
    seen.failed("a")
    clock.now += 2
    seen.failed("a")
    seen.answered("a")
    assert (False, {}) == (seen.doubted("a"), seen.doubts())
    seen.failed("a")
    assert 1 == seen.doubts()["a"].failures


@given(st.floats(0, 0.999))
def test_chance_keeps_accounts_from_coming_back_together(rand):
    """By a quarter either way."""
    seen, clock = signals(rand)
    seen.failed("a")
    assert 1.5 <= seen.doubts()["a"].until - clock.now <= 2.5
