"""The simulator as a server: sockets, the control paths `/_sim/...`, and starting and stopping.

`async with Simulator(config).serve() as running:` runs it in the caller's loop; `running.base_url` is where. HTTP/1.1
and HTTP/2 share the port (`door`).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext, suppress

import msgspec
from aiohttp import web

from llmgw_simulator.calllog import CallLog, Entry
from llmgw_simulator.config import SimulatorConfig
from llmgw_simulator.connections import Connections, Link
from llmgw_simulator.control import Control
from llmgw_simulator.door import Door
from llmgw_simulator.faults import FaultBook
from llmgw_simulator.http1 import Http1Stage
from llmgw_simulator.http2 import Http2
from llmgw_simulator.intake import Intake
from llmgw_simulator.service import Performance, Service
from llmgw_simulator.stage import Gone, Stage
from llmgw_simulator.wire import Reply, lower

_STOP_SECONDS = 0.1


class Running(msgspec.Struct, frozen=True):
    """A simulator that serves. `log`, `faults` and `connections` are what `/_sim/...` shows."""

    host: str
    port: int
    log: CallLog
    faults: FaultBook
    connections: Connections
    authority: bytes | None
    """PEM of what to trust, if it serves TLS."""

    @property
    def base_url(self) -> str:
        """`http://host:port`. OpenAI's SDK wants `/v1` behind it, those of Anthropic and Google want it as it is."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http{'' if self.authority is None else 's'}://{host}:{self.port}"


class Simulator:
    """Provider simulators behind one port."""

    def __init__(self, config: SimulatorConfig | None = None) -> None:
        self._config = config or SimulatorConfig()
        self._service = Service(self._config)
        self._connections = Connections()
        self._control = Control(self._service, self._connections)

    @asynccontextmanager
    async def serve(self, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[Running]:
        """Serve until the block ends; port 0 takes a free one. Raises `OSError` if the port is taken."""
        # Cancellation of the handler is how a caller that leaves is noticed at once, even in a silent phase.
        http1 = web.Server(self._handle, handler_cancellation=True, access_log=None)
        waiting: set[asyncio.Transport] = set()
        taken: set[Http2] = set()
        config, service, tls = self._config, self._service, self._config.tls

        def http2() -> Http2:
            return Http2(config, self._connections, self._serve, self._perform, taken)

        listening = await asyncio.get_running_loop().create_server(
            lambda: Door(self._connections, http1, http2, waiting),
            host,
            port,
            backlog=1024,
            ssl=None if tls is None else tls.context(config.protocols),
        )
        try:
            found = listening.sockets[0].getsockname()[1]
            authority = None if tls is None else tls.authority
            yield Running(host, found, service.log, service.faults, self._connections, authority)
        finally:
            listening.close()
            http1.pre_shutdown()
            await http1.shutdown(_STOP_SECONDS)
            for transport in list(waiting):
                transport.abort()
            for connection in list(taken):
                await connection.end()
            # What was broken off is told so in the loop's next rounds.
            await asyncio.sleep(0)
            await asyncio.sleep(0)

    def _serve(self, intake: Intake, link: Link | None) -> tuple[Entry, Performance] | Reply:
        """What a request is answered with, and its entry; a control path's answer is ready and has none."""
        incoming = intake.incoming(self._service.log.next_serial)
        if incoming.path.startswith("/_sim/"):
            return self._control.answer(incoming.method, incoming.path, incoming.query, incoming.body)
        receive = self._service.too_large if intake.too_large else self._service.receive
        entry, performance = receive(incoming)
        if link is not None:
            entry.http, entry.connection = link.http, link.number
        return entry, performance

    async def _perform(self, stage: Stage) -> None:
        with suppress(Gone):
            await stage.perform(self._service.log)

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        intake = Intake(self._config, request.method, request.raw_path, lower(request.headers))
        if not intake.too_large:
            async for chunk in request.content.iter_any():
                if not intake.feed(chunk):
                    break
        link = self._connections.of(request.transport)
        with nullcontext() if link is None else link.request():
            answer = self._serve(intake, link)
            if isinstance(answer, Reply):
                return web.Response(body=answer.body, status=answer.status, headers=answer.headers)
            entry, performance = answer
            stage = Http1Stage(request, performance, entry, self._config.time_scale)
            await self._perform(stage)
            return stage.response
