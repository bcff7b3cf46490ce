"""Requests that two readers could understand differently, and headers that say who the client is, from strangers.

They go over real sockets to a gateway on each engine; `tests/faults/test_hostile_clients.py` has the many and the slow.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

CHAT = "POST /v1/chat/completions HTTP/1.1\r\nhost: gateway\r\nauthorization: Bearer {key}\r\nx-request-id: {id}\r\n"
BODY = b'{"model": "sim/gpt", "messages": [{"role": "user", "content": "Hi"}]}'

PROBES = {
    "length and coding": b"content-length: %(size)d\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "two lengths": b"content-length: %(size)d\r\ncontent-length: 0\r\n\r\n",
    "two codings": b"transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked, identity": b"transfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "xchunked": b"transfer-encoding: xchunked\r\n\r\n0\r\n\r\n",
    "vertical tab": b"transfer-encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "space before the colon": b"transfer-encoding : chunked\r\n\r\n0\r\n\r\n",
    "folded header": b"x: a\r\n b\r\ncontent-length: 0\r\n\r\n",
    "bare line feeds": b"x: a\ncontent-length: 0\n\n",
    "bare carriage return": b"x: a\rcontent-length: 0\r\n\r\n",
    "NUL": b"x: a\x00b\r\ncontent-length: 0\r\n\r\n",
    "chunk size 0x10": b"transfer-encoding: chunked\r\n\r\n0x10\r\n0123456789abcdef\r\n0\r\n\r\n",
    "chunk size +5": b"transfer-encoding: chunked\r\n\r\n+5\r\nhello\r\n0\r\n\r\n",
    "chunk size -1": b"transfer-encoding: chunked\r\n\r\n-1\r\nhello\r\n0\r\n\r\n",
    "chunk size 1_0": b"transfer-encoding: chunked\r\n\r\n1_0\r\n0123456789abcdef\r\n0\r\n\r\n",
    "huge chunk size": b"transfer-encoding: chunked\r\n\r\nfffffffffffffffff\r\nhello\r\n0\r\n\r\n",
    "no line end behind a chunk": b"transfer-encoding: chunked\r\n\r\n5\r\nhello0\r\n\r\n",
    "line feed in an extension": b"transfer-encoding: chunked\r\n\r\n5;a\nb\r\nhello\r\n0\r\n\r\n",
    "length in the trailers": b"transfer-encoding: chunked\r\n\r\n0\r\ncontent-length: 5\r\n\r\n",
    "two hosts": b"host: other\r\ncontent-length: 0\r\n\r\n",
    "long first line": b"",
    "other host in the target": b"",
    "HTTP/0.9": b"",
}
"""What follows the first lines of a request; those that are empty have a first line of their own."""

FIRST = {
    "long first line": b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nhost: gateway\r\n\r\n",
    "other host in the target": b"GET http://other/v1/models HTTP/1.1\r\nhost: gateway\r\n\r\n",
    "HTTP/0.9": b"GET /v1/models\r\n\r\n",
}


def request(key: str, id: str, rest: bytes = b"", body: bytes = BODY) -> bytes:
    rest = rest or b"content-length: %d\r\n\r\n%b" % (len(body), body)
    return CHAT.format(key=key, id=id).encode() + rest


class Peer:
    """A client that speaks HTTP by hand."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def rest(self) -> bytes:
        """All that comes until the connection ends, however it ends."""
        got = b""
        try:
            async with asyncio.timeout(10):
                while data := await self.reader.read(1 << 16):
                    got += data
        except ConnectionResetError:
            pass
        return got


@asynccontextmanager
async def connected(stack: Any) -> AsyncIterator[Peer]:
    bind = stack.gateway.data_bind
    reader, writer = await asyncio.open_connection(bind.host, bind.port)
    try:
        yield Peer(reader, writer)
    finally:
        writer.transport.abort()


async def eventually(condition: Any, seconds: float = 5.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.01)


async def test_ambiguous_requests_are_refused_and_what_follows_is_not_run(stack):
    """Every probe is answered with an error, once, and closed; the request behind it reaches nobody."""
    statuses = {}
    for name, rest in PROBES.items():
        async with connected(stack) as peer:
            rest = rest.replace(b"%(size)d", b"%d" % len(BODY))
            probe = FIRST.get(name) or request(stack.key, "probe", rest)
            peer.writer.write(probe + request(stack.key, "smuggled"))
            statuses[name] = re.findall(rb"HTTP/1\.1 (\d+)", await peer.rest())
    assert all(found and found[0] in (b"400", b"414", b"501") and len(found) == 1 for found in statuses.values()), (
        statuses
    )
    assert [] == [line for line in stack.requests if line["request_id"] != "probe" or line["status"] < 400]
    assert [] == await stack.upstream_saw()


async def test_a_probe_behind_a_good_request_spoils_nothing(stack):
    """The good one is answered, then the connection ends without another answer's being run."""
    async with connected(stack) as peer:
        peer.writer.write(request(stack.key, "good"))
        head = await peer.reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200")
        peer.writer.write(request(stack.key, "probe", PROBES["length and coding"].replace(b"%(size)d", b"9")))
        peer.writer.write(request(stack.key, "smuggled"))
        assert re.findall(rb"HTTP/1\.1 (\d+)", await peer.rest()) == [b"400"]
    assert {"good"} == {line["request_id"] for line in stack.requests}


async def test_a_declined_switch_loses_no_byte(stack):
    """A request that offers another protocol is answered as any other, and so is the one right behind it."""
    offer = b"connection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABk\r\n"
    whole = b"content-length: %d\r\n\r\n%b" % (len(BODY), BODY)
    async with connected(stack) as peer:
        peer.writer.write(
            request(stack.key, "one", offer + whole) + request(stack.key, "two", b"connection: close\r\n" + whole)
        )
        assert re.findall(rb"HTTP/1\.1 (\d+)", await peer.rest()) == [b"200", b"200"]
    await eventually(lambda: len(stack.requests) == 2)
    assert ["one", "two"] == [line["request_id"] for line in stack.requests]


@pytest.mark.parametrize("engine", ["hypercorn", "uvicorn"])
async def test_only_a_trusted_proxy_says_who_the_client_is(open_stack, caller, engine):
    """The log has the client's address behind a proxy that is configured, and the peer's where none is."""
    forged = {"x-forwarded-for": "198.51.100.5, 203.0.113.9"}
    for server, expected in (('trusted_proxies = ["127.0.0.0/8"]', "203.0.113.9"), ("", "127.0.0.1")):
        async with open_stack(engine=engine, server=server) as stack:
            call = caller(stack)
            await call(headers=forged)
            assert expected == (await call.logged())[0]["client"]
