"""One port for every protocol: a connection's first bytes, or what TLS agreed on, say who goes on with it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

from llmgw_simulator.connections import Connections, Link

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
"""What an HTTP/2 client says first (RFC 9113, 3.4)."""


class Door(asyncio.Protocol):
    """A connection that nobody has yet. `http1` and `http2` make the protocols that take it over.

    `waiting` holds the transports of those that have not said enough.
    """

    def __init__(
        self,
        connections: Connections,
        http1: Callable[[], asyncio.Protocol],
        http2: Callable[[], asyncio.Protocol],
        waiting: set[asyncio.Transport],
    ) -> None:
        self._connections = connections
        self._waiting = waiting
        self._http1, self._http2 = http1, http2
        self._transport: asyncio.Transport
        self._seen = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._waiting.add(self._transport)
        tls = transport.get_extra_info("ssl_object")
        if tls is not None and tls.selected_alpn_protocol() == "h2":
            self._hand_to(self._http2())

    def data_received(self, data: bytes) -> None:
        self._seen += data
        if self._seen.startswith(_PREFACE):
            self._hand_to(self._http2())
        elif not _PREFACE.startswith(self._seen):
            self._hand_to(Http1Connection(self._connections, self._http1()))

    def connection_lost(self, exc: Exception | None) -> None:
        self._waiting.discard(self._transport)

    def _hand_to(self, protocol: asyncio.Protocol) -> None:
        self._waiting.discard(self._transport)
        self._transport.set_protocol(protocol)
        protocol.connection_made(self._transport)
        if self._seen:
            protocol.data_received(self._seen)
            self._seen = b""


class Http1Connection(asyncio.Protocol):
    """aiohttp's protocol for a connection, and its `link`."""

    def __init__(self, connections: Connections, inner: asyncio.Protocol) -> None:
        self._connections = connections
        self._inner = inner
        self.link: Link
        self.data_received = inner.data_received  # type: ignore[method-assign]
        self.eof_received = inner.eof_received  # type: ignore[method-assign]
        self.pause_writing = inner.pause_writing  # type: ignore[method-assign]
        self.resume_writing = inner.resume_writing  # type: ignore[method-assign]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.link = self._connections.opened("1.1", transport)
        self._inner.connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._connections.closed(self.link)
        self._inner.connection_lost(exc)
