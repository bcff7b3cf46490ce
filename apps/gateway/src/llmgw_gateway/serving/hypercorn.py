"""Hypercorn's per-connection server without Hypercorn around it.

`TCPServer` runs one connection from its streams. Five things differ from it here:

- HTTP/1.1, unless TLS has agreed on HTTP/2, whose protocol is mended in `hypercorn_http2`.
- Requests are read strictly, see `framing`.
- The idle timeout is one timer, which also bounds how long a request's header may take. Hypercorn makes and cancels two
  tasks for it on every request, and gives a header that trickles in as long as it likes.
- A disconnect is seen even when the client has sent bytes beyond its request. Hypercorn stops reading then.
- A connection that dies of a timeout is a closed connection, not an error of the application.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any

import h11
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.asyncio.task_group import TaskGroup
from hypercorn.asyncio.tcp_server import TCPServer
from hypercorn.asyncio.worker_context import WorkerContext
from hypercorn.config import Config
from hypercorn.events import Closed, Event, RawData
from hypercorn.protocol.h11 import H11Protocol
from hypercorn.typing import ConnectionState

from llmgw_gateway.serving.connections import (
    HEADER_TIMEOUT,
    AsgiApp,
    Connections,
    DateHeader,
    ServeConfig,
    reset,
)
from llmgw_gateway.serving.framing import Framing, Malformed
from llmgw_gateway.serving.hypercorn_http2 import Http2

_log = logging.getLogger(__name__)

_READ_BYTES = 1 << 16


class HypercornEngine:
    """Serves accepted connections with Hypercorn's code."""

    def __init__(self, app: AsgiApp, config: ServeConfig) -> None:
        self.connections = Connections()
        self._app = ASGIWrapper(app)  # type: ignore[arg-type]
        self._serve = config
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
        writer.transport.set_write_buffer_limits(self._serve.write_buffer_bytes)
        connection = _Connection(self._app, loop, self._config, self._context, state, reader, writer, serve=self._serve)
        self.connections.add(connection, writer.transport)
        streams = writer.transport.get_protocol()
        assert isinstance(streams, _Streams)
        streams.gate = connection.gate
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
    """asyncio's streams, which also tell the gate when the connection ends."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        # asyncio's own is a deque, which takes 0.7 KB even where nobody ever waits.
        self._drain_waiters: list[asyncio.Future[None]] = []

    gate: _Gate | None = None

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
    protocol: H11Protocol | Http2  # type: ignore[assignment]

    def __init__(self, *args: Any, serve: ServeConfig) -> None:
        super().__init__(*args)
        self.gate = _Gate()
        self.framing: Framing | None = (framing := Framing(serve.max_header_bytes))
        """HTTP/1.1's; HTTP/2 has frames."""
        self.idle_task: _IdleTimer = _IdleTimer(self.loop, serve, framing, self.writer)  # type: ignore[assignment]

    async def run(self) -> None:
        try:
            async with TaskGroup(self.loop) as group:
                self._task_group = group
                self.protocol = self._spoken(group)
                await self.protocol.initiate()
                await self.idle_task.restart(group, self._idle_timeout)
                await self._read_data()
        except OSError as error:
            _log.debug("connection ended: %r", error)
        finally:
            await self._close()

    def _spoken(self, group: TaskGroup) -> H11Protocol | Http2:
        client, server = (self.writer.get_extra_info(name) for name in ("peername", "sockname"))
        state = ConnectionState(self.state)
        here, there = _address(server), _address(client)
        tls = self.writer.get_extra_info("ssl_object")
        arguments = self.app, self.config, self.context, group, state, tls is not None, there, here, self.protocol_send
        if tls is not None and tls.selected_alpn_protocol() == "h2":
            self.framing = None
            return Http2(*arguments)
        protocol = H11Protocol(*arguments)
        protocol.can_read = self.gate  # type: ignore[assignment]
        return protocol

    async def _read_data(self) -> None:
        try:
            while not self.reader.at_eof():
                data = await self.reader.read(_READ_BYTES)
                if self.framing is not None:
                    data = self.framing.feed(data)
                if data:
                    await self.protocol.handle(RawData(data))
                self.idle_task.watch_header()
        except Malformed as malformed:
            self._refuse(malformed)
        except (OSError, _Gone) as error:
            _log.debug("connection ended: %r", error)
        await self.protocol.handle(Closed())

    def _refuse(self, malformed: Malformed) -> None:
        # Behind the beginning of another answer it would be read as a part of that.
        assert isinstance(self.protocol, H11Protocol)
        if self.protocol.connection.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            self.writer.write(malformed.answer)
        self.writer.close()

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
        # Without a protocol it has not begun; it is idle then, and its timer will tell.
        protocol = getattr(self, "protocol", None)
        if isinstance(protocol, Http2) and not self.writer.is_closing():
            # In a task, for a client that does not read must not hold up the others.
            self._task_group.spawn(protocol.go_away)
        elif self.idle_task.running:
            self.writer.close()


class _IdleTimer:
    """Takes the place of Hypercorn's idle task. Closing the transport ends the reading, and with it the connection."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, config: ServeConfig, framing: Framing, writer: asyncio.StreamWriter
    ) -> None:
        self._loop = loop
        self._config = config
        self._framing = framing
        self._writer = writer
        self._timer: asyncio.TimerHandle | None = None
        self._in_header = False

    @property
    def running(self) -> bool:
        return self._timer is not None

    async def restart(self, group: object, action: object) -> None:
        await self.stop()
        self._timer = self._loop.call_later(self._config.keep_alive_seconds, self._writer.close)
        self.watch_header()

    def watch_header(self) -> None:
        """From the first byte of a header on there is a time for all of it, which more bytes do not lengthen."""
        if self._timer is not None and self._framing.in_header and not self._in_header:
            self._timer.cancel()
            self._in_header = True
            self._timer = self._loop.call_later(self._config.header_seconds, self._late)

    async def stop(self) -> None:
        self._in_header = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _late(self) -> None:
        self._writer.write(HEADER_TIMEOUT)
        self._writer.close()


class _Settings(Config):
    """Hypercorn's settings with a date that is not written anew for every response."""

    def __init__(self) -> None:
        self._date = DateHeader(time.time)

    def response_headers(self, protocol: str) -> list[tuple[bytes, bytes]]:
        return self._date.headers()


def _settings(config: ServeConfig) -> Config:
    settings = _Settings()
    settings.keep_alive_timeout = config.keep_alive_seconds
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
