"""Uvicorn's connections: what is added to them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from llmgw_gateway.serving.connections import ServeConfig
from llmgw_gateway.serving.uvicorn import UvicornEngine


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
    engine = UvicornEngine(app, ServeConfig())
    server = await asyncio.get_running_loop().create_server(engine.accept, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    yield reader, writer
    writer.close()
    server.close()
    engine.connections.reset()
    assert await engine.connections.ended(2)


async def test_no_second_response_inside_the_first() -> None:
    """Bytes that are no request, sent during a response, end the connection and write nothing into the response."""
    app = App()
    async with connected(app) as (reader, writer):
        writer.write(b"GET / HTTP/1.1\r\nhost: g\r\n\r\n")
        await reader.readuntil(b"one\r\n")
        writer.write(b"\x00\x01\x02 nonsense\r\n\r\n")
        assert await reader.read() == b""
        await asyncio.wait_for(app.gone.wait(), 2)


async def test_a_header_that_never_ends_is_refused() -> None:
    """A header is refused at its limit, not when it ends, and reaches no application."""
    app = App()
    async with connected(app) as (reader, writer):
        writer.write(b"GET / HTTP/1.1\r\nhost: g\r\nx: ")
        for _ in range(3):
            writer.write(b"x" * (32 << 10))
            await asyncio.sleep(0.01)
        assert (await reader.readuntil(b"\r\n")).startswith(b"HTTP/1.1 431")
        assert app.requests == 0
