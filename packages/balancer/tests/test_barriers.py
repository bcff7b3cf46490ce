import math

import pytest

from llmgw_balancer import BalanceConfig, Balancer, Circuit, Exclusion, OtherLoad, Outcome
from llmgw_balancer.barriers import RESTING
from llmgw_balancer.testing import Clock, candidate
from llmgw_domain import Target
from llmgw_domain.signals import Signal, Verdict


def balancer(others: OtherLoad | None = None, **config) -> tuple[Balancer, Clock]:
    clock = Clock()
    told = others or OtherLoad()
    return Balancer(clock=clock, rand=lambda: 0.5, config=BalanceConfig(**config), others=lambda _: told), clock


def target(**limits) -> Target:
    return Target(pool="p", model="m", **limits)


def stands(of, known: Balancer, tokens: int = 0) -> tuple[Exclusion | None, float | None]:
    return known.why(of, tokens), known.wait(of, tokens)


@pytest.mark.parametrize(
    ("of", "stand"),
    [
        (candidate("a"), (None, 0.0)),
        (candidate("a", enabled=False), (Exclusion.DISABLED, None)),
        (candidate("a", drain=True), (Exclusion.DRAINING, None)),
        (candidate("a", max_concurrency=2), (None, 0.0)),
        (candidate("a", max_concurrency=1), (Exclusion.FULL, math.inf)),
        (candidate("a", target=target(max_concurrency=1)), (Exclusion.FULL, math.inf)),
        (candidate("a", model="n", target=target(max_concurrency=1)), (None, 0.0)),
        (candidate("a", requests_per_minute=1), (Exclusion.REQUESTS, 62.0)),
        (candidate("a", target=target(requests_per_minute=1)), (Exclusion.REQUESTS, 62.0)),
        (candidate("a", tokens_per_minute=150), (Exclusion.TOKENS, 62.0)),
        (candidate("a", target=target(tokens_per_minute=150)), (Exclusion.TOKENS, 62.0)),
        (candidate("a", tokens_per_minute=200), (None, 0.0)),
    ],
)
def test_limits_of_the_account_and_of_its_model(of, stand):
    """With a call of 100 tokens under way, for another of as many."""
    known, _ = balancer()
    known.take(candidate("a"), 100)
    assert stand == stands(of, known, 100)


@pytest.mark.parametrize("verdict", list(RESTING))
def test_each_verdict_has_its_word(verdict: Verdict):
    """A rejection is for an operator; the others end by themselves."""
    known, clock = balancer()
    known.hear(candidate("a"), Signal(verdict=verdict, whole=False, seconds=50.0, reason="r"))
    wait = None if verdict == "disable" else 50.0
    assert (RESTING[verdict], wait) == stands(candidate("a"), known)
    assert (None, 0.0) == stands(candidate("a", model="n"), known)
    clock.now += 3600
    assert (None, 0.0) == stands(candidate("a"), known)


def test_a_circuit_lets_a_few_calls_try():
    """While it is open it says until when; in probation, whether somebody is trying already."""
    known, clock = balancer()
    a, b = candidate("a"), candidate("b")
    assert known.why(b) is None
    for _ in range(3):
        lease = known.take(a)
        lease.release()
        known.learn(lease, Outcome.FAILED)
    assert (Exclusion.OPEN, 2.0) == stands(a, known)
    clock.now += 2.0
    leases = [known.take(a) for _ in range(3)]
    assert all(lease.probe for lease in leases)
    assert (Exclusion.PROVING, math.inf) == stands(a, known)
    for lease in leases:
        lease.release()
        known.learn(lease, Outcome.ANSWERED)
    assert Circuit.CLOSED is known.states()["a"].circuit
    assert known.why(a) is None


def test_an_operator_is_heard_before_a_provider():
    """And a provider before a limit."""
    known, _ = balancer()
    known.take(candidate("a"))
    known.hear(candidate("a"), Signal(verdict="pause", whole=True, seconds=9.0, reason="r"))
    assert Exclusion.PAUSED is known.why(candidate("a", max_concurrency=1))
    assert Exclusion.DRAINING is known.why(candidate("a", max_concurrency=1, drain=True))


def test_what_others_have_of_a_model_counts_for_its_limits():
    """Their calls and tokens of other models do not."""
    known, _ = balancer(OtherLoad(leases=5, models={"m": OtherLoad(leases=1, requests=9)}))
    assert Exclusion.FULL is known.why(candidate("a", target=target(max_concurrency=1)))
    assert known.why(candidate("a", target=target(max_concurrency=2))) is None
    assert Exclusion.REQUESTS is known.why(candidate("a", target=target(requests_per_minute=9)))
    assert known.why(candidate("a", model="n", target=target(max_concurrency=1))) is None
