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

from llmgw_balancer.barriers import Barriers
from llmgw_balancer.bounds import Bounds, Shares
from llmgw_balancer.choice import Exclusion, Score, Wanted
from llmgw_balancer.company import Company
from llmgw_balancer.config import BalanceConfig
from llmgw_balancer.prefixes import Prefixes
from llmgw_balancer.ranking import DRAWS
from llmgw_balancer.roster import Roster
from llmgw_balancer.tiers import Tier, Tiers
from llmgw_domain import Candidate

_SHOWN = 8
"""Scores that are kept of a choice."""
_PART = 0.6
"""Of a pool that a prefix is divided over, at most, before it is a large part of all."""
_CROWD = 1.0
"""New sessions for each account within a second, from which on these are many at once."""


class Choice:
    """What one choice has seen so far, and whom it has come to."""

    __slots__ = ("candidate", "excluded", "scores")

    def __init__(self) -> None:
        self.candidate: Candidate | None = None
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
        least: tuple[float, int] | None = None
        for looked, place in enumerate(self._order(tier, wanted, fair, now)):
            if looked >= DRAWS and least is not None:
                break  # In a large pool these are enough to compare.
            candidate, member = tier.candidates[place], tier.members[place]
            name = candidate.account.id
            word = wanted.excludes(name) or self._barriers.word(candidate, member, wanted.tokens, now)
            if word is not None:
                choice.excluded[name] = word
                continue
            weight = member.weight(now)
            free = wanted.lasts and self._bounds.hold(member, fair, weight, now)
            if len(choice.scores) < _SHOWN:
                choice.scores.append(Score(name, member.load, self._bounds.load(fair.load * weight), free))
            if free:
                least = 0.0, place
                break
            relative = (member.load + 1) / weight
            if least is None or relative < least[0]:
                least = relative, place
        if least is None:
            return False
        self._settle_on(tier, least[1], wanted, now, choice)
        return True

    def _settle_on(self, tier: Tier, place: int, wanted: Wanted, now: float, choice: Choice) -> None:
        choice.candidate = tier.candidates[place]
        if wanted.lasts:
            tier.members[place].arrive(now)
            self._company.place(now)
        if wanted.prefix is not None:
            self._prefixes.count(wanted.prefix, tier.names, now)

    def _order(self, tier: Tier, wanted: Wanted, fair: Shares, now: float) -> Iterator[int]:
        if not wanted.lasts:
            return tier.ranking.order(str(self._rand()).encode())
        session = wanted.session.encode()
        if self._sees_all(tier, now):
            width = self._width(tier, wanted.prefix, self._config.spread, now)

            def fullness(place: int) -> float:
                member = tier.members[place]
                return self._bounds.fullness(member, fair, member.weight(now), now)

            return tier.least(wanted.prefix or session, width, fullness, wanted.last)
        if wanted.prefix is None:
            return tier.ranking.order(session)
        return tier.order(wanted.prefix, session, self._width(tier, wanted.prefix, 2 * self._config.spread, now))

    def _sees_all(self, tier: Tier, now: float) -> bool:
        """Whether what is known here of loads is all there is to know."""
        return self._company.alone(now) and sum(pool.arrivals.at(now) for pool in tier.pools) <= _CROWD * len(tier)

    def _width(self, tier: Tier, prefix: bytes | None, least: int, now: float) -> int:
        """Over how many accounts the sessions of a prefix are divided."""
        # In a small pool fewer, or there would be no warm prefix to go to.
        least = min(least, math.ceil(_PART * len(tier)))
        return least if prefix is None else self._prefixes.width(prefix, tier.names, len(tier), least, now)
