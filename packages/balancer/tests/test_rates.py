from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmgw_balancer import Exclusion, OtherLoad, Slots
from llmgw_balancer.rates import Rates, Window
from llmgw_balancer.testing import candidate
from llmgw_domain import Target


def requests(window: Window, now: float, limit: int, elsewhere: int = 0) -> float:
    return window.wait(now, limit, 1, elsewhere, of_tokens=False)


def tokens(window: Window, now: float, limit: int, more: int) -> float:
    return window.wait(now, limit, more, 0, of_tokens=True)


def test_a_limit_is_reached_and_slides_away():
    """After the last request of a minute the next one waits until the first is a minute old."""
    window = Window()
    for n in range(3):
        window.add(n * 10.0, 0)
    assert 0 == requests(window, 20.0, 4)
    assert 42 == requests(window, 20.0, 3)
    assert 0 == requests(window, 62.0, 3)
    assert 10 == requests(window, 62.0, 2)


@given(st.integers(0, 2**32), st.integers(1, 20))
def test_no_sixty_seconds_hold_more_than_the_limit(seed, limit):
    """Wherever the minute begins, and however calls come."""
    rand, window, sent, now = Random(seed), Window(), [], 0.0
    for _ in range(200):
        now += rand.expovariate(1.0)
        if requests(window, now, limit) == 0:
            window.add(now, 0)
            sent.append(now)
    for began in sent:
        assert sum(began <= at < began + 60 for at in sent) <= limit


@given(st.integers(0, 2**32), st.integers(1, 5))
def test_whoever_waits_as_told_may_go(seed, limit):
    """The time that a refusal names is enough, and not for ever."""
    rand, window, now = Random(seed), Window(), 0.0
    for _ in range(50):
        now += rand.expovariate(0.2)
        wait = requests(window, now, limit)
        assert 0 <= wait <= 62
        now += wait
        assert 0 == requests(window, now, limit)
        window.add(now, 0)


def test_tokens_are_corrected_when_they_are_known():
    """What a call did not use is free again, in the minute in which it began; what it used more is not."""
    window = Window()
    window.add(0.0, 900)
    assert tokens(window, 1.0, 1000, 200) > 0
    window.correct(0.0, -500)
    assert (0, 400) == (tokens(window, 1.0, 1000, 200), window.tokens)
    window.correct(0.0, 500)
    assert tokens(window, 1.0, 1000, 200) > 0
    window.settle(63.0)
    window.correct(0.0, 500)
    assert (0, 0) == (window.requests, window.tokens)


def test_a_call_above_the_limit_goes_when_nothing_else_does():
    """Or it would wait for ever; whether it may is for the provider to say."""
    window = Window()
    assert 0 == tokens(window, 0.0, 100, 500)
    window.add(0.0, 10)
    assert 62 == tokens(window, 0.0, 100, 500)


def test_what_others_took_counts():
    """Their times are not known, so it is looked at again soon."""
    window = Window()
    assert 0 == requests(window, 0.0, 10, 9)
    assert 2 == requests(window, 0.0, 10, 10)


def test_the_limits_of_an_account_and_of_a_model_there_are_two():
    """The model's own counts its own calls only."""
    rates, slots = Rates(), Slots()
    target = Target(pool="p", model="m", requests_per_minute=1)
    one, other = candidate("a", target=target, requests_per_minute=3), candidate("a", model="n", requests_per_minute=3)
    rates.add("a", "m", 5, 0.0)
    assert [(Exclusion.REQUESTS, 0), (Exclusion.REQUESTS, 62)] == list(rates.waits(one, OtherLoad(), 0, 0.0))
    assert [(Exclusion.REQUESTS, 0)] == list(rates.waits(other, OtherLoad(), 0, 0.0))
    lease = slots.take("a", "m", 0.0, 5)
    rates.correct(lease, 7)
    assert 7 == rates.window("a", "m", 0.0).tokens == rates.window("a", None, 0.0).tokens


def test_what_is_over_takes_no_memory():
    """Models that were asked for are forgotten after their minute, accounts when they are gone."""
    rates = Rates()
    rates.add("a", "m", 5, 0.0)
    assert (("m",), ()) == (rates.models("a", 1.0), rates.models("a", 70.0))
    rates.add("b", "m", 5, 0.0)
    rates.retain({"a"})
    assert (0, ()) == (rates.window("b", None, 0.0).requests, rates.models("b", 0.0))


@pytest.mark.parametrize("tokens", [0, 3, 100])
def test_a_correction_never_takes_more_than_there_was(tokens):
    """Counters don't go below zero, whatever a provider reports."""
    window = Window()
    window.add(0.0, tokens)
    window.correct(0.0, -50)
    assert max(tokens - 50, 0) == window.tokens
