"""A request's body at the provider's pace, a response's at its reader's, and giving up."""

import asyncio

import pytest
from h2.settings import SettingCodes

from llmgw_domain import Deadlines
from llmgw_domain.errors import UpstreamReset, UpstreamTimeout
from llmgw_pool import ConnectionPool, PoolConfig
from llmgw_pool.testing_http2 import Http2Server
from llmgw_relay.ports import UpstreamRequest

WINDOW = 1 << 18


def request(server: Http2Server, body: bytes = b"{}", **more) -> UpstreamRequest:
    return UpstreamRequest(account=server.account(), path="/v1/x", body=body, **more)


async def answers(served) -> None:
    await served.answer()


async def test_a_large_body_waits_for_its_window():
    """Bodies of many windows arrive whole; one that is streamed too."""

    async def counts(served) -> None:
        await served.ended.wait()
        await served.head()
        await served.send(b"%d" % len(served.body), end=True)

    async def upload():
        for _ in range(30):
            yield b"z" * 100_000

    async with Http2Server(counts) as server, ConnectionPool() as pool:
        async with pool.open(request(server, b"x" * 3_000_000)) as reply:
            assert b"3000000" == await reply.read(100)
        async with pool.open(request(server, b"", upload=upload(), once=True)) as reply:
            assert b"3000000" == await reply.read(100)


async def test_a_provider_that_never_opens_its_window_is_late():
    """The headers' deadline holds for sending as well, and nothing is left."""
    settings = {SettingCodes.INITIAL_WINDOW_SIZE: 10}
    async with Http2Server(answers, settings=settings, reads=False) as server, ConnectionPool() as pool:
        # The provider's settings are known from the first answer on.
        async with pool.open(request(server)) as reply:
            await reply.read(100)
        with pytest.raises(UpstreamTimeout):
            async with pool.open(request(server, b"x" * 1000, deadlines=Deadlines(headers=0.1))):
                pass
        await asyncio.sleep(0.02)
        assert (8, 0) == (server.served[1].reset, pool.counters().leased)


async def test_a_refusal_in_the_middle_of_the_body_is_heard():
    """The rest of it is not sent."""

    async def refuses(served) -> None:
        await served.head(413, end=False)
        await served.send(b"too large", end=True)

    async with Http2Server(refuses, reads=False) as server, ConnectionPool() as pool:
        async with pool.open(request(server, b"x" * 3_000_000)) as reply:
            assert (413, b"too large") == (reply.status, await reply.read(100))
        await asyncio.sleep(0.02)
        assert 0 == server.served[0].reset


async def test_a_client_that_does_not_read_holds_one_window_and_nobody_else_back():
    """Its provider stops at the window; other streams of the same connection keep their pace."""
    sent = 0

    async def script(served) -> None:
        nonlocal sent
        await served.ended.wait()
        await served.head()
        if served.headers[":path"] == "/v1/flood":
            while True:
                await served.send(b"x" * 16384)
                sent += 16384
        for _ in range(200):
            await served.send(b"y" * 16384)
        await served.send(b"", end=True)

    config = PoolConfig(stream_window_bytes=WINDOW)
    async with Http2Server(script) as server, ConnectionPool(config) as pool:
        flood = UpstreamRequest(account=server.account(), path="/v1/flood", body=b"{}")
        async with pool.open(flood) as reply:
            chunks = reply.chunks()
            await anext(chunks)
            for _ in range(3):
                async with pool.open(request(server)) as other:
                    assert 200 * 16384 == len(await other.read(1 << 23))
            assert sent <= 2 * WINDOW
            assert 1 == len(server.connections)
            await chunks.aclose()
        await asyncio.sleep(0.02)
        assert (8, 0) == (server.served[0].reset, pool.counters().leased)


async def test_what_is_given_up_gives_its_window_back():
    """Streams that are left with unread bytes do not eat up the connection: 400 windows' worth go through it."""

    async def floods(served) -> None:
        await served.ended.wait()
        await served.head()
        await served.send(b"x" * WINDOW)

    config = PoolConfig(stream_window_bytes=WINDOW)
    async with Http2Server(floods) as server, ConnectionPool(config) as pool:
        for _ in range(150):
            async with pool.open(request(server)) as reply:
                chunks = reply.chunks()
                await anext(chunks)
                await chunks.aclose()
        assert 1 == len(server.connections)


async def test_giving_up_is_told_at_once():
    """RST_STREAM with CANCEL, and the connection goes on."""

    async def script(served) -> None:
        if served.id == 1:
            await served.ended.wait()
            await served.head()
            await served.send(b"a")
            await served.silence()
        else:
            await served.answer()

    async with Http2Server(script) as server, ConnectionPool() as pool:
        loop = asyncio.get_running_loop()
        async with pool.open(request(server)) as reply:
            chunks = reply.chunks()
            await anext(chunks)
            await chunks.aclose()
            left = loop.time()
        await server.served[0].gone.wait()
        assert (8, True) == (server.served[0].reset, loop.time() - left < 0.1)
        async with pool.open(request(server)) as reply:
            assert b"hello" == await reply.read(100)
        assert 1 == len(server.connections)


async def test_an_answer_without_its_end_is_broken():
    """A reset after some bytes, even with NO_ERROR, is no end."""

    async def script(served) -> None:
        await served.ended.wait()
        await served.head()
        await served.send(b"abc")
        served.refuse(code=0)

    async with Http2Server(script) as server, ConnectionPool() as pool, pool.open(request(server)) as reply:
        chunks = reply.chunks()
        assert b"abc" == await anext(chunks)
        with pytest.raises(UpstreamReset):
            await anext(chunks)


async def test_a_refusal_behind_the_head_is_a_break():
    """Nobody sends again what has been answered in part; and it is an error like any other."""

    async def refuses(served) -> None:
        await served.ended.wait()
        await served.head()
        await served.send(b"part")
        served.refuse()

    async with Http2Server(refuses) as server, ConnectionPool() as pool:
        with pytest.raises(UpstreamReset):
            async with pool.open(request(server)) as reply:
                await reply.read(100)
        assert (1, 0) == (len(server.served), pool.counters().leased)


async def test_an_answer_to_what_was_disowned_is_not_heard():
    """A GOAWAY below a stream, and then its answer in the same breath: it has been sent again by then."""

    async def contradicts(served) -> None:
        await served.ended.wait()
        if len(server.served) == 1:
            served.connection.go_away(last=0)
            await served.head()
            await served.send(b"never", end=True)
        else:
            await served.answer(b"again")

    async with Http2Server(contradicts) as server, ConnectionPool() as pool:
        async with pool.open(request(server)) as reply:
            assert b"again" == await reply.read(100)
        assert (2, 2, 0) == (len(server.served), len(server.connections), pool.counters().leased)
