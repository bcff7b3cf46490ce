"""Ending connections below every protocol."""

import asyncio

import pytest

from llmgw_simulator.breaking import cut, vanish
from llmgw_simulator.testing import leave


@pytest.fixture
async def pair():
    """The transport of a server's connection, and its client's reader and writer."""
    made: asyncio.Future[asyncio.Transport] = asyncio.get_running_loop().create_future()

    class Server(asyncio.Protocol):
        def connection_made(self, transport):
            made.set_result(transport)

    server = await asyncio.get_running_loop().create_server(Server, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection("127.0.0.1", server.sockets[0].getsockname()[1])
    yield await made, reader, writer
    server.close()
    await leave(writer)


@pytest.mark.parametrize("how", ["fin", "reset"])
async def test_a_cut_lets_what_was_written_out(pair, how):
    """FIN is an end of file, RST an error, both after the last byte."""
    transport, reader, _ = pair
    transport.write(b"x" * 100_000)
    await asyncio.gather(cut(transport, how), reader.readexactly(100_000))
    if how == "fin":
        assert b"" == await reader.read()
    else:
        with pytest.raises(ConnectionResetError):
            await reader.read()


async def test_what_vanished_is_over_when_its_caller_leaves(pair):
    """It stays open until then, though nothing is read."""
    transport, _, writer = pair
    vanishing = asyncio.get_running_loop().create_task(vanish(transport))
    await asyncio.sleep(0.15)
    assert not vanishing.done()
    writer.close()
    async with asyncio.timeout(2):
        await vanishing
    assert transport.is_closing()
