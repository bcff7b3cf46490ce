"""Sessions that come and go for a while: what of their prompts is found in the accounts' caches, and how evenly the
tokens are spread.

A small discrete simulation. A turn finds its session's context where the session was last, its tenant's prefix
wherever one of the tenant's sessions was, both for five minutes; nobody is limited, nothing fails.
"""

from __future__ import annotations

import heapq
import itertools
import math
from collections import Counter, defaultdict
from collections.abc import Callable
from random import Random
from typing import Any, NamedTuple

import pytest

from llmgw_balancer import Balancer, Outcome, Wanted
from llmgw_balancer.testing import Clock, candidate
from llmgw_domain import Candidate

WARM = 300.0
ANSWER = 6.0
"""Seconds that a cache lives, and that an answer takes."""


class Session(NamedTuple):
    """`turns` are the pause before each one, and the tokens by which the prompt grows."""

    id: str
    tenant: int
    start: float
    turns: list[tuple[float, int]]


class Work(NamedTuple):
    """Everything that is asked: `prefixes` are the tokens that all sessions of a tenant begin with."""

    prefixes: list[int]
    sessions: list[Session]
    seconds: float


class Found(NamedTuple):
    """`cached` is the share of all prompt tokens, `most` the tokens of the busiest account by the mean, `same` the
    share of turns at the account of the turn before.
    """

    cached: float
    most: float
    same: float


def pause(rand: Random) -> float:
    return min(900.0, rand.lognormvariate(math.log(20), 1.32))


def seats(seed: int, alive: int = 300, seconds: float = 1200.0) -> Work:
    """So many sessions at a time, by 40 tenants of equal size. Half have less than 12 turns."""
    rand, sessions = Random(seed), []
    prefixes = [rand.randint(2000, 6000) for _ in range(40)]
    for _ in range(alive):
        at = rand.uniform(0, 120)
        while at < seconds:
            count = min(60, max(1, round(rand.lognormvariate(math.log(12), 0.8))))
            turns = [(pause(rand) if n else 0.0, rand.randint(500, 3000)) for n in range(count)]
            sessions.append(Session(f"{seed}s{len(sessions)}", rand.randrange(40), at, turns))
            at += sum(waited + ANSWER for waited, _ in turns) + pause(rand)
    return Work(prefixes, sessions, seconds)


def few(seed: int) -> Work:
    """Half an hour with 15 sessions at a time for each of ten accounts."""
    return seats(seed, 150, 1800.0)


def brief(seed: int) -> Work:
    """Ten minutes of it: more of it is beginnings."""
    return seats(seed, 150, 600.0)


def arrivals(seed: int) -> Work:
    """An hour with 1,500 sessions of 5 to 40 turns, up to 60,000 tokens, by 40 tenants with sizes by Zipf's law."""
    rand, sessions = Random(seed), []
    prefixes = [rand.randint(2000, 10_000) for _ in range(40)]
    for number in range(1500):
        tenant = rand.choices(range(40), [1 / (n + 1) for n in range(40)])[0]
        turns, prompt = [], prefixes[tenant]
        for n in range(min(40, round(5 * rand.paretovariate(1.2)))):
            growth = min(12_000, round(rand.lognormvariate(math.log(1200), 1.0)))
            turns.append((pause(rand) if n else 0.0, growth))
            prompt += growth
            if prompt > 60_000:
                break
        sessions.append(Session(f"{seed}s{number}", tenant, rand.uniform(0, 3600), turns))
    return Work(prefixes, sessions, 3600.0)


class Play:
    """The work, done by `nodes` that can't see each other: chance says which one a turn comes to."""

    def __init__(self, work: Work, seed: int, weights: tuple[float, ...] = (1.0,) * 10, nodes: int = 1) -> None:
        self.work = work
        self.weights = {f"a{n}": weight for n, weight in enumerate(weights)}
        self.clock = Clock(0.0)
        self.rand = Random(seed)
        self.nodes = [Balancer(clock=self.clock, rand=self.rand.random) for _ in range(nodes)]
        self.tiers = [tuple(candidate(name, weight=weight) for name, weight in self.weights.items())]
        self.pins: list[dict[str, tuple[Candidate, float]]] = [{} for _ in range(nodes)]
        self.contexts: dict[tuple[str, str], tuple[float, int]] = {}
        self.warm: dict[tuple[int, str], float] = {}
        self.tokens: Counter[str] = Counter()
        self.cached = 0
        self.turns: Counter[str] = Counter()
        self.last: dict[str, str] = {}
        self.serial = itertools.count()
        self.due: list[tuple[float, int, Callable[..., None], Any]] = []

    def run(self) -> Found:
        for session in self.work.sessions:
            self._at(session.start, self._turn, (session, 0, self.work.prefixes[session.tenant]))
        while self.due:
            self.clock.now, _, step, what = heapq.heappop(self.due)
            step(*what)
        total = sum(self.tokens.values())
        mean = total / sum(self.weights.values())
        most = max(self.tokens[name] / weight for name, weight in self.weights.items()) / mean
        return Found(self.cached / total, most, self.turns["same"] / max(1, self.turns["later"]))

    def _at(self, at: float, step: Callable[..., None], what: Any) -> None:
        heapq.heappush(self.due, (at, next(self.serial), step, what))

    def _turn(self, session: Session, number: int, prompt: int) -> None:
        now, node = self.clock.now, self.rand.randrange(len(self.nodes))
        balancer, pins, growth = self.nodes[node], self.pins[node], session.turns[number][1]
        prompt += growth // 2
        pin = pins.get(session.id)
        if pin is not None and now < pin[1]:
            chosen, lease = pin[0], balancer.take(pin[0], prompt)
        else:
            prefix = f"{self.work.prefixes[0]} {session.tenant}".encode()
            pick = balancer.choose(
                self.tiers, Wanted(prefix=prefix, session=session.id, tokens=prompt, last=pin and pin[0].account.id)
            )
            chosen, lease = pick.candidate, pick.lease
        warm_until, _ = self.contexts.get((session.id, chosen.account.id), (0.0, 0))
        met = pin is None and warm_until > now
        pins[session.id] = chosen, now + WARM
        balancer.bound(chosen.account.id, session.id)
        self._count(session, chosen.account.id, prompt)
        self._at(now + ANSWER, self._end, (session, number, prompt + growth - growth // 2, balancer, lease, met))

    def _end(self, session: Session, number: int, prompt: int, balancer: Balancer, lease: Any, met: bool) -> None:
        lease.release()
        if met:
            balancer.met()
        balancer.learn(lease, Outcome.ANSWERED, tokens=prompt)
        if number + 1 < len(session.turns):
            at = self.clock.now + session.turns[number + 1][0]
            if at < self.work.seconds:
                self._at(at, self._turn, (session, number + 1, prompt))

    def _count(self, session: Session, account: str, prompt: int) -> None:
        now, until = self.clock.now, self.clock.now + WARM
        known, context = self.contexts.get((session.id, account), (0.0, 0))
        prefix = self.work.prefixes[session.tenant] if self.warm.get((session.tenant, account), 0.0) > now else 0
        self.cached += context if known > now else prefix
        self.contexts[session.id, account], self.warm[session.tenant, account] = (until, prompt), until
        self.tokens[account] += prompt
        self.turns["later"] += session.id in self.last
        self.turns["same"] += self.last.get(session.id) == account
        self.last[session.id] = account


def against_one(make: Callable[[int], Work], seed: int, **how: Any) -> Found:
    """`cached` is by that of one account which takes everything."""
    work = make(seed)
    found, bound = Play(work, seed, **how).run(), Play(work, seed, weights=(1.0,)).run()
    return found._replace(cached=found.cached / bound.cached)


WORKS: list[tuple[Callable[[int], Work], float, float]] = [
    (seats, 0.985, 1.4),
    (few, 0.985, 1.7),
    (brief, 0.98, 1.8),
    (arrivals, 0.985, 1.4),
]
"""What has to be found at least, and the most tokens that an account of two nodes may have. One node has 1.4: two that
can't see each other divide sessions by hash, and of few some are very long."""


@pytest.mark.parametrize(("make", "cached", "most_of_two"), WORKS)
def test_prompts_are_found_in_caches_and_tokens_are_even(make, cached, most_of_two):
    """Nearly all of what one account with room for everything would find; nobody has 1.4 times the mean of tokens."""
    found = against_one(make, 1)
    assert found.cached >= cached
    assert found.most <= 1.4
    assert found.same >= 0.999


@pytest.mark.parametrize(("make", "cached", "most_of_two"), WORKS)
def test_two_nodes_that_share_nothing_serve_sessions_at_the_same_accounts(make, cached, most_of_two):
    """Each turn comes to either of them, and each has to find the account by itself."""
    found = Play(make(1), 1, nodes=2).run()
    assert found.same >= 0.95
    assert found.most <= most_of_two


@pytest.mark.slow
@pytest.mark.parametrize(("make", "cached", "most_of_two"), WORKS)
def test_it_holds_with_any_seed(make, cached, most_of_two):
    """Twenty seeds, the worst of each."""
    worst = defaultdict(list)
    for seed in range(20):
        one, two = against_one(make, seed), Play(make(seed), seed, nodes=2).run()
        worst["cached"].append(one.cached)
        worst["most"].append(-one.most)
        worst["same"].append(two.same)
        worst["most of two"].append(-two.most)
    found = {name: abs(min(values)) for name, values in worst.items()}
    assert found["cached"] >= cached, found
    assert found["most"] <= 1.4, found
    assert found["same"] >= 0.95, found
    assert found["most of two"] <= most_of_two, found


@pytest.mark.parametrize(
    ("weights", "cached", "most"),
    [((1.0,) * 3, 0.99, 1.2), ((1.0,) * 50, 0.97, 1.8), ((1.0, 1.0, 1.0, 1.0, 2.0, 2.0, 4.0, 4.0), 0.99, 1.3)],
    ids=["three", "fifty", "weights"],
)
def test_other_pools_are_even_too(weights, cached, most):
    """Few accounts, many for the work that there is (six sessions at a time for each), and unequal weights."""
    found = against_one(seats, 2, weights=weights)
    assert found.cached >= cached
    assert found.most <= most
