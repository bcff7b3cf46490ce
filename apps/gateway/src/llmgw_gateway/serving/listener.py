"""The listener: sockets, the connections that came through them, and their drain."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Protocol

from llmgw_gateway.serving.arrivals import Arrivals
from llmgw_gateway.serving.connections import AsgiApp, Connections, ServeConfig
from llmgw_gateway.serving.hypercorn import HypercornEngine
from llmgw_gateway.serving.sockets import name_of
from llmgw_gateway.serving.uvicorn import UvicornEngine

_UNWIND_SECONDS = 2.0
"""How long an application may take to notice that its connection is gone before it is cancelled."""


class Engine(Protocol):
    """The per-connection code of a server."""

    connections: Connections

    def accept(self) -> asyncio.Protocol: ...

    async def close_idle(self) -> None: ...


_ENGINES: dict[str, Callable[[AsgiApp, ServeConfig], Engine]] = {
    "hypercorn": HypercornEngine,
    "uvicorn": UvicornEngine,
}


class Draining:
    """Whether the process is on its way out. It can be asked for before there is a listener, and by several."""

    def __init__(self) -> None:
        self._begun = False

    def begin(self) -> None:
        self._begun = True

    def __call__(self) -> bool:
        return self._begun


class Listener:
    """Listening sockets and the connections that came through them."""

    def __init__(self, engine: Engine, config: ServeConfig, draining: Draining) -> None:
        self._engine = engine
        self._config = config
        self._draining = draining
        self._arrivals = Arrivals(
            engine.accept,
            engine.connections,
            backlog=config.backlog,
            most=config.max_connections,
            certificate=config.certificate,
        )
        self.addresses: list[str] = []

    @property
    def connections(self) -> int:
        """Open ones and those on their way."""
        return len(self._engine.connections) + len(self._arrivals)

    @property
    def draining(self) -> bool:
        return self._draining()

    def listen(self, sock: socket.socket) -> None:
        """Starts to accept on a socket, which belongs to the listener from now on."""
        self.addresses.append(name_of(sock))
        self._arrivals.listen(sock)

    async def drain(self, seconds: float) -> None:
        """Stops serving within `seconds` (and a moment to unwind); see the module's text. May be called again."""
        open_ = self._engine.connections
        deadline = asyncio.get_running_loop().time() + seconds
        self._draining.begin()
        self._arrivals.close()
        grace = min(self._config.idle_grace_seconds, seconds)
        if grace > 0 and await open_.ended(grace) and not self._arrivals:
            return
        await self._arrivals.cancel()
        await self._engine.close_idle()
        left = deadline - asyncio.get_running_loop().time()
        if left > 0 and await open_.ended(left):
            return
        open_.reset()
        if not await open_.ended(_UNWIND_SECONDS):
            await open_.cancel()

    def __repr__(self) -> str:
        state = "draining" if self.draining else "open"
        return f"<Listener {', '.join(self.addresses)} {state}: {self.connections} connections>"


@asynccontextmanager
async def serve(
    app: AsgiApp, sockets: Sequence[socket.socket], config: ServeConfig, draining: Draining | None = None
) -> AsyncIterator[Listener]:
    """Serves `app` on `sockets` while the context is open; leaving it ends what a drain has left, at once.

    The sockets are closed with the listener. `draining` is the flag that the application reads.
    """
    listener = Listener(_ENGINES[config.engine](app, config), config, draining or Draining())
    try:
        for sock in sockets:
            listener.listen(sock)
        yield listener
    finally:
        await listener.drain(0)
