"""What both engines share: the settings, the open connections, the way to cut one, and the date."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable, MutableMapping
from email.utils import formatdate
from typing import Any, Literal

import msgspec

from llmgw_gateway.serving.framing import plain_answer
from llmgw_gateway.serving.tls import Certificate

AsgiApp = Callable[
    [
        MutableMapping[str, Any],
        Callable[[], Awaitable[MutableMapping[str, Any]]],
        Callable[[MutableMapping[str, Any]], Awaitable[None]],
    ],
    Awaitable[None],
]

HEADER_TIMEOUT = plain_answer(408, "The request's header did not come in time.\n")

# On, with no time to linger: closing the socket resets the connection.
_NO_LINGER = struct.pack("ii", 1, 0)


class ServeConfig(msgspec.Struct, frozen=True, kw_only=True):
    """How connections are served. Sizes are in bytes, times in seconds."""

    engine: Literal["hypercorn", "uvicorn"] = "hypercorn"
    backlog: int = 2048
    keep_alive_seconds: float = 75.0
    """How long a connection may wait for a request's first byte. Above the reuse time of most load balancers."""
    header_seconds: float = 20.0
    """How long a request's header may take from its first byte on."""
    max_header_bytes: int = 64 << 10
    """Request line and headers together."""
    write_buffer_bytes: int = 64 << 10
    """What is held of an answer that its client does not take, before the application has to wait."""
    max_connections: int | None = None
    """Above it a connection is told so (503) and closed."""
    certificate: Certificate | None = None
    """With it, connections are TLS."""
    idle_grace_seconds: float = 1.0
    """How long idle connections stay open when a drain begins, so that a request on its way is not lost."""


class Connections:
    """The open connections of an engine and the tasks that serve them."""

    def __init__(self) -> None:
        self._open: dict[object, asyncio.BaseTransport] = {}
        self._none = asyncio.Event()
        self._none.set()
        self.tasks: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._open)

    def add(self, connection: object, transport: asyncio.BaseTransport) -> None:
        self._open[connection] = transport
        self._none.clear()

    def discard(self, connection: object) -> None:
        self._open.pop(connection, None)
        if not self._open:
            self._none.set()

    def __iter__(self) -> Any:
        return iter(list(self._open))

    def reset(self) -> None:
        """Cuts every connection."""
        for transport in list(self._open.values()):
            reset(transport)

    async def ended(self, seconds: float) -> bool:
        """Waits until nothing is open and no task runs; whether that came within `seconds`."""
        try:
            async with asyncio.timeout(seconds):
                while self._open or self.tasks:
                    await self._none.wait()
                    if self.tasks:
                        await asyncio.wait(list(self.tasks))
        except TimeoutError:
            return False
        return True

    async def cancel(self) -> None:
        """Cancels the tasks and waits for them."""
        tasks = list(self.tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def __repr__(self) -> str:
        return f"<Connections {len(self._open)} open, {len(self.tasks)} tasks>"


def reset(transport: asyncio.BaseTransport) -> None:
    """Ends a connection so that its other side sees an error, and nothing that was written is waited for."""
    sock = transport.get_extra_info("socket")
    try:
        if sock is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
    except (OSError, ValueError):
        pass  # It is closed already; uvloop says so with a ValueError.
    transport.abort()  # type: ignore[attr-defined]


class DateHeader:
    """The `date` header, written once a second instead of once a response. `clock` is Unix time in seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._second = 0
        self._headers: list[tuple[bytes, bytes]] = []

    def headers(self) -> list[tuple[bytes, bytes]]:
        """A list that its reader must not change."""
        second = int(self._clock())
        if second != self._second:
            self._second = second
            self._headers = [(b"date", formatdate(second, usegmt=True).encode("ascii"))]
        return self._headers
