"""Servers for tests of what happens on a socket: each connection is played by a coroutine that writes raw bytes."""

from __future__ import annotations

import asyncio
import ssl
import struct
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, Self

from llmgw_domain import Account, Provider, Secret

OK = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n"


class Peer:
    """One accepted connection. `number` counts connections from 1."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        self.reader = reader
        self.writer = writer
        self.number = number

    async def request(self) -> tuple[bytes, bytes]:
        """The next request's head and body. Raises `IncompleteReadError` when the client has gone."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        length = 0
        for line in head.split(b"\r\n"):
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        return head, await self.reader.readexactly(length)

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def answer(self, body: bytes = b"hello") -> None:
        await self.send(OK + b"content-length: %d\r\n\r\n" % len(body) + body)

    def reset(self) -> None:
        """Ends the connection by RST instead of FIN."""
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(1, 13, struct.pack("ii", 1, 0))  # SOL_SOCKET, SO_LINGER: on, 0 seconds
        self.writer.transport.abort()

    async def silence(self) -> None:
        """Waits for the client to leave."""
        while await self.reader.read(65536):
            pass


Script = Callable[[Peer], Awaitable[Any]]


class RawServer:
    """Plays `script` on each connection; `heads` and `bodies` are the script's to fill. Use with `async with`."""

    def __init__(self, script: Script, *, tls: ssl.SSLContext | None = None) -> None:
        self._script = script
        self._tls = tls
        self._tasks: set[asyncio.Task[Any]] = set()
        self.connections = 0
        self.left = 0
        """Connections that are over."""

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._play, "127.0.0.1", 0, ssl=self._tls)
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    def account(self, provider: Provider = Provider.OPENAI, credential: str = "sk-test", id: str = "a") -> Account:
        return Account(id=id, provider=provider, base_url=self.url, credential=Secret(credential), pool="p")

    async def _play(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        try:
            await self._script(Peer(reader, writer, self.connections))
        except (asyncio.CancelledError, asyncio.IncompleteReadError, OSError):
            pass
        finally:
            self.left += 1
            writer.transport.abort()
            self._tasks.discard(task)
