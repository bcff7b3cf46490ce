"""Taking connections from listening sockets, one by one, up to a bound.

A connection counts from when it is taken, so that one in the middle of its TLS handshake has its place too; a server
of asyncio's would know nothing of it for as long. A connection over the bound is told to come back; under TLS nothing
can be told without a handshake, so only a few at a time are told and the others are just closed.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from collections.abc import Callable
from contextlib import suppress

from llmgw_gateway.serving.connections import Connections
from llmgw_gateway.serving.tls import HANDSHAKE_SECONDS, Certificate

_log = logging.getLogger(__name__)

_AT_ONCE = 64
"""Connections taken in one go, so that a rush of new ones does not hold up those that are open."""
_REFUSED_AT_ONCE = 64
_SHUTDOWN_SECONDS = 5.0
"""How long a closed connection waits for its client's close_notify."""
_OUT_OF_DESCRIPTORS = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
_PAUSE_SECONDS = 1.0

_BUSY = (
    b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\ncontent-type: text/plain; charset=utf-8\r\n"
    b"content-length: 22\r\nconnection: close\r\n\r\nToo many connections.\n"
)


class Arrivals:
    """Connections on their way from a listening socket to `protocol`, which joins `connections` when it is made."""

    def __init__(
        self,
        protocol: Callable[[], asyncio.Protocol],
        connections: Connections,
        *,
        backlog: int,
        most: int | None = None,
        certificate: Certificate | None = None,
    ) -> None:
        """`most` bounds open and arriving connections together. With `certificate` they are TLS."""
        self._protocol = protocol
        self._connections = connections
        self._backlog = backlog
        self._most = most
        self._certificate = certificate
        self._sockets: list[socket.socket] = []
        self._tasks: dict[asyncio.Task[None], socket.socket] = {}
        self._refused: dict[asyncio.Task[None], socket.socket] = {}

    def __len__(self) -> int:
        return len(self._tasks)

    def listen(self, sock: socket.socket) -> None:
        """Starts to take connections from a socket, which belongs to this from now on."""
        sock.setblocking(False)
        sock.listen(self._backlog)
        self._sockets.append(sock)
        self._resume(sock)

    def close(self) -> None:
        """Takes no more. Those on their way go on."""
        loop = asyncio.get_running_loop()
        for sock in self._sockets:
            loop.remove_reader(sock)
            sock.close()
        self._sockets.clear()

    async def cancel(self) -> None:
        """Ends those on their way, and waits for that."""
        going = {**self._tasks, **self._refused}
        for sock in going.values():
            # Cancelling a task whose connection has just been made would leave that to nobody. This ends either.
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        if going:
            await asyncio.wait(going)

    def _resume(self, sock: socket.socket) -> None:
        if sock in self._sockets:
            asyncio.get_running_loop().add_reader(sock, self._take, sock)

    def _take(self, sock: socket.socket) -> None:
        for _ in range(_AT_ONCE):
            try:
                accepted, _ = sock.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in _OUT_OF_DESCRIPTORS:
                    self._pause(sock, error)
                    return
                continue  # A connection that ended before it was taken (accept(2)).
            accepted.setblocking(False)
            self._arrived(accepted)

    def _pause(self, sock: socket.socket, error: OSError) -> None:
        # The socket stays readable, so without a pause this would go round at full speed.
        _log.error("can't accept connections", extra={"reason": error.strerror, "retry_after": _PAUSE_SECONDS})
        loop = asyncio.get_running_loop()
        loop.remove_reader(sock)
        loop.call_later(_PAUSE_SECONDS, self._resume, sock)

    def _arrived(self, sock: socket.socket) -> None:
        if self._most is None or len(self._connections) + len(self._tasks) < self._most:
            self._start(sock, self._protocol, self._tasks)
        elif len(self._refused) < _REFUSED_AT_ONCE:
            self._start(sock, _Busy, self._refused)
        else:
            sock.close()

    def _start(
        self,
        sock: socket.socket,
        protocol: Callable[[], asyncio.Protocol],
        tasks: dict[asyncio.Task[None], socket.socket],
    ) -> None:
        # Owned by this table, whose tasks `cancel` waits for.
        task = asyncio.get_running_loop().create_task(self._bring(sock, protocol))
        tasks[task] = sock
        task.add_done_callback(tasks.pop)

    async def _bring(self, sock: socket.socket, protocol: Callable[[], asyncio.Protocol]) -> None:
        loop = asyncio.get_running_loop()
        try:
            if self._certificate is None:
                await loop.connect_accepted_socket(protocol, sock)
            else:
                await loop.connect_accepted_socket(
                    protocol,
                    sock,
                    ssl=self._certificate.context,
                    ssl_handshake_timeout=HANDSHAKE_SECONDS,
                    ssl_shutdown_timeout=_SHUTDOWN_SECONDS,
                )
        except OSError as error:
            # A client that leaves, does not speak TLS, or takes too long. There are scanners enough to fill a log.
            _log.debug("connection ended before its first byte: %r", error)

    def __repr__(self) -> str:
        return f"<Arrivals {len(self._tasks)} on their way, {len(self._refused)} refused>"


class _Busy(asyncio.Protocol):
    """A connection over the bound: told so and closed."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        transport.write(_BUSY)
        transport.close()
