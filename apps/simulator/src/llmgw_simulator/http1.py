"""The HTTP/1.1 transport: performs scripts over aiohttp's server, faults included.

Resets and early ends are done on the socket, behind the framework's back: a framework only knows how to end well.
"""

from __future__ import annotations

import asyncio
import os
import socket
import struct
import time
from collections.abc import Iterator

from aiohttp import ClientConnectionResetError, web

from llmgw_simulator.calllog import CallLog, Entry
from llmgw_simulator.script import Close, Open, Send, Step
from llmgw_simulator.service import Performance

_JOIN_BELOW = 64 * 1024
"""Sends that are due at once go out in one write up to this many bytes."""

_LINGER_ZERO = struct.pack("ii", 1, 0)
"""SO_LINGER with a time of 0 makes close() send RST instead of FIN."""

_FLUSH_TRIES = 200
"""How often to wait 5 ms for a slow reader before a reset or an early end goes ahead without the rest."""


async def perform(
    request: web.BaseRequest, performance: Performance, entry: Entry, log: CallLog, scale: float
) -> web.StreamResponse:
    """Give the answer and settle `entry`. Waits are divided by `scale`."""
    stage = _Stage(request, performance, entry, scale)
    entry.status = performance.status
    outcome = "crashed"
    try:
        outcome = await stage.play()
    except (asyncio.CancelledError, ClientConnectionResetError):
        outcome = "client_closed"
        raise
    finally:
        log.settle(entry, outcome, time.monotonic() - stage.started)
    return stage.response


class _Stage:
    """One answer under way."""

    def __init__(self, request: web.BaseRequest, performance: Performance, entry: Entry, scale: float) -> None:
        self.started = time.monotonic()
        self.response: web.StreamResponse = web.StreamResponse()
        self._request = request
        self._performance = performance
        self._entry = entry
        self._scale = scale

    async def play(self) -> str:
        """Perform the script; the outcome for the log."""
        steps = self._performance.steps
        opening = next(steps)
        await self._wait(opening.at)
        if not self._performance.streams:
            match taken := list(steps):
                case [Send(data=body), Close(how="done")]:
                    return await self._at_once(body)
            steps = iter(taken)
        await self._prepare(opening)
        close = await self._send_all(steps)
        await self._wait(close.at)
        return await self._end(close.how)

    async def _at_once(self, body: bytes) -> str:
        """The quick way, which is most of a benchmark's calls."""
        self._entry.sent_bytes, self._entry.sent_events = len(body), 1
        headers, status = self._performance.headers, self._performance.status
        self.response = web.Response(body=body, status=status, headers=headers)
        await self.response.prepare(self._request)
        await self.response.write_eof()
        return "served" if status < 400 else "refused"

    async def _prepare(self, opening: Step) -> None:
        self.response = web.StreamResponse(status=self._performance.status, headers=self._performance.headers)
        length = opening.length if isinstance(opening, Open) else None
        if length is None:
            self.response.enable_chunked_encoding()
        else:
            self.response.content_length = length
        await self.response.prepare(self._request)

    async def _send_all(self, steps: Iterator[Step]) -> Close:
        """Send up to the end of the script; what is due at the same time goes out in one write."""
        waiting = bytearray()
        due = 0.0
        for step in steps:
            if waiting and (step.at > due or len(waiting) >= _JOIN_BELOW or isinstance(step, Close)):
                await self._write(due, waiting)
                waiting = bytearray()
            if isinstance(step, Close):
                return step
            if isinstance(step, Send):
                waiting += step.data
                due = step.at
                self._entry.sent_events += 1
        raise TypeError("a script ends with Close")

    async def _write(self, due: float, data: bytearray) -> None:
        await self._wait(due)
        await self.response.write(bytes(data))
        self._entry.sent_bytes += len(data)

    async def _wait(self, at: float) -> None:
        left = self.started + at / self._scale - time.monotonic()
        if left > 0:
            await asyncio.sleep(left)

    async def _end(self, how: str) -> str:
        if how in ("reset", "fin"):
            await self._break_off(how)
        elif how == "stall":
            await asyncio.Event().wait()
        else:
            await self.response.write_eof()
        return "served" if how == "done" else how

    async def _break_off(self, how: str) -> None:
        """End the connection under the framework's feet, once what was sent has left."""
        # uvloop's transports are none of asyncio's classes, and its sockets take no options.
        transport: asyncio.Transport | None = self._request.transport
        if transport is None:
            return
        for _ in range(_FLUSH_TRIES):
            await asyncio.sleep(0)
            if not transport.get_write_buffer_size():
                break
            await asyncio.sleep(0.005)
        if how == "fin":
            transport.close()
            return
        with socket.socket(fileno=os.dup(transport.get_extra_info("socket").fileno())) as twin:
            twin.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)
        transport.abort()
