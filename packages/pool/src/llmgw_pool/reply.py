"""A provider's response while it is open: its body, read with a deadline for each wait.

Deadlines run only while somebody waits for the provider. When the client is the slow one, nobody is waiting for a read
and no gap is counted.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping

from aiohttp import ClientOSError, ClientPayloadError, ClientResponse, StreamReader

from llmgw_domain import Deadlines
from llmgw_domain.errors import GatewayError, UpstreamMalformed
from llmgw_pool import errors
from llmgw_pool.connector import Line
from llmgw_pool.watch import Watch

_REFUSALS = 400
_SHORTEST_SECRET = 8
"""Characters. A shorter placeholder would be found inside ordinary words."""


class Reply:
    """The relay's `UpstreamReply`. Made by the lease, which closes it; one reader at a time."""

    __slots__ = (
        "_content",
        "_deadlines",
        "_ended",
        "_error",
        "_hidden",
        "_line",
        "_loop",
        "_phase",
        "_response",
        "_total_at",
        "_watch",
        "headers",
        "received",
        "status",
    )

    def __init__(
        self,
        response: ClientResponse,
        line: Line,
        deadlines: Deadlines,
        total_at: float | None,
        hidden: tuple[str, ...] = (),
    ) -> None:
        """`hidden` are secrets that the request was sent with and that only the transport knows: made tokens."""
        self.status: int = response.status
        self.headers: Mapping[str, str] = _lower(response)
        self.received = 0
        """Bytes of the body so far."""
        self._response = response
        self._content: StreamReader = response.content
        self._line = line
        line.body = self._content
        self._deadlines = deadlines
        self._total_at = total_at
        self._hidden = hidden
        self._loop = asyncio.get_running_loop()
        self._watch = Watch(self._loop, self._expire)
        self._phase: errors.Phase = "first_byte"
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
        parts: list[bytes] = []
        while data := await self._next():
            if self.received > limit:
                raise self._malformed(f"body over the limit of {limit} bytes")
            parts.append(data)
        return self._clean(parts[0] if len(parts) == 1 else b"".join(parts))

    def close(self) -> None:
        """Frees the connection: to be used again after a whole body, aborted otherwise. Idempotent."""
        self._watch.close()
        # After a whole body the connection may already serve another call.
        if self._line.body is self._content:
            self._line.body = None
        if not self._content.is_eof():
            # Closing politely would keep a TLS stream open until the provider answers, and reading until then.
            self._line.abort()
        self._response.close()

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
        self._phase = "gap"
        self.received += len(data)
        return data

    def _buffered(self) -> bytes:
        """What has already arrived: it needs no timer."""
        if self._total_at is not None and self._loop.time() > self._total_at:
            raise self._late("total")
        return self._content.read_nowait()

    async def _wait(self) -> bytes:
        if self._content.at_eof():
            return b""
        if not self._line.connected:
            raise ClientPayloadError("connection closed")
        deadline = self._deadline()
        if deadline is None:
            return await self._content.readany()
        self._watch.arm(deadline)
        try:
            return await self._content.readany()
        finally:
            self._watch.disarm()

    def _deadline(self) -> float | None:
        seconds = self._seconds(self._phase)
        if seconds is None:
            return self._total_at
        at = self._loop.time() + seconds
        return at if self._total_at is None else min(at, self._total_at)

    def _seconds(self, phase: errors.Phase) -> float | None:
        value: float | None = getattr(self._deadlines, phase)
        return value

    def _expire(self) -> None:
        over = self._total_at is not None and self._loop.time() >= self._total_at - 0.002
        self._content.set_exception(self._late("total" if over else self._phase))

    def _late(self, phase: errors.Phase) -> GatewayError:
        return errors.timed_out(phase, self._seconds(phase) or 0.0)

    def _broken(self, error: Exception) -> bytes:
        """Gives what arrived before the break, which aiohttp keeps back once it knows of it; then, or else, raises."""
        # aiohttp reports the body's framing; how the connection ended tells more.
        cause = self._lost() or error
        left = self._content._read_nowait(-1) if self._content._buffer else b""
        self.received += len(left)
        self._error = errors.while_reading(cause, self.received)
        if not left:
            raise self._error
        return left

    def _lost(self) -> ClientOSError | None:
        lost = self._line.exception()
        return lost if isinstance(lost, ClientOSError) else None

    def _end(self) -> None:
        """A body without a length ends with its connection, which aiohttp takes for well even where it was reset."""
        self._ended = True
        delimited = "content-length" in self.headers or "transfer-encoding" in self.headers
        lost = None if delimited else self._lost()
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


def _lower(response: ClientResponse) -> dict[str, str]:
    """Header names in lower case; repeated ones joined as RFC 9110, 5.3 allows."""
    headers: dict[str, str] = {}
    for name, value in response.headers.items():
        key = name.lower()
        headers[key] = f"{headers[key]}, {value}" if key in headers else value
    return headers
