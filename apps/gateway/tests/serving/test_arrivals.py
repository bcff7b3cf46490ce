"""Taking connections from a listening socket."""

import asyncio
import errno
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from llmgw_gateway.serving import arrivals
from llmgw_gateway.serving.arrivals import Arrivals
from llmgw_gateway.serving.connections import Connections


class Greeter(asyncio.Protocol):
    """Says hello and stays open."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._connections.add(self, transport)
        transport.write(b"hello")

    def connection_lost(self, exc: Exception | None) -> None:
        self._connections.discard(self)


@asynccontextmanager
async def taking(sock: Any, **options: Any) -> AsyncIterator[tuple[Arrivals, Connections]]:
    connections = Connections()
    taken = Arrivals(lambda: Greeter(connections), connections, backlog=8, **options)
    taken.listen(sock)
    try:
        yield taken, connections
    finally:
        taken.close()
        await taken.cancel()
        connections.reset()
        assert await connections.ended(1)


def listening() -> socket.socket:
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    return sock


async def read(address: tuple[str, int]) -> tuple[bytes, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection(*address)
    return await reader.read(100), writer


async def test_over_the_bound_is_told_to_come_back() -> None:
    """The bound is exact even when connections come all at once."""
    sock = listening()
    async with taking(sock, most=3), asyncio.timeout(5):
        got = await asyncio.gather(*(read(sock.getsockname()) for _ in range(8)))
        said = sorted(answer[:12] for answer, _ in got)
        assert [b"HTTP/1.1 503"] * 5 + [b"hello"] * 3 == said
        for _, writer in got:
            writer.close()


async def test_room_comes_back() -> None:
    """The end of one makes room for another."""
    sock = listening()
    async with taking(sock, most=1) as (_, connections), asyncio.timeout(5):
        first, writer = await read(sock.getsockname())
        writer.close()
        while len(connections):  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.001)
        second, writer = await read(sock.getsockname())
        writer.close()
        assert (b"hello", b"hello") == (first, second)


class Exhausted:
    """A listening socket of a process that is out of descriptors for one attempt."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self.failures = [errno.EMFILE, errno.ECONNABORTED]

    def accept(self) -> Any:
        if self.failures:
            raise OSError(self.failures.pop(0), "no")
        return self._sock.accept()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)


async def test_out_of_descriptors_is_waited_out(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It is told once a pause, not in a tight loop, and connections that wait are taken afterwards."""
    monkeypatch.setattr(arrivals, "_PAUSE_SECONDS", 0.05)
    sock = listening()
    async with taking(Exhausted(sock)), asyncio.timeout(5):
        answer, writer = await read(sock.getsockname())
        writer.close()
    assert b"hello" == answer
    told = [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]
    assert ["can't accept connections"] == told


def test_arrivals_show_themselves() -> None:
    """How many are on their way."""
    assert "<Arrivals 0 on their way, 0 refused>" == repr(Arrivals(asyncio.Protocol, Connections(), backlog=1))
