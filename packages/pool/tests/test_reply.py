"""Bodies over real sockets: every way in which one can end."""

import asyncio
import contextlib
import time

import pytest

from llmgw_domain import Deadlines
from llmgw_domain.errors import (
    GatewayError,
    UpstreamMalformed,
    UpstreamReset,
    UpstreamSilent,
    UpstreamStalled,
    UpstreamTimeout,
)
from llmgw_pool import ConnectionPool
from llmgw_pool.testing import OK, RawServer
from llmgw_relay.ports import UpstreamRequest

CHUNKED = OK + b"transfer-encoding: chunked\r\n\r\n"


def sends(*pieces, then="close", pause=0.02):
    """A script that sends pieces with pauses, then closes, resets or waits."""

    async def script(peer):
        await peer.request()
        for piece in pieces:
            await peer.send(piece)
            await asyncio.sleep(pause)
        if then == "reset":
            peer.reset()
        if then == "wait":
            await peer.silence()

    return script


@contextlib.asynccontextmanager
async def opened(script, **deadlines):
    """A reply to read by hand; nothing is left leased afterwards."""
    async with RawServer(script) as server, ConnectionPool() as pool:
        request = UpstreamRequest(account=server.account(), path="/", body=b"{}", deadlines=Deadlines(**deadlines))
        async with pool.open(request) as reply:
            yield reply
        assert pool.counters().leased == 0


async def read(script, **deadlines):
    """The pieces that a body brought, and what ended it: None or the error's kind, detail and byte count."""
    pieces, ending = [], None
    async with opened(script, **deadlines) as reply:
        try:
            async for piece in reply.chunks():
                pieces.append(piece)
        except GatewayError as error:
            ending = (type(error), error.detail, error.bytes_received)
    return pieces, ending


async def test_a_stream_arrives_as_it_was_sent():
    """One item comes for each network read, as soon as it is there."""
    pieces = await read(sends(CHUNKED + b"3\r\nabc\r\n", b"3\r\ndef\r\n", b"0\r\n\r\n"))
    assert pieces == ([b"abc", b"def"], None)


@pytest.mark.parametrize("status", [b"204 No Content", b"304 Not Modified"])
async def test_a_reply_without_a_body_is_empty(status):
    """A status that has no body ends at once."""
    assert await read(sends(b"HTTP/1.1 " + status + b"\r\n\r\n", then="wait")) == ([], None)


async def test_a_body_without_a_length_ends_with_its_connection():
    """Without length and chunks the connection's orderly end is the body's."""
    assert await read(sends(OK + b"\r\nabc", b"def")) == ([b"abc", b"def"], None)


async def test_a_body_without_a_length_that_is_reset_is_broken():
    """A RST is no end of a body, even where only the connection delimits it."""
    got = await read(sends(OK + b"\r\nabc", then="reset"))
    assert ([b"abc"], (UpstreamReset, "ECONNRESET after 3 bytes", 3)) == got


async def test_eof_inside_a_chunked_body_is_broken():
    """A chunked body without its last chunk is `UpstreamReset`, with the bytes that came."""
    got = await read(sends(CHUNKED + b"3\r\nabc\r\n", b"9\r\nde"))
    assert ([b"abc", b"de"], (UpstreamReset, "body ended before its framing said so, after 5 bytes", 5)) == got


async def test_eof_short_of_the_length_is_broken():
    """A body shorter than its content-length is `UpstreamReset`."""
    got = await read(sends(OK + b"content-length: 10\r\n\r\nabc"))
    assert ([b"abc"], (UpstreamReset, "body ended before its framing said so, after 3 bytes", 3)) == got


async def test_a_reset_inside_a_body_is_broken():
    """A RST inside a body is `UpstreamReset` with the system's name for it."""
    got = await read(sends(CHUNKED + b"3\r\nabc\r\n", then="reset"))
    assert ([b"abc"], (UpstreamReset, "ECONNRESET after 3 bytes", 3)) == got


async def test_what_came_before_the_break_is_delivered_first():
    """A slow reader still gets every byte that arrived before the connection broke, then the error."""
    async with opened(sends(CHUNKED + b"3\r\nabc\r\n", b"3\r\ndef\r\n", pause=0)) as reply:
        await asyncio.sleep(0.1)
        pieces = reply.chunks()
        assert await anext(pieces) == b"abcdef"
        with pytest.raises(UpstreamReset) as caught:
            await anext(pieces)
        assert caught.value.bytes_received == 6
        with pytest.raises(UpstreamReset):
            await reply.read(10)


async def test_framing_that_makes_no_sense_is_broken():
    """A chunk size that is no number breaks the body."""
    pieces, ending = await read(sends(CHUNKED + b"3\r\nabc\r\n", b"zz\r\n", then="wait"))
    assert ([b"abc"], UpstreamReset) == (pieces, ending[0])


async def test_no_first_event_is_a_timeout():
    """Headers without a body run into the first-byte deadline."""
    got = await read(sends(CHUNKED, then="wait"), first_event=0.05)
    assert ([], (UpstreamSilent, "first_event: no progress in 0.05 s", 0)) == got


async def test_a_stall_is_a_gap_too_long():
    """A body that stops coming is `UpstreamStalled`."""
    got = await read(sends(CHUNKED + b"3\r\nabc\r\n", then="wait"), gap=0.05)
    assert ([b"abc"], (UpstreamStalled, "gap: no progress in 0.05 s", 3)) == got


async def test_steady_bytes_never_stall():
    """A stream whose every gap is below the deadline runs on, although all of it takes longer."""
    pieces = [b"1\r\n%d\r\n" % n for n in range(8)]
    got = await read(sends(CHUNKED, *pieces, b"0\r\n\r\n", pause=0.03), gap=0.15)
    assert ([b"%d" % n for n in range(8)], None) == got


async def test_the_total_deadline_ends_a_steady_stream():
    """However steady, a stream ends at the total deadline."""
    pieces = [b"1\r\nx\r\n"] * 40
    pieces_got, ending = await read(sends(CHUNKED, *pieces, pause=0.01), total=0.1)
    assert (UpstreamTimeout, "total: over 0.1 s") == ending[:2]
    assert 1 < len(pieces_got) < 20


async def test_no_deadline_waits():
    """With every deadline off, a late body is simply read."""
    off = dict.fromkeys(("connect", "headers", "first_event", "gap", "total"))
    assert await read(sends(CHUNKED, b"3\r\nabc\r\n0\r\n\r\n", pause=0.1), **off) == ([b"abc"], None)


async def test_a_slow_client_is_not_a_gap():
    """Time in which nobody waits for the provider does not count against it."""

    async def script(peer):
        await peer.request()
        await peer.send(CHUNKED + b"3\r\nabc\r\n")
        await asyncio.sleep(0.02)
        await peer.send(b"3\r\ndef\r\n")
        await asyncio.sleep(0.2)
        await peer.send(b"3\r\nghi\r\n0\r\n\r\n")

    async with opened(script, gap=0.1) as reply:
        pieces = reply.chunks()
        assert [await anext(pieces), await anext(pieces)] == [b"abc", b"def"]
        await asyncio.sleep(0.25)
        assert [piece async for piece in pieces] == [b"ghi"]


async def test_a_reply_read_to_its_end_lets_go_of_the_connection():
    """Closing a finished reply does not touch the call that uses its connection by then."""

    async def script(peer):
        await peer.request()
        await peer.answer()
        await peer.request()
        await peer.send(CHUNKED + b"3\r\nabc\r\n")
        await asyncio.sleep(0.05)
        await peer.send(b"zz\r\n")
        await peer.silence()

    async with RawServer(script) as server, ConnectionPool() as pool:
        request = UpstreamRequest(account=server.account(), path="/", body=b"{}", deadlines=Deadlines(gap=1))
        async with pool.open(request) as first:
            assert await first.read(10) == b"hello"
            second = pool.open(request)
            reply = await second.__aenter__()
        with pytest.raises(UpstreamReset):
            await reply.read(10)
        await second.__aexit__(None, None, None)
        assert (server.connections, pool.counters().leased) == (1, 0)


async def test_a_compressed_answer_is_malformed():
    """An answer that is compressed although identity was asked for can't be read; status and headers still can."""
    async with opened(sends(OK + b"content-encoding: gzip\r\ncontent-length: 3\r\n\r\nabc")) as reply:
        assert reply.status == 200
        with pytest.raises(UpstreamMalformed) as caught:
            await reply.read(10)
        assert caught.value.upstream_status == 200


async def test_a_body_over_the_limit_is_malformed():
    """Reading whole stops at the limit; a body of exactly the limit is read."""
    big = OK + b"content-length: 100000\r\n\r\n" + b"x" * 100_000

    async def script(peer):
        while await peer.request():
            await peer.send(big)

    async with RawServer(script) as server, ConnectionPool() as pool:
        request = UpstreamRequest(account=server.account(), path="/", body=b"{}")
        async with pool.open(request) as reply:
            with pytest.raises(UpstreamMalformed):
                await reply.read(99_999)
        async with pool.open(request) as reply:
            assert len(await reply.read(100_000)) == 100_000
        assert pool.counters().leased == 0


async def test_a_client_that_does_not_read_holds_little():
    """A stream that nobody reads is bounded: the provider's bytes stay in the kernel and at the provider."""
    sent = 0

    async def flood(peer):
        nonlocal sent
        await peer.request()
        await peer.send(CHUNKED)
        while True:
            await peer.send(b"10000\r\n" + b"x" * 65536 + b"\r\n")
            sent += 65536

    async with opened(flood) as reply:
        last, until = -1, time.monotonic() + 5
        while sent != last and time.monotonic() < until:
            last = sent
            await asyncio.sleep(0.2)
        assert reply._body._content.total_bytes <= 1 << 20
        assert sent < 40 << 20
