"""The HTTP/2 transport: performs scripts over `h2`, a task a stream, and does to a connection what providers' edges do.

Windows are kept to in both directions. A stream above the limit is refused (REFUSED_STREAM), not its connection; what a
caller resets is noticed at once. A connection on which either side said GOAWAY ends with its last stream.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Literal, cast

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

from llmgw_simulator.breaking import cut, vanish
from llmgw_simulator.calllog import Entry
from llmgw_simulator.config import SimulatorConfig
from llmgw_simulator.connections import Connections, Link
from llmgw_simulator.framing import CONNECTION_WINDOW, ServerSide, goaway, without_ping_acks
from llmgw_simulator.intake import Intake
from llmgw_simulator.service import Performance
from llmgw_simulator.stage import Gone, Stage
from llmgw_simulator.wire import Reply

Serve = Callable[[Intake, Link], tuple[Entry, Performance] | Reply]
"""Decides the answer to a request: with its entry in the log, or a ready one that is not logged."""
Perform = Callable[[Stage], Awaitable[None]]
"""Gives the answer and settles its entry."""

_HOP_BY_HOP = frozenset({"connection", "keep-alive", "transfer-encoding"})


class Http2(asyncio.Protocol):
    """One connection, a member of `taken` while it is open."""

    def __init__(
        self, config: SimulatorConfig, connections: Connections, serve: Serve, perform: Perform, taken: set[Http2]
    ) -> None:
        self.config = config
        self._taken = taken
        self._connections = connections
        self._serve = serve
        self._perform = perform
        self.h2 = ServerSide()
        self.link: Link
        self.transport: asyncio.Transport
        self._intakes: dict[int, Intake] = {}
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._highest = 0
        self._last: int | None = None
        """The last stream that our GOAWAY named; those above are not looked at."""
        self._ending = False
        self.deaf_to_pings = False
        self.calm = (config.calm_pings, config.calm_seconds)
        """More PINGs than that in so many seconds are too many."""
        self.gone = False
        self._flushing = False
        self._paused = False
        self._room: list[asyncio.Future[None]] = []
        self._pings: deque[float] = deque()
        self._vanishing: asyncio.Task[None] | None = None
        self._lost = asyncio.Event()

    # --- the connection ---------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.link = self._connections.opened("2", transport)
        self._taken.add(self)
        self.h2.announce(self.config.max_streams, self.config.initial_window)
        if self.config.opens_windows:
            self.h2.withhold(CONNECTION_WINDOW)
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
        self._taken.discard(self)
        self._intakes.clear()
        for task in list(self._tasks.values()):
            task.cancel()
        if self._vanishing is not None:
            self._vanishing.cancel()
        self._wake()
        self._lost.set()

    async def end(self) -> None:
        """Breaks the connection off; returns when none of its tasks is left."""
        tasks = [*self._tasks.values(), *filter(None, [self._vanishing])]
        self.transport.abort()
        await self._lost.wait()
        if tasks:
            await asyncio.wait(tasks)

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
            data = without_ping_acks(data)
        self._write(data)

    def _write(self, data: bytes) -> None:
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
                self._ending = True
                self._close_if_over()

    def _request(self, event: RequestReceived) -> None:
        number = event.stream_id
        if self.disowns(number):
            return
        self._highest = number
        if len(self._tasks) + len(self._intakes) >= self.config.max_streams:
            self.h2.reset(number, ErrorCodes.REFUSED_STREAM)
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
        size = event.flow_controlled_length
        if not self.config.opens_windows or not size:
            return
        if intake is not None and intake.shut:
            self.h2.withhold(size)
        else:
            self.h2.read(event.stream_id, size)

    def _whole(self, id: int) -> None:
        intake = self._intakes.pop(id, None)
        if intake is None:
            return
        task = self._tasks[id] = asyncio.get_running_loop().create_task(self._answer(id, intake))
        task.add_done_callback(lambda task: self._over(id, task))

    async def _answer(self, id: int, intake: Intake) -> None:
        with self.link.request():
            answer = self._serve(intake, self.link)
            if isinstance(answer, Reply):
                await self._ready(id, answer)
                return
            entry, performance = answer
            await self._perform(Http2Stage(self, id, performance, entry, self.config.time_scale))

    async def _ready(self, id: int, reply: Reply) -> None:
        with suppress(Gone):
            self.send_head(id, [(":status", str(reply.status)), *reply.headers.items()])
            await self.send(id, reply.body, end=True)

    def _reset(self, id: int) -> None:
        self._intakes.pop(id, None)
        task = self._tasks.get(id)
        if task is not None:
            task.cancel()
        self._close_if_over()

    def _over(self, id: int, task: asyncio.Task[None]) -> None:
        del self._tasks[id]
        if not task.cancelled() and (error := task.exception()) is not None:
            # A bug of ours must not leave the caller waiting.
            self.reset(id, ErrorCodes.INTERNAL_ERROR)
            said = {"message": f"stream {id} of {self!r} failed", "exception": error, "task": task}
            task.get_loop().call_exception_handler(said)
        self._close_if_over()

    def _close_if_over(self) -> None:
        if self._ending and not self._tasks and not self._intakes and not self.gone:
            self.flush_now()
            self.transport.close()

    def _ping(self) -> None:
        self.link.pings += 1
        self.link.answered += not self.deaf_to_pings
        most, seconds = self.calm
        if most is None:
            return
        now = time.monotonic()
        self._pings.append(now)
        while self._pings[0] < now - seconds / self.config.time_scale:
            self._pings.popleft()
        if len(self._pings) > most:
            self.go_away(self._highest, ErrorCodes.ENHANCE_YOUR_CALM)
            self.transport.close()

    # --- what goes --------------------------------------------------------------------------------------------------

    def go_away(self, last: int | None = None, code: int = ErrorCodes.NO_ERROR) -> None:
        """GOAWAY. The open streams up to `last`, by default all, go on to their end; then the connection is closed.

        A second one never names a later stream than the first (RFC 9113, 6.8).
        """
        last = self._highest if last is None else last
        self._last = last if self._last is None else min(last, self._last)
        self._ending = True
        self.flush_now()
        self._write(goaway(self._last, code))
        self._intakes = {number: intake for number, intake in self._intakes.items() if not self.disowns(number)}
        for number, task in self._tasks.items():
            if self.disowns(number):
                task.cancel()

    def disowns(self, id: int) -> bool:
        """Whether the stream is above GOAWAY's last: not looked at, which its caller knows."""
        return self._last is not None and id > self._last

    def reset(self, id: int, code: int) -> None:
        """RST_STREAM, unless the stream is over."""
        self.h2.reset(id, code)
        self.flush()

    def send_head(self, id: int, lines: list[tuple[str, str]]) -> None:
        """Raises `Gone` for a stream that is over."""
        try:
            self.h2.send_headers(id, lines)
        except ProtocolError:
            raise Gone from None
        self.flush()

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
        return f"<Http2 {self.link.number} {len(self._tasks)} streams{' ending' if self._ending else ''}>"


class Http2Stage(Stage):
    """One answer under way on a stream."""

    def __init__(self, connection: Http2, id: int, performance: Performance, entry: Entry, scale: float) -> None:
        super().__init__(performance, entry, scale)
        self._connection = connection
        self._id = id
        self._said_goodbye = False

    async def _play(self) -> str:
        fault, connection = self._fault, self._connection
        connection.deaf_to_pings = connection.deaf_to_pings or bool(fault.no_ping)
        if fault.calm_pings is not None:
            connection.calm = (fault.calm_pings, fault.calm_seconds)
        if fault.refuse_stream:
            connection.reset(self._id, ErrorCodes.REFUSED_STREAM)
            return "refused_stream"
        if fault.goaway_refuse:
            connection.go_away(max(self._id - 2, 0))
            return "refused_stream"
        return await super()._play()

    def _stops(self, events: int) -> bool:
        return events == self._fault.goaway_events

    async def _reached(self, events: int) -> None:
        if events == self._fault.goaway_events and not self._said_goodbye:
            self._said_goodbye = True
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
        self._connection.send_head(self._id, lines)

    async def _body(self, data: bytes) -> None:
        await self._connection.send(self._id, data)

    async def _finish(self) -> None:
        await self._connection.send(self._id, b"", end=True)

    async def _break_off(self, how: str) -> None:
        if how == "rst":
            self._connection.reset(self._id, self._fault.rst_code)
        else:
            await self._connection.cut("fin" if how == "fin" else "reset")

    async def _vanish(self) -> None:
        await self._connection.vanish()

    def _left(self) -> str:
        return "refused_stream" if self._connection.disowns(self._id) else super()._left()
