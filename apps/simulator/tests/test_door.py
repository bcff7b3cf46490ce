"""One port for two protocols."""

import asyncio

import pytest

from llmgw_simulator.simulator import Simulator
from llmgw_simulator.testing import KEYS, leave, request_bytes, request_of, until

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


@pytest.mark.parametrize("cut", [1, 3, 14, 23])
async def test_the_first_bytes_may_come_in_pieces(cut):
    """Whichever protocol they begin."""
    async with Simulator().serve() as running:
        reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
        writer.write(PREFACE[:cut])
        await asyncio.sleep(0.02)
        writer.write(PREFACE[cut:] + b"\0\0\0\4\0\0\0\0\0")
        # SETTINGS, of type 4, is what a server says first.
        assert 4 == (await reader.readexactly(9))[3]
        await leave(writer)

        path, body = request_of("chat", "Hello")
        reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
        raw = request_bytes(path, body, KEYS["chat"])
        writer.write(raw[:cut])
        await asyncio.sleep(0.02)
        writer.write(raw[cut:])
        assert b"HTTP/1.1 200" == await reader.readexactly(12)
        await leave(writer)


async def test_a_caller_that_says_nothing_is_let_go():
    """Its connection is nobody's, and is gone when it leaves."""
    async with Simulator().serve() as running:
        _, writer = await asyncio.open_connection("127.0.0.1", running.port)
        await asyncio.sleep(0.02)
        assert {} == running.connections.open
        await leave(writer)


async def test_a_caller_that_says_nothing_is_let_go_at_the_end():
    """With the server."""
    async with Simulator().serve() as running:
        reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
        await asyncio.sleep(0.02)
    async with asyncio.timeout(2):
        assert b"" == await reader.read()
    await leave(writer)


async def test_connections_are_counted():
    """By protocol; those that are over only in the total."""
    async with Simulator().serve() as running:
        path, body = request_of("chat", "Hello")
        reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
        writer.write(request_bytes(path, body, KEYS["chat"]).replace(b"connection: close", b"x: y"))
        await reader.readuntil(b"\r\n\r\n")
        (link,) = running.connections.open.values()
        assert ("1.1", False, 1) == (link.http, link.tls, running.log.entries[0].connection)
        await until(lambda: not link.streams)
        assert 1 == link.requests
        await leave(writer)
        await until(lambda: not running.connections.open)
        assert 1 == running.connections.total
