"""Hypercorn's connections: what is added to them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from llmgw_gateway.serving.connections import ServeConfig
from llmgw_gateway.serving.hypercorn import HypercornEngine


class App:
    """Streams one chunk and waits for the client to leave."""

    def __init__(self) -> None:
        self.requests = 0
        self.gone = asyncio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.requests += 1
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"one", "more_body": True})
        while (await receive())["type"] != "http.disconnect":
            pass
        self.gone.set()


@asynccontextmanager
async def connected(app: App) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    engine = HypercornEngine(app, ServeConfig())
    server = await asyncio.get_running_loop().create_server(engine.accept, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    yield reader, writer
    writer.close()
    server.close()
    engine.connections.reset()
    assert await engine.connections.ended(2)


async def test_an_offer_to_switch_to_http2_is_declined() -> None:
    """A client that offers h2c is answered in HTTP/1.1, and its disconnect is still seen."""
    app = App()
    async with connected(app) as (reader, writer):
        offer = b"GET / HTTP/1.1\r\nhost: g\r\nconnection: upgrade, http2-settings\r\nupgrade: h2c\r\n"
        writer.write(offer + b"http2-settings: AAMAAABk\r\n\r\n")
        assert (await reader.readuntil(b"\r\n")).startswith(b"HTTP/1.1 200")
        writer.close()
        await asyncio.wait_for(app.gone.wait(), 2)


async def test_http2_with_prior_knowledge_is_no_request() -> None:
    """A connection that begins in HTTP/2 never gets an HTTP/2 server."""
    app = App()
    async with connected(app) as (reader, writer):
        writer.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        assert (await reader.readuntil(b"\r\n")).startswith(b"HTTP/1.1 ")


async def test_a_disconnect_is_seen_behind_early_bytes() -> None:
    """A client that sends on during its response and then leaves is seen to leave."""
    app = App()
    async with connected(app) as (reader, writer):
        writer.write(b"GET / HTTP/1.1\r\nhost: g\r\n\r\n")
        await reader.readuntil(b"one\r\n")
        writer.write(b"GET / HTTP/1.1\r\nhost: g\r\n\r\n")
        await asyncio.sleep(0.05)
        assert not app.gone.is_set()
        writer.close()
        await asyncio.wait_for(app.gone.wait(), 2)


async def test_closing_idle_ones_spares_the_others() -> None:
    """Closing idle connections leaves a request in flight alone."""
    app = App()
    engine = HypercornEngine(app, ServeConfig())
    server = await asyncio.get_running_loop().create_server(engine.accept, "127.0.0.1", 0)
    where = server.sockets[0].getsockname()
    idle, idle_writer = await asyncio.open_connection(*where)
    busy, busy_writer = await asyncio.open_connection(*where)
    busy_writer.write(b"GET / HTTP/1.1\r\nhost: g\r\n\r\n")
    await busy.readuntil(b"one\r\n")
    await engine.close_idle()
    assert await idle.read() == b""
    assert len(engine.connections) == 1
    for writer in (idle_writer, busy_writer):
        writer.close()
    server.close()
    assert await engine.connections.ended(2)
