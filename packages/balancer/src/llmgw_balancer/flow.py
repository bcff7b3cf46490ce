"""How much came lately."""

from __future__ import annotations

import math


class Flow:
    """Amounts that weigh less and less: after `seconds` a third, after five times that nothing to speak of."""

    __slots__ = ("_at", "_seconds", "_sum")

    def __init__(self, seconds: float = 1.0) -> None:
        self._seconds = seconds
        self._sum = 0.0
        self._at = -math.inf

    def add(self, at: float, amount: float = 1.0) -> None:
        """So much came then, which need not be the latest; what takes more away than there was leaves nothing."""
        self._sum = max(0.0, self.at(at) + amount)
        self._at = at

    def at(self, now: float) -> float:
        """What came within `seconds`, as of now."""
        return self._sum * math.exp((self._at - now) / self._seconds) if self._sum else 0.0

    def __repr__(self) -> str:
        return f"<Flow {self._sum:.1f} at {self._at:.1f}>"


class Sizes:
    """How large calls are lately, in tokens."""

    __slots__ = ("_squares", "_tokens")

    def __init__(self, seconds: float) -> None:
        self._tokens = Flow(seconds)
        self._squares = Flow(seconds)

    def add(self, at: float, tokens: int, before: int = 0) -> None:
        """A call that began then has so many tokens, for which `before` were counted."""
        self._tokens.add(at, tokens - before)
        self._squares.add(at, tokens * tokens - before * before)

    def at(self, now: float) -> float:
        """The size of the call in which the average token is: of calls that come by chance, the scatter of their sum is
        the root of it times that sum.
        """
        tokens = self._tokens.at(now)
        return self._squares.at(now) / tokens if tokens else 0.0

    def __repr__(self) -> str:
        return f"<Sizes {self._tokens!r}>"
