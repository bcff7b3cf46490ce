"""One connection: signs of life, endings, and what each means to the streams."""

import asyncio
from collections.abc import Callable

import pytest

from llmgw_domain import Deadlines
from llmgw_domain.errors import UpstreamReset, UpstreamStalled, UpstreamUnreachable
from llmgw_pool import ConnectionPool, PoolConfig
from llmgw_pool.pool import Lease
from llmgw_pool.testing_http2 import Http2Server
from llmgw_relay.ports import UpstreamRequest

QUICK = PoolConfig(ping_interval_seconds=0.1, ping_timeout_seconds=0.1)


def request(server: Http2Server, **more) -> UpstreamRequest:
    return UpstreamRequest(account=server.account(), path="/v1/x", body=b"{}", **more)


async def whole(lease: Lease) -> bytes:
    async with lease as reply:
        return await reply.read(1 << 20)


async def until(condition: Callable[[], bool], seconds: float = 5.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.005)


async def silent(served) -> None:
    """Headers and a byte, then nothing."""
    await served.ended.wait()
    await served.head()
    await served.send(b"a")
    await served.silence()


async def test_a_silent_stream_that_is_alive_goes_on():
    """PINGs are answered, so the silence may last."""

    async def thinks(served) -> None:
        await served.ended.wait()
        await asyncio.sleep(0.5)
        await served.head()
        await asyncio.sleep(0.5)
        await served.send(b"done", end=True)

    async with Http2Server(thinks) as server, ConnectionPool(QUICK) as pool:
        assert b"done" == await whole(pool.open(request(server)))
        assert 5 <= server.connections[0].pings <= 11
        assert pool.counters().pings["answered"] == server.connections[0].pings


@pytest.mark.parametrize("when", ["headers", "body"])
async def test_without_a_sign_of_life_it_is_dead(when):
    """Before the headers and in mid-stream, within interval and timeout together; it was suspect before."""

    async def dies(served) -> None:
        await served.ended.wait()
        if when == "body":
            await served.head()
            await served.send(b"a")
            await asyncio.sleep(0.02)
        served.connection.deaf = True

    async with Http2Server(dies) as server, ConnectionPool(QUICK) as pool:
        lease, loop = pool.open(request(server)), asyncio.get_running_loop()
        began, suspect_at = loop.time(), []

        async def watch() -> None:
            await until(lambda: not lease.alive)
            suspect_at.append(loop.time() - began)

        watching = loop.create_task(watch())
        with pytest.raises(UpstreamReset) as caught:
            await whole(lease)
        took = loop.time() - began
        await watching
        assert "PING unanswered" in (caught.value.detail or "")
        assert 0.15 < took < 0.6
        assert suspect_at[0] < took
        assert 1 == pool.counters().pings["unanswered"]
        assert (0, 0) == (pool.counters().leased, pool.counters().open)


async def test_idle_connections_are_not_pinged():
    """Some edges take it for abuse."""

    async def script(served) -> None:
        await served.answer()

    async with Http2Server(script) as server, ConnectionPool(QUICK) as pool:
        await whole(pool.open(request(server)))
        await asyncio.sleep(0.4)
        assert (0, 1) == (server.connections[0].pings, pool.counters().idle)
        # The next request asks at once whether anybody is there, since nothing was heard for so long.
        await whole(pool.open(request(server)))
        assert 1 == server.connections[0].pings


async def test_pings_can_be_off():
    """An interval of 0."""
    config = PoolConfig(ping_interval_seconds=0, ping_timeout_seconds=0.05)
    async with Http2Server(silent) as server, ConnectionPool(config) as pool:
        async with pool.open(request(server, deadlines=Deadlines(gap=0.3))) as reply:
            with pytest.raises(UpstreamStalled):
                await reply.read(100)
        assert 0 == server.connections[0].pings


async def test_goaway_drains():
    """All 50 streams of the connection complete, and new ones open elsewhere."""
    go = asyncio.Event()

    async def waits(served) -> None:
        await served.ended.wait()
        await served.head()
        await served.send(b"one ")
        await go.wait()
        await served.send(b"two", end=True)

    async with Http2Server(waits) as server, ConnectionPool() as pool:
        calls = [asyncio.get_running_loop().create_task(whole(pool.open(request(server)))) for _ in range(50)]
        await until(lambda: len(server.served) == 50 and all(s.ended.is_set() for s in server.served))
        assert 1 == len(server.connections)
        server.connections[0].go_away()
        await asyncio.sleep(0.05)
        calls.append(asyncio.get_running_loop().create_task(whole(pool.open(request(server)))))
        await asyncio.sleep(0.05)
        assert {"draining": 1, "leased": 1} == {c.state: c.count for c in pool.counters().connections}
        go.set()
        assert [b"one two"] * 51 == await asyncio.gather(*calls)
        await asyncio.sleep(0.05)
        assert (2, 1, {}) == (len(server.connections), server.left, pool.counters().resent_total)


async def test_streams_above_goaways_last_one_are_sent_again():
    """They were not processed, so nobody notices, not even of what may be sent once only."""

    async def script(served) -> None:
        await served.ended.wait()
        if served.connection.number == 1:
            served.connection.go_away(last=0)
            return
        await served.answer(b"second")

    async with Http2Server(script) as server, ConnectionPool() as pool:
        assert b"second" == await whole(pool.open(request(server, once=True)))
        assert {"a": 1} == pool.counters().resent_total


async def test_a_refused_stream_is_sent_again():
    """REFUSED_STREAM is invisible to the caller."""
    refusals = [True, True]

    async def script(served) -> None:
        if refusals and refusals.pop():
            served.refuse()
            return
        await served.answer()

    async with Http2Server(script) as server, ConnectionPool() as pool:
        assert b"hello" == await whole(pool.open(request(server, once=True)))
        assert ({"a": 2}, 1) == (pool.counters().resent_total, len(server.connections))


async def test_refused_again_and_again_was_not_processed():
    """In the end it is the caller's to try elsewhere; nothing was done."""

    async def script(served) -> None:
        served.refuse()

    async with Http2Server(script) as server, ConnectionPool() as pool:
        with pytest.raises(UpstreamUnreachable, match="reach") as caught:
            await whole(pool.open(request(server)))
        assert "REFUSED_STREAM" in (caught.value.detail or "")
        assert (4, 0) == (len(server.served), pool.counters().leased)


async def test_any_other_reset_is_not_repeated():
    """Nobody knows what the provider did before it."""

    async def script(served) -> None:
        await served.ended.wait()
        served.refuse(code=2)

    async with Http2Server(script) as server, ConnectionPool() as pool:
        with pytest.raises(UpstreamReset):
            await whole(pool.open(request(server)))
        assert 1 == len(server.served)


async def test_enhance_your_calm_stretches_the_interval():
    """The origin is asked half as often from then on, and the call goes on elsewhere."""

    async def script(served) -> None:
        await served.ended.wait()
        if served.connection.number == 1:
            await asyncio.sleep(0.15)
            served.connection.go_away(last=0, code=11)
            return
        await asyncio.sleep(0.55)
        await served.answer()

    async with Http2Server(script) as server, ConnectionPool(QUICK) as pool:
        await whole(pool.open(request(server)))
        assert 1 <= server.connections[1].pings <= 3


@pytest.mark.parametrize("once", [False, True])
async def test_a_kept_connection_that_dies_unheard(once):
    """The request is sent once more on a fresh connection; what may be sent once only is not."""

    async def script(served) -> None:
        await served.ended.wait()
        if len(server.served) == 2:
            served.connection.transport.abort()
            return
        await served.answer()

    async with Http2Server(script) as server, ConnectionPool() as pool:
        await whole(pool.open(request(server)))
        if once:
            with pytest.raises(UpstreamReset):
                await whole(pool.open(request(server, once=True)))
        else:
            assert b"hello" == await whole(pool.open(request(server)))
        assert (2 if not once else 1, 0) == (len(server.connections), pool.counters().leased)


async def test_a_connection_that_dies_in_mid_stream_is_told():
    """With what came, and never as an end."""

    async def script(served) -> None:
        await served.ended.wait()
        await served.head()
        await served.send(b"abc")
        await asyncio.sleep(0.05)
        served.connection.transport.abort()

    async with Http2Server(script) as server, ConnectionPool() as pool:
        async with pool.open(request(server)) as reply:
            chunks = reply.chunks()
            assert b"abc" == await anext(chunks)
            with pytest.raises(UpstreamReset) as caught:
                await anext(chunks)
        assert 3 == caught.value.bytes_received


async def test_an_old_connection_is_replaced():
    """So a name that leads elsewhere is followed; the old one ends with its last stream."""

    async def script(served) -> None:
        await served.answer()

    async with Http2Server(script) as server, ConnectionPool(PoolConfig(max_age_seconds=0.1)) as pool:
        await whole(pool.open(request(server)))
        await asyncio.sleep(0.15)
        await whole(pool.open(request(server)))
        assert 2 == len(server.connections)


async def test_an_idle_connection_is_closed():
    """After the keep-alive time, before its provider does it."""

    async def script(served) -> None:
        await served.answer()

    async with Http2Server(script) as server, ConnectionPool(PoolConfig(keepalive_seconds=0.05)) as pool:
        await whole(pool.open(request(server)))
        await asyncio.sleep(0.15)
        assert (0, 1) == (pool.counters().open, server.left)
