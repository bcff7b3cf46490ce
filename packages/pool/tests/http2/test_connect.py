"""Sockets for HTTP/2: refusals, and a proxy's tunnel."""

import asyncio

import msgspec
import pytest

from llmgw_domain import Secret
from llmgw_domain.errors import UpstreamUnreachable
from llmgw_pool import ConnectionPool
from llmgw_pool.testing_http2 import Http2Server
from llmgw_relay.ports import UpstreamRequest


async def answers(served) -> None:
    await served.answer()


async def test_nobody_listens(unused_tcp_port):
    """It is `UpstreamUnreachable` with the system's reason, and nothing is left."""
    async with Http2Server(answers) as server, ConnectionPool() as pool:
        account = msgspec.structs.replace(server.account(), base_url=f"http://127.0.0.1:{unused_tcp_port}")
        with pytest.raises(UpstreamUnreachable) as caught:
            async with pool.open(UpstreamRequest(account=account, path="/", body=b"{}")):
                pass
        assert "connect: ECONNREFUSED" == caught.value.detail
        assert (0, 0) == (pool.counters().leased, pool.counters().open)


@pytest.mark.parametrize(("status", "reached"), [(b"200 OK", True), (b"407 No", False)])
async def test_a_tunnel_through_a_proxy(status, reached):
    """CONNECT with the credentials of its address; a refusal is told with its status."""
    heads = []

    async def proxy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 " + status + b"\r\n\r\n")
        if reached:
            up_reader, up_writer = await asyncio.open_connection("127.0.0.1", server.port)
            await asyncio.wait(
                [asyncio.get_running_loop().create_task(c) for c in (copy(reader, up_writer), copy(up_reader, writer))]
            )
            up_writer.close()
        writer.close()

    async def copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while data := await source.read(65536):
            sink.write(data)
        sink.close()

    async with Http2Server(answers) as server, await asyncio.start_server(proxy, "127.0.0.1", 0) as listening:
        port = listening.sockets[0].getsockname()[1]
        account = msgspec.structs.replace(server.account(), proxy=Secret(f"http://me:p%40ss@127.0.0.1:{port}"))
        request = UpstreamRequest(account=account, path="/", body=b"{}")
        async with ConnectionPool() as pool:
            if reached:
                async with pool.open(request) as reply:
                    assert b"hello" == await reply.read(100)
            else:
                with pytest.raises(UpstreamUnreachable) as caught:
                    async with pool.open(request):
                        pass
                assert "proxy: refused with 407" == caught.value.detail
        assert heads[0].startswith(b"CONNECT 127.0.0.1:")
        assert b"Proxy-Authorization: Basic bWU6cEBzcw==" in heads[0]
