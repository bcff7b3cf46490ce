"""HTTP/1.1, on aiohttp: a connection for each request at a time.

One session for a worker. It is shared by all tenants, so it remembers nothing of a request: no cookies, no redirects,
no environment's proxies, no limit of its own (admission is not a transport's affair).
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterable
from types import TracebackType
from typing import Self

from aiohttp import (
    ClientConnectionResetError,
    ClientOSError,
    ClientPayloadError,
    ClientResponse,
    ClientSession,
    ClientTimeout,
    DummyCookieJar,
    ServerDisconnectedError,
    StreamReader,
)

from llmgw_domain.errors import GatewayError
from llmgw_pool import wire
from llmgw_pool.config import PoolConfig
from llmgw_pool.connector import ATTEMPT, Connector, Line
from llmgw_pool.transport import READ_BYTES, Attempt, Counted, Hop, Incoming, Outgoing, Unheard

NAME = "http1"


class Http1:
    """Implements `Transport`. Open and close it with `async with`, inside the loop that uses it."""

    def __init__(self, config: PoolConfig, tls: ssl.SSLContext) -> None:
        self._config = config
        self._tls = tls
        self._session: ClientSession
        self._connector: Connector

    async def __aenter__(self) -> Self:
        config = self._config
        self._connector = Connector(config, self._tls)
        self._session = ClientSession(
            connector=self._connector,
            cookie_jar=DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
            timeout=ClientTimeout(total=None, connect=None, sock_connect=None, sock_read=None),
            skip_auto_headers=("User-Agent", "Accept-Encoding", "Accept", "Content-Type"),
            read_bufsize=config.read_buffer_bytes,
            max_field_size=config.max_header_bytes,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()
        await _closed(self._connector.live, self._config.close_timeout_seconds)

    async def send(self, outgoing: Outgoing, attempt: Attempt) -> Incoming:
        seen = _Seen(attempt)
        token = ATTEMPT.set(seen)
        try:
            response = await self._response(outgoing)
        except (ServerDisconnectedError, ClientOSError, ClientConnectionResetError) as error:
            if seen.died_unheard:
                raise Unheard from error
            raise
        finally:
            ATTEMPT.reset(token)
        assert seen.line is not None
        return Incoming(response.status, _lower(response), Http1Body(response, seen.line))

    async def _response(self, outgoing: Outgoing) -> ClientResponse:
        body = outgoing.upload or (wire.Body(outgoing.body) if outgoing.body else None)
        proxy = outgoing.way.proxy
        return await self._session.request(
            outgoing.method,
            outgoing.url,
            data=body,
            headers=outgoing.headers,
            allow_redirects=False,
            ssl=outgoing.way.tls,
            proxy=proxy,
        )

    def connections(self) -> list[Counted]:
        return self._connector.counted(NAME)

    def __repr__(self) -> str:
        return f"<Http1 {self._connector.open} open, {self._connector.idle} idle>"


class _Seen:
    """What the connector tells of the attempt in progress; passed on."""

    __slots__ = ("_attempt", "fresh_only", "line")

    def __init__(self, attempt: Attempt) -> None:
        self._attempt = attempt
        self.fresh_only = attempt.fresh_only
        self.line: Line | None = None

    def connecting(self) -> None:
        self._attempt.connecting()

    def connected(self, hop: Hop) -> None:
        assert isinstance(hop, Line)
        self.line = hop
        self._attempt.connected(hop)

    @property
    def died_unheard(self) -> bool:
        """Whether the connection had been used before and said nothing to this request."""
        return self.line is not None and self.line.uses > 1 and not self.line.heard


class Http1Body:
    """Implements `Body` on aiohttp's response."""

    __slots__ = ("_content", "_line", "_response", "delimited")

    def __init__(self, response: ClientResponse, line: Line) -> None:
        self._response = response
        self._content: StreamReader = response.content
        self._line = line
        self.delimited = "content-length" in response.headers or "transfer-encoding" in response.headers
        line.body = self._content

    @property
    def at_end(self) -> bool:
        return self._content.at_eof()

    def take(self) -> bytes:
        return self._content.read_nowait(READ_BYTES)

    async def wait(self) -> bytes:
        if not self._line.connected and not self._content.at_eof():
            raise ClientPayloadError("connection closed")
        return await self._content.read(READ_BYTES)

    def rest(self) -> bytes:
        # aiohttp keeps back what arrived once it knows of the break.
        return self._content._read_nowait(-1) if self._content._buffer else b""

    def lost(self) -> OSError | None:
        lost = self._line.exception()
        return lost if isinstance(lost, ClientOSError) else None

    def interrupt(self, error: GatewayError) -> None:
        self._content.set_exception(error)

    def close(self) -> None:
        # After a whole body the connection may already serve another call.
        if self._line.body is self._content:
            self._line.body = None
        if not self._content.is_eof():
            # Closing politely would keep a TLS stream open until the provider answers, and reading until then.
            self._line.abort()
        self._response.close()

    def __repr__(self) -> str:
        return f"<Http1Body of {self._line!r}>"


async def _closed(live: Iterable[Line], seconds: float) -> None:
    """Waits until the sockets are closed, because the loop may be closed next; aborts those that take too long."""
    lines = list(live)
    closing = [future for line in lines if (future := line.closed) is not None]
    if closing:
        await asyncio.wait(closing, timeout=seconds)
    for line in lines:
        line.abort()
    # Both a finished wait and an abort close the socket in the loop's next round.
    await asyncio.sleep(0)
    for future in closing:
        if future.done() and not future.cancelled():
            future.exception()


def _lower(response: ClientResponse) -> dict[str, str]:
    """Header names in lower case; repeated ones joined as RFC 9110, 5.3 allows."""
    headers: dict[str, str] = {}
    for name, value in response.headers.items():
        key = name.lower()
        headers[key] = f"{headers[key]}, {value}" if key in headers else value
    return headers
