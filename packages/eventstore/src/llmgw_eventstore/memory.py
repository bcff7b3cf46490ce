"""The log in memory: for tests, and for a gateway that runs without a database and remembers nothing.

It keeps the promises of the port, and can be told to break as a real one does: `away` for a database that can't be
reached, `fail_over` for a standby that takes over without having heard everything.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from llmgw_domain import Event
from llmgw_eventstore.store import Appended, ClockOff, Cursor, Log, Page, StoreAway, Stored, TimelineChanged


class MemoryStore:
    """An `EventStore` of one process.

    `wall` is its clock in seconds since 1970 and `tolerance` how many seconds ahead of it a state event may be; without
    a clock every stamp is taken.
    """

    def __init__(self, wall: Callable[[], float] | None = None, tolerance: float = 60.0) -> None:
        self.away = False
        """While True, every call raises `StoreAway`."""
        self.timeline = 1
        self._wall = wall
        self._tolerance = tolerance
        self._logs: dict[Log, list[Event]] = {"state": [], "fact": []}
        self._known: dict[Log, dict[str, int]] = {"state": {}, "fact": {}}
        self._snapshots: dict[str, tuple[Cursor, bytes]] = {}
        self._grown = asyncio.Event()

    async def append(self, log: Log, events: Sequence[Event]) -> Appended:
        self._reach()
        if log == "state" and self._wall is not None:
            self._check(events, self._wall())
        kept, known = self._logs[log], self._known[log]
        before, last = len(kept), 0
        for event in events:
            if event.id not in known:
                kept.append(event)
                known[event.id] = len(kept)
            last = max(last, known[event.id])
        self._wake()
        return Appended(Cursor(self.timeline, last), len(kept) - before)

    async def read(self, log: Log, after: Cursor, limit: int) -> Page:
        self._reach()
        if self._is_foreign(after):
            raise TimelineChanged(self.timeline, after.timeline)
        events = self._logs[log][after.position : after.position + limit]
        page = tuple(Stored(position, event) for position, event in enumerate(events, after.position + 1))
        return Page(page, Cursor(self.timeline, page[-1].position if page else after.position))

    async def wait(self, log: Log, after: Cursor, timeout: float) -> bool:
        self._reach()
        try:
            async with asyncio.timeout(timeout):
                while not self._has_news(log, after):
                    await self._grown.wait()
        except TimeoutError:
            return False
        return True

    async def save_snapshot(self, name: str, cursor: Cursor, body: bytes) -> None:
        self._reach()
        self._snapshots[name] = (cursor, body)

    async def load_snapshot(self, name: str) -> tuple[Cursor, bytes] | None:
        self._reach()
        return self._snapshots.get(name)

    def fail_over(self, log: Log, last: int) -> None:
        """A standby takes over that has heard `log` only up to position `last`: a new timeline begins."""
        for lost in self._logs[log][last:]:
            del self._known[log][lost.id]
        del self._logs[log][last:]
        self.timeline += 1
        self._wake()

    def _reach(self) -> None:
        if self.away:
            raise StoreAway

    def _check(self, events: Sequence[Event], now: float) -> None:
        for event in events:
            # An hlc is 48 bits of milliseconds since 1970, then 16 of a counter.
            ahead = (event.hlc >> 16) / 1000 - now
            if ahead > self._tolerance:
                raise ClockOff(event, ahead)

    def _is_foreign(self, cursor: Cursor) -> bool:
        return cursor.position > 0 and cursor.timeline != self.timeline

    def _has_news(self, log: Log, after: Cursor) -> bool:
        return self._is_foreign(after) or len(self._logs[log]) > after.position

    def _wake(self) -> None:
        """Wake everyone who waits; each looks for itself whether there is something for it."""
        self._grown.set()
        self._grown = asyncio.Event()

    def __repr__(self) -> str:
        counts = " ".join(f"{log}={len(events)}" for log, events in self._logs.items())
        return f"<MemoryStore timeline={self.timeline} {counts}{' away' if self.away else ''}>"
