"""An HTTP/2 server whose every move is a test's: a script plays each stream, and does to its connection as it likes.

It is made of `h2`'s server side, so that what the client under test sends is judged by other code than its own.
"""

from __future__ import annotations

import asyncio
import ssl
import struct
from collections.abc import Awaitable, Callable, Sequence
from types import TracebackType
from typing import Any, Self, cast

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import (
    DataReceived,
    PingReceived,
    RequestReceived,
    StreamEnded,
    StreamReset,
    WindowUpdated,
)
from h2.exceptions import ProtocolError, StreamClosedError
from h2.settings import SettingCodes, Settings

from llmgw_domain import Account, Provider, Secret
from llmgw_domain.accounts import Transport

HTML = (("content-type", "text/plain"),)


class Served:
    """One stream, from the server's side."""

    def __init__(self, connection: ServedConnection, id: int, headers: dict[str, str]) -> None:
        self.connection = connection
        self.id = id
        self.headers = headers
        self.body = b""
        self.ended = asyncio.Event()
        """The request is whole."""
        self.reset: int | None = None
        """The code with which the client gave it up."""
        self.gone = asyncio.Event()
        self.window = asyncio.Event()

    async def head(self, status: int = 200, headers: Sequence[tuple[str, str]] = HTML, *, end: bool = False) -> None:
        self.connection.h2.send_headers(self.id, [(":status", str(status)), *headers], end_stream=end)
        self.connection.flush()

    async def send(self, data: bytes, *, end: bool = False) -> None:
        """Within the client's window, waiting for it."""
        h2 = self.connection.h2
        while data:
            if self.reset is not None:
                raise StreamClosedError(self.id)
            room = min(h2.local_flow_control_window(self.id), h2.max_outbound_frame_size)
            if not room:
                self.window.clear()
                await self.window.wait()
                continue
            h2.send_data(self.id, data[:room])
            data = data[room:]
            self.connection.flush()
            await asyncio.sleep(0)
        if end:
            h2.end_stream(self.id)
            self.connection.flush()

    async def answer(self, body: bytes = b"hello") -> None:
        await self.ended.wait()
        await self.head()
        await self.send(body, end=True)

    def refuse(self, code: int = 7) -> None:
        """RST_STREAM; REFUSED_STREAM by default."""
        self.connection.h2.reset_stream(self.id, code)
        self.connection.flush()

    async def silence(self) -> None:
        """Waits for the client to give up."""
        await self.gone.wait()


Script = Callable[[Served], Awaitable[Any]]


class ServedConnection(asyncio.Protocol):
    """One connection. `deaf` answers no PING and reads on; `paused` reads nothing at all."""

    def __init__(self, server: Http2Server) -> None:
        self.server = server
        self.number = 0
        self.h2 = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
        self.streams: dict[int, Served] = {}
        self.pings = 0
        self.deaf = False
        self._tasks: set[asyncio.Task[Any]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.server.connections.append(self)
        self.number = len(self.server.connections)
        # As they are from the start: what is set later holds only once the client has acknowledged it.
        self.h2.local_settings = Settings(client=False, initial_values=self.server.settings)
        self.h2.initiate_connection()
        self.flush()

    def data_received(self, data: bytes) -> None:
        for event in self.h2.receive_data(data):
            self._on(event)
        self.flush()

    def _on(self, event: object) -> None:
        match event:
            case RequestReceived():
                headers = dict(cast("list[tuple[str, str]]", event.headers))
                served = self.streams[event.stream_id] = Served(self, event.stream_id, headers)
                self.server.served.append(served)
                task = asyncio.get_running_loop().create_task(self._play(served))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
            case DataReceived():
                self.streams[event.stream_id].body += event.data
                if self.server.reads:
                    self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            case StreamEnded():
                self.streams[event.stream_id].ended.set()
            case StreamReset():
                served = self.streams[event.stream_id]
                served.reset = int(event.error_code)
                served.gone.set()
                served.window.set()
            case WindowUpdated():
                for served in self.streams.values():
                    served.window.set()
            case PingReceived():
                self.pings += 1

    async def _play(self, served: Served) -> None:
        try:
            await self.server.script(served)
        except (ConnectionError, ProtocolError):
            pass  # The client has given it up.

    def flush(self) -> None:
        data = self.h2.data_to_send()
        if data and not self.deaf:
            self.transport.write(data)

    def go_away(self, last: int | None = None, code: int = 0) -> None:
        """GOAWAY as a server sends it that serves its open streams to their end. `h2` thinks that all is over then."""
        # RFC 9113, 6.8: 8 bytes, type 7, no flags, stream 0.
        last = max(self.streams) if last is None else last
        self.transport.write(b"\0\0\x08\x07\0" + struct.pack(">III", 0, last, code))

    def connection_lost(self, exc: Exception | None) -> None:
        self.server.left += 1
        for served in self.streams.values():
            served.gone.set()
        for task in list(self._tasks):
            task.cancel()


class Http2Server:
    """Plays `script` on each stream. `settings` are announced; without `reads` no window is opened. `async with`."""

    def __init__(
        self,
        script: Script,
        *,
        tls: ssl.SSLContext | None = None,
        settings: dict[SettingCodes, int] | None = None,
        reads: bool = True,
    ) -> None:
        self.script = script
        self.settings = settings or {}
        self.reads = reads
        self._tls = tls
        self.connections: list[ServedConnection] = []
        self.served: list[Served] = []
        self.left = 0
        """Connections that are over."""

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: ServedConnection(self), "127.0.0.1", 0, ssl=self._tls)
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for connection in self.connections:
            connection.transport.abort()
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    def account(self, transport: Transport = "http2", id: str = "a") -> Account:
        return account_at(self.url, transport, id)


def account_at(url: str, transport: Transport = "http2", id: str = "a") -> Account:
    """An account at any server."""
    return Account(
        id=id, provider=Provider.OPENAI, base_url=url, credential=Secret("sk-test"), pool="p", transport=transport
    )
