"""Bounded loads: the first account in the call's order that is under its bounds.

The order is the same on every node and says where a session belongs; bounds say when it goes to the next one all the
same. Loads differ from node to node, so the less often a bound decides, the more nodes agree.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

from llmgw_balancer.barriers import Barriers
from llmgw_balancer.bounds import Bounds
from llmgw_balancer.choice import Exclusion, Score, Wanted
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
        self, config: BalanceConfig, roster: Roster, barriers: Barriers, bounds: Bounds, rand: Callable[[], float]
    ) -> None:
        self._config = config
        self._barriers = barriers
        self._bounds = bounds
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
        for looked, place in enumerate(self._order(tier, wanted, now)):
            if looked >= DRAWS and least is not None:
                break  # In a large pool these are enough to compare.
            candidate, member = tier.candidates[place], tier.members[place]
            name = candidate.account.id
            word = wanted.excludes(name) or self._barriers.word(candidate, member, wanted.tokens, now)
            if word is not None:
                choice.excluded[name] = word
                continue
            weight = candidate.account.weight * member.share(now)
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
        if wanted.prefix is not None:
            self._prefixes.count(wanted.prefix, tier.names, now)

    def _order(self, tier: Tier, wanted: Wanted, now: float) -> Iterator[int]:
        if not wanted.lasts:
            return tier.ranking.order(str(self._rand()).encode())
        # In a small pool fewer, or there would be no warm prefix to go to.
        least, prefix = min(self._config.spread, math.ceil(_PART * len(tier))), wanted.prefix
        if prefix is None:
            return tier.ranking.order(wanted.session.encode())
        width = self._prefixes.width(prefix, tier.names, len(tier), least, now)
        return tier.order(prefix, wanted.session.encode(), width)
