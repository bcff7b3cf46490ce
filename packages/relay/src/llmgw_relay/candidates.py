"""The accounts that may serve a call, as they stand for it."""

from __future__ import annotations

import math

import msgspec

from llmgw_affinity import Standing
from llmgw_affinity.decide import Trouble
from llmgw_balancer import Balancer, Exclusion, Lease, Pick, Wanted
from llmgw_domain import Candidate, Route

_TROUBLES: dict[Exclusion, Trouble] = {
    Exclusion.TRIED: "failed",
    Exclusion.UNFIT: "unfit",
    Exclusion.DISABLED: "disabled",
    Exclusion.DRAINING: "drain",
    Exclusion.REJECTED: "disabled",
    Exclusion.STARTING: "herd",
    Exclusion.FULL: "full",
    Exclusion.REQUESTS: "full",
    Exclusion.TOKENS: "full",
}
"""What bars an account, as affinity says it; everything else is a cooldown of some kind."""


class Chosen(msgspec.Struct, frozen=True):
    """An account for the next attempt, and the lease on it."""

    candidate: Candidate
    lease: Lease

    def give_back(self) -> None:
        self.lease.release()


class Candidates:
    """The accounts that may serve a call, as they stand for it: those of a route without what it `tried`.

    With `only`, the others can't read what the request holds.
    """

    def __init__(self, balancer: Balancer, route: Route, wanted: Wanted) -> None:
        self.route = route
        self.wanted = wanted
        self.by_id: dict[str, Candidate] = {}
        """An account that several targets lead to serves the first of them."""
        self._balancer = balancer
        for candidate in route:
            self.by_id.setdefault(candidate.account.id, candidate)

    def standing(self, account: str) -> Standing:
        """How one of the accounts stands; one that is not of the route is gone."""
        candidate = self.by_id.get(account)
        if candidate is None:
            return Standing(None, "removed")
        if account in self.wanted.tried:
            return Standing(math.inf, "failed")
        wait = self._balancer.wait(candidate, self.wanted.tokens)
        if wait == 0.0:
            return Standing(0.0)
        why = self._balancer.why(candidate, self.wanted.tokens)
        return Standing(wait, "cooldown" if why is None else _TROUBLES.get(why, "cooldown"))

    def take(self, account: str) -> Chosen | None:
        """This very account, if it can serve now."""
        candidate = self.by_id[account]
        lease = self._balancer.take(candidate, self.wanted.tokens)
        return None if lease is None else Chosen(candidate, lease)

    def choose(self) -> Pick:
        return self._balancer.choose(self.route.tiers, self.wanted)

    def soonest(self) -> float | None:
        """Seconds until one of them may serve."""
        return self._balancer.soonest(self.route.tiers, self.wanted)

    def excluded(self) -> dict[str, Exclusion]:
        """Why each of them that can't serve now can't."""
        found = {account: self._word(candidate) for account, candidate in self.by_id.items()}
        return {account: word for account, word in found.items() if word is not None}

    def _word(self, candidate: Candidate) -> Exclusion | None:
        if self.wanted.only is not None and candidate.account.id not in self.wanted.only:
            return Exclusion.UNFIT
        if candidate.account.id in self.wanted.tried:
            return Exclusion.TRIED
        return self._balancer.why(candidate, self.wanted.tokens)
