"""How much an account may have before a new session goes to the next one in its order.

A bound is above the fair share by a set part of it, or by what arrivals at random scatter where that is more: their
root. Without it small loads would overflow without need, differently on each node, and each overflow is a session away
from its warm prefix.

There are two: one on what an account has, one on what comes to it within a second. The second is for the sessions of an
account that was lost: those that are left may have room for all of them, and must not get most of them at once.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from llmgw_balancer.config import BalanceConfig
from llmgw_balancer.pools import Member, Pool

_DEVIATIONS = 2.75
"""In all where a fair share is below 120 or so, a little more than the random scatter of 1,000 sessions over ten."""
_FLOW_PART = 0.75
_FLOW_DEVIATIONS = 2.5
"""Of what is worth spreading in a second, nobody gets more than twice a fair share; a few are left to chance."""


class Bounds:
    """`load` and `flow` are the fair shares of an account of weight 1, counting the call to come."""

    def __init__(self, config: BalanceConfig) -> None:
        self._config = config

    def fair(self, pools: Sequence[Pool], now: float) -> tuple[float, float]:
        """The fair share, of an account of weight 1, in the load and in the arrivals of these pools."""
        weight = sum(pool.weight for pool in pools)
        if not weight:
            return math.inf, math.inf
        return (
            (sum(pool.load for pool in pools) + 1) / weight,
            (sum(pool.arrivals.at(now) for pool in pools) + 1) / weight,
        )

    def load(self, fair: float) -> float:
        """The bound on a load of which this is the fair share."""
        return fair + max((self._config.bound - 1) * fair, _DEVIATIONS * math.sqrt(fair))

    def flow(self, fair: float) -> float:
        """The same on arrivals."""
        return fair + max(_FLOW_PART * fair, _FLOW_DEVIATIONS * math.sqrt(fair))

    def ramped(self, member: Member, now: float) -> float:
        """Calls at a time that an account may have while it starts slowly."""
        fair, _ = self.fair((member.pool,), now)
        return max(self._config.probes, member.share(now) * self.load(fair * member.account.weight))
