"""How much came within about the last second."""

from __future__ import annotations

import math


class Flow:
    """Arrivals, each of which weighs less and less: after a second a third, after five nothing to speak of."""

    __slots__ = ("_at", "_sum")

    def __init__(self) -> None:
        self._sum = 0.0
        self._at = -math.inf

    def add(self, now: float) -> None:
        self._sum = self.at(now) + 1.0
        self._at = now

    def at(self, now: float) -> float:
        """Arrivals per second, as of now."""
        return self._sum * math.exp(self._at - now) if self._sum else 0.0

    def __repr__(self) -> str:
        return f"<Flow {self._sum:.1f} at {self._at:.1f}>"
