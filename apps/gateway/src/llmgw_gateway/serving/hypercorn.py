"""Hypercorn's per-connection server without Hypercorn around it.

`TCPServer` runs one connection from its streams. Four things differ from it here:

- HTTP/1.1 only: Hypercorn's HTTP/2 server does not hold back for a slow client and cuts streams at its request limit.
  A client's offer to switch to h2c is declined, as RFC 9110 (7.8) allows.
- The idle timeout is one timer. Hypercorn makes and cancels two tasks for it on every request.
- A disconnect is seen even when the client has sent bytes beyond its request. Hypercorn stops reading then.
- A connection that dies of a timeout is a closed connection, not an error of the application.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any

import h11
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.asyncio.task_group import TaskGroup
from hypercorn.asyncio.tcp_server import TCPServer
from hypercorn.asyncio.worker_context import WorkerContext
from hypercorn.config import Config
from hypercorn.events import Closed, Event
from hypercorn.protocol.h11 import H11Protocol
from hypercorn.typing import ConnectionState

from llmgw_gateway.serving.connections import AsgiApp, Connections, DateHeader, ServeConfig, reset
from llmgw_gateway.serving.strict import StrictHttp11, head_problem

_log = logging.getLogger(__name__)

_READ_BYTES = 1 << 16


class HypercornEngine:
    """Serves accepted connections with Hypercorn's code."""

    def __init__(self, app: AsgiApp, config: ServeConfig) -> None:
        self.connections = Connections()
        self._app = ASGIWrapper(app)  # type: ignore[arg-type]
        self._config = _settings(config)
        self._context = WorkerContext(None)

    def accept(self) -> asyncio.Protocol:
        """The protocol of one new connection."""
        reader = asyncio.StreamReader(limit=_READ_BYTES)
        return _Streams(reader, self._accepted)

    async def close_idle(self) -> None:
        """Closes idle connections; the others close after their response."""
        await self._context.terminated.set()
        for connection in self.connections:
            connection.close_if_idle()

    def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        loop = asyncio.get_running_loop()
        state = {"abort": lambda: reset(writer.transport)}
        connection = _Connection(self._app, loop, self._config, self._context, state, reader, writer)
        self.connections.add(connection, writer.transport)
        streams = writer.transport.get_protocol()
        assert isinstance(streams, _Streams)
        streams.gate = connection.gate
        streams.begun = connection.idle_task.begun
        # Owned by `connections`, which a drain waits for and then cancels.
        task = loop.create_task(self._run(connection))
        self.connections.tasks.add(task)
        task.add_done_callback(self.connections.tasks.discard)

    async def _run(self, connection: _Connection) -> None:
        try:
            await connection.run()
        except OSError as error:
            _log.debug("connection ended: %r", error)
        except Exception:
            _log.exception("a connection failed")
        finally:
            self.connections.discard(connection)


class _Gone(Exception):
    """The client's end of file, or the connection's end, while nobody was reading."""


class _Gate:
    """Takes the place of the event that Hypercorn waits for before it reads on. The connection's end opens it too."""

    def __init__(self) -> None:
        self._open = asyncio.Event()
        self._gone = False

    async def set(self) -> None:
        self._open.set()

    async def clear(self) -> None:
        if not self._gone:
            self._open.clear()

    async def wait(self) -> None:
        """Raises `_Gone`."""
        await self._open.wait()
        if self._gone:
            raise _Gone

    def lose(self) -> None:
        self._gone = True
        self._open.set()


class _Streams(asyncio.StreamReaderProtocol):
    """asyncio's streams, which also tell the gate when the connection ends, and the timer when a request begins."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        # asyncio's own is a deque, which takes 0.7 KB even where nobody ever waits.
        self._drain_waiters: list[asyncio.Future[None]] = []

    gate: _Gate | None = None
    begun: Callable[[], None] | None = None

    def data_received(self, data: bytes) -> None:
        if self.begun is not None:
            self.begun()
        super().data_received(data)

    def eof_received(self) -> bool | None:
        self._lose()
        return super().eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        self._lose()
        super().connection_lost(exc)

    def _lose(self) -> None:
        if self.gate is not None:
            self.gate.lose()


class _Connection(TCPServer):
    config: _Settings
    protocol: _Http1  # type: ignore[assignment]

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.gate = _Gate()
        seconds = self.config.keep_alive_timeout, self.config.header_timeout
        self.idle_task: _IdleTimer = _IdleTimer(self.loop, *seconds, self.writer)  # type: ignore[assignment]

    async def run(self) -> None:
        try:
            async with TaskGroup(self.loop) as group:
                self._task_group = group
                self.protocol = self._http1(group)
                await self.idle_task.restart(group, self._idle_timeout)
                await self._read_data()
        except OSError as error:
            _log.debug("connection ended: %r", error)
        finally:
            await self._close()

    def _http1(self, group: TaskGroup) -> _Http1:
        client, server = (self.writer.get_extra_info(name) for name in ("peername", "sockname"))
        state = ConnectionState(self.state)
        here, there = _address(server), _address(client)
        send = self.protocol_send
        secure = self.writer.get_extra_info("sslcontext") is not None
        protocol = _Http1(self.app, self.config, self.context, group, state, secure, there, here, send)
        protocol.can_read = self.gate  # type: ignore[assignment]
        return protocol

    async def _read_data(self) -> None:
        try:
            await super()._read_data()
        except _Gone:
            await self.protocol.handle(Closed())

    async def protocol_send(self, event: Event) -> None:
        try:
            await super().protocol_send(event)
        except OSError:
            await self.protocol.handle(Closed())

    async def _close(self) -> None:
        # Closing sends what was written and then FIN. A write_eof before it, as Hypercorn does, would turn a reset into
        # an orderly end.
        try:
            self.writer.close()
            await self.writer.wait_closed()
        except (OSError, RuntimeError) as error:
            _log.debug("connection ended: %r", error)
        finally:
            await self.idle_task.stop()

    def close_if_idle(self) -> None:
        if self.idle_task.running:
            self.writer.close()


class _Http1(H11Protocol):
    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.connection = StrictHttp11(h11.SERVER, max_incomplete_event_size=self.config.h11_max_incomplete_size)

    async def _create_stream(self, request: h11.Request) -> None:
        problem = head_problem(request.http_version.decode("ascii"), request.headers)
        if problem is not None:
            _log.debug("a request was refused: %s", problem)
            await self._send_error_response(400)
            await self.send(Closed())
            return
        # h11's own limit is on headers that are not complete yet; a complete one may be a read larger.
        size = len(request.target) + sum(len(name) + len(value) + 4 for name, value in request.headers)
        if size > self.config.h11_max_incomplete_size:
            await self._send_error_response(431)
            await self.send(Closed())
        else:
            await super()._create_stream(request)

    async def _check_protocol(self, event: h11.Request) -> None:
        # h11 stops reading while an offer to switch is open, and a disconnect would go unseen for as long.
        self.connection._cstate.pending_switch_proposals.clear()  # type: ignore[union-attr]


class _IdleTimer:
    """Takes the place of Hypercorn's idle task. Closing the transport ends the reading, and with it the connection.

    It runs from the end of one request to the end of the next one's header, whose first byte leaves it less time.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, seconds: float, header_seconds: float, writer: asyncio.StreamWriter
    ) -> None:
        self._loop = loop
        self._seconds = seconds
        self._header_seconds = header_seconds
        self._writer = writer
        self._timer: asyncio.TimerHandle | None = None
        self._begun = False
        # Of the first request: its bytes may be there before the connection's task has begun.
        self._early: bool | None = False

    @property
    def running(self) -> bool:
        return self._timer is not None

    async def restart(self, group: object, action: object) -> None:
        await self.stop()
        self._begun, self._early = bool(self._early), None
        seconds = self._header_seconds if self._begun else self._seconds
        self._timer = self._loop.call_later(seconds, self._writer.close)

    def begun(self) -> None:
        """Bytes came; the first ones are a header's."""
        timer = self._timer
        if self._early is False:
            self._early = True
        if timer is None or self._begun:
            return
        self._begun = True
        timer.cancel()
        at = min(timer.when(), self._loop.time() + self._header_seconds)
        self._timer = self._loop.call_at(at, self._writer.close)

    async def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class _Settings(Config):
    """Hypercorn's settings with a date that is not written anew for every response."""

    def __init__(self) -> None:
        self._date = DateHeader(time.time)
        self.header_timeout = 0.0

    def response_headers(self, protocol: str) -> list[tuple[bytes, bytes]]:
        return self._date.headers()


def _settings(config: ServeConfig) -> _Settings:
    settings = _Settings()
    settings.keep_alive_timeout = config.keep_alive_seconds
    settings.header_timeout = config.header_seconds
    settings.keep_alive_max_requests = 10**9
    settings.h11_max_incomplete_size = config.max_header_bytes
    settings.max_app_queue_size = 32
    settings.read_timeout = None
    settings.accesslog = None
    # Hypercorn would add a handler of its own to a logger that it is only given the name of.
    settings.errorlog = logging.getLogger("hypercorn.error")
    return settings


def _address(name: Any) -> tuple[str, int] | None:
    return (name[0], name[1]) if isinstance(name, tuple) else None
