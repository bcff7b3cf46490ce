"""The balancer of one worker: who serves a call, what each account may take, and what its calls told of it."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Sequence

from llmgw_balancer.barriers import Barriers
from llmgw_balancer.bounds import Bounds
from llmgw_balancer.choice import Exclusion, Pick, Wanted
from llmgw_balancer.choosing import Choosing
from llmgw_balancer.company import Company
from llmgw_balancer.config import BalanceConfig
from llmgw_balancer.pauses import Pauses
from llmgw_balancer.pools import Member
from llmgw_balancer.rates import Rates
from llmgw_balancer.roster import Others, Roster, alone
from llmgw_balancer.slots import Lease
from llmgw_balancer.states import NO_LOAD, AccountState, OtherLoad, Outcome, Pause
from llmgw_domain import Candidate, Target
from llmgw_domain.signals import Signal


def _nobody_waits() -> None:
    pass


def _roughly(tokens: float) -> int:
    """Two digits of it: what fades is another number at every look, and would be told as news all the time."""
    return int(float(f"{tokens:.2g}"))


class Balancer:
    """Synchronous: whatever is chosen is counted in the same step, so no other task sees the account as free.

    `clock` gives monotonic seconds, `rand` a number in [0, 1). `changed` is called when an account may serve again
    before its time: a lease came back, or what was held against it was taken back.
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
        self._pauses = Pauses(self._config)
        self._rates = Rates()
        self._roster = Roster(
            config=self._config, pauses=self._pauses, others=others, clock=clock, changed=lambda: self.changed()
        )
        bounds = Bounds(self._config)
        self._barriers = Barriers(self._config, self._roster, self._pauses, self._rates, bounds)
        self._company = Company()
        self._choosing = Choosing(self._config, self._roster, self._barriers, bounds, self._company, rand)
        self.changed: Callable[[], None] = _nobody_waits

    # --- one account ------------------------------------------------------------------------------------------------

    def wait(self, candidate: Candidate, tokens: int = 0) -> float | None:
        """Seconds until the account can serve a call of so many tokens: 0.0 now, infinite where that is unknown, None
        where it can't at all, or not before an operator sees to it.
        """
        now = self._now()
        member = self._roster.member(candidate.account)
        word = self._barriers.word(candidate, member, tokens, now)
        return 0.0 if word is None else self._barriers.seconds(word, candidate, member, tokens, now)

    def why(self, candidate: Candidate, tokens: int = 0) -> Exclusion | None:
        """Why the account can't serve such a call now; None if it can."""
        return self._barriers.word(candidate, self._roster.member(candidate.account), tokens, self._now())

    def take(self, candidate: Candidate, tokens: int = 0, *, rejected: bool = False) -> Lease | None:
        """A lease on this very account, if it can serve now; with `rejected`, also if nothing but its provider's
        rejection is in the way, to see whether that still holds.
        """
        now = self._now()
        member = self._roster.member(candidate.account)
        word = self._barriers.word(candidate, member, tokens, now)
        if word is not None and not (rejected and word is Exclusion.REJECTED):
            return None
        return self._granted(candidate, member, tokens, now)

    # --- all of them ------------------------------------------------------------------------------------------------

    def choose(self, tiers: Sequence[Sequence[Candidate]], wanted: Wanted) -> Pick:
        """A lease on the account that suits the call best, of the first tier with one that can serve it now."""
        now = self._now()
        choice = self._choosing.choose(tiers, wanted, now)
        if choice.candidate is None:
            return Pick(None, None, choice.excluded)
        member = self._roster.member(choice.candidate.account)
        lease = self._granted(choice.candidate, member, wanted.tokens, now)
        return Pick(choice.candidate, lease, choice.excluded, tuple(choice.scores), choice.by)

    def soonest(self, tiers: Sequence[Sequence[Candidate]], wanted: Wanted) -> float | None:
        """Seconds until the first of the candidates may serve the call: infinite where that is unknown, None where none
        of them can.
        """
        waits = (
            self.wait(candidate, wanted.tokens)
            for candidates in tiers
            for candidate in candidates
            if wanted.excludes(candidate.account.id) is None
        )
        return min((wait for wait in waits if wait is not None), default=None)

    def bound(self, account: str, key: str) -> None:
        """A turn of the session with this key is served by the account: for a while it counts as load there."""
        if self._roster.bindings.bind(key, account, self._clock()):
            self._company.go_on()

    def met(self) -> None:
        """A session that is new here was in the cache of the account that it was given: others serve it too, and do not
        tell. From now on sessions go where others would send them as well, not where load is least.
        """
        self._company.meet(self._clock())

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
        seconds to the first byte of its answer, the tokens that it used.
        """
        now, member = self._now(), self._roster.members.get(lease.account)
        if tokens is not None:
            self._used(lease, member, tokens)
        if member is None:
            return
        if outcome is Outcome.ANSWERED:
            member.breaker.answered(lease.at, now, first_byte)
            if self._pauses.answered(lease.account, lease.model, lease.at, now):
                member.pool.reconsider(member, now)
        elif outcome is Outcome.FAILED:
            member.breaker.failed(lease.at, now, self._rand)
        member.pool.judge(member, now)
        self._heard(member, lease.model, signal, now)

    def hear(self, candidate: Candidate, signal: Signal) -> None:
        """What a provider said of the account, without a call that it ends: in the headers of an answer."""
        self._heard(self._roster.member(candidate.account), candidate.model, signal, self._now())

    def pauses(self) -> list[Pause]:
        """Every rest that is not over: to outlive a restart, and for other workers."""
        now = self._clock()
        return [pause for account in self._pauses.accounts() for pause in self._pauses.of(account, now)]

    def relearn(self, pauses: Iterable[Pause]) -> None:
        """What was told of accounts before a restart, or to another worker. A longer pause that is known here stays."""
        now = self._now()
        for pause in pauses:
            self._pauses.relearn(pause, now)
            self._reconsider(pause.account, now)

    def resume(self, account: str) -> None:
        """An operator has seen to the account: what was held against it is forgotten."""
        now = self._now()
        self._pauses.resume(account)
        member = self._roster.members.get(account)
        if member is not None:
            self._roster.reset(member, now)
            self._reconsider(account, now)
        self.changed()

    def retain(self, accounts: Container[str]) -> None:
        """Forgets every other account: these are all that the catalog has. Leases that are still held at others are
        released as usual. For each new catalog: a call under one before may have brought an account back.
        """
        self._pauses.retain(accounts)
        self._rates.retain(accounts)
        if self._roster.retain(accounts, self._now()):
            self._choosing.forget()

    # --- telling ----------------------------------------------------------------------------------------------------

    def held(self, account: str) -> int:
        """Calls in flight at the account."""
        return self._roster.slots.held(account)

    @property
    def in_flight(self) -> int:
        """Calls in flight everywhere."""
        return self._roster.slots.total

    def loads(self) -> dict[str, OtherLoad]:
        """What this worker has at each account that it has anything at, for the others."""
        now = self._now()
        loads = ((account, self._load(account, now)) for account in self._roster.members)
        return {account: load for account, load in loads if load != NO_LOAD}

    def states(self) -> dict[str, AccountState]:
        """Every account that was seen, for people and metrics."""
        now = self._now()
        return {account: self._state(member, now) for account, member in self._roster.members.items()}

    def _load(self, account: str, now: float) -> OtherLoad:
        slots, window = self._roster.slots, self._rates.window(account, None, now)
        models = {}
        for model in {*slots.models(account), *self._rates.models(account, now)}:
            of_it = self._rates.window(account, model, now)
            models[model] = OtherLoad(leases=slots.held(account, model), requests=of_it.requests, tokens=of_it.tokens)
        return OtherLoad(
            leases=slots.held(account),
            bindings=self._roster.bindings.at(account),
            requests=window.requests,
            tokens=window.tokens,
            spent=_roughly(self._roster.members[account].tokens.at(now)),
            models=models,
        )

    def _state(self, member: Member, now: float) -> AccountState:
        name, breaker = member.account.id, member.breaker
        load = self._load(name, now)
        candidate = Candidate(member.account, "", Target(pool=member.account.pool, model=""))
        return AccountState(
            word=self._barriers.word(candidate, member, 0, now) or "ok",
            circuit=breaker.at(now),
            failures=breaker.failures,
            error_rate=breaker.error_rate,
            first_byte=breaker.first_byte,
            leases=load.leases,
            bindings=load.bindings,
            requests=load.requests,
            tokens=load.tokens,
            share=member.share(now),
            pauses=tuple(self._pauses.of(name, now)),
        )

    # --- steps ------------------------------------------------------------------------------------------------------

    def _now(self) -> float:
        now = self._clock()
        self._roster.settle(now)
        return now

    def _granted(self, candidate: Candidate, member: Member, tokens: int, now: float) -> Lease:
        self._pauses.taken(member.account.id, candidate.model, now)
        self._rates.add(member.account.id, candidate.model, tokens, now)
        return self._roster.grant(candidate, member, tokens, now)

    def _used(self, lease: Lease, member: Member | None, tokens: int) -> None:
        if member is not None:
            member.spend(lease.at, tokens, lease.reserved)
        self._rates.correct(lease, tokens)
        lease.reserved = tokens

    def _heard(self, member: Member, model: str, signal: Signal | None, now: float) -> None:
        if signal is not None:
            self._pauses.hear(member.account, model, signal, now)
            member.pool.reconsider(member, now)

    def _reconsider(self, account: str, now: float) -> None:
        member = self._roster.members.get(account)
        if member is not None:
            member.pool.reconsider(member, now)

    def __repr__(self) -> str:
        return f"<Balancer of {len(self._roster.members)} accounts: {self._roster.slots!r} {self._roster.bindings!r}>"
