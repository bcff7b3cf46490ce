"""Requests that two servers could read differently: refused, and nothing behind them is looked at.

A proxy in front of the gateway and the gateway must agree on where a request ends (RFC 9112, 11.2).
"""

import asyncio
from typing import Any

import pytest

from .test_listener import engines, on_uvloop, service

SECOND = b"GET /second HTTP/1.1\r\nhost: g\r\n\r\n"


def post(headers: bytes, body: bytes = b"") -> bytes:
    return b"POST /first HTTP/1.1\r\nhost: g\r\n" + headers + b"\r\n\r\n" + body


CHUNKED = b"transfer-encoding: chunked"
LENGTHS = {
    "a length and chunks": post(b"content-length: 4\r\n" + CHUNKED, b"0\r\n\r\n"),
    "chunks and a length": post(CHUNKED + b"\r\ncontent-length: 4", b"0\r\n\r\n"),
    "two lengths": post(b"content-length: 0\r\ncontent-length: 40", b"x"),
    "two lengths in one": post(b"content-length: 0, 40"),
    "a signed length": post(b"content-length: +0"),
    "a negative length": post(b"content-length: -1"),
    "a length in hex": post(b"content-length: 0x0"),
    "a length with underscores": post(b"content-length: 1_0", b"0123456789"),
    "an empty length": post(b"content-length: "),
    "a length of many digits": post(b"content-length: 9999999999999999999999999"),
    "chunks twice": post(CHUNKED + b"\r\n" + CHUNKED, b"0\r\n\r\n"),
    "chunks and identity": post(b"transfer-encoding: chunked, identity", b"0\r\n\r\n"),
    "another coding": post(b"transfer-encoding: gzip, chunked", b"0\r\n\r\n"),
    "almost chunked": post(b"transfer-encoding: xchunked", b"0\r\n\r\n"),
    "chunked with a tab before": post(b"transfer-encoding:\x0bchunked", b"0\r\n\r\n"),
    "chunks in HTTP/1.0": b"POST /first HTTP/1.0\r\nhost: g\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
}
LINES = {
    "a folded header": post(b"x: a\r\n b: c\r\ncontent-length: 0"),
    "a folded length": post(b"content-length:\r\n 0"),
    "a space before the colon": post(b"content-length : 0"),
    "a tab before the colon": post(CHUNKED.replace(b":", b"\t:"), b"0\r\n\r\n"),
    "a space before the name": post(b" content-length: 0"),
    "an empty name": post(b": x\r\ncontent-length: 0"),
    "a NUL": post(b"x: a\0b\r\ncontent-length: 0"),
    "a bare CR in a value": post(b"x: a\rtransfer-encoding: chunked\r\ncontent-length: 0"),
    "a bare LF": b"POST /first HTTP/1.1\nhost: g\ncontent-length: 0\n\n",
    "a bare LF among headers": post(b"x: a\ncontent-length: 0"),
    "two hosts": b"POST /first HTTP/1.1\r\nhost: g\r\nhost: other\r\ncontent-length: 0\r\n\r\n",
    "no host": b"POST /first HTTP/1.1\r\ncontent-length: 0\r\n\r\n",
    "no version": b"GET /first\r\n\r\n",
    "another version": b"GET /first HTTP/3.7\r\nhost: g\r\n\r\n",
    "a control character in the target": b"GET /first\x01 HTTP/1.1\r\nhost: g\r\n\r\n",
    "a length twice": post(b"content-length: 1\r\ncontent-length: 1", b"x"),
    "another host in the target": b"GET http://other/first HTTP/1.1\r\nhost: g\r\n\r\n",
    "a user in the host": b"GET /first HTTP/1.1\r\nhost: g@other\r\n\r\n",
    "a list of hosts": b"GET /first HTTP/1.1\r\nhost: g, other\r\n\r\n",
    "two spaces": b"GET  /first HTTP/1.1\r\nhost: g\r\n\r\n",
    "CONNECT": b"CONNECT other:443 HTTP/1.1\r\nhost: g\r\n\r\n",
    "a control character in a value": post(b"x: \x1b[0m\r\ncontent-length: 0"),
    "a long target": b"GET /" + b"x" * 70_000 + b" HTTP/1.1\r\nhost: g\r\n\r\n",
}
CHUNKS = {
    "a prefix": b"0x1\r\nx\r\n",
    "a sign": b"+1\r\nx\r\n",
    "a minus": b"-1\r\nx\r\n",
    "an underscore": b"1_0\r\n0123456789abcdef\r\n",
    "a space before": b" 1\r\nx\r\n",
    "no size": b"\r\nx\r\n",
    "no number": b"g\r\nx\r\n",
    "a huge size": b"fffffffffffffffffffff\r\nx\r\n",
    "more than its size": b"1\r\nxy\r\n",
    "a bare LF after the size": b"1\nx\r\n",
    "a bare LF after the data": b"1\r\nx\n",
    "a bare CR in an extension": b"1;a\rb\r\nx\r\n",
    "a bare LF in an extension": b"1;a\nb\r\nx\r\n",
    "a bare LF in the trailers": b"1\r\nx\r\n0\r\nx: y\n\n",
    "a bare LF for the trailers": b"1\r\nx\r\n0\r\n\n",
    "a bare LF after the last size": b"1\r\nx\r\n0\n\n",
}


class Seen:
    """Notes what it is asked for, and whether the body came whole."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.whole: list[str] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.asked.append(scope["path"])
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            if not message.get("more_body"):
                break
        self.whole.append(scope["path"])
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})


async def probe(engine: str, raw: bytes) -> tuple[Seen, bytes]:
    """What the application saw, and everything that came back until the connection was closed."""
    seen = Seen()
    async with service(engine, seen) as s:
        peer = await s.connect()
        peer.writer.write(raw)
        async with asyncio.timeout(3):
            try:
                answer = await peer.reader.read()
            except ConnectionError:
                answer = b""
        return seen, answer


@engines
@pytest.mark.parametrize("name", [*LENGTHS, *LINES])
def test_an_ambiguous_head_is_refused(engine: str, name: str) -> None:
    """With a 4xx, and the connection is closed: neither it nor what follows reaches the application."""

    @on_uvloop
    async def run() -> None:
        seen, answer = await probe(engine, {**LENGTHS, **LINES}[name] + SECOND)
        assert [] == seen.whole
        assert "/second" not in seen.asked
        assert answer == b"" or answer.startswith((b"HTTP/1.1 4", b"HTTP/1.1 501", b"HTTP/1.1 505"))
        assert 1 >= answer.count(b"HTTP/1.1 ")

    run()


@engines
@pytest.mark.parametrize("name", CHUNKS)
def test_a_bad_chunk_is_refused(engine: str, name: str) -> None:
    """The body never becomes whole, and the connection is closed: what follows is not taken for a request."""

    @on_uvloop
    async def run() -> None:
        seen, answer = await probe(engine, post(CHUNKED, CHUNKS[name] + b"0\r\n\r\n") + SECOND)
        assert [] == seen.whole
        assert "/second" not in seen.asked
        assert b" 200 " not in answer

    run()


@engines
def test_a_declined_offer_hides_no_request(engine: str) -> None:
    """What follows an offer to switch is that request's body, however it comes, and the next request is the next."""
    inner = b"GET /hidden HTTP/1.1\r\nhost: g\r\n\r\n"
    offer = b"connection: upgrade\r\nupgrade: h2c\r\ncontent-length: %d" % len(inner)
    close = SECOND.replace(b"host: g", b"host: g\r\nconnection: close")

    @on_uvloop
    async def run() -> None:
        for pause in (0.0, 0.05):
            seen = Seen()
            async with service(engine, seen) as s:
                peer = await s.connect()
                peer.writer.write(post(offer))
                await asyncio.sleep(pause)
                peer.writer.write(inner + close)
                async with asyncio.timeout(3):
                    assert 2 == (await peer.reader.read()).count(b"HTTP/1.1 200")
            assert ["/first", "/second"] == seen.asked

    run()


GOOD = {
    "chunks": post(CHUNKED, b"2\r\nhi\r\n0\r\n\r\n"),
    "an extension": post(CHUNKED, b"2;a=b\r\nhi\r\n0\r\n\r\n"),
    "trailers": post(CHUNKED, b"2\r\nhi\r\n0\r\nx: y\r\n\r\n"),
    "a length": post(b"content-length: 2", b"hi"),
    "leading zeros": post(CHUNKED, b"0002\r\nhi\r\n0\r\n\r\n"),
    "the absolute form": b"POST http://g/first HTTP/1.1\r\nhost: g\r\ncontent-length: 0\r\n\r\n",
}


@engines
@pytest.mark.parametrize("name", GOOD)
def test_what_is_clear_is_served(engine: str, name: str) -> None:
    """And so is what follows it."""

    @on_uvloop
    async def run() -> None:
        close = SECOND.replace(b"host: g", b"host: g\r\nconnection: close")
        seen, answer = await probe(engine, GOOD[name] + close)
        assert 2 == answer.count(b"HTTP/1.1 200")
        assert "/second" == seen.whole[-1]

    run()
