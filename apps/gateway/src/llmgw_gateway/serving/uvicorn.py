"""uvicorn's per-connection protocol (httptools) without uvicorn's server around it.

Added to it: requests are read strictly (see `framing`), a connection has a time to begin a request and a time for the
header of one, an answer that is given before its request's body has ended ends its connection, and the application can
cut it.
"""

from __future__ import annotations

import asyncio
import time
from functools import partial

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from llmgw_gateway.serving.connections import (
    HEADER_TIMEOUT,
    AsgiApp,
    Connections,
    DateHeader,
    ServeConfig,
    reset,
)
from llmgw_gateway.serving.framing import Framing, Malformed


class UvicornEngine:
    """Serves accepted connections with uvicorn's code."""

    def __init__(self, app: AsgiApp, config: ServeConfig) -> None:
        self.connections = Connections()
        self.config = config
        self.settings = Config(
            app,
            http=HttpToolsProtocol,
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=config.keep_alive_seconds,  # type: ignore[arg-type]
        )
        self.settings.load()
        self.state = _State()
        self.state.tasks = self.connections.tasks

    def accept(self) -> asyncio.Protocol:
        """The protocol of one new connection."""
        return _Connection(self)

    async def close_idle(self) -> None:
        """Closes idle connections; the others close after their response."""
        for connection in self.connections:
            connection.shutdown()


class _State(ServerState):
    """What uvicorn's connections share, with the date that uvicorn's server would refresh."""

    def __init__(self) -> None:
        self._date = DateHeader(time.time)
        super().__init__()

    @property
    def default_headers(self) -> list[tuple[bytes, bytes]]:
        return self._date.headers()

    @default_headers.setter
    def default_headers(self, headers: list[tuple[bytes, bytes]]) -> None:
        pass


class _Connection(HttpToolsProtocol):
    def __init__(self, engine: UvicornEngine) -> None:
        super().__init__(engine.settings, engine.state, {})
        self._open = engine.connections
        self._serve = engine.config
        self._framing = Framing(engine.config.max_header_bytes)
        self._deadline = 0.0
        self._in_header = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        transport.set_write_buffer_limits(self._serve.write_buffer_bytes)
        self._open.add(self, transport)
        self.app_state = {"abort": partial(reset, transport)}
        self._idle()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._unset_keepalive_if_required()
        self._open.discard(self)

    def data_received(self, data: bytes) -> None:
        try:
            data = self._framing.feed(data)
        except Malformed as malformed:
            self._refuse(malformed)
            return
        if data:
            super().data_received(data)
        if not self.transport.is_closing() and not self._in_request:
            self._wait()

    def send_400_response(self, msg: str) -> None:
        self._refuse(Malformed("it can't be read"))

    def on_response_complete(self) -> None:
        if self.cycle.more_body and not self.pipeline:
            # Nobody is going to read the rest of the body, and its sender could take as long as it likes.
            self.transport.close()
        super().on_response_complete()
        if not self.transport.is_closing() and not self._in_request:
            self._idle()

    def timeout_keep_alive_handler(self) -> None:
        if self._in_header and not self.transport.is_closing():
            self.transport.write(HEADER_TIMEOUT)
        super().timeout_keep_alive_handler()

    @property
    def _in_request(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _idle(self) -> None:
        self._in_header = False
        self._deadline = self.loop.time() + self._serve.keep_alive_seconds
        self._wait()

    def _wait(self) -> None:
        """Until the deadline; from the first byte of a header on that is one for all of it."""
        if self._framing.in_header and not self._in_header:
            self._in_header = True
            self._deadline = self.loop.time() + self._serve.header_seconds
        # Every byte stops uvicorn's timer, so a header that trickles in would never time out.
        self._unset_keepalive_if_required()
        self.timeout_keep_alive_task = self.loop.call_at(self._deadline, self.timeout_keep_alive_handler)

    def _refuse(self, malformed: Malformed) -> None:
        cycle = self.cycle if self._in_request else None
        if cycle is None or not cycle.response_started:
            # Behind the beginning of another answer it would be read as a part of that.
            self.transport.write(malformed.answer)
        if cycle is not None:
            cycle.disconnected = True
            cycle.message_event.set()
        self.transport.close()
