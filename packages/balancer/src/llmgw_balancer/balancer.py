"""The balancer of one worker: who serves a call, what each account may take, and what its calls told of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import NamedTuple

from llmgw_balancer.bindings import Bindings
from llmgw_balancer.choice import Exclusion, Pick, Score, Wanted
from llmgw_balancer.circuit import Breaker
from llmgw_balancer.config import BalanceConfig
from llmgw_balancer.pauses import Pauses, mark_of
from llmgw_balancer.pools import Member, Pool
from llmgw_balancer.rates import Window
from llmgw_balancer.slots import Lease, Slots
from llmgw_balancer.states import NO_LOAD, AccountState, Circuit, OtherLoad, Outcome, Pause
from llmgw_balancer.tiers import Tier, Tiers
from llmgw_domain import Account, Candidate, Target
from llmgw_domain.signals import Signal, Verdict

_RESTING: dict[Verdict, Exclusion] = {
    "pause": Exclusion.PAUSED,
    "exhausted": Exclusion.EXHAUSTED,
    "overloaded": Exclusion.OVERLOADED,
    "disable": Exclusion.REJECTED,
}
_SHOWN = 8
"""Scores of a pick."""

Others = Callable[[str], OtherLoad]
"""The load that other workers have at an account, as far as it is known."""


def alone(_: str) -> OtherLoad:
    """There is no other worker."""
    return NO_LOAD


def _nobody_waits() -> None:
    pass


class Barred(NamedTuple):
    """Why an account can't serve, and in how many seconds it may: infinite if that is unknown, None if never."""

    word: Exclusion
    wait: float | None


class Balancer:
    """Synchronous: whatever is chosen is counted in the same step, so no other task sees the account as free.

    `clock` gives monotonic seconds, `rand` a number in [0, 1). `changed` is called when an account may serve again
    before its time: a lease came back, a rest was taken back.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], float],
        rand: Callable[[], float],
        config: BalanceConfig | None = None,
        others: Others = alone,
    ) -> None:
        self._clock = clock
        self._rand = rand
        self._config = config or BalanceConfig()
        self._others = others
        self._members: dict[str, Member] = {}
        self._pools: dict[str, Pool] = {}
        self._tiers = Tiers(self._member)
        self._slots = Slots(self._released)
        self._bindings = Bindings(self._config.bound_seconds, self._counted)
        self._pauses = Pauses(self._config)
        self._windows: dict[tuple[str, str | None], Window] = {}
        self.changed: Callable[[], None] = _nobody_waits

    # --- one account ------------------------------------------------------------------------------------------------

    def wait(self, candidate: Candidate, tokens: int = 0) -> float | None:
        """Seconds until the account can serve a call of so many tokens: 0.0 now, infinite where that is unknown, None
        where it can't at all.
        """
        barred = self._barred(candidate, tokens)
        return 0.0 if barred is None else barred.wait

    def why(self, candidate: Candidate, tokens: int = 0) -> Exclusion | None:
        """Why the account can't serve such a call now; None if it can."""
        barred = self._barred(candidate, tokens)
        return None if barred is None else barred.word

    def take(self, candidate: Candidate, tokens: int = 0) -> Lease | None:
        """A lease on this very account, if it can serve now."""
        if self._barred(candidate, tokens) is not None:
            return None
        return self._granted(candidate, self._member(candidate.account), tokens, self._clock())

    # --- choosing ---------------------------------------------------------------------------------------------------

    def choose(self, tiers: Sequence[Sequence[Candidate]], wanted: Wanted) -> Pick:
        """A lease on the account that suits the call best, of the first tier that has one that can serve."""
        now = self._clock()
        self._settle(now)
        excluded: dict[str, Exclusion] = {}
        for candidates in tiers:
            if candidates:
                pick = self._chosen(self._tiers.of(candidates), wanted, now, excluded)
                if pick is not None:
                    return pick
        return Pick(None, None, excluded)

    def _chosen(self, tier: Tier, wanted: Wanted, now: float, excluded: dict[str, Exclusion]) -> Pick | None:
        """The first in order whose load is under its bound; where there is none, the one with the least load."""
        config, scores = self._config, []
        fair = self._fair(tier)
        least: tuple[float, int] | None = None
        for place in tier.order(wanted, config.spread):
            candidate, member = tier.candidates[place], tier.members[place]
            word = self._unwanted(candidate, wanted) or self._word(candidate, member, wanted.tokens, now)
            if word is not None:
                excluded[candidate.account.id] = word
                continue
            weight = candidate.account.weight * member.share(now)
            bound = self._bound(fair * weight)
            chosen = member.load < bound
            scores.append(Score(candidate.account.id, member.load, bound, chosen))
            if chosen:
                return self._picked(tier, place, wanted, now, excluded, scores)
            relative = (member.load + 1) / weight
            if least is None or relative < least[0]:
                least = relative, place
        return None if least is None else self._picked(tier, least[1], wanted, now, excluded, scores)

    def _picked(
        self,
        tier: Tier,
        place: int,
        wanted: Wanted,
        now: float,
        excluded: dict[str, Exclusion],
        scores: list[Score],
    ) -> Pick:
        candidate = tier.candidates[place]
        lease = self._granted(candidate, tier.members[place], wanted.tokens, now)
        return Pick(candidate, lease, excluded, tuple(scores[:_SHOWN]))

    def _fair(self, tier: Tier) -> float:
        """The load of a fit account of weight 1, counting the call to come, if all had the same."""
        weight = sum(pool.weight for pool in tier.pools)
        return (sum(pool.load for pool in tier.pools) + 1) / weight if weight else math.inf

    def _bound(self, fair: float) -> float:
        # Arrivals at random scatter by their root. With less slack small loads would overflow without need.
        return fair + max((self._config.bound - 1) * fair, 2 * math.sqrt(fair))

    def _unwanted(self, candidate: Candidate, wanted: Wanted) -> Exclusion | None:
        if candidate.account.id in wanted.tried:
            return Exclusion.TRIED
        if wanted.only is not None and candidate.account.id not in wanted.only:
            return Exclusion.UNFIT
        return None

    def soonest(self, tiers: Sequence[Sequence[Candidate]], wanted: Wanted) -> float | None:
        """Seconds until the first of the candidates may serve the call: infinite where that is unknown, None where none
        of them ever may.
        """
        waits = [
            wait
            for candidates in tiers
            for candidate in candidates
            if self._unwanted(candidate, wanted) is None and (wait := self.wait(candidate, wanted.tokens)) is not None
        ]
        return min(waits, default=None)

    # --- what bars an account ---------------------------------------------------------------------------------------

    def _barred(self, candidate: Candidate, tokens: int) -> Barred | None:
        now = self._clock()
        self._settle(now)
        member = self._member(candidate.account)
        word = self._word(candidate, member, tokens, now)
        return None if word is None else Barred(word, self._seconds(word, candidate, member, tokens, now))

    def _word(self, candidate: Candidate, member: Member, tokens: int, now: float) -> Exclusion | None:
        account = candidate.account
        if not account.enabled:
            return Exclusion.DISABLED
        if account.drain:
            return Exclusion.DRAINING
        rest = self._pauses.at(account, candidate.model, now)
        if rest is not None:
            return _RESTING[rest.verdict]
        if member.heeded and (word := self._circuit_word(member, now)) is not None:
            return word
        self._hear_others(member)
        if self._is_full(candidate, member):
            return Exclusion.FULL
        if now - member.returned < member.ramp and self._slots.held(account.id) >= self._ramped(member, now):
            return Exclusion.STARTING
        return self._spent(candidate, member, tokens, now)

    def _circuit_word(self, member: Member, now: float) -> Exclusion | None:
        if member.breaker.at(now) is Circuit.OPEN:
            return Exclusion.OPEN
        return Exclusion.PROVING if member.probes >= self._config.probes else None

    def _is_full(self, candidate: Candidate, member: Member) -> bool:
        name, most, others = member.account.id, candidate.account.max_concurrency, member.others
        if most is not None and self._slots.held(name) + others.leases >= most:
            return True
        most = candidate.target.max_concurrency
        if most is None:
            return False
        elsewhere = others.models.get(candidate.model, NO_LOAD).leases
        return self._slots.held(name, candidate.model) + elsewhere >= most

    def _ramped(self, member: Member, now: float) -> float:
        """Calls at a time that an account may have while it starts slowly."""
        pool = member.pool
        fair = (pool.load + 1) * member.account.weight / pool.weight if pool.weight else math.inf
        return max(self._config.probes, member.share(now) * self._bound(fair))

    def _spent(self, candidate: Candidate, member: Member, tokens: int, now: float) -> Exclusion | None:
        for word, wait in self._rates(candidate, member, tokens, now):
            if wait > 0:
                return word
        return None

    def _rates(
        self, candidate: Candidate, member: Member, tokens: int, now: float
    ) -> Iterator[tuple[Exclusion, float]]:
        """How long each limit by the minute makes the call wait."""
        account, target, others = candidate.account, candidate.target, member.others
        for limits, model, elsewhere in (
            (account, None, others),
            (target, candidate.model, others.models.get(candidate.model, NO_LOAD)),
        ):
            requests, most = limits.requests_per_minute, limits.tokens_per_minute
            if requests is None and most is None:
                continue
            window = self._window(account.id, model)
            if requests is not None:
                yield Exclusion.REQUESTS, window.wait(now, requests, 1, elsewhere.requests, of_tokens=False)
            if most is not None:
                yield Exclusion.TOKENS, window.wait(now, most, tokens, elsewhere.tokens, of_tokens=True)

    def _seconds(self, word: Exclusion, candidate: Candidate, member: Member, tokens: int, now: float) -> float | None:
        """How long the word will hold."""
        match word:
            case Exclusion.DISABLED | Exclusion.DRAINING | Exclusion.REJECTED:
                return None
            case Exclusion.PAUSED | Exclusion.EXHAUSTED | Exclusion.OVERLOADED:
                rest = self._pauses.at(candidate.account, candidate.model, now)
                return 0.0 if rest is None else rest.until - now
            case Exclusion.OPEN:
                return member.breaker.until - now
            case Exclusion.REQUESTS | Exclusion.TOKENS:
                return max(wait for _, wait in self._rates(candidate, member, tokens, now))
            case _:
                return math.inf

    # --- counting ---------------------------------------------------------------------------------------------------

    def bound(self, account: str, key: str) -> None:
        """A turn of the session with this key is served by the account: for a while it counts as load there."""
        self._bindings.bind(key, account, self._clock())

    def held(self, account: str) -> int:
        """Calls in flight at the account."""
        return self._slots.held(account)

    @property
    def in_flight(self) -> int:
        """Calls in flight everywhere."""
        return self._slots.total

    def _granted(self, candidate: Candidate, member: Member, tokens: int, now: float) -> Lease:
        account = candidate.account.id
        lease = self._slots.take(account, candidate.model, now, tokens)
        lease.probe = member.breaker.circuit is not Circuit.CLOSED
        member.probes += lease.probe
        member.shift(1)
        self._pauses.taken(account, candidate.model, now)
        for model in (None, candidate.model):
            self._window(account, model).add(now, tokens)
        return lease

    def _released(self, lease: Lease) -> None:
        member = self._members.get(lease.account)
        if member is not None:
            member.shift(-1)
            member.probes -= lease.probe
        self.changed()

    def _counted(self, account: str, by: int) -> None:
        member = self._members.get(account)
        if member is not None:
            member.shift(by)

    def _hear_others(self, member: Member) -> None:
        told = self._others(member.account.id)
        if told is not member.others:
            before, member.others = member.others, told
            member.shift(told.leases + told.bindings - before.leases - before.bindings)

    def _window(self, account: str, model: str | None) -> Window:
        window = self._windows.get((account, model))
        if window is None:
            window = self._windows[account, model] = Window()
        return window

    def _settle(self, now: float) -> None:
        self._bindings.sweep(now)
        for pool in self._pools.values():
            pool.settle(now)

    # --- learning ---------------------------------------------------------------------------------------------------

    def learn(
        self,
        lease: Lease,
        outcome: Outcome,
        signal: Signal | None = None,
        *,
        first_byte: float | None = None,
        tokens: int | None = None,
    ) -> None:
        """How the call of this lease went, before or after its release: what its provider said of the account, the
        seconds to its first byte, the tokens that it used.
        """
        now, member = self._clock(), self._members.get(lease.account)
        if tokens is not None:
            for model in (None, lease.model):
                self._window(lease.account, model).correct(lease.at, tokens - lease.reserved)
            lease.reserved = tokens
        if member is None:
            return
        if outcome is Outcome.ANSWERED:
            member.breaker.answered(lease.at, now, first_byte)
            self._pauses.proved(lease.account, lease.model, lease.at)
            self._pauses.answered(lease.account, lease.model, now)
        elif outcome is Outcome.FAILED:
            member.breaker.failed(lease.at, now, self._rand)
        if signal is not None:
            self._pauses.hear(member.account, lease.model, signal, now)
        member.pool.judge(member, now)
        member.pool.reconsider(member, now)

    def relearn(self, pauses: Iterable[Pause]) -> None:
        """What was told of accounts before a restart, or to another worker. A longer pause that is known here stays."""
        now = self._clock()
        for pause in pauses:
            self._pauses.relearn(pause, now)
            member = self._members.get(pause.account)
            if member is not None:
                member.pool.reconsider(member, now)

    def pauses(self) -> list[Pause]:
        """Every rest that is not over: to outlive a restart, and for other workers."""
        now = self._clock()
        return [pause for account in self._pauses.accounts() for pause in self._pauses.of(account, now)]

    def resume(self, account: str) -> None:
        """An operator has seen to the account: what was held against it is forgotten."""
        self._pauses.resume(account)
        member = self._members.get(account)
        if member is not None:
            now = self._clock()
            member.breaker = Breaker(self._config)
            member.pool.judge(member, now)
            member.pool.reconsider(member, now)
        self.changed()

    # --- accounts ---------------------------------------------------------------------------------------------------

    def loads(self) -> dict[str, OtherLoad]:
        """What this worker has at each account, for the others."""
        now = self._clock()
        self._settle(now)
        return {account: self._own(account, now) for account in self._members}

    def states(self) -> dict[str, AccountState]:
        """Every account that was seen, for people and metrics."""
        now = self._clock()
        self._settle(now)
        return {account: self._state(member, now) for account, member in self._members.items()}

    def forget(self, accounts: Collection[str]) -> None:
        """These are not in the catalog any more. Leases that are still held there are released as usual."""
        now = self._clock()
        for account in accounts:
            member = self._members.pop(account, None)
            if member is not None:
                member.pool.remove(member, now)
        self._pauses.forget(accounts)
        for key in [key for key in self._windows if key[0] in accounts]:
            del self._windows[key]
        self._tiers.clear()

    def _own(self, account: str, now: float) -> OtherLoad:
        window = self._window(account, None)
        window.settle(now)
        return OtherLoad(self._slots.held(account), self._bindings.at(account), window.requests, window.tokens)

    def _state(self, member: Member, now: float) -> AccountState:
        name, breaker = member.account.id, member.breaker
        own = self._own(name, now)
        candidate = Candidate(member.account, "", Target(pool=member.account.pool, model=""))
        return AccountState(
            word=self._word(candidate, member, 0, now) or "ok",
            circuit=breaker.at(now),
            failures=breaker.failures,
            error_rate=breaker.error_rate,
            first_byte=breaker.first_byte,
            leases=own.leases,
            bindings=own.bindings,
            requests=own.requests,
            tokens=own.tokens,
            share=member.share(now),
            pauses=tuple(self._pauses.of(name, now)),
        )

    def _member(self, account: Account) -> Member:
        member = self._members.get(account.id)
        if member is None or member.account.pool != account.pool:
            return self._joined(account, member)
        known = member.account
        if account is not known and _differ(account, known):
            now = self._clock()
            member.pool.leave(member, now)
            member.account = account
            member.pool.reconsider(member, now)
        return member

    def _joined(self, account: Account, member: Member | None) -> Member:
        """The member, new in its pool."""
        now = self._clock()
        pool = self._pools.get(account.pool)
        if pool is None:
            pool = self._pools[account.pool] = Pool(self._config, self._resting)
        if member is None:
            member = self._members[account.id] = Member(account, pool, self._config)
            member.load = self._slots.held(account.id) + self._bindings.at(account.id)
        else:
            member.pool.remove(member, now)
            member.account = account
        pool.add(member, now)
        return member

    def _resting(self, account: Account, now: float) -> tuple[float, bool] | None:
        """Until when all of the account rests, and whether that is an absence after which it begins slowly."""
        rest = self._pauses.at(account, None, now)
        return None if rest is None else (rest.until, rest.verdict in ("exhausted", "disable"))

    def __repr__(self) -> str:
        return f"<Balancer {self._slots!r} {self._bindings!r} {self._pauses!r}>"


def _differ(one: Account, other: Account) -> bool:
    """In what matters here. A model's deadlines make another account of the same."""
    return (one.weight, one.enabled, one.drain) != (other.weight, other.enabled, other.drain) or (
        one.credential is not other.credential and mark_of(one) != mark_of(other)
    )
