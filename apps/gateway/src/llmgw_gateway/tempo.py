"""Time as sessions, pauses and limits know it: for benchmarks it can run faster than it is.

What is written to the log has the real time.
"""

from __future__ import annotations

import time

import msgspec

_ORIGIN = 1_767_225_600.0
"""2026 began then, in Unix seconds. Scaled time starts from here, so that all processes and nodes have the same."""


class Tempo(msgspec.Struct, frozen=True):
    """Clocks that run `scale` times faster."""

    scale: float = 1.0

    def clock(self) -> float:
        """Monotonic seconds."""
        return time.monotonic() * self.scale

    def wall(self) -> float:
        """Unix seconds, the same at every node."""
        now = time.time()
        return now if self.scale == 1.0 else _ORIGIN + (now - _ORIGIN) * self.scale

    def real(self, seconds: float) -> float:
        """How long that takes."""
        return seconds / self.scale
