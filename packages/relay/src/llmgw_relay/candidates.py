"""The accounts that may serve a call, as they stand for it."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping, Sequence

import msgspec

from llmgw_affinity import Standing
from llmgw_affinity.decide import Trouble
from llmgw_balancer import Balancer, Exclusion, Lease, Pick, Wanted
from llmgw_domain import Account, Candidate, Route

Accounts = Mapping[str, Account]
Current = Callable[[], Accounts]

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

    With `only`, the others can't read what the request holds. A call that waits may outlive its catalog: what has been
    disabled or removed since then serves it no more.
    """

    def __init__(self, balancer: Balancer, route: Route, wanted: Wanted, accounts: Accounts, current: Current) -> None:
        """`accounts` are those of the call's catalog, `current` gives those of now."""
        self.route = route
        self.wanted = wanted
        self._balancer = balancer
        self._accounts = accounts
        self._current = current

    @property
    def by_account(self) -> dict[str, Candidate]:
        return self.route.by_account

    @property
    def group(self) -> Hashable:
        """Equal for calls that the same accounts can serve, asked for the same models."""
        targets = tuple((account, candidate.model) for account, candidate in self.by_account.items())
        return targets, frozenset(self.wanted.tried), self.wanted.only

    def standing(self, account: str) -> Standing:
        """How one of the accounts stands; one that is not of the route is gone."""
        candidate = self.by_account.get(account)
        if candidate is None or account not in self._current():
            return Standing(None, "removed")
        if not self._still_enabled(candidate):
            return Standing(None, "disabled")
        if account in self.wanted.tried:
            return Standing(math.inf, "failed")
        wait = self._balancer.wait(candidate, self.wanted.tokens)
        if wait == 0.0:
            return Standing(0.0)
        why = self._balancer.why(candidate, self.wanted.tokens)
        return Standing(wait, "cooldown" if why is None else _TROUBLES.get(why, "cooldown"))

    def take(self, account: str) -> Chosen | None:
        """This very account, if it can serve now."""
        candidate = self.by_account[account]
        if not self._still_enabled(candidate):
            return None
        lease = self._balancer.take(candidate, self.wanted.tokens)
        return None if lease is None else Chosen(candidate, lease)

    def last_resort(self) -> Chosen | None:
        """An account that its provider rejects, where there is no other: it may have been let in again meanwhile, and
        if not, its provider's words say more than ours.
        """
        for candidate in self.route:
            if self._word(candidate) is Exclusion.REJECTED:
                lease = self._balancer.take(candidate, self.wanted.tokens, rejected=True)
                if lease is not None:
                    return Chosen(candidate, lease)
        return None

    def choose(self) -> Pick:
        return self._balancer.choose(self._tiers(), self.wanted)

    def soonest(self) -> float | None:
        """Seconds until one of them may serve."""
        return self._balancer.soonest(self._tiers(), self.wanted)

    def excluded(self) -> dict[str, Exclusion]:
        """Why each of them that can't serve now can't."""
        found = {account: self._word(candidate) for account, candidate in self.by_account.items()}
        return {account: word for account, word in found.items() if word is not None}

    def _tiers(self) -> Sequence[Sequence[Candidate]]:
        if self._current() is self._accounts:
            return self.route.tiers
        return [[candidate for candidate in tier if self._still_enabled(candidate)] for tier in self.route.tiers]

    def _still_enabled(self, candidate: Candidate) -> bool:
        """What was not enabled when the call came in is the balancer's to refuse."""
        current = self._current()
        if current is self._accounts:
            return True
        account = current.get(candidate.account.id)
        return account is not None and account.enabled

    def _word(self, candidate: Candidate) -> Exclusion | None:
        if not self._still_enabled(candidate):
            return Exclusion.DISABLED
        if self.wanted.only is not None and candidate.account.id not in self.wanted.only:
            return Exclusion.UNFIT
        if candidate.account.id in self.wanted.tried:
            return Exclusion.TRIED
        return self._balancer.why(candidate, self.wanted.tokens)
