"""How large a part of the new sessions each prompt prefix has lately, and over how many accounts it is divided.

Few accounts keep a prefix warm at a small price. A prefix that many sessions have would fill them up, and what spills
over goes where the order of arrival says, which every node sees differently; so it is divided over more of them before
that happens. How many is a power of two times the least number, so that it seldom changes while sessions come.
"""

from __future__ import annotations

import math
from collections import Counter

_PARTS = 12
"""Of a fair share: no prefix is to put more than one of them on one account. Found by trying, over
many seeds of equal and of very unequal tenants; see the decision page on bounded loads."""


class Prefixes:
    """Counts over the last one to two periods of `seconds`, for prefixes and for the pools of their accounts."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._ends = -math.inf
        self._now: Counter[bytes | str] = Counter()
        self._before: Counter[bytes | str] = Counter()

    def count(self, prefix: bytes, pools: tuple[str, ...], now: float) -> None:
        """A session with this prefix was given an account of these pools."""
        self._turn(now)
        self._now[prefix] += 1
        for pool in pools:
            self._now[pool] += 1

    def width(self, prefix: bytes, pools: tuple[str, ...], accounts: int, least: int, now: float) -> int:
        """Over how many of so many accounts the sessions of this prefix are divided: `least` or more, if there are."""
        self._turn(now)
        count = self._of(prefix)
        if count < 2:
            return min(least, accounts)
        # Less by one deviation: three of the first ten sessions make no prefix with a third of all of them.
        sure = count - math.sqrt(count)
        # Its sessions may have been in the pools of other tiers.
        wanted = _PARTS * sure * accounts / max(count, sum(self._of(pool) for pool in pools))
        width = least
        while width < min(wanted, accounts):
            width *= 2
        return min(width, accounts)

    def _of(self, name: bytes | str) -> int:
        return self._now[name] + self._before[name]

    def _turn(self, now: float) -> None:
        if now < self._ends:
            return
        self._before = self._now if now < self._ends + self._seconds else Counter()
        self._now = Counter()
        self._ends = now + self._seconds

    def __repr__(self) -> str:
        return f"<Prefixes {len(self._now)}>"
