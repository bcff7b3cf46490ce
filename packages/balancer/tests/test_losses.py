"""An account that is lost, and one that comes back."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest

from llmgw_balancer import BalanceConfig, Balancer, Exclusion, Outcome, Wanted
from llmgw_balancer.testing import Clock, tier
from llmgw_domain.signals import Signal

TIERS = [tier([f"a{n}" for n in range(10)])]
LOST = TIERS[0][0]


def wanted(number: int) -> Wanted:
    return Wanted(prefix=b"t%d" % (number % 40), session=f"s{number}", tokens=5000)


def with_sessions(count: int, seed: int) -> tuple[Balancer, Clock, dict[int, str]]:
    """A balancer whose sessions began within five minutes, with an answer's pause since the last of them."""
    clock = Clock()
    config = BalanceConfig(open_seconds=30.0)
    balancer, found = Balancer(clock=clock, rand=Random(seed).random, config=config), {}
    for number in range(count):
        clock.now += 300 / count
        pick = balancer.choose(TIERS, wanted(number))
        pick.lease.release()
        found[number] = pick.candidate.account.id
    for number, account in found.items():
        balancer.bound(account, str(number))
    clock.now += 10
    return balancer, clock, found


def lose(balancer: Balancer) -> None:
    for _ in range(3):
        lease = balancer.take(LOST)
        lease.release()
        balancer.learn(lease, Outcome.FAILED)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("seconds", [0.001, 1.0, 5.0])
@pytest.mark.parametrize("count", [1000, 4000])
def test_nobody_gets_twice_a_fair_share_of_what_an_account_leaves(count, seconds, seed):
    """The sessions of the lost account come all at once, within a second, or in five: in no second does one of the
    others get more than two ninths of those that came in it, give or take two; of few, five more than its share.
    """
    balancer, clock, found = with_sessions(count, seed)
    moving = [number for number, account in found.items() if account == "a0"]
    Random(seed).shuffle(moving)
    lose(balancer)
    moved: list[tuple[float, str]] = []
    for number in moving:
        clock.now += seconds / len(moving)
        pick = balancer.choose(TIERS, wanted(number))
        assert "a0" != pick.candidate.account.id
        balancer.bound(pick.candidate.account.id, str(number))
        moved.append((clock.now, pick.candidate.account.id))
    for until, _ in moved:
        within = Counter(account for at, account in moved if until - 1 < at <= until)
        fair = within.total() / 9
        assert max(within.values()) <= max(2 * fair + 2, fair + 5)
    assert 9 == len({account for _, account in moved})


def test_an_account_that_was_away_gets_its_share_little_by_little():
    """After a window of its allowance begins anew: each of the first three tens of seconds has more new sessions than
    the one before, and then it has what is fair.
    """
    counts = Counter()
    for seed in range(5):
        clock = Clock(0.0)
        balancer = Balancer(clock=clock, rand=Random(seed).random)
        balancer.hear(LOST, Signal(verdict="exhausted", whole=True, seconds=60.0, reason="5h"))
        held = []
        for number in range(20 * 120):
            clock.now += 0.05
            pick = balancer.choose(TIERS, wanted(100_000 * seed + number))
            held.append(pick.lease)
            if len(held) > 100:
                held.pop(0).release()
            counts[int(clock.now // 10)] += pick.candidate.account.id == "a0"
    assert 0 == sum(counts[ten] for ten in range(6))
    fair = 5 * 20
    assert 0 < counts[6] < counts[7] < counts[8] <= 1.5 * fair, counts
    assert counts[6] < 0.6 * fair
    assert sum(counts[ten] for ten in (9, 10, 11)) / 3 == pytest.approx(fair, rel=0.3), counts


def test_calls_wait_for_an_account_that_starts_slowly():
    """It says so, and has room again as soon as one of its calls ends."""
    clock = Clock()
    balancer = Balancer(clock=clock, rand=Random(1).random)
    balancer.hear(LOST, Signal(verdict="exhausted", whole=True, seconds=60.0, reason="5h"))
    clock.now += 60
    leases = []
    for _ in range(4):
        leases.append(balancer.take(LOST))
        clock.now += 0.2  # The first calls after a rest are paced.
    assert [True, True, True, False] == [lease is not None for lease in leases]
    assert Exclusion.STARTING is balancer.why(LOST)
    leases[0].release()
    assert balancer.why(LOST) is None
