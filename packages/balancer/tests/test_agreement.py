"""Many cold sessions at once: how evenly they are spread, and how far two nodes agree that can't see each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from random import Random
from statistics import median
from typing import NamedTuple

import pytest

from llmgw_balancer import Balancer, Wanted
from llmgw_balancer.testing import Clock, candidate


class Cold(NamedTuple):
    """A session that has been nowhere yet."""

    id: str
    tenant: str
    tokens: int


class Outcome(NamedTuple):
    """`agreed` is the share of sessions with the same account on both nodes; `most` the larger of both nodes' highest
    load for its weight, by the mean; `accounts` is how many the sessions of a tenant are on, in the mean.
    """

    agreed: float
    most: float
    accounts: float


def cold_sessions(rand: Random, count: int, tenants: int, zipf: float) -> list[Cold]:
    """With tenants of equal size, or by Zipf's law."""
    prefixes = [rand.randint(2000, 6000) for _ in range(tenants)]
    of = rand.choices(range(tenants), [1 / (n + 1) ** zipf for n in range(tenants)], k=count)
    run = rand.random()
    return [Cold(f"{run}s{n}", f"{run}t{t}", prefixes[t] + rand.randint(50, 1500)) for n, t in enumerate(of)]


def assigned(order: Sequence[Cold], weights: Sequence[float], seed: int) -> dict[str, str]:
    """Where a node sends them, all within a second and before any of them ends."""
    clock = Clock()
    balancer = Balancer(clock=clock, rand=Random(seed).random)
    tiers = [[candidate(f"a{n}", weight=weight) for n, weight in enumerate(weights)]]
    found = {}
    for cold in order:
        clock.now += 1 / len(order)
        pick = balancer.choose(tiers, Wanted(prefix=cold.tenant.encode(), session=cold.id, tokens=cold.tokens))
        found[cold.id] = pick.candidate.account.id
        balancer.bound(pick.candidate.account.id, cold.id)
    return found


def simulated(
    seed: int, weights: Sequence[float] = (1.0,) * 10, *, count: int = 1000, tenants: int = 40, zipf: float = 0.0
) -> Outcome:
    """Two nodes that see the same sessions in two orders."""
    rand = Random(seed)
    sessions = cold_sessions(rand, count, tenants, zipf)
    one = assigned(rand.sample(sessions, count), weights, seed)
    two = assigned(rand.sample(sessions, count), weights, seed + 1)
    pairs = {(session.tenant, one[session.id]) for session in sessions}
    return Outcome(
        sum(one[session.id] == two[session.id] for session in sessions) / count,
        max(highest(found, weights) for found in (one, two)),
        len(pairs) / len({session.tenant for session in sessions}),
    )


def highest(found: dict[str, str], weights: Sequence[float]) -> float:
    counts = Counter(found.values())
    mean = len(found) / sum(weights)
    return max(counts[f"a{n}"] / weight for n, weight in enumerate(weights)) / mean


@pytest.mark.parametrize("seed", range(3))
def test_a_thousand_cold_sessions_are_spread_and_agreed_upon(seed):
    """40 tenants over 10 equal accounts: nobody has more than 1.3 times the mean, and two nodes agree on nine of ten
    sessions, though each tenant's are on a part of the accounts only.
    """
    outcome = simulated(seed)
    assert outcome.most <= 1.3
    assert outcome.agreed >= 0.9
    assert outcome.accounts < 6.5


@pytest.mark.slow
def test_a_thousand_cold_sessions_with_any_seed():
    """The same for two hundred seeds."""
    outcomes = [simulated(seed) for seed in range(200)]
    agreed, most = sorted(o.agreed for o in outcomes), sorted(o.most for o in outcomes)
    assert (agreed[0] >= 0.9, most[-1] <= 1.3) == (True, True), (agreed[:5], most[-5:])
    assert median(agreed) >= 0.98


UNEQUAL = (1.0, 1.0, 1.0, 1.0, 1.0, 2.0, 2.0, 2.0, 4.0, 4.0)


@pytest.mark.parametrize(
    ("shape", "agreed", "most"),
    [
        ({"zipf": 1.0}, 0.9, 1.3),
        ({"tenants": 1}, 0.95, 1.3),
        ({"weights": UNEQUAL}, 0.75, 1.3),
        ({"weights": UNEQUAL, "zipf": 1.0}, 0.85, 1.3),
        ({"weights": (1.0,) * 3}, 0.95, 1.3),
        # 20 sessions for each: chance alone puts 35 on one of 50. Nodes differ in how large a tenant is.
        ({"weights": (1.0,) * 50}, 0.55, 1.75),
        ({"weights": (1.0,) * 50, "zipf": 1.0}, 0.75, 1.75),
        ({"count": 100}, 0.9, 2.0),
    ],
    ids=["zipf", "one-tenant", "weights", "weights-zipf", "three", "fifty", "fifty-zipf", "hundred-sessions"],
)
def test_other_shapes_are_spread_too(shape, agreed, most):
    """Tenants by Zipf's law, one tenant, weights, few accounts, many accounts, few sessions."""
    outcome = simulated(7, **shape)
    assert outcome.most <= most
    assert outcome.agreed >= agreed
