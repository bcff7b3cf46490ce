"""Knowing that the client is still there, and that it reads.

Servers do not cancel an application whose client has gone: they tell it through `receive`, and some let every later
`send` succeed. Nor do they bound how long a `send` may wait for a client that has stopped reading. So while the relay
works, one task waits in `receive`, and one timer looks now and then whether a `send` is stuck. Either of them cancels
the request's own task, and the context manager turns that cancellation, and only that one, into a normal exit: when the
server cancels as well, `Task.uncancel` says so and the cancellation goes on (as `asyncio.timeout` does it).

There is one timer per request and not one per write: a write that goes through at once costs two assignments.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Literal

from starlette.types import Message, Receive, Send

from llmgw_httpapi.upload import Upload

_log = logging.getLogger(__name__)

Lost = Literal["gone", "stalled"]


class Lifeline:
    """The client's end of one exchange, once its body is read or is being passed on.

    `lost` tells why the context was left early, if it was.

    `started` and `complete` say how far the response has come.
    """

    __slots__ = (
        "_before",
        "_loop",
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

    def __init__(self, receive: Receive, send: Send, *, send_timeout: float, upload: Upload | None = None) -> None:
        """What is left of the body goes to `upload`."""
        self._receive = receive
        self._upload = upload
        self._send = send
        self._timeout = send_timeout
        self._since: float | None = None
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
        self._timer = loop.call_later(self._timeout, self._look)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> bool:
        task, self._task = self._task, None
        assert task is not None
        self._timer.cancel()
        self._watcher.cancel()
        if self.lost is None:
            return False
        ours_alone = task.uncancel() <= self._before
        return ours_alone and kind is not None and issubclass(kind, asyncio.CancelledError)

    async def send(self, message: Message) -> None:
        """Sends one ASGI message; a client that does not take it in time is `stalled`."""
        self.started = True
        self._since = self._loop.time()
        await self._send(message)
        self._since = None

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
        waited = 0.0 if self._since is None else now - self._since
        if waited >= self._timeout:
            self._cut("stalled")
        else:
            self._timer = self._loop.call_later(self._timeout - waited, self._look)

    def _cut(self, why: Lost) -> None:
        if self._task is not None and self.lost is None:
            self.lost = why
            self._task.cancel()
