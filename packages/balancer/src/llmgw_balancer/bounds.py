"""How much an account may have before a new session goes to the next one in its order.

A bound is above the fair share by a set part of it, or by what arrivals at random scatter where that is more: their
root. Without it small loads would overflow without need, differently on each node, and each overflow is a session away
from its warm prefix.

There are three. On what an account has: calls in flight and sessions. On what comes to it within a second: when an
account is lost, those that are left may have room for all of its sessions, and must not get most of them at once. On
the tokens that it was sent lately: sessions differ a hundredfold, so that equal numbers of them are no equal work.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from llmgw_balancer.config import BalanceConfig
from llmgw_balancer.pools import Member, Pool

_DEVIATIONS = 2.75
"""In all where a fair share is below 120 or so, a little more than the random scatter of 1,000 sessions over ten."""
_FLOW_PART = 0.6
_FLOW_DEVIATIONS = 2.0
"""So that in any second nobody gets more than twice a fair share of what is worth spreading. A flow counts the
beginning of a second for less, so its bound is lower. A few are left to chance."""
_TOKEN_DEVIATIONS = 4.0
"""Of calls. They come in sessions, of which about two deviations are that much."""


class Shares(NamedTuple):
    """The fair shares of an account of weight 1, counting the session to come. `size` is that of a call in tokens."""

    load: float
    flow: float
    tokens: float
    size: float


class Bounds:
    """On what accounts have, by the fair shares of their pools."""

    def __init__(self, config: BalanceConfig) -> None:
        self._part = config.bound - 1
        self._probes = config.probes

    def fair(self, pools: Sequence[Pool], now: float) -> Shares:
        weight = sum(pool.weight for pool in pools)
        if not weight:
            return Shares(math.inf, math.inf, math.inf, 0.0)
        return Shares(
            (sum(pool.load for pool in pools) + 1) / weight,
            (sum(pool.arrivals.at(now) for pool in pools) + 1) / weight,
            sum(pool.spent(now) for pool in pools) / weight,
            max(pool.sizes.at(now) for pool in pools),
        )

    def load(self, fair: float) -> float:
        """The bound on a load of which this is the fair share."""
        return fair + max(self._part * fair, _DEVIATIONS * math.sqrt(fair))

    def flow(self, fair: float) -> float:
        """The same on arrivals."""
        return fair + max(_FLOW_PART * fair, _FLOW_DEVIATIONS * math.sqrt(fair))

    def tokens(self, fair: float, size: float) -> float:
        """The same on tokens, in calls of this size."""
        return fair + max(self._part * fair, _TOKEN_DEVIATIONS * math.sqrt(fair * size))

    def fullness(self, member: Member, fair: Shares, weight: float, now: float) -> float:
        """What an account of this weight has of its fair share: of load or of tokens, whichever is more of it."""
        load, tokens = fair.load * weight, fair.tokens * weight
        return max(member.load / load, member.spent(now) / tokens if tokens else 0.0)

    def hold(self, member: Member, fair: Shares, weight: float, now: float) -> bool:
        """Whether an account of this weight is under all of them."""
        return (
            member.load < self.load(fair.load * weight)
            and member.arrivals.at(now) < self.flow(fair.flow * weight)
            and member.spent(now) <= self.tokens(fair.tokens * weight, fair.size)
        )

    def ramped(self, member: Member, now: float) -> float:
        """Calls at a time that an account may have while it starts slowly."""
        fair = self.fair((member.pool,), now)
        return max(self._probes, member.share(now) * self.load(fair.load * member.account.weight))
