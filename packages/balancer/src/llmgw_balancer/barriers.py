"""What keeps a call away from an account, as one word, and for how long."""

from __future__ import annotations

import math

from llmgw_balancer.bounds import Bounds
from llmgw_balancer.choice import Exclusion
from llmgw_balancer.config import BalanceConfig
from llmgw_balancer.pauses import Pauses
from llmgw_balancer.pools import Member
from llmgw_balancer.rates import Rates
from llmgw_balancer.roster import Roster
from llmgw_balancer.states import NO_LOAD, Circuit
from llmgw_domain import Candidate
from llmgw_domain.signals import Verdict

RESTING: dict[Verdict, Exclusion] = {
    "pause": Exclusion.PAUSED,
    "exhausted": Exclusion.EXHAUSTED,
    "overloaded": Exclusion.OVERLOADED,
    "disable": Exclusion.REJECTED,
}


_SOON = 0.01
"""Seconds: no place is expected sooner."""


class Barriers:
    """Looks at one account for one call; changes nothing."""

    def __init__(self, config: BalanceConfig, roster: Roster, pauses: Pauses, rates: Rates, bounds: Bounds) -> None:
        self._config = config
        self._roster = roster
        self._pauses = pauses
        self._rates = rates
        self._bounds = bounds

    def word(self, candidate: Candidate, member: Member, tokens: int, now: float) -> Exclusion | None:
        """Why the account can't serve a call of so many tokens now; None if it can. Of several reasons the one that an
        operator, and then a provider, has given.
        """
        account = candidate.account
        if not account.enabled:
            return Exclusion.DISABLED
        if account.drain:
            return Exclusion.DRAINING
        rest = self._pauses.at(account, candidate.model, now)
        if rest is not None:
            return RESTING[rest.verdict]
        if member.heeded and (word := self._circuit_word(member, now)) is not None:
            return word
        self._roster.hear_others(member)
        if self._is_full(candidate, member):
            return Exclusion.FULL
        if member.starting(now) and self._roster.slots.held(account.id) >= self._bounds.ramped(member, now):
            return Exclusion.STARTING
        for word, wait in self._rates.waits(candidate, member.others, tokens, now):
            if wait > 0:
                return word
        return None

    def seconds(self, word: Exclusion, candidate: Candidate, member: Member, tokens: int, now: float) -> float | None:
        """For how long the word holds: infinite where that is unknown, None where it is for an operator to end."""
        match word:
            case Exclusion.DISABLED | Exclusion.DRAINING | Exclusion.REJECTED:
                return None
            case Exclusion.PAUSED | Exclusion.EXHAUSTED | Exclusion.OVERLOADED:
                rest = self._pauses.at(candidate.account, candidate.model, now)
                return 0.0 if rest is None else rest.until - now
            case Exclusion.OPEN:
                return member.breaker.until - now
            case Exclusion.REQUESTS | Exclusion.TOKENS:
                return max(wait for _, wait in self._rates.waits(candidate, member.others, tokens, now))
            case Exclusion.FULL | Exclusion.STARTING if member.lasting is not None:
                # Places come back evenly, as far as anybody knows.
                return max(member.lasting / max(self._roster.slots.held(member.account.id), 1), _SOON)
            case _:
                return math.inf

    def _circuit_word(self, member: Member, now: float) -> Exclusion | None:
        if member.breaker.at(now) is Circuit.OPEN:
            return Exclusion.OPEN
        probes = self._roster.slots.probes(member.account.id)
        return Exclusion.PROVING if probes >= self._config.probes else None

    def _is_full(self, candidate: Candidate, member: Member) -> bool:
        slots, name, others = self._roster.slots, member.account.id, member.others
        most = candidate.account.max_concurrency
        if most is not None and slots.held(name) + others.leases >= most:
            return True
        most = candidate.target.max_concurrency
        if most is None:
            return False
        elsewhere = others.models.get(candidate.model, NO_LOAD).leases
        return slots.held(name, candidate.model) + elsewhere >= most
