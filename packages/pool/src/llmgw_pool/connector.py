"""The connector: aiohttp's, with sockets that notice a dead peer, and with an eye on every connection.

Whether a request may be sent again depends on two things: that its connection had been kept, and that no byte of an
answer came. aiohttp's request tracing tells the first and not the second. So the protocol object of each connection
counts its uses and notes the first byte of each, and `connect` tells the attempt in progress (a context variable,
because aiohttp calls us) which connection it got and when the phase changed.
"""

from __future__ import annotations

import asyncio
import functools
import math
import socket
import ssl
import sys
from collections import Counter
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Any
from weakref import WeakSet

from aiohttp import ClientPayloadError, ClientRequest, ClientTimeout, StreamReader, TCPConnector
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection

from llmgw_pool.config import PoolConfig
from llmgw_pool.transport import Attempt, Counted


class Line(ResponseHandler):
    """One connection. `uses` counts the requests sent on it; `heard` is whether the current one got any byte back.

    `body` is what the current request reads from. aiohttp forgets to wake its reader when the framing of a body makes
    no sense, and when a connection is closed from this side; so it is ended here with the connection.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, live: WeakSet[Line], max_age: float = math.inf) -> None:
        super().__init__(loop)
        self.uses = 0
        self.origin = ""
        self._old_at = loop.time() + max_age
        self.heard = False
        self.body: StreamReader | None = None
        self._live = live

    @property
    def alive(self) -> bool:
        """Whether the kernel has no probe or segment out that its peer has not acknowledged in time."""
        return self.transport is not None and answers(self.transport)

    @property
    def should_close(self) -> bool:
        """Asked when a request is over. An old connection is not kept, so that a name that moved is followed."""
        return super().should_close or self._loop.time() >= self._old_at

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._live.add(self)
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        # aiohttp itself calls this with nothing to resume its parser.
        if data:
            self.heard = True
        super().data_received(data)

    def connection_lost(self, exc: BaseException | None) -> None:
        self._live.discard(self)
        super().connection_lost(exc)
        body = self.body
        if body is not None and not body.is_eof() and body.exception() is None:
            body.set_exception(ClientPayloadError("connection closed"))


# Linux's numbers: not every build of Python has names for them.
_NOTSENT_LOWAT = 25
_RETRANSMITS, _UNANSWERED = 2, 3
"""Where in `struct tcp_info` the kernel counts retransmissions and probes that nobody acknowledged yet."""
_PROBES = 3

ATTEMPT: ContextVar[Attempt] = ContextVar("llmgw_pool_attempt")


class Connector(TCPConnector):
    """Unlimited (admission is not a transport's affair), kept alive, watched."""

    def __init__(self, config: PoolConfig, tls: ssl.SSLContext) -> None:
        super().__init__(
            limit=0,
            limit_per_host=0,
            keepalive_timeout=config.keepalive_seconds,
            ttl_dns_cache=config.dns_ttl_seconds,
            ssl=tls,
            socket_factory=functools.partial(make_socket, config),
        )
        # Weak, because uvloop does not tell a protocol that its connection is lost if the connecting was cancelled just
        # as it succeeded: nobody would take such a line out again.
        self.live: WeakSet[Line] = WeakSet()
        self._factory = functools.partial(Line, self._loop, self.live, config.max_age_seconds or math.inf)  # type: ignore[assignment]

    async def connect(self, req: ClientRequest, traces: list[Any], timeout: ClientTimeout) -> Connection:
        attempt = ATTEMPT.get()
        attempt.connecting()
        conn = await super().connect(req, traces, timeout)
        if attempt.fresh_only and _line(conn).uses:
            conn = await self._fresh(functools.partial(super().connect, req, traces, timeout), conn)
        line = _line(conn)
        line.uses += 1
        line.origin = str(req.url.origin())
        line.heard = False
        attempt.connected(line)
        return conn

    @staticmethod
    async def _fresh(connect: Callable[[], Awaitable[Connection]], kept: Connection) -> Connection:
        """A connection that was never used. Kept ones are held aside meanwhile and go back: they may well be good."""
        aside = [kept]
        try:
            while _line(conn := await connect()).uses:
                aside.append(conn)
        finally:
            for conn_aside in aside:
                conn_aside.release()
        return conn

    def counted(self, transport: str) -> list[Counted]:
        """The connections by origin and state."""
        idle = {line for kept in self._conns.values() for line, _ in kept}
        found = Counter(
            (line.origin, "idle" if line in idle else "leased") for line in self.live if line.is_connected()
        )
        return [Counted(transport, origin, state, count) for (origin, state), count in found.items()]

    @property
    def open(self) -> int:
        """Connections that exist, used or kept."""
        return sum(line.is_connected() for line in self.live)

    @property
    def idle(self) -> int:
        """Kept connections that nobody uses."""
        return sum(line.is_connected() for kept in self._conns.values() for line, _ in kept)


def _line(conn: Connection) -> Line:
    line = conn.protocol
    assert isinstance(line, Line)
    return line


def answers(transport: asyncio.BaseTransport) -> bool:
    """Whether the other side of a TCP connection has acknowledged what it should have by now, as far as is known."""
    sock = transport.get_extra_info("socket")
    if sock is None or sys.platform != "linux":
        return sock is not None
    try:
        info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _UNANSWERED + 1)
    except (OSError, ValueError):
        return False  # It is closed.
    return not (info[_RETRANSMITS] or info[_UNANSWERED])


def make_socket(config: PoolConfig, info: tuple[Any, ...]) -> socket.socket:
    """A socket that finds out about a peer that is gone, and sends small writes at once."""
    family, kind, proto, *_ = info
    sock = socket.socket(family, kind, proto)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    idle, interval = config.tcp_keepalive_idle_seconds, config.tcp_keepalive_interval_seconds
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, int(idle > 0))
    if sys.platform == "linux":
        sock.setsockopt(socket.IPPROTO_TCP, _NOTSENT_LOWAT, config.notsent_lowat_bytes)
        if idle:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, idle)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, interval or idle)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, _PROBES)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, config.tcp_user_timeout_seconds * 1000)
    return sock
