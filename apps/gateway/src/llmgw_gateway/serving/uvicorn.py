"""uvicorn's per-connection protocol (httptools) without uvicorn's server around it.

Added to it: a bound on how long a connection may take to bring a request's header, and on the header's size; httptools
has neither. And a way for the application to cut its connection.
"""

from __future__ import annotations

import asyncio
import time
from functools import partial

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from llmgw_gateway.serving.connections import AsgiApp, Connections, DateHeader, ServeConfig, reset
from llmgw_gateway.serving.strict import head_problem

_TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
    b"content-type: text/plain; charset=utf-8\r\ncontent-length: 28\r\nconnection: close\r\n\r\n"
    b"The headers are too large.\r\n"
)


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


class _HeaderTooLarge(Exception):
    pass


class _Unclear(Exception):
    """The head can be read in more than one way."""


class _Connection(HttpToolsProtocol):
    def __init__(self, engine: UvicornEngine) -> None:
        super().__init__(engine.settings, engine.state, {})
        self._open = engine.connections
        self._limit = engine.config.max_header_bytes
        self._seconds = engine.config.keep_alive_seconds
        self._header_seconds = engine.config.header_seconds
        self._deadline = 0.0
        self._head: int | None = None
        self._fed = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._open.add(self, transport)
        self.app_state = {"abort": partial(reset, transport)}
        self._deadline = self.loop.time() + self._seconds
        self._wait_for_header()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._unset_keepalive_if_required()
        self._open.discard(self)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.transport.is_closing() or self._in_request:
            return
        if not self._fed:
            self._deadline = min(self._deadline, self.loop.time() + self._header_seconds)
        # Every byte stops uvicorn's timer, so a header that trickles in would never time out.
        self._wait_for_header()
        self._fed += len(data)
        if self._fed > self._limit:
            self._refuse_header()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._head = 0

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._head is None:
            return  # A trailer: nobody here reads them.
        self._head += len(name) + len(value) + 4
        if self._head + len(self.url) > self._limit:
            raise _HeaderTooLarge
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._head = None
        self._fed = 0
        problem = head_problem(self.parser.get_http_version(), self.headers)
        if problem is not None:
            raise _Unclear(problem)
        super().on_headers_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._deadline = self.loop.time() + self._seconds

    def send_400_response(self, msg: str) -> None:
        if self._in_request:
            # A second response in the middle of the first would be read as a part of it.
            self.transport.close()
        elif self._head is not None and self._head + len(self.url) > self._limit:
            self._refuse_header()
        else:
            super().send_400_response(msg)

    @property
    def _in_request(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _wait_for_header(self) -> None:
        self._unset_keepalive_if_required()
        self.timeout_keep_alive_task = self.loop.call_at(self._deadline, self.timeout_keep_alive_handler)

    def _refuse_header(self) -> None:
        self.transport.write(_TOO_LARGE)
        self.transport.close()
