"""HTTP/1.1 as a transport."""

import asyncio

from llmgw_pool import ConnectionPool
from llmgw_pool.testing import OK, RawServer
from llmgw_relay.ports import UpstreamRequest


async def test_connections_are_counted_by_origin_and_state():
    """Leased while a call is on it, idle afterwards, and gone with the pool."""

    async def script(peer) -> None:
        while True:
            await peer.request()
            await peer.send(OK + b"content-length: 2\r\n\r\na")
            await asyncio.sleep(0.05)
            await peer.send(b"b")

    async with RawServer(script) as server:
        async with ConnectionPool() as pool:
            request = UpstreamRequest(account=server.account(), path="/", body=b"{}")
            async with pool.open(request) as reply:
                (counted,) = pool.counters().connections
                assert ("http1", server.url, "leased", 1) == (
                    counted.transport,
                    counted.origin,
                    counted.state,
                    counted.count,
                )
                await reply.read(100)
            await asyncio.sleep(0)
            assert ["idle"] == [c.state for c in pool.counters().connections]
        assert () == pool.counters().connections
