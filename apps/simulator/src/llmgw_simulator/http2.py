"""The HTTP/2 transport: performs scripts over `h2`, a task a stream, and does to a connection what providers' edges do.

Windows are kept to in both directions. A stream above the limit is refused (REFUSED_STREAM), not its connection; what a
caller resets is noticed at once.
"""

from __future__ import annotations

import asyncio
import struct
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Literal, cast

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    PingReceived,
    RemoteSettingsChanged,
    RequestReceived,
    StreamEnded,
    StreamReset,
    WindowUpdated,
)
from h2.exceptions import ProtocolError
from h2.settings import SettingCodes, Settings

from llmgw_simulator.breaking import cut, vanish
from llmgw_simulator.calllog import Entry
from llmgw_simulator.config import SimulatorConfig
from llmgw_simulator.connections import Connections, Link
from llmgw_simulator.intake import Intake
from llmgw_simulator.service import Performance
from llmgw_simulator.stage import Gone, Stage
from llmgw_simulator.wire import Reply

Serve = Callable[[Intake, Link], tuple[Entry, Performance] | Reply]
"""Decides the answer to a request: with its entry in the log, or a ready one that is not logged."""
Perform = Callable[[Stage], Awaitable[None]]
"""Gives the answer and settles its entry."""

_CONNECTION_WINDOW = 16 * 1024 * 1024
_GOAWAY = b"\0\0\x08\x07\0"
"""The head of a GOAWAY frame: 8 bytes, type 7, no flags, then stream 0 (RFC 9113, 6.8)."""
_PING, _ACK = 6, 1
_HOP_BY_HOP = frozenset({"connection", "keep-alive", "transfer-encoding"})


class Http2(asyncio.Protocol):
    """One connection."""

    def __init__(self, config: SimulatorConfig, connections: Connections, serve: Serve, perform: Perform) -> None:
        self.config = config
        self._connections = connections
        self._serve = serve
        self._perform = perform
        self.h2 = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
        self.link: Link
        self.transport: asyncio.Transport
        self._intakes: dict[int, Intake] = {}
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._highest = 0
        self._going = False
        self.deaf_to_pings = False
        self.gone = False
        self._flushing = False
        self._paused = False
        self._room: list[asyncio.Future[None]] = []
        self._pings: deque[float] = deque()
        self._vanishing: asyncio.Task[None] | None = None

    # --- the connection ---------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.link = self._connections.opened("2", transport)
        wanted = {SettingCodes.MAX_CONCURRENT_STREAMS: self.config.max_streams}
        if self.config.initial_window is not None:
            wanted[SettingCodes.INITIAL_WINDOW_SIZE] = self.config.initial_window
        self.h2.local_settings = Settings(client=False, initial_values=wanted)
        self.h2.initiate_connection()
        # `h2` ends the whole connection for one stream too many, so it is told of no limit, and we refuse that stream.
        del wanted[SettingCodes.MAX_CONCURRENT_STREAMS]
        self.h2.local_settings = Settings(client=False, initial_values=wanted)
        if self.config.opens_windows:
            self.h2.increment_flow_control_window(_CONNECTION_WINDOW)
        self.flush()

    def data_received(self, data: bytes) -> None:
        if self.gone:
            return
        try:
            events = self.h2.receive_data(data)
        except ProtocolError:
            self.flush_now()
            self.transport.close()
            return
        for event in events:
            self._on(event)
        self.flush()

    def connection_lost(self, exc: Exception | None) -> None:
        self.gone = True
        self._connections.closed(self.link)
        for task in list(self._tasks.values()):
            task.cancel()
        self._wake()

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        self._wake()

    def flush(self) -> None:
        """Writes what is waiting at the end of the loop's turn, with what else comes until then."""
        if not self._flushing:
            self._flushing = True
            asyncio.get_running_loop().call_soon(self.flush_now)

    def flush_now(self) -> None:
        self._flushing = False
        data = self.h2.data_to_send()
        if self.deaf_to_pings:
            data = _without_ping_acks(data)
        if data and not self.gone and self._vanishing is None:
            self.transport.write(data)

    # --- what comes -------------------------------------------------------------------------------------------------

    def _on(self, event: Event) -> None:
        match event:
            case RequestReceived():
                self._request(event)
            case DataReceived():
                self._data(event)
            case StreamEnded():
                self._whole(event.stream_id)
            case StreamReset():
                self._reset(event.stream_id)
            case WindowUpdated() | RemoteSettingsChanged():
                self._wake()
            case PingReceived():
                self._ping()
            case ConnectionTerminated():
                self.transport.close()

    def _request(self, event: RequestReceived) -> None:
        number = event.stream_id
        if self._going and number > self._highest:
            # Above GOAWAY's last stream: not looked at, which its sender knows.
            return
        self._highest = max(self._highest, number)
        if len(self._tasks) + len(self._intakes) >= self.config.max_streams:
            self.h2.reset_stream(number, ErrorCodes.REFUSED_STREAM)
            return
        pairs = cast("list[tuple[str, str]]", event.headers)
        headers: dict[str, str] = {}
        for name, value in pairs:
            headers.setdefault(name, value)
        method, target = headers.pop(":method"), headers.pop(":path", "*")
        headers.setdefault("host", headers.pop(":authority", ""))
        headers.pop(":scheme", None)
        self._intakes[number] = Intake(self.config, method, target, headers)

    def _data(self, event: DataReceived) -> None:
        intake = self._intakes.get(event.stream_id)
        if intake is not None and event.data:
            intake.feed(event.data)
        if self.config.opens_windows and event.flow_controlled_length:
            self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)

    def _whole(self, id: int) -> None:
        intake = self._intakes.pop(id, None)
        if intake is None:
            return
        self.link.streams += 1
        self.link.requests += 1
        task = self._tasks[id] = asyncio.get_running_loop().create_task(self._answer(id, intake))
        task.add_done_callback(lambda _: self._over(id))

    async def _answer(self, id: int, intake: Intake) -> None:
        answer = self._serve(intake, self.link)
        if isinstance(answer, Reply):
            await self._ready(id, answer)
            return
        entry, performance = answer
        stage = Http2Stage(self, id, performance, entry, self.config.time_scale)
        await self._perform(stage)

    async def _ready(self, id: int, reply: Reply) -> None:
        self.h2.send_headers(id, [(":status", str(reply.status)), *reply.headers.items()])
        await self.send(id, reply.body, end=True)

    def _reset(self, id: int) -> None:
        self._intakes.pop(id, None)
        task = self._tasks.get(id)
        if task is not None:
            task.cancel()

    def _over(self, id: int) -> None:
        del self._tasks[id]
        self.link.streams -= 1
        if self._going and not self._tasks and not self.gone:
            self.flush_now()
            self.transport.close()

    def _ping(self) -> None:
        self.link.pings += 1
        self.link.answered += not self.deaf_to_pings
        most = self.config.calm_pings
        if most is None:
            return
        now = time.monotonic()
        self._pings.append(now)
        while self._pings[0] < now - self.config.calm_seconds / self.config.time_scale:
            self._pings.popleft()
        if len(self._pings) > most:
            self.go_away(self._highest, ErrorCodes.ENHANCE_YOUR_CALM)
            self.transport.close()

    # --- what goes --------------------------------------------------------------------------------------------------

    def go_away(self, last: int | None = None, code: int = ErrorCodes.NO_ERROR) -> None:
        """GOAWAY. The open streams up to `last`, by default all, go on to their end; then the connection is closed."""
        self.flush_now()
        last = self._highest if last is None else last
        # `h2` thinks that all is over after its own.
        self.transport.write(_GOAWAY + struct.pack(">III", 0, last, code))
        self._going = True

    async def send(self, id: int, data: bytes, *, end: bool = False) -> None:
        """Within the caller's windows, waiting for them. Raises `Gone` for a stream that is over."""
        view = memoryview(data)
        try:
            while view:
                room = min(self.h2.local_flow_control_window(id), self.h2.max_outbound_frame_size)
                if room <= 0 or self._paused:
                    await self._changed()
                    continue
                part, view = view[:room], view[room:]
                self.h2.send_data(id, bytes(part), end_stream=end and not view)
                self.flush()
            if end and not data:
                self.h2.end_stream(id)
                self.flush()
        except ProtocolError:
            raise Gone from None

    async def _changed(self) -> None:
        if self.gone:
            raise Gone
        waiter = asyncio.get_running_loop().create_future()
        self._room.append(waiter)
        await waiter

    def _wake(self) -> None:
        waiting, self._room = self._room, []
        for waiter in waiting:
            if not waiter.done():
                waiter.set_result(None)

    async def vanish(self) -> None:
        """No stream of this connection is heard of any more."""
        if self._vanishing is None:
            self.flush_now()
            self._vanishing = asyncio.get_running_loop().create_task(vanish(self.transport))
        await asyncio.shield(self._vanishing)

    async def cut(self, how: Literal["reset", "fin"]) -> None:
        self.flush_now()
        await cut(self.transport, how)

    def __repr__(self) -> str:
        return f"<Http2 {self.link.number} {len(self._tasks)} streams{' going' if self._going else ''}>"


class Http2Stage(Stage):
    """One answer under way on a stream."""

    def __init__(self, connection: Http2, id: int, performance: Performance, entry: Entry, scale: float) -> None:
        super().__init__(performance, entry, scale)
        self._connection = connection
        self._id = id

    async def _play(self) -> str:
        fault, connection = self._fault, self._connection
        connection.deaf_to_pings = connection.deaf_to_pings or bool(fault.no_ping)
        if fault.refuse_stream:
            self._reset(ErrorCodes.REFUSED_STREAM)
            return "refused_stream"
        if fault.goaway_refuse:
            connection.go_away(max(self._id - 2, 0))
            return "refused_stream"
        return await super()._play()

    async def _before(self, event: int) -> None:
        if event == self._fault.goaway_events:
            self._connection.go_away()

    async def _whole(self, body: bytes) -> None:
        await self._head(None)
        await self._connection.send(self._id, body, end=True)

    async def _head(self, length: int | None) -> None:
        performance = self._performance
        headers = [(name.lower(), value) for name, value in performance.headers.items()]
        lines = [(":status", str(performance.status)), *(h for h in headers if h[0] not in _HOP_BY_HOP)]
        if length is not None:
            lines.append(("content-length", str(length)))
        try:
            self._connection.h2.send_headers(self._id, lines)
        except ProtocolError:
            raise Gone from None
        self._connection.flush()

    async def _body(self, data: bytes) -> None:
        await self._connection.send(self._id, data)

    async def _finish(self) -> None:
        await self._connection.send(self._id, b"", end=True)

    async def _break_off(self, how: str) -> None:
        if how == "rst":
            self._reset(self._fault.rst_code)
        else:
            await self._connection.cut("fin" if how == "fin" else "reset")

    async def _vanish(self) -> None:
        await self._connection.vanish()

    def _reset(self, code: int) -> None:
        self._connection.h2.reset_stream(self._id, code)
        self._connection.flush()


def _without_ping_acks(data: bytes) -> bytes:
    kept, place = bytearray(), 0
    while place < len(data):
        size = 9 + int.from_bytes(data[place : place + 3])
        if (data[place + 3], data[place + 4]) != (_PING, _ACK):
            kept += data[place : place + size]
        place += size
    return bytes(kept)
