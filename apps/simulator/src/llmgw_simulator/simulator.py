"""The simulator as a server: sockets, the control paths `/_sim/...`, and starting and stopping.

`async with Simulator(config).serve() as running:` runs it in the caller's loop; `running.base_url` is where.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from aiohttp import web

from llmgw_simulator.calllog import CallLog
from llmgw_simulator.config import SimulatorConfig
from llmgw_simulator.control import Control
from llmgw_simulator.faults import FaultBook
from llmgw_simulator.forms import BadForm, FormReader, boundary_of
from llmgw_simulator.http1 import perform
from llmgw_simulator.service import Service
from llmgw_simulator.wire import Form, Incoming, lower


class Running(msgspec.Struct, frozen=True):
    """A simulator that serves. `log` and `faults` are the same that `/_sim/log` and `/_sim/faults` show."""

    host: str
    port: int
    log: CallLog
    faults: FaultBook

    @property
    def base_url(self) -> str:
        """`http://host:port`. OpenAI's SDK wants `/v1` behind it, those of Anthropic and Google want it as it is."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"


class Simulator:
    """Provider simulators behind one port."""

    def __init__(self, config: SimulatorConfig | None = None) -> None:
        self._config = config or SimulatorConfig()
        self._service = Service(self._config)
        self._control = Control(self._service)

    @asynccontextmanager
    async def serve(self, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[Running]:
        """Serve until the block ends; port 0 takes a free one. Raises `OSError` if the port is taken."""
        # Cancellation of the handler is how a caller that leaves is noticed at once, even in a silent phase.
        server = web.Server(self._handle, handler_cancellation=True, access_log=None)
        runner = web.ServerRunner(server, shutdown_timeout=0.1)
        await runner.setup()
        try:
            site = web.TCPSite(runner, host, port, backlog=1024)
            await site.start()
            address: tuple[Any, ...] = runner.addresses[0]
            yield Running(host, address[1], self._service.log, self._service.faults)
        finally:
            await runner.cleanup()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.path.startswith("/_sim/"):
            return self._control.answer(request.method, request.path, request.query, await request.read())
        boundary = boundary_of(request.headers.get("content-type", ""))
        form = None if boundary is None else await self._form(request, boundary)
        body = await self._body(request) if boundary is None else None if form is None else form.summary()
        incoming = Incoming(
            method=request.method,
            path=request.path,
            query=dict(request.query) if request.query_string else {},
            headers=lower(request.headers),
            body=body or b"",
            serial=self._service.log.next_serial(),
            now=time.time(),
            form=form,
            target=request.raw_path,
        )
        receive = self._service.too_large if body is None else self._service.receive
        entry, performance = receive(incoming)
        return await perform(request, performance, entry, self._service.log, self._config.time_scale)

    async def _form(self, request: web.BaseRequest, boundary: str) -> Form | None:
        """The form, its files on disk, or None if it is too long. One that cannot be read has no fields."""
        reader, size = FormReader(boundary), 0
        try:
            async for chunk in request.content.iter_any():
                size += len(chunk)
                if size > self._config.max_upload:
                    return None
                reader.feed(chunk)
            return reader.finish()
        except BadForm:
            return Form({})

    async def _body(self, request: web.BaseRequest) -> bytes | None:
        """The body, or None if it is over the limit."""
        most = self._config.max_body
        if request.content_length is not None and request.content_length > most:
            return None
        chunks, size = [], 0
        async for chunk in request.content.iter_any():
            size += len(chunk)
            if size > most:
                return None
            chunks.append(chunk)
        return b"".join(chunks)
