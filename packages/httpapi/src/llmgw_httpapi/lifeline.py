"""Knowing that the client is still there, and that it reads.

Servers do not cancel an application whose client has gone: they tell it through `receive`, and some let every later
`send` succeed. Nor do they bound how long a `send` may wait for a client that has stopped reading. So while the relay
works, one task waits in `receive`, and one timer looks now and then whether a `send` is stuck. Either of them cancels
the request's own task, and the context manager turns that cancellation, and only that one, into a normal exit: when the
server cancels as well, `Task.uncancel` says so and the cancellation goes on (as `asyncio.timeout` does it).

There is one timer per request and not one per write: a write that goes through at once costs a few assignments.

The same timer sees that the client has waited long for a byte, and then sends it a sign of life, if the call has one to
give. That is written by a short task of its own, for the request's task is busy waiting for the provider; the two never
write at the same time.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable
from typing import Literal

from starlette.types import Message, Receive, Send

from llmgw_httpapi.upload import Upload

_log = logging.getLogger(__name__)

Lost = Literal["gone", "stalled"]

Headers = list[tuple[bytes, bytes]]
MakeBeat = Callable[[bool], tuple[bytes, Headers] | None]
"""Given whether it would be the first thing that is sent: a heartbeat and the headers to go before it, or None."""

_EARLY = 0.002
"""uvloop's clock counts whole milliseconds, so a timer may go off that much early."""

_AGAIN = 0.1
"""Where there is no heartbeat to give, the part of the usual time after which it is asked for again."""


class Lifeline:
    """The client's end of one exchange, once its body is read or is being passed on.

    `lost` tells why the context was left early, if it was.

    `started` and `complete` say how far the response has come.
    """

    __slots__ = (
        "_beat",
        "_beat_seconds",
        "_beating",
        "_before",
        "_loop",
        "_next_beat",
        "_receive",
        "_send",
        "_since",
        "_task",
        "_timeout",
        "_timer",
        "_upload",
        "_watcher",
        "complete",
        "lost",
        "started",
    )

    def __init__(
        self,
        receive: Receive,
        send: Send,
        *,
        send_timeout: float,
        upload: Upload | None = None,
        beat: MakeBeat | None = None,
        beat_seconds: float = 0.0,
    ) -> None:
        """What is left of the body goes to `upload`. Without a byte in `beat_seconds`, `beat` is sent; 0 is never."""
        self._receive = receive
        self._upload = upload
        self._send = send
        self._timeout = send_timeout
        self._since: float | None = None
        self._beat = beat
        self._beat_seconds = beat_seconds if beat is not None and beat_seconds > 0 else math.inf
        self._beating: asyncio.Task[None] | None = None
        self.lost: Lost | None = None
        self.started = False
        self.complete = False

    def __enter__(self) -> Lifeline:
        loop = self._loop = asyncio.get_running_loop()
        task = asyncio.current_task(loop)
        assert task is not None
        self._task: asyncio.Task[object] | None = task
        self._before = task.cancelling()
        # Owned here: it does nothing but wait, and __exit__ ends it.
        self._watcher = loop.create_task(self._watch())
        self._next_beat = loop.time() + self._beat_seconds
        self._timer = loop.call_at(min(self._next_beat, loop.time() + self._timeout), self._look)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> bool:
        task, self._task = self._task, None
        assert task is not None
        self._timer.cancel()
        self._watcher.cancel()
        if self._beating is not None:
            self._beating.cancel()
        if self.lost is None:
            return False
        ours_alone = task.uncancel() <= self._before
        return ours_alone and kind is not None and issubclass(kind, asyncio.CancelledError)

    async def start(self, status: int, headers: Headers) -> None:
        """Begins the response, unless a heartbeat has."""
        await self._quiet()
        if not self.started:
            await self.send({"type": "http.response.start", "status": status, "headers": headers})

    async def send(self, message: Message) -> None:
        """Sends one ASGI message; a client that does not take it in time is `stalled`."""
        await self._quiet()
        await self._put(message)

    async def _put(self, message: Message) -> None:
        self.started = True
        self._since = self._loop.time()
        await self._send(message)
        self._since = None
        self._next_beat = self._loop.time() + self._beat_seconds

    async def _quiet(self) -> None:
        """Waits until no heartbeat is being written."""
        while self._beating is not None:
            await asyncio.wait([self._beating])

    async def _watch(self) -> None:
        try:
            while (message := await self._receive())["type"] != "http.disconnect":
                if self._upload is not None:
                    await self._upload.put(message)
        except Exception as error:
            # A server whose receive fails has no client left to serve.
            _log.debug("receive failed: %r", error)
        # A disconnect after the last message is how servers report the end of an exchange.
        if not self.complete:
            self._cut("gone")

    def _look(self) -> None:
        now = self._loop.time()
        if self._since is not None:
            due = self._since + self._timeout
            if now >= due - _EARLY:
                self._cut("stalled")
                return
        else:
            if now >= self._next_beat - _EARLY:
                self._next_beat = now + (self._beat_seconds if self._began_beat() else self._beat_seconds * _AGAIN)
            due = min(self._next_beat, now + self._timeout)
        self._timer = self._loop.call_at(due, self._look)

    def _began_beat(self) -> bool:
        """Sends a heartbeat, if there is one to send."""
        made = None if self._beat is None or self.complete else self._beat(not self.started)
        if made is None:
            return False
        # Owned here: the next write waits for it, and __exit__ ends it.
        self._beating = self._loop.create_task(self._send_beat(*made))
        self._beating.add_done_callback(self._beat_over)
        return True

    async def _send_beat(self, data: bytes, headers: Headers) -> None:
        if not self.started:
            await self._put({"type": "http.response.start", "status": 200, "headers": headers})
        await self._put({"type": "http.response.body", "body": data, "more_body": True})

    def _beat_over(self, task: asyncio.Task[None]) -> None:
        self._beating = None
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.debug("a heartbeat could not be sent: %r", error)
            self._cut("gone")

    def _cut(self, why: Lost) -> None:
        if self._task is not None and self.lost is None:
            self.lost = why
            self._task.cancel()
