"""Where requests begin and end, and what is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmgw_gateway.serving.framing import Framing, Malformed, plain_answer

HEAD = b"POST /v1/x?a=b HTTP/1.1\r\nhost: gateway:8080\r\n"
CHUNKED = HEAD + b"transfer-encoding: chunked\r\n\r\n"

GOOD = {
    "no body": HEAD + b"\r\n",
    "HTTP/1.0 without a host": b"GET / HTTP/1.0\r\n\r\n",
    "every server": b"OPTIONS * HTTP/1.1\r\nhost:\r\n\r\n",
    "IPv6": b"GET / HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n",
    "absolute target": b"GET http://Gateway/x HTTP/1.1\r\nhost: gateway\r\n\r\n",
    "white space around values": HEAD + b"content-length: \t 2 \t\r\nempty:\r\n\r\n{}",
    "bytes above ASCII in a value": HEAD + b"x: caf\xc3\xa9\r\n\r\n",
    "no bytes": HEAD + b"content-length: 0\r\n\r\n",
    "a body that looks like a header": HEAD + b"content-length: 9\r\n\r\nA\nB\x00\r\n\r\nC",
    "chunks": CHUNKED + b"5\r\nhello\r\nA;x=y\r\n0123456789\r\n0\r\n\r\n",
    "leading zeros": CHUNKED + b"0002\r\nhi\r\n000\r\n\r\n",
    "trailers": CHUNKED + b"2\r\nhi\r\n0\r\nx: y\r\nz: \r\n\r\n",
    "no chunks": HEAD + b"Transfer-Encoding:\tChunked \r\n\r\n0\r\n\r\n",
}

BAD = {
    "length and coding": (HEAD + b"content-length: 6\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    "coding and length": (HEAD + b"transfer-encoding: chunked\r\ncontent-length: 6\r\n\r\n0\r\n\r\n", 400),
    "two lengths": (HEAD + b"content-length: 6\r\ncontent-length: 5\r\n\r\n", 400),
    "a length twice": (HEAD + b"content-length: 5\r\ncontent-length: 5\r\n\r\n", 400),
    "a list of lengths": (HEAD + b"content-length: 5, 5\r\n\r\n", 400),
    "a signed length": (HEAD + b"content-length: +5\r\n\r\n", 400),
    "a negative length": (HEAD + b"content-length: -1\r\n\r\n", 400),
    "a length with an underscore": (HEAD + b"content-length: 1_0\r\n\r\n", 400),
    "a hexadecimal length": (HEAD + b"content-length: 0x5\r\n\r\n", 400),
    "an empty length": (HEAD + b"content-length:\r\n\r\n", 400),
    "a huge length": (HEAD + b"content-length: 99999999999999999999\r\n\r\n", 400),
    "two codings": (HEAD + b"transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n", 501),
    "a coding and an unknown one": (HEAD + b"transfer-encoding: x\r\ntransfer-encoding: chunked\r\n\r\n", 501),
    "chunked, identity": (HEAD + b"transfer-encoding: chunked, identity\r\n\r\n", 501),
    "identity, chunked": (HEAD + b"transfer-encoding: identity, chunked\r\n\r\n", 501),
    "identity": (HEAD + b"transfer-encoding: identity\r\n\r\n", 501),
    "xchunked": (HEAD + b"transfer-encoding: xchunked\r\n\r\n", 501),
    "a quoted coding": (HEAD + b'transfer-encoding: "chunked"\r\n\r\n', 501),
    "an empty coding": (HEAD + b"transfer-encoding:\r\n\r\n", 501),
    "a coding behind a vertical tab": (HEAD + b"transfer-encoding: \x0bchunked\r\n\r\n", 400),
    "a coding in HTTP/1.0": (b"POST / HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n", 400),
    "a space before the colon": (HEAD + b"transfer-encoding : chunked\r\n\r\n", 400),
    "a tab before the colon": (HEAD + b"content-length\t: 5\r\n\r\n", 400),
    "a folded header": (HEAD + b"x: a\r\n b\r\n\r\n", 400),
    "a folded coding": (HEAD + b"transfer-encoding:\r\n chunked\r\n\r\n", 400),
    "a space before the first header": (b"GET / HTTP/1.1\r\n host: g\r\n\r\n", 400),
    "line feeds alone": (b"GET / HTTP/1.1\nhost: g\n\n", 400),
    "a line feed in a header": (HEAD + b"a: b\nc: d\r\n\r\n", 400),
    "a carriage return in a header": (HEAD + b"a: b\rc: d\r\n\r\n", 400),
    "a carriage return at a line's end": (HEAD + b"a: b\r\r\n\r\n", 400),
    "NUL in a value": (HEAD + b"a: b\x00c\r\n\r\n", 400),
    "NUL in a name": (HEAD + b"a\x00b: c\r\n\r\n", 400),
    "a control character": (HEAD + b"a: \x1b[0m\r\n\r\n", 400),
    "a header without a colon": (HEAD + b"nonsense\r\n\r\n", 400),
    "a header without a name": (HEAD + b": x\r\n\r\n", 400),
    "a name above ASCII": (HEAD + b"\xff: x\r\n\r\n", 400),
    "no host": (b"GET / HTTP/1.1\r\n\r\n", 400),
    "two hosts": (HEAD + b"host: other\r\n\r\n", 400),
    "a host twice": (HEAD + b"host: gateway:8080\r\n\r\n", 400),
    "a host with a path": (b"GET / HTTP/1.1\r\nhost: a/b\r\n\r\n", 400),
    "a host with a user": (b"GET / HTTP/1.1\r\nhost: a@b\r\n\r\n", 400),
    "a list of hosts": (b"GET / HTTP/1.1\r\nhost: a, b\r\n\r\n", 400),
    "another host in the target": (b"GET http://other/ HTTP/1.1\r\nhost: gateway\r\n\r\n", 400),
    "a user in the target": (b"GET http://gateway@other/ HTTP/1.1\r\nhost: gateway\r\n\r\n", 400),
    "no path": (b"GET gateway HTTP/1.1\r\nhost: gateway\r\n\r\n", 400),
    "a fragment": (b"GET /#x HTTP/1.1\r\nhost: gateway\r\n\r\n", 400),
    "a byte above ASCII in the target": (b"GET /\xff HTTP/1.1\r\nhost: gateway\r\n\r\n", 400),
    "CONNECT": (b"CONNECT other:443 HTTP/1.1\r\nhost: other\r\n\r\n", 501),
    "HTTP/0.9": (b"GET /\r\n\r\n", 400),
    "HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    "HTTP/1.2": (b"GET / HTTP/1.2\r\nhost: g\r\n\r\n", 505),
    "a version in lower case": (b"GET / http/1.1\r\nhost: g\r\n\r\n", 400),
    "a version of two digits": (b"GET / HTTP/1.10\r\nhost: g\r\n\r\n", 400),
    "two spaces": (b"GET  / HTTP/1.1\r\nhost: g\r\n\r\n", 400),
    "a tab in the first line": (b"GET\t/ HTTP/1.1\r\nhost: g\r\n\r\n", 400),
    "an empty line first": (b"\r\nGET / HTTP/1.1\r\nhost: g\r\n\r\n", 400),
    "TLS where none is": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
    "a long first line": (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nhost: g\r\n\r\n", 414),
    "a long first line without an end": (b"GET /" + b"a" * 9000, 414),
    "large headers": (HEAD + b"x: " + b"a" * 17_000 + b"\r\n\r\n", 431),
    "large headers without an end": (HEAD + b"x: " + b"a" * 17_000, 431),
    "many headers": (HEAD + b"a:b\r\n" * 201 + b"\r\n", 431),
    "a chunk size with 0x": (CHUNKED + b"0x10\r\n", 400),
    "a signed chunk size": (CHUNKED + b"+5\r\nhello\r\n0\r\n\r\n", 400),
    "a negative chunk size": (CHUNKED + b"-1\r\n", 400),
    "a chunk size with an underscore": (CHUNKED + b"1_0\r\n0123456789abcdef\r\n0\r\n\r\n", 400),
    "a huge chunk size": (CHUNKED + b"ffffffffffffffff\r\n", 400),
    "an empty chunk size": (CHUNKED + b"\r\nhello\r\n", 400),
    "a space before a chunk size": (CHUNKED + b" 5\r\nhello\r\n0\r\n\r\n", 400),
    "a space behind a chunk size": (CHUNKED + b"5 \r\nhello\r\n0\r\n\r\n", 400),
    "a line feed behind a chunk size": (CHUNKED + b"5\nhello\r\n0\r\n\r\n", 400),
    "no line end behind a chunk": (CHUNKED + b"5\r\nhello0\r\n\r\n", 400),
    "a line feed behind a chunk": (CHUNKED + b"5\r\nhello\n0\r\n\r\n", 400),
    "a chunk extension with a line feed": (CHUNKED + b"5;a\nb\r\nhello\r\n0\r\n\r\n", 400),
    "a chunk extension with a carriage return": (CHUNKED + b"5;a\rb\r\nhello\r\n0\r\n\r\n", 400),
    "a long chunk extension": (CHUNKED + b"5;" + b"a" * 300 + b"\r\nhello\r\n0\r\n\r\n", 400),
    "a long chunk extension without an end": (CHUNKED + b"5;" + b"a" * 300, 400),
    "a length in the trailers": (CHUNKED + b"0\r\ncontent-length: 5\r\n\r\n", 400),
    "a folded trailer": (CHUNKED + b"0\r\na: b\r\n c\r\n\r\n", 400),
    "a line feed in the trailers": (CHUNKED + b"0\r\na: b\nc: d\r\n\r\n", 400),
    "large trailers without an end": (CHUNKED + b"0\r\na: " + b"b" * 17_000, 431),
    "a line feed behind the last chunk": (CHUNKED + b"0\r\n\n", 400),
}


OFFER = b"connection: upgrade\r\nUpgrade: h2c\r\nx: y\r\nupgrade:\twebsocket\r\ncontent-length: 2\r\n\r\n"


def refused(*parts: bytes, limit: int = 16_384) -> int | None:
    """The status with which bytes are refused, or None."""
    framing = Framing(limit)
    try:
        for part in parts:
            framing.feed(part)
    except Malformed as malformed:
        return malformed.status
    assert not framing.in_header
    return None


@pytest.mark.parametrize("name", GOOD)
def test_good_requests_pass_at_every_split(name: str) -> None:
    """Also one after the other, and byte by byte; where one ends the next one begins."""
    both = GOOD[name] + GOOD["chunks"] + GOOD[name]
    assert [None] * len(both) == [refused(both[:i], both[i:] + GOOD[name]) for i in range(len(both))]
    assert refused(*(both[i : i + 1] for i in range(len(both)))) is None


@pytest.mark.parametrize("name", BAD)
def test_bad_requests_are_refused_at_every_split(name: str) -> None:
    """However they come in, before they are complete or when they are."""
    request, status = BAD[name]
    splits = range(0, len(request), 1 + len(request) // 200)
    assert {status} == {refused(request[:i], request[i:]) for i in splits}
    assert status == refused(GOOD["chunks"] + request)


@pytest.mark.parametrize("name", GOOD)
def test_what_comes_out_is_what_went_in(name: str) -> None:
    """At every split, and no header before it is complete."""
    request = GOOD[name] + GOOD[name]
    head = request.index(b"\r\n\r\n") + 4
    for cut in range(len(request)):
        framing = Framing(1000)
        first = framing.feed(request[:cut])
        assert not first if cut < head else first.startswith(request[:head])
        assert request == first + framing.feed(request[cut:])


def test_offers_to_switch_are_taken_out() -> None:
    """The request goes on as if they had not been made."""
    request = HEAD + OFFER + b"{}"
    expected = request.replace(b"Upgrade: h2c\r\n", b"").replace(b"upgrade:\twebsocket\r\n", b"")
    for cut in range(len(request)):
        framing = Framing(1000)
        assert expected * 2 == framing.feed(request[:cut]) + framing.feed(request[cut:] + request)


@given(st.lists(st.binary(min_size=1, max_size=20), max_size=8), st.data())
def test_chunks_end_where_they_end(chunks: list[bytes], data: st.DataObject) -> None:
    """Whatever they hold and however they are split, what follows them is the next request."""
    request = CHUNKED + b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"
    cut = data.draw(st.integers(0, len(request)))
    framing = Framing(1000)
    framing.feed(request[:cut])
    framing.feed(request[cut:] + b"GET")
    assert framing.in_header
    with pytest.raises(Malformed):
        framing.feed(b" nowhere\r\n\r\n")


def test_white_space_takes_no_time() -> None:
    """A header of 64 KiB of spaces is judged as fast as any other."""
    spaces = b"a: " + b" " * 60_000 + b"\r\n"
    for name in (b"host", b"content-length", b"transfer-encoding"):
        assert refused(HEAD + spaces + name + b":" + b" \t" * 2_000 + b"x\r\n\r\n", limit=1 << 17) in (400, 501)


def test_an_answer_says_what_is_wrong() -> None:
    """A whole response that ends its connection."""
    with pytest.raises(Malformed) as caught:
        Framing(100).feed(b"GET /\r\n\r\n")
    text = b"The request is refused: its first line is not METHOD TARGET HTTP/1.1.\n"
    assert caught.value.answer.endswith(b"content-length: %d\r\nconnection: close\r\n\r\n" % len(text) + text)
    assert plain_answer(408, "late").startswith(b"HTTP/1.1 408 Request Timeout\r\n")


def test_a_framing_shows_itself() -> None:
    """What it waits for."""
    framing = Framing(1000)
    framing.feed(CHUNKED + b"5")
    assert "<Framing chunk_line 1 held>" == repr(framing)
