"""The accounts of a pool: what load they have together, and which of them count.

Every change is accounted for when it happens, so that nothing here is proportional to the size of a pool at each call.
An account is fit where calls may be sent to it as far as the whole account is concerned; fair shares are those of the
fit ones.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable

from llmgw_balancer.circuit import Breaker
from llmgw_balancer.config import BalanceConfig
from llmgw_balancer.flow import Flow, Sizes
from llmgw_balancer.states import NO_LOAD, Circuit, OtherLoad
from llmgw_domain import Account

_LASTING_WEIGHT = 0.1
"""Of one call in the moving average of how long they last."""
_LEAST_SHARE = 0.1
"""What an account that was away gets of its share at first."""
_LATELY = 600.0
"""Seconds over which tokens are counted: about as long as a prompt cache lives, and a session goes on."""
_serial = itertools.count()


class Member:
    """An account in its pool.

    Its `load` is the sessions that are bound to it, or the calls in flight where there are more of them, and the same
    of other workers: a session with a call in flight is one, whatever it does.
    """

    __slots__ = (
        "account",
        "arrivals",
        "breaker",
        "fit",
        "gone_at",
        "heeded",
        "lasting",
        "load",
        "others",
        "pool",
        "ramp",
        "returned",
        "starts_slowly",
        "tokens",
    )

    def __init__(self, account: Account, pool: Pool, config: BalanceConfig) -> None:
        self.account = account
        self.pool = pool
        self.breaker = Breaker(config)
        self.load = 0
        self.arrivals = Flow()
        """New sessions."""
        self.tokens = Flow(_LATELY)
        self.others: OtherLoad = NO_LOAD
        self.heeded = False
        """Whether its circuit keeps calls away; see `Pool.eject`."""
        self.fit = False
        self.lasting: float | None = None
        """How many seconds a call has its place, lately."""
        self.gone_at = 0.0
        self.starts_slowly = False
        """After this absence."""
        self.returned = float("-inf")
        self.ramp = 0.0
        """Seconds from then in which its share grows."""

    def told(self, others: OtherLoad) -> None:
        """What other workers have there now."""
        if self.fit:
            self.pool.elsewhere += others.spent - self.others.spent
        self.others = others

    def weigh(self, leases: int, bindings: int) -> None:
        """Counts anew what is here and what was told of elsewhere."""
        load = max(leases, bindings) + max(self.others.leases, self.others.bindings)
        if self.fit:
            self.pool.load += load - self.load
        self.load = load

    def spend(self, at: float, tokens: int, before: int = 0) -> None:
        """A call that began then has so many tokens, for which `before` were counted."""
        known = self.tokens.at(at)
        self.tokens.add(at, tokens - before)
        self.pool.sizes.add(at, tokens, before)
        if self.fit:
            self.pool.tokens.add(at, self.tokens.at(at) - known)

    def spent(self, now: float) -> float:
        """Tokens lately, here and by other workers."""
        return self.tokens.at(now) + self.others.spent

    def leave(self, seconds: float) -> None:
        """A call gave its place back after so many seconds."""
        known = seconds if self.lasting is None else self.lasting
        self.lasting = known + _LASTING_WEIGHT * (seconds - known)

    def arrive(self, now: float) -> None:
        """A session was given to it."""
        self.arrivals.add(now)
        self.pool.arrivals.add(now)

    def starting(self, now: float) -> bool:
        """Whether it is given its share little by little."""
        return now - self.returned < self.ramp

    def share(self, now: float) -> float:
        """The part of its fair share that it may take."""
        return max(_LEAST_SHARE, (now - self.returned) / self.ramp) if self.starting(now) else 1.0

    def weight(self, now: float) -> float:
        """That of its account, or the part of it that it may take."""
        return self.account.weight * self.share(now)

    def __repr__(self) -> str:
        return f"<Member {self.account.id} load={self.load} {self.breaker.circuit}{'' if self.fit else ' unfit'}>"


class Pool:
    """The accounts of one name, and the sums over those that are fit."""

    __slots__ = (
        "_config",
        "_due",
        "_rest_of",
        "_troubled",
        "arrivals",
        "elsewhere",
        "load",
        "members",
        "sizes",
        "tokens",
        "weight",
    )

    def __init__(self, config: BalanceConfig, rest_of: Callable[[Account, float], tuple[float, bool] | None]) -> None:
        """`rest_of` gives until when all of an account rests, and whether it begins slowly after that."""
        self._config = config
        self._rest_of = rest_of
        self.members: dict[str, Member] = {}
        self.load = 0
        self.arrivals = Flow()
        self.tokens = Flow(_LATELY)
        self.elsewhere = 0
        """Tokens lately, by other workers."""
        self.sizes = Sizes(_LATELY)
        self.weight = 0.0
        self._troubled: dict[str, Member] = {}
        """Whose circuit is not closed."""
        self._due: list[tuple[float, int, Member]] = []
        """When to look at whom again."""

    def spent(self, now: float) -> float:
        """Tokens lately, of all workers, at the accounts that are fit."""
        return self.tokens.at(now) + self.elsewhere

    def add(self, member: Member, now: float) -> None:
        self.members[member.account.id] = member
        member.pool = self
        self.reconsider(member, now)

    def leave(self, member: Member, now: float) -> None:
        """The member's record is about to change: it counts no more until it is reconsidered."""
        self._leave(member, now, slowly=False)

    def remove(self, member: Member, now: float) -> None:
        self._leave(member, now, slowly=False)
        self.members.pop(member.account.id, None)
        self._troubled.pop(member.account.id, None)
        self.eject(now)

    def settle(self, now: float) -> None:
        """Looks again at the accounts whose absence is over."""
        while self._due and self._due[0][0] <= now:
            at, _, member = heapq.heappop(self._due)
            if self.members.get(member.account.id) is member:
                if member.breaker.at(now) is not Circuit.CLOSED:
                    self.eject(now)
                self.reconsider(member, at)

    def judge(self, member: Member, now: float) -> None:
        """The circuit of the member may have changed."""
        name, troubled = member.account.id, member.breaker.at(now) is not Circuit.CLOSED
        if not troubled and name not in self._troubled:
            return
        if troubled:
            self._troubled[name] = member
        else:
            del self._troubled[name]
            member.heeded = False
            self.reconsider(member, now)
        self.eject(now)

    def eject(self, now: float) -> None:
        """Whose circuits are heeded: of the worst, up to the set share of the pool. The others stay in use, or one
        edge that many accounts have in common would close a pool."""
        if not self._troubled:
            return
        serving = sum(_serves(member.account) for member in self.members.values())
        worst = sorted(self._troubled.values(), key=lambda member: _badness(member, now), reverse=True)
        for rank, member in enumerate(worst):
            heeded = rank < int(self._config.most_ejected * serving)
            if heeded and member.breaker.circuit is Circuit.OPEN:
                self._look_again(member, member.breaker.until)
            if heeded is not member.heeded:
                member.heeded = heeded
                self.reconsider(member, now)

    def reconsider(self, member: Member, now: float) -> None:
        """Whether the member is fit may have changed."""
        rest = self._rest_of(member.account, now)
        if rest is not None:
            self._look_again(member, rest[0])
        if _serves(member.account) and rest is None and not member.heeded:
            self._join(member, now)
        else:
            self._leave(member, now, slowly=member.heeded or (rest is not None and rest[1]))

    def _join(self, member: Member, now: float) -> None:
        if member.fit:
            return
        member.fit = True
        self.load += member.load
        self.tokens.add(now, member.tokens.at(now))
        self.elsewhere += member.others.spent
        self.weight += member.account.weight
        if member.starts_slowly:
            member.returned, member.starts_slowly = now, False
            # As long as it was away, at most: after a hiccup most of its sessions are still to be kept.
            member.ramp = min(self._config.slow_start_seconds, now - member.gone_at)

    def _leave(self, member: Member, now: float, *, slowly: bool) -> None:
        member.starts_slowly |= slowly
        if not member.fit:
            return
        member.fit = False
        member.gone_at = now
        self.load -= member.load
        self.tokens.add(now, -member.tokens.at(now))
        self.elsewhere -= member.others.spent
        self.weight -= member.account.weight

    def _look_again(self, member: Member, at: float) -> None:
        heapq.heappush(self._due, (at, next(_serial), member))

    def __repr__(self) -> str:
        return f"<Pool of {len(self.members)}, load {self.load} on a weight of {self.weight:g}>"


def _serves(account: Account) -> bool:
    return account.enabled and not account.drain


def _badness(member: Member, now: float) -> tuple[bool, float, int]:
    breaker = member.breaker
    return breaker.at(now) is Circuit.OPEN, breaker.error_rate, breaker.failures
