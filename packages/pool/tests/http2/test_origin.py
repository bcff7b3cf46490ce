"""Which connection takes the next request."""

import asyncio

from llmgw_pool import ConnectionPool, PoolConfig
from llmgw_pool.testing_http2 import Http2Server
from llmgw_relay.ports import UpstreamRequest


async def test_many_at_once_share_as_few_connections_as_the_cap_allows():
    """25 requests at 10 a connection are three connections, dialled together."""
    go = asyncio.Event()

    async def script(served) -> None:
        await served.ended.wait()
        await go.wait()
        await served.answer()

    async with Http2Server(script) as server, ConnectionPool(PoolConfig(max_streams_per_connection=10)) as pool:
        request = UpstreamRequest(account=server.account(), path="/", body=b"{}")

        async def one() -> bytes:
            async with pool.open(request) as reply:
                return await reply.read(100)

        calls = [asyncio.get_running_loop().create_task(one()) for _ in range(25)]
        async with asyncio.timeout(5):
            while len(server.served) < 25:  # noqa: ASYNC110 - what is waited for has no event
                await asyncio.sleep(0.005)
        assert 3 == len(server.connections)
        assert max(len(connection.streams) for connection in server.connections) <= 10
        go.set()
        assert [b"hello"] * 25 == await asyncio.gather(*calls)


async def test_a_dial_that_nobody_waits_for_is_given_up():
    """A caller that leaves while it is connected to leaves nothing behind."""

    async def script(served) -> None:
        await served.answer()

    async with Http2Server(script) as server, ConnectionPool() as pool:
        request = UpstreamRequest(account=server.account(), path="/", body=b"{}")
        entering = asyncio.get_running_loop().create_task(pool.open(request).__aenter__())
        await asyncio.sleep(0)
        entering.cancel()
        await asyncio.wait([entering])
        await asyncio.sleep(0.05)
        assert (0, 0) == (pool.counters().leased, len(server.served))
