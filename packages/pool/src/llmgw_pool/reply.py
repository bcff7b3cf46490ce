"""A provider's response while it is open: its body, read with a deadline for each wait.

Deadlines run only while somebody waits for the provider. When the client is the slow one, nobody is waiting for a read
and no gap is counted. What is waited for is an event: bytes that hold none, such as a provider's comments, stop no
deadline. Only its reader knows what an event is, so it says so (`progress`).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping

from llmgw_domain import Deadlines
from llmgw_domain.errors import GatewayError, UpstreamMalformed
from llmgw_pool import errors
from llmgw_pool.transport import Body, Incoming
from llmgw_pool.watch import Watch

_REFUSALS = 400
_SHORTEST_SECRET = 8
"""Characters. A shorter placeholder would be found inside ordinary words."""
_EARLY = 0.002
"""uvloop's clock counts whole milliseconds, so a timer may go off that much early."""


class Reply:
    """The relay's `UpstreamReply`. Made by the lease, which closes it; one reader at a time."""

    __slots__ = (
        "_body",
        "_deadlines",
        "_ended",
        "_error",
        "_events",
        "_hidden",
        "_loop",
        "_phase",
        "_total_at",
        "_waited",
        "_watch",
        "headers",
        "received",
        "status",
    )

    def __init__(
        self,
        incoming: Incoming,
        deadlines: Deadlines,
        total_at: float | None,
        *,
        hidden: tuple[str, ...] = (),
        events: bool = False,
    ) -> None:
        """`hidden` are secrets that the request was sent with and that only the transport knows: made tokens.

        `events` says that the reader calls `progress`; otherwise every read is one.
        """
        self.status: int = incoming.status
        self.headers: Mapping[str, str] = incoming.headers
        self.received = 0
        """Bytes of the body so far."""
        self._body: Body = incoming.body
        self._deadlines = deadlines
        self._total_at = total_at
        self._hidden = hidden
        self._events = events
        self._loop = asyncio.get_running_loop()
        self._watch = Watch(self._loop, self._expire)
        self._phase: errors.Phase = "first_event"
        self._waited = 0.0
        """Seconds spent waiting since the last event."""
        self._ended = False
        self._error: GatewayError | None = self._encoding_error()

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body, one item a network read.

        Raises `UpstreamReset` for a body that ends before its framing says so, `UpstreamTimeout` and `UpstreamStalled`
        for one that does not come, `UpstreamMalformed` for one that is compressed though nobody asked for it.
        """
        while data := await self._next():
            yield data

    async def read(self, limit: int) -> bytes:
        """The whole body. Raises as `chunks`, and `UpstreamMalformed` if it is longer than `limit` bytes.

        A refusal may quote the credential that it refuses; where that is the transport's own it is taken out.
        """
        self._events = False
        parts: list[bytes] = []
        while data := await self._next():
            if self.received > limit:
                raise self._malformed(f"body over the limit of {limit} bytes")
            parts.append(data)
        return self._clean(parts[0] if len(parts) == 1 else b"".join(parts))

    def progress(self) -> None:
        """An event came: the deadline between events starts anew."""
        self._phase = "gap"
        self._waited = 0.0

    def close(self) -> None:
        """Frees the connection: to be used again after a whole body, given up otherwise. Idempotent."""
        self._watch.close()
        self._body.close()

    def _clean(self, body: bytes) -> bytes:
        if self.status < _REFUSALS:
            return body
        for secret in self._hidden:
            if len(secret) >= _SHORTEST_SECRET:
                body = body.replace(secret.encode(), b"[hidden]")
        return body

    async def _next(self) -> bytes:
        """The next piece; nothing at the end."""
        if self._error is not None:
            raise self._error
        if self._ended:
            return b""
        try:
            data = self._buffered() or await self._wait()
        except (GatewayError, *errors.FOREIGN) as error:
            return self._broken(error)
        if not data:
            self._end()
        elif not self._events:
            self.progress()
        self.received += len(data)
        return data

    def _buffered(self) -> bytes:
        """What has already arrived: it needs no timer."""
        if self._total_at is not None and self._loop.time() > self._total_at:
            raise self._late("total")
        return self._body.take()

    async def _wait(self) -> bytes:
        if self._body.at_end:
            return b""
        deadline = self._deadline()
        if deadline is None:
            return await self._body.wait()
        began = self._loop.time()
        self._watch.arm(deadline)
        try:
            return await self._body.wait()
        finally:
            self._waited += self._loop.time() - began
            self._watch.disarm()

    def _deadline(self) -> float | None:
        seconds = self._seconds(self._phase)
        if seconds is None:
            return self._total_at
        at = self._loop.time() + seconds - self._waited
        return at if self._total_at is None else min(at, self._total_at)

    def _seconds(self, phase: errors.Phase) -> float | None:
        value: float | None = getattr(self._deadlines, phase)
        return value

    def _expire(self) -> None:
        over = self._total_at is not None and self._loop.time() >= self._total_at - _EARLY
        self._body.interrupt(self._late("total" if over else self._phase))

    def _late(self, phase: errors.Phase) -> GatewayError:
        return errors.timed_out(phase, self._seconds(phase) or 0.0)

    def _broken(self, error: Exception) -> bytes:
        """Gives what arrived before the break; then, or else, raises."""
        left = self._body.rest()
        self.received += len(left)
        self._error = errors.while_reading(self._body.lost() or error, self.received)
        if not left:
            raise self._error
        return left

    def _end(self) -> None:
        """A body without a length ends with its connection, which looks well even where it was reset."""
        self._ended = True
        lost = None if self._body.delimited else self._body.lost()
        if lost is not None:
            self._error = errors.while_reading(lost, self.received)
            raise self._error

    def _encoding_error(self) -> GatewayError | None:
        encoding = self.headers.get("content-encoding", "identity").strip().lower()
        if encoding in ("identity", ""):
            return None
        return self._malformed(f"content-encoding {encoding[:40]!r} though identity was asked for")

    def _malformed(self, detail: str) -> GatewayError:
        error = UpstreamMalformed(detail=detail, upstream_status=self.status)
        error.bytes_received = self.received
        return error

    def __repr__(self) -> str:
        return f"<Reply {self.status} {self._phase} {self.received} bytes{' ended' if self._ended else ''}>"
