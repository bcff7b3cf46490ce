"""Performing a script: what every transport has in common, which is all but its own way of sending and of breaking off.

Sends that are due at the same time go out in one write. A fault that is the transport's affair (comments, a trickle, a
black hole) is worked in here, one that is HTTP/2's alone in `http2`.
"""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator

from llmgw_simulator.calllog import CallLog, Entry
from llmgw_simulator.faults import Fault
from llmgw_simulator.script import Close, Open, Send
from llmgw_simulator.service import Performance

_JOIN_BELOW = 64 * 1024
"""Bytes. What is due at once is joined up to this."""

_COMMENT = b": simulator is thinking\n\n"


class Gone(Exception):
    """The caller has left."""


class Cut(Exception):
    """The answer was broken off with its account."""


class Stage(ABC):
    """One answer under way."""

    def __init__(self, performance: Performance, entry: Entry, scale: float) -> None:
        """Waits are divided by `scale`."""
        self.started = time.monotonic()
        self._performance = performance
        self._entry = entry
        self._scale = scale
        self._fault: Fault = (entry.fault or Fault()).on(performance.headers.get("content-type", ""))
        self._opened = False

    # --- a transport's own ------------------------------------------------------------------------------------------

    @abstractmethod
    async def _whole(self, body: bytes) -> None:
        """The head and all of the body."""

    @abstractmethod
    async def _head(self, length: int | None) -> None:
        """The head; with `length`, it declares the body's."""

    @abstractmethod
    async def _body(self, data: bytes) -> None: ...

    @abstractmethod
    async def _finish(self) -> None:
        """The orderly end."""

    @abstractmethod
    async def _break_off(self, how: str) -> None:
        """`reset`, `fin` or `rst`, once what was sent has left."""

    @abstractmethod
    async def _vanish(self) -> None:
        """Neither reads nor writes any more, until the caller's side has closed."""

    async def _reached(self, events: int) -> None:
        """Called when so many events have been sent, from 0; for every number that `_stops` names, and some others."""
        return

    def _stops(self, events: int) -> bool:
        """Whether the first so many events must have left before the next is looked at."""
        return False

    def _left(self) -> str:
        """The outcome of an answer that was given up before its end."""
        return "client_closed"

    # --- the script -------------------------------------------------------------------------------------------------

    async def perform(self, log: CallLog) -> None:
        """Gives the answer and settles its entry. Raises `Gone`, and `CancelledError` for a caller that left."""
        self._entry.status = self._performance.status
        outcome = "crashed"
        try:
            outcome = await self._play()
        except (asyncio.CancelledError, Gone):
            outcome = self._left()
            raise
        except Cut:
            outcome = "reset"
        finally:
            log.settle(self._entry, outcome, time.monotonic() - self.started)

    async def _play(self) -> str:
        steps = self._performance.steps
        opening = next(steps)
        if self._fault.black_hole:
            await self._vanish()
            return "black_hole"
        if self._fault.reset:
            await self._break_off("reset")
            return "reset"
        await self._wait(opening.at)
        await self._unbroken()
        if not self._performance.streams and self._fault.trickle is None:
            match taken := list(steps):
                case [Send(data=body), Close(how="done")]:
                    return await self._at_once(body)
            steps = iter(taken)
        await self._head(opening.length if isinstance(opening, Open) else None)
        self._opened = self._performance.streams
        close = await self._send_all(steps)
        await self._wait(close.at)
        return await self._end(close.how)

    async def _at_once(self, body: bytes) -> str:
        """The quick way, which is most of a benchmark's calls."""
        await self._reached(0)
        await self._whole(body)
        self._entry.sent_bytes, self._entry.sent_events = len(body), 1
        await self._reached(1)
        return "served" if self._performance.status < 400 else "refused"

    async def _send_all(self, steps: Iterator[object]) -> Close:
        waiting, due, count = bytearray(), 0.0, 0
        for step in steps:
            if count and self._parts(step, due, count, len(waiting)):
                await self._write(due, bytes(waiting), count)
                waiting, count = bytearray(), 0
            if not count:
                await self._reached(self._entry.sent_events)
            if isinstance(step, Close):
                return step
            if isinstance(step, Send):
                waiting += step.data
                due = step.at
                count += 1
        raise TypeError("a script ends with Close")

    def _parts(self, step: object, due: float, count: int, size: int) -> bool:
        """Whether `count` events of `size` bytes, which are due then, are to leave before `step`."""
        later = isinstance(step, Close) or getattr(step, "at", 0.0) > due
        return later or size >= _JOIN_BELOW or self._stops(self._entry.sent_events + count)

    async def _write(self, due: float, data: bytes, events: int) -> None:
        await self._wait(due)
        await self._unbroken()
        if self._fault.trickle is None:
            await self._body(data)
            self._entry.sent_bytes += len(data)
        else:
            await self._trickle(data, self._fault.trickle / self._scale)
        self._entry.sent_events += events

    async def _unbroken(self) -> None:
        """Raises `Cut` if the account has gone down, which resets the connection."""
        if self._performance.broken(time.time()):
            await self._break_off("reset")
            raise Cut

    async def _trickle(self, data: bytes, seconds: float) -> None:
        for place in range(len(data)):
            await asyncio.sleep(seconds)
            await self._body(data[place : place + 1])
            self._entry.sent_bytes += 1

    async def _wait(self, at: float) -> None:
        until = self.started + at / self._scale
        if self._opened and self._fault.comments is not None:
            while (left := until - time.monotonic()) > self._fault.comments / self._scale:
                await asyncio.sleep(min(left, self._fault.comments / self._scale))
                await self._body(_COMMENT)
        left = until - time.monotonic()
        if left > 0:
            await asyncio.sleep(left)

    async def _end(self, how: str) -> str:
        if how in ("reset", "fin", "rst"):
            await self._break_off(how)
        elif how == "stall":
            await asyncio.Event().wait()
        elif how == "black_hole":
            await self._vanish()
        else:
            await self._finish()
        return "served" if how == "done" else how
