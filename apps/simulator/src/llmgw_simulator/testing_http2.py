"""A plain HTTP/2 client for tests: it shows frames as they come, and does what no library would."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self, cast

import msgspec
from h2.config import H2Configuration
from h2.connection import ConnectionInputs, ConnectionState, H2Connection
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    PingAckReceived,
    ResponseReceived,
    StreamEnded,
    StreamReset,
)

_GOAWAY = (ConnectionState.CLIENT_OPEN, ConnectionInputs.RECV_GOAWAY)


class Seen(msgspec.Struct):
    """What came on one stream. `ending` is `complete` or RST_STREAM's code; None while it is open."""

    status: int = 0
    headers: dict[str, str] = {}
    body: bytes = b""
    ending: str | int | None = None


class Http2Client:
    """One connection. `async with`; `until` waits for anything that it has seen."""

    def __init__(self, port: int, tls: ssl.SSLContext | None = None, *, opens_windows: bool = True) -> None:
        self._port, self._tls = port, tls
        self._opens_windows = opens_windows
        self.h2 = H2Connection(H2Configuration(client_side=True, header_encoding="utf-8"))
        # `h2` takes GOAWAY for the end of every stream.
        machine = self.h2.state_machine
        machine._transitions = {**machine._transitions, _GOAWAY: (None, ConnectionState.CLIENT_OPEN)}
        self.streams: dict[int, Seen] = {}
        self.acknowledged = 0
        self.goaways: list[tuple[int, int]] = []
        """Last stream and code."""
        self.closed = False
        self._news = asyncio.Condition()

    async def __aenter__(self) -> Self:
        name = "localhost" if self._tls else None
        self._reader, self._writer = await asyncio.open_connection(
            "127.0.0.1", self._port, ssl=self._tls, server_hostname=name
        )
        self.h2.initiate_connection()
        await self.flush()
        self._reading = asyncio.get_running_loop().create_task(self._read())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._reading.cancel()
        self._writer.transport.abort()
        await asyncio.sleep(0)

    async def flush(self) -> None:
        self._writer.write(self.h2.data_to_send())

    async def ask(self, path: str, body: Any, headers: dict[str, str], *, end: bool = True) -> int:
        """Sends a request; its stream."""
        number = self.h2.get_next_available_stream_id()
        raw = body if isinstance(body, bytes) else msgspec.json.encode(body)
        pseudo = {":method": "POST", ":path": path, ":scheme": "http", ":authority": "localhost"}
        self.streams[number] = Seen()
        self.h2.send_headers(number, [*pseudo.items(), *headers.items()])
        view = memoryview(raw)
        while view:
            room = min(self.h2.local_flow_control_window(number), self.h2.max_outbound_frame_size)
            part, view = view[:room], view[room:]
            if room:
                self.h2.send_data(number, bytes(part), end_stream=end and not view)
            await self.flush()
            if view:
                await self.until(lambda: self.h2.local_flow_control_window(number) > 0)
        return number

    async def answer(self, path: str, body: Any, headers: dict[str, str]) -> Seen:
        """Sends a request and waits for its end, or the connection's."""
        number = await self.ask(path, body, headers)
        await self.until(lambda: self.closed or self.streams[number].ending is not None)
        return self.streams[number]

    async def until(self, condition: Callable[[], object], seconds: float = 5.0) -> None:
        """Raises `TimeoutError`."""
        async with asyncio.timeout(seconds), self._news:
            await self._news.wait_for(condition)

    async def _read(self) -> None:
        try:
            while data := await self._reader.read(65536):
                for event in self.h2.receive_data(data):
                    self._see(event)
                await self.flush()
                await self._tell()
        except ConnectionError:
            pass
        self.closed = True
        await self._tell()

    async def _tell(self) -> None:
        async with self._news:
            self._news.notify_all()

    def _see(self, event: Event) -> None:
        match event:
            case ResponseReceived(stream_id=id, headers=headers):
                pairs = cast("dict[str, str]", dict(headers or ()))
                self.streams[id].status = int(pairs.pop(":status"))
                self.streams[id].headers = pairs
            case DataReceived(stream_id=id, data=data, flow_controlled_length=size):
                self.streams[id].body += data
                if self._opens_windows:
                    self.h2.acknowledge_received_data(size, id)
            case StreamEnded(stream_id=id):
                self.streams[id].ending = "complete"
            case StreamReset(stream_id=id, error_code=code):
                self.streams[id].ending = int(code)
            case PingAckReceived():
                self.acknowledged += 1
            case ConnectionTerminated(last_stream_id=last, error_code=code):
                self.goaways.append((last or 0, int(code or 0)))
