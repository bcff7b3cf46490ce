"""Bounded loads: the first account in the call's order that is under its bounds.

The accounts of a session are the first few in the order of its prompt's prefix, which is the same on every node: there
the prefix is warm. Of these the one that has the least takes it, as long as this gateway alone serves its sessions.
Where others serve them too and do not tell, a session has to be found again, and where many come at once, everybody
sees the same account as the one with the least: then the session's own hash decides among twice as many. Loads differ
from node to node, so the less often load decides, the more nodes agree.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import NamedTuple

from llmgw_balancer.barriers import Barriers
from llmgw_balancer.bounds import Bounds, Shares
from llmgw_balancer.choice import By, Exclusion, Score, Wanted
from llmgw_balancer.company import Company
from llmgw_balancer.config import BalanceConfig
from llmgw_balancer.pools import Member
from llmgw_balancer.prefixes import Prefixes
from llmgw_balancer.ranking import DRAWS
from llmgw_balancer.roster import Roster
from llmgw_balancer.tiers import COMPARED, Tier, Tiers
from llmgw_domain import Candidate

_SHOWN = 8
"""Scores that are kept of a choice."""
_PART = 0.6
"""Of a pool that a prefix is divided over, at most, before it is a large part of all."""
_CROWD = 1.0
"""New sessions for each account within a second, from which on these are many at once."""


class Order(NamedTuple):
    """Places in the order in which they are asked; of the first `compared` all are looked at."""

    by: By
    places: Iterator[int]
    compared: int = 1


class Choice:
    """What one choice has seen so far, and whom it has come to."""

    __slots__ = ("by", "candidate", "excluded", "scores")

    def __init__(self) -> None:
        self.candidate: Candidate | None = None
        self.by: By | None = None
        self.excluded: dict[str, Exclusion] = {}
        self.scores: list[Score] = []


class Choosing:
    """Finds an account for a call; the lease is its caller's to take, before anything else happens."""

    def __init__(
        self,
        config: BalanceConfig,
        roster: Roster,
        barriers: Barriers,
        bounds: Bounds,
        company: Company,
        rand: Callable[[], float],
    ) -> None:
        self._config = config
        self._barriers = barriers
        self._bounds = bounds
        self._company = company
        self._rand = rand
        self._tiers = Tiers(roster.member)
        self._prefixes = Prefixes(config.bound_seconds)

    def choose(self, tiers: Sequence[Sequence[Candidate]], wanted: Wanted, now: float) -> Choice:
        """Of the first tier that has somebody who can serve the call now."""
        choice = Choice()
        for candidates in tiers:
            if candidates and self._found(self._tiers.of(candidates), wanted, now, choice):
                break
        return choice

    def forget(self) -> None:
        """Accounts have gone: what was worked out with them is worked out anew."""
        self._tiers.clear()

    def _found(self, tier: Tier, wanted: Wanted, now: float, choice: Choice) -> bool:
        """The first in order that is under its bounds; where nobody is, the one with the least load for its share."""
        fair = self._bounds.fair(tier.pools, now)
        order, free, least = self._order(tier, wanted, fair, now), None, None
        for looked, place in enumerate(order.places):
            if looked >= (DRAWS if free is None else order.compared) and least is not None:
                break  # In a large pool some are enough to compare.
            candidate, member = tier.candidates[place], tier.members[place]
            name = candidate.account.id
            word = wanted.excludes(name) or self._barriers.word(candidate, member, wanted.tokens, now)
            if word is not None:
                choice.excluded[name] = word
                continue
            weight = member.weight(now)
            fits = wanted.lasts and self._bounds.hold(member, fair, weight, now)
            if len(choice.scores) < _SHOWN:
                choice.scores.append(self._score(member, fits, fair, weight, now))
            if fits and free is None:
                free = place
            relative = (member.load + 1) / weight
            if least is None or relative < least[0]:
                least = relative, place
        if least is None:
            return False
        choice.by = "load" if free is None else order.by
        self._settle_on(tier, least[1] if free is None else free, wanted, now, choice)
        return True

    def _score(self, member: Member, free: bool, fair: Shares, weight: float, now: float) -> Score:
        bound, share = self._bounds.load(fair.load * weight), self._bounds.fullness(member, fair, weight, now)
        return Score(member.account.id, member.load, bound, free, share)

    def _settle_on(self, tier: Tier, place: int, wanted: Wanted, now: float, choice: Choice) -> None:
        choice.candidate = tier.candidates[place]
        if choice.by == "least" and wanted.last == choice.candidate.account.id:
            choice.by = "before"
        if wanted.lasts:
            tier.members[place].arrive(now)
            self._company.place(now)
        if wanted.prefix is not None:
            self._prefixes.count(wanted.prefix, tier.names, now)

    def _order(self, tier: Tier, wanted: Wanted, fair: Shares, now: float) -> Order:
        if not wanted.lasts:
            return Order("load", tier.ranking.order(str(self._rand()).encode()))
        session = wanted.session.encode()
        if not self._sees_all(tier, now):
            if wanted.prefix is None:
                return Order("hash", tier.ranking.order(session))
            width = self._width(tier, wanted.prefix, 2 * self._config.spread, now)
            return Order("hash", tier.order(wanted.prefix, session, width))

        def fullness(place: int) -> float:
            member = tier.members[place]
            return self._bounds.fullness(member, fair, member.weight(now), now)

        width = self._width(tier, wanted.prefix, self._config.spread, now)
        least = tier.least(wanted.prefix or session, session, width, fullness)
        before = None if wanted.last is None else tier.places.get(wanted.last)
        if before is None:
            return Order("least", least, min(width, COMPARED))
        return Order("least", chain((before,), (place for place in least if place != before)))

    def _sees_all(self, tier: Tier, now: float) -> bool:
        """Whether what is known here of loads is all there is to know."""
        return self._company.alone(now) and sum(pool.arrivals.at(now) for pool in tier.pools) <= _CROWD * len(tier)

    def _width(self, tier: Tier, prefix: bytes | None, least: int, now: float) -> int:
        """Over how many accounts the sessions of a prefix are divided."""
        # In a small pool fewer, or there would be no warm prefix to go to.
        least = min(least, math.ceil(_PART * len(tier)))
        return least if prefix is None else self._prefixes.width(prefix, tier.names, len(tier), least, now)
