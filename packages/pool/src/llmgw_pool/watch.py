"""A deadline that moves often and fires rarely.

A stream re-arms its gap deadline at every network read. A timer each would cost more than the read, so one timer is
left running and only looks, when it goes off, whether the deadline has moved on meanwhile.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

# uvloop's clock counts whole milliseconds, so a timer may go off that much early.
_EARLY = 0.002


class Watch:
    """Calls `expired` once when the deadline passes while armed. Times are the loop's."""

    __slots__ = ("_deadline", "_due", "_expired", "_loop", "_timer")

    def __init__(self, loop: asyncio.AbstractEventLoop, expired: Callable[[], None]) -> None:
        self._loop = loop
        self._expired = expired
        self._deadline: float | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0.0

    def arm(self, deadline: float) -> None:
        self._deadline = deadline
        if self._timer is not None:
            if self._due <= deadline:
                return
            self._timer.cancel()
        self._start(deadline)

    def disarm(self) -> None:
        self._deadline = None

    def close(self) -> None:
        self._deadline = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _start(self, due: float) -> None:
        self._due = due
        self._timer = self._loop.call_at(due, self._look)

    def _look(self) -> None:
        self._timer = None
        if self._deadline is None:
            return
        if self._deadline - self._loop.time() > _EARLY:
            self._start(self._deadline)
            return
        self._deadline = None
        self._expired()

    def __repr__(self) -> str:
        return f"<Watch deadline={self._deadline} timer={'on' if self._timer else 'off'}>"
