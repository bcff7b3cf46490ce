"""HTTP/2 as a transport: what goes on the wire, and cancellation at any moment."""

import asyncio
import random

from llmgw_pool import ConnectionPool
from llmgw_pool.testing_http2 import Http2Server
from llmgw_relay.ports import UpstreamRequest


async def test_a_request_on_the_wire():
    """Pseudo-headers first, names in lower case, no header of HTTP/1.1's own."""

    async def script(served) -> None:
        await served.answer()

    async with Http2Server(script) as server, ConnectionPool() as pool:
        request = UpstreamRequest(
            account=server.account(), path="/v1/x", query="a=b", body=b"{}", headers=(("X-Custom", "1"),)
        )
        async with pool.open(request) as reply:
            assert b"hello" == await reply.read(100)
        headers = server.served[0].headers
        assert ("POST", "http", "/v1/x?a=b", "1", "2") == tuple(
            headers[n] for n in (":method", ":scheme", ":path", "x-custom", "content-length")
        )
        assert not {"host", "connection", "transfer-encoding"} & set(headers)


async def test_a_storm_of_cancellations_leaves_nothing():
    """600 calls, each cancelled at a random moment: leases, streams and tasks return to zero."""
    rand = random.Random(7)

    async def script(served) -> None:
        await served.ended.wait()
        await asyncio.sleep(rand.random() * 0.01)
        await served.head()
        for _ in range(5):
            await served.send(b"x" * 1000)
            await asyncio.sleep(rand.random() * 0.01)
        await served.send(b"", end=True)

    async with Http2Server(script) as server, ConnectionPool() as pool:
        request = UpstreamRequest(account=server.account(), path="/", body=b"{}")

        async def one() -> None:
            async with pool.open(request) as reply:
                await reply.read(1 << 20)

        for _ in range(6):
            calls = [asyncio.get_running_loop().create_task(one()) for _ in range(100)]
            for call in calls:
                asyncio.get_running_loop().call_later(rand.random() * 0.06, call.cancel)
            await asyncio.gather(*calls, return_exceptions=True)
        assert 0 == pool.counters().leased
        assert {"idle"} == {c.state for c in pool.counters().connections}
