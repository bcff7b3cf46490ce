from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmgw_balancer import BalanceConfig, Circuit
from llmgw_balancer.circuit import NEXT, Breaker, Event

CLOSED, OPEN, PROBATION = Circuit.CLOSED, Circuit.OPEN, Circuit.PROBATION


def middle() -> float:
    return 0.5


def broken(config: BalanceConfig | None = None, at: float = 0.0) -> Breaker:
    breaker = Breaker(config or BalanceConfig())
    for _ in range(3):
        breaker.failed(at, at, middle)
    return breaker


def test_the_table_is_total():
    """Every event is expected in every state."""
    assert set(product(Circuit, Event)) == set(NEXT)


@pytest.mark.parametrize(("state", "event"), list(product(Circuit, Event)))
def test_every_step_is_lawful(state, event):
    """Only what proves an account closes its circuit; only failures open it; time alone gives probation."""
    after = NEXT[state, event]
    if event is Event.PROVED:
        assert after is CLOSED
    elif event is Event.TRIPPED:
        assert after is OPEN
    elif event is Event.ELAPSED:
        assert after is (PROBATION if state is OPEN else state)
    elif event is Event.FAILED:
        assert after is (CLOSED if state is CLOSED else OPEN)
    else:
        assert after is (CLOSED if state is CLOSED else PROBATION)


def test_failures_in_a_row_open_it():
    """Two are chance, and an answer in between begins the row anew; the third opens it."""
    breaker = Breaker(BalanceConfig())
    for outcome in "ffaff":
        breaker.failed(0.0, 0.0, middle) if outcome == "f" else breaker.answered(0.0, 0.0, None)
    assert CLOSED is breaker.at(0.0)
    breaker.failed(0.0, 0.0, middle)
    assert (OPEN, 2.0) == (breaker.at(0.0), breaker.until)


def test_an_error_rate_opens_it():
    """Where every second call fails no three fail in a row; ten calls are enough to tell."""
    breaker = Breaker(BalanceConfig())
    for n in range(10):
        assert CLOSED is breaker.at(0.0)
        breaker.answered(0.0, 0.0, None) if n % 2 == 0 else breaker.failed(0.0, 0.0, middle)
    assert OPEN is breaker.at(0.0)


def test_probation_follows_and_three_answers_close_it():
    """What it had is forgotten with that."""
    breaker = broken()
    assert (OPEN, PROBATION) == (breaker.at(1.9), breaker.at(2.0))
    for _ in range(2):
        breaker.answered(2.0, 2.5, None)
    assert PROBATION is breaker.at(2.5)
    breaker.answered(2.0, 2.5, None)
    assert (CLOSED, 0, 0.0) == (breaker.at(2.5), breaker.failures, breaker.error_rate)


def test_a_failure_in_probation_opens_it_for_twice_as_long():
    """Up to a minute."""
    breaker, now, lengths = broken(), 0.0, []
    for _ in range(7):
        lengths.append(breaker.until - now)
        now = breaker.until
        assert PROBATION is breaker.at(now)
        breaker.failed(now, now, middle)
    assert [2, 4, 8, 16, 32, 60, 60] == lengths


def test_calls_that_fail_together_are_one_failure():
    """A hundred streams on a connection that dies open the circuit once; what they tell later is of the time before."""
    breaker = broken(at=10.0)
    until = breaker.until
    for _ in range(97):
        breaker.failed(5.0, 10.0, middle)
    assert (until, 1) == (breaker.until, breaker.opened)
    assert PROBATION is breaker.at(13.0)
    breaker.failed(9.0, 13.0, middle)
    breaker.answered(9.0, 13.0, None)
    assert (PROBATION, 0) == (breaker.at(13.0), breaker.answers)


def test_answers_while_it_is_open_are_probation():
    """They come where calls are made all the same, because too many others are open."""
    breaker = broken()
    breaker.answered(0.5, 1.0, None)
    assert PROBATION is breaker.at(1.0)
    breaker.failed(1.0, 1.0, middle)
    assert (OPEN, 2) == (breaker.at(1.0), breaker.opened)


def test_seconds_to_the_first_byte_are_averaged():
    """The first one counts whole, each later one for a fifth."""
    breaker = Breaker(BalanceConfig())
    breaker.answered(0.0, 1.0, 1.0)
    breaker.answered(0.0, 1.0, 2.0)
    breaker.answered(0.0, 1.0, None)
    assert pytest.approx(1.2) == breaker.first_byte


@given(st.floats(0, 0.999))
def test_chance_keeps_accounts_from_coming_back_together(rand):
    """By a quarter either way."""
    breaker = Breaker(BalanceConfig())
    for _ in range(3):
        breaker.failed(0.0, 0.0, lambda: rand)
    assert 1.5 <= breaker.until <= 2.5


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 5), st.floats(0, 8)), max_size=60))
def test_whatever_happens_it_can_be_closed_again(steps):
    """No history leaves a circuit that answers could not close, nor one that is open longer than the most."""
    breaker, now = Breaker(BalanceConfig()), 0.0
    for answers, passed, began in steps:
        now += passed
        breaker.answered(now - began, now, 0.1) if answers else breaker.failed(now - began, now, middle)
        assert breaker.until <= now + 60
        assert 0 <= breaker.error_rate <= 1
    now += 61
    for _ in range(3):
        breaker.answered(now, now, 0.1)
    assert CLOSED is breaker.at(now)
