"""Candidates of one priority, with what is worked out of them once: their members of pools, and their ranking."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import islice

from llmgw_balancer.pools import Member, Pool
from llmgw_balancer.ranking import Ranking, part_of
from llmgw_domain import Account, Candidate

_KEPT = 256
"""Tiers, and rankings, that are kept. What a pattern leads to is made anew for each call, with the same accounts."""

COMPARED = 4
"""Accounts that are compared by what they have. More would be no more even: two at random are nearly enough
(Mitzenmacher, "The Power of Two Choices in Randomized Load Balancing", 2001)."""
_RANKED, _PART = 64, 8
"""Accounts of a prefix up to which all are ranked for each session, and how many are where it has more."""


class Tier:
    """`members` are the accounts of `candidates`, at the same places."""

    __slots__ = ("candidates", "members", "names", "places", "pools", "ranking")

    def __init__(self, candidates: Sequence[Candidate], members: list[Member], ranking: Ranking) -> None:
        self.candidates = candidates
        self.members = members
        self.ranking = ranking
        self.pools: list[Pool] = list({id(member.pool): member.pool for member in members}.values())
        self.places = {member.account.id: place for place, member in enumerate(members)}
        self.names = tuple({member.account.pool for member in members})

    def order(self, prefix: bytes, session: bytes, width: int) -> Iterator[int]:
        """Places in the order in which a call is to ask them.

        The sessions of a prefix are divided over the first `width` accounts of it, by the session's own key: so the
        prefix is warm where they come, and what a node sees of others changes nothing about where a session belongs.
        """
        if width > _RANKED:  # To rank so many for each session takes too long.
            if width >= len(self):
                return self.ranking.order(prefix + session)
            # Parts of the prefix have as many accounts together. Where it comes to have twice as many parts, half of
            # the sessions stay in theirs.
            part = part_of(session, 1 << math.ceil(math.log2(width / _PART)))
            prefix, width = prefix + b"%d" % part if part else prefix, _PART
        return self._divided(prefix, session, width)

    def least(self, prefix: bytes, session: bytes, width: int, fullness: Callable[[int], float]) -> Iterator[int]:
        """The same, but of the first few, `COMPARED` at most, the one that has the least comes first."""
        ordered = self.order(prefix, session, width)
        yield from sorted(islice(ordered, min(width, COMPARED)), key=fullness)
        yield from ordered

    def _divided(self, prefix: bytes, session: bytes, width: int) -> Iterator[int]:
        ranked = self.ranking.order(prefix)
        yield from self.ranking.best(prefix + session, list(islice(ranked, width)))
        yield from ranked

    def __len__(self) -> int:
        return len(self.members)


class Tiers:
    """By identity: a route's tiers are the same objects for as long as nothing about them changes."""

    def __init__(self, member: Callable[[Account], Member]) -> None:
        self._member = member
        self._known: dict[int, Tier] = {}
        self._rankings: dict[tuple[tuple[str, float], ...], Ranking] = {}

    def of(self, candidates: Sequence[Candidate]) -> Tier:
        known = self._known.get(id(candidates))
        if known is not None and known.candidates is candidates:
            return known
        _make_room(self._known)
        members = [self._member(candidate.account) for candidate in candidates]
        tier = Tier(candidates, members, self._ranking(candidates))
        self._known[id(candidates)] = tier
        return tier

    def clear(self) -> None:
        """Accounts have gone."""
        self._known.clear()

    def _ranking(self, candidates: Sequence[Candidate]) -> Ranking:
        accounts = tuple((candidate.account.id, candidate.account.weight) for candidate in candidates)
        ranking = self._rankings.get(accounts)
        if ranking is None:
            _make_room(self._rankings)
            ranking = self._rankings[accounts] = Ranking(accounts)
        return ranking


def _make_room(kept: dict) -> None:  # type: ignore[type-arg]
    if len(kept) >= _KEPT:
        del kept[next(iter(kept))]
