"""The accounts that a worker knows, in their pools, with what each one has: calls in flight and bound sessions."""

from __future__ import annotations

from collections.abc import Callable, Container

from llmgw_balancer.bindings import Bindings
from llmgw_balancer.circuit import Breaker
from llmgw_balancer.config import BalanceConfig
from llmgw_balancer.pauses import Pauses, mark_of
from llmgw_balancer.pools import Member, Pool
from llmgw_balancer.slots import Lease, Slots
from llmgw_balancer.states import NO_LOAD, Circuit, OtherLoad
from llmgw_domain import Account, Candidate

Others = Callable[[str], OtherLoad]
"""The load that other workers have at an account, as far as it is known."""


def alone(_: str) -> OtherLoad:
    """There is no other worker."""
    return NO_LOAD


class Roster:
    """An account joins when it is first seen, and leaves when it is forgotten."""

    def __init__(
        self,
        *,
        config: BalanceConfig,
        pauses: Pauses,
        others: Others,
        clock: Callable[[], float],
        changed: Callable[[], None],
    ) -> None:
        self._config = config
        self._pauses = pauses
        self._others = others
        self._clock = clock
        self._changed = changed
        self._pools: dict[str, Pool] = {}
        self.members: dict[str, Member] = {}
        self.slots = Slots(self._released)
        self.bindings = Bindings(config.bound_seconds, self._weigh)

    def member(self, account: Account) -> Member:
        """The account in its pool. A record that has changed takes the place of the old one."""
        member = self.members.get(account.id)
        if member is None or member.account.pool != account.pool:
            return self._joined(account, member)
        if account is not member.account and _differ(account, member.account):
            now = self._clock()
            member.pool.leave(member, now)
            member.account = account
            member.pool.reconsider(member, now)
        return member

    def settle(self, now: float) -> None:
        """Does what time has brought: sessions that went quiet, rests that are over."""
        self.bindings.sweep(now)
        for pool in self._pools.values():
            pool.settle(now)

    def grant(self, candidate: Candidate, member: Member, tokens: int, now: float) -> Lease:
        """Counts a call that is expected to use so many tokens."""
        probe = member.breaker.circuit is not Circuit.CLOSED
        lease = self.slots.take(member.account.id, candidate.model, now, tokens, probe=probe)
        member.spend(now, tokens)
        self._weigh(member.account.id)
        return lease

    def hear_others(self, member: Member) -> None:
        """What other workers have there now."""
        told = self._others(member.account.id)
        if told is not member.others:
            member.told(told)
            self._weigh(member.account.id)

    def reset(self, member: Member, now: float) -> None:
        """Its circuit is as if it were new."""
        member.breaker = Breaker(self._config)
        member.pool.judge(member, now)

    def retain(self, accounts: Container[str], now: float) -> bool:
        """Lets go of every other account; whether there were any."""
        gone = [member for name, member in self.members.items() if name not in accounts]
        for member in gone:
            del self.members[member.account.id]
            member.pool.remove(member, now)
        return bool(gone)

    def _joined(self, account: Account, member: Member | None) -> Member:
        now = self._clock()
        pool = self._pools.get(account.pool)
        if pool is None:
            pool = self._pools[account.pool] = Pool(self._config, self._resting)
        if member is None:
            member = self.members[account.id] = Member(account, pool, self._config)
        else:
            member.pool.remove(member, now)
            member.account = account
        pool.add(member, now)
        self._weigh(account.id)  # Leases of a life before may still be held.
        return member

    def _resting(self, account: Account, now: float) -> tuple[float, bool] | None:
        """Until when all of the account rests, and whether that is an absence after which it starts slowly."""
        rest = self._pauses.at(account, None, now)
        return None if rest is None else (rest.until, rest.verdict in ("exhausted", "disable"))

    def _released(self, lease: Lease) -> None:
        member = self.members.get(lease.account)
        if member is not None:
            member.leave(self._clock() - lease.at)
        self._weigh(lease.account)
        self._changed()

    def _weigh(self, account: str) -> None:
        member = self.members.get(account)
        if member is not None:
            member.weigh(self.slots.held(account), self.bindings.at(account))

    def __repr__(self) -> str:
        return f"<Roster {list(self.members.values())}>"


def _differ(one: Account, other: Account) -> bool:
    """In what matters here. A model's own deadlines make another record of the same account."""
    return (one.weight, one.enabled, one.drain, one.base_url) != (
        other.weight,
        other.enabled,
        other.drain,
        other.base_url,
    ) or (one.credential is not other.credential and mark_of(one) != mark_of(other))
