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


class Stage(ABC):
    """One answer under way."""

    def __init__(self, performance: Performance, entry: Entry, scale: float) -> None:
        """Waits are divided by `scale`."""
        self.started = time.monotonic()
        self._performance = performance
        self._entry = entry
        self._scale = scale
        self._fault: Fault = entry.fault or Fault()
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

    async def _before(self, event: int) -> None:
        """Called before the event with this number, from 0."""
        return

    # --- the script -------------------------------------------------------------------------------------------------

    async def perform(self, log: CallLog) -> None:
        """Gives the answer and settles its entry. Raises `Gone`, and `CancelledError` for a caller that left."""
        self._entry.status = self._performance.status
        outcome = "crashed"
        try:
            outcome = await self._play()
        except (asyncio.CancelledError, Gone):
            outcome = "client_closed"
            raise
        finally:
            log.settle(self._entry, outcome, time.monotonic() - self.started)

    async def _play(self) -> str:
        steps = self._performance.steps
        opening = next(steps)
        if self._fault.black_hole:
            await self._vanish()
            return "black_hole"
        await self._wait(opening.at)
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
        self._entry.sent_bytes, self._entry.sent_events = len(body), 1
        await self._whole(body)
        return "served" if self._performance.status < 400 else "refused"

    async def _send_all(self, steps: Iterator[object]) -> Close:
        waiting = bytearray()
        due = 0.0
        for step in steps:
            if waiting and (getattr(step, "at", 0.0) > due or len(waiting) >= _JOIN_BELOW or isinstance(step, Close)):
                await self._write(due, bytes(waiting))
                waiting = bytearray()
            if isinstance(step, Close):
                return step
            if isinstance(step, Send):
                await self._before(self._entry.sent_events)
                waiting += step.data
                due = step.at
                self._entry.sent_events += 1
        raise TypeError("a script ends with Close")

    async def _write(self, due: float, data: bytes) -> None:
        await self._wait(due)
        if self._fault.trickle is None:
            await self._body(data)
            self._entry.sent_bytes += len(data)
            return
        for place in range(len(data)):
            await asyncio.sleep(self._fault.trickle / self._scale)
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
