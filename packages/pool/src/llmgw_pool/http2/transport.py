"""The HTTP/2 transport as the pool sees it: origins, and requests on their connections."""

from __future__ import annotations

import asyncio
from collections import Counter
from types import TracebackType
from typing import Self

from multidict import CIMultiDict

from llmgw_pool.config import PoolConfig
from llmgw_pool.http2.codec import Head
from llmgw_pool.http2.connection import Connection, Pings
from llmgw_pool.http2.origin import Origin
from llmgw_pool.http2.stream import Stream
from llmgw_pool.transport import Attempt, Counted, Incoming, Outgoing, Way

NAME = "http2"

_NOT_SENT = frozenset({"host", "connection", "transfer-encoding", "keep-alive", "upgrade", "proxy-connection", "te"})
"""HTTP/1.1's own (RFC 9113, 8.2.2); the host is in `:authority`."""


class Http2:
    """Implements `Transport`. Open and close it with `async with`, inside the loop that uses it."""

    def __init__(self, config: PoolConfig) -> None:
        self._config = config
        self._origins: dict[tuple[str, Way], Origin] = {}
        self.pings = Pings()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        origins, self._origins = self._origins, {}
        closing = [origin.close(self._config.close_timeout_seconds) for origin in origins.values()]
        await asyncio.gather(*closing)

    async def send(self, outgoing: Outgoing, attempt: Attempt) -> Incoming:
        """As `Transport.send`; raises `NotSpoken` as well, if the server does not agree on HTTP/2."""
        attempt.connecting()
        connection = await self._origin(outgoing).place(fresh=outgoing.fresh)
        attempt.connected(connection)
        stream = connection.open(_headers(outgoing), end=not outgoing.body and outgoing.upload is None)
        try:
            await _send_body(stream, outgoing)
            head = await stream.head()
        except BaseException:
            stream.close()
            raise
        return Incoming(head.status, _joined(head), stream)

    def connections(self) -> list[Counted]:
        found: Counter[tuple[str, str]] = Counter()
        for (name, _), origin in self._origins.items():
            found[name, "connecting"] += len(origin.dials)
            for connection in origin.connections:
                found[name, connection.state] += 1
        return [Counted(NAME, name, state, count) for (name, state), count in found.items() if count]

    @property
    def streams(self) -> int:
        """Streams that are open, with the places that are promised."""
        return sum(len(c.streams) + c.reserved for c in self._all())

    def _all(self) -> list[Connection]:
        return [connection for origin in self._origins.values() for connection in origin.connections]

    def _origin(self, outgoing: Outgoing) -> Origin:
        key = (outgoing.origin, outgoing.way)
        origin = self._origins.get(key)
        if origin is None:
            origin = self._origins[key] = Origin(outgoing.url.origin(), outgoing.way, self._config, self.pings)
        return origin

    def __repr__(self) -> str:
        return f"<Http2 {list(self._origins.values())!r}>"


async def _send_body(stream: Stream, outgoing: Outgoing) -> None:
    if outgoing.upload is not None:
        async for part in outgoing.upload:
            await stream.send(part, end=False)
        await stream.send(b"", end=True)
    elif outgoing.body:
        await stream.send(outgoing.body, end=True)
    else:
        stream.sent_whole()


def _headers(outgoing: Outgoing) -> list[tuple[str, str]]:
    """Pseudo-headers first, then the request's own, in lower case."""
    url = outgoing.url
    given: CIMultiDict[str] = outgoing.headers
    lines = [
        (":method", outgoing.method),
        (":scheme", url.scheme),
        (":authority", url.raw_authority),
        (":path", url.raw_path_qs or "/"),
    ]
    lines += [(low, value) for name, value in given.items() if (low := name.lower()) not in _NOT_SENT]
    if outgoing.body:
        lines.append(("content-length", str(len(outgoing.body))))
    return lines


def _joined(head: Head) -> dict[str, str]:
    """Repeated headers joined as RFC 9110, 5.3 allows."""
    headers: dict[str, str] = {}
    for name, value in head.headers:
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers
