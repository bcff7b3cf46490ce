import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmgw_balancer import BalanceConfig
from llmgw_balancer.bounds import Bounds, Shares
from llmgw_balancer.pools import Member, Pool
from llmgw_balancer.testing import account

CONFIG = BalanceConfig()


def pool_of(*weights: float) -> Pool:
    pool = Pool(CONFIG, lambda account, now: None)
    for n, weight in enumerate(weights):
        pool.add(Member(account(f"a{n}", weight=weight), pool, CONFIG), 0.0)
    return pool


@given(st.floats(0.01, 1e6))
def test_bounds_are_above_the_fair_share(fair):
    """By a quarter of a large one, and by more of a small one."""
    bounds = Bounds(CONFIG)
    assert bounds.load(fair) >= 1.25 * fair
    assert bounds.flow(fair) >= 1.59 * fair
    assert bounds.tokens(fair, 1000.0) >= 1.25 * fair
    assert bounds.load(1000.0) == 1250.0
    assert bounds.load(1.0) == 3.75


def test_fair_shares_are_those_of_the_fit():
    """By weight, over all pools of a tier; the session to come counts."""
    one, two = pool_of(1.0, 1.0), pool_of(2.0)
    for member in one.members.values():
        member.weigh(leases=3, bindings=0)
        member.spend(0.0, 400)
    shares = Bounds(CONFIG).fair((one, two), 0.0)
    assert Shares(load=7 / 4, flow=1 / 4, tokens=200.0, size=400.0) == shares


def test_without_anybody_there_is_no_fair_share():
    assert Shares(math.inf, math.inf, math.inf, 0.0) == Bounds(CONFIG).fair((), 0.0)


@pytest.mark.parametrize("over", ["load", "flow", "tokens"])
def test_an_account_is_free_while_each_bound_holds(over):
    """One of the three is enough to pass it over."""
    pool, bounds = pool_of(*[1.0] * 10), Bounds(CONFIG)
    for member in pool.members.values():
        member.weigh(leases=40, bindings=0)
        member.spend(0.0, 100_000)
    member = pool.members["a0"]
    assert bounds.hold(member, bounds.fair((pool,), 0.0), 1.0, 0.0)
    if over == "load":
        member.weigh(leases=70, bindings=0)
    for _ in range(40):
        if over == "flow":
            member.arrive(0.0)
        if over == "tokens":
            member.spend(0.0, 100_000)
    assert not bounds.hold(member, bounds.fair((pool,), 0.0), 1.0, 0.0)


def test_an_account_that_starts_slowly_has_few_calls_at_a_time():
    """A tenth of its bound at first, but as many as prove it."""
    pool, bounds = pool_of(*[1.0] * 4), Bounds(CONFIG)
    member = pool.members["a0"]
    member.returned, member.ramp = 0.0, 30.0
    for other in pool.members.values():
        other.weigh(leases=100, bindings=0)
    assert pytest.approx(0.1 * 1.275 * 100, rel=0.01) == bounds.ramped(member, 0.0)
    assert pytest.approx(0.5 * 1.275 * 100, rel=0.01) == bounds.ramped(member, 15.0)
    for other in pool.members.values():
        other.weigh(leases=0, bindings=0)
    assert 3 == bounds.ramped(member, 0.0)
