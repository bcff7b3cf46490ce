"""Where each request of a connection begins and ends, judged before an engine sees a byte.

Request smuggling lives on two readers of one connection that disagree about this. The engines' parsers forgive much
for the sake of old clients: a line feed for a line end, both ways to give a body's length, folded headers, spaces in a
chunk size. So their input passes through here first. What this accepts has one reading only, whoever reads it; the rest
is refused, and nothing that comes after it on its connection is read (RFC 9112, 2.2, 3, 5, 6 and 7.1).

An offer to switch to another protocol is taken out on the way, which declines it (RFC 9110, 7.8): behind one, httptools
takes a request's body for the other protocol, or for the next request.

No socket and no clock: bytes go in; the same ones come out, headers and chunk sizes not before they are complete.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from http import HTTPStatus

MAX_LINE_BYTES = 8192
"""Of a request line, as in nginx. What is longer goes into a body."""
MAX_HEADERS = 200
MAX_CHUNK_LINE_BYTES = 256
"""A chunk's size with its extensions, which nobody uses."""

_TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_LINE = re.compile(rb"(%b) ([!-~]+) HTTP/([0-9])\.([0-9])" % _TOKEN)
_FIELDS = re.compile(rb"(?:%b:[\t\x20-\x7e\x80-\xff]*\r\n)*\r\n" % _TOKEN)
_FRAMING = re.compile(rb"^(content-length|transfer-encoding|host|upgrade):([^\r]*)", re.IGNORECASE | re.MULTILINE)
_OFFER = re.compile(rb"^upgrade:[^\r]*\r\n", re.IGNORECASE | re.MULTILINE)
_STRAY = re.compile(rb"(?<!\r)\n|\r(?!\n|\Z)|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
"""What no part of a header holds: half a line end, and control characters."""
_LENGTH = re.compile(rb"[0-9]{1,18}")
_CHUNK = re.compile(rb"0*([0-9A-Fa-f]{1,8})(?:;[\t\x20-\x7e\x80-\xff]*)?")
"""Eight digits are 4 GiB, far above any body that is let in."""
_HOST = re.compile(rb"(?:[A-Za-z0-9._~-]*|\[[0-9A-Fa-f:.]+\])(?::[0-9]{0,5})?")
_ABSOLUTE = re.compile(rb"[A-Za-z][A-Za-z0-9+.-]*://([^/?#]*)")


class Malformed(Exception):
    """A request that is refused, with the status of its answer and the reason in words."""

    def __init__(self, reason: str, status: int = 400) -> None:
        super().__init__(reason)
        self.status = status

    @property
    def answer(self) -> bytes:
        """A whole response, after which the connection is closed."""
        return plain_answer(self.status, f"The request is refused: {self}.\n")


def plain_answer(status: int, text: str) -> bytes:
    """A response of the server itself, which ends its connection."""
    head = f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\ncontent-type: text/plain; charset=utf-8\r\n"
    return f"{head}content-length: {len(text)}\r\nconnection: close\r\n\r\n{text}".encode("ascii")


class Framing:
    """Follows the requests of one connection."""

    __slots__ = ("_held", "_max_header_bytes", "_offers", "_seen", "_skip", "_state")

    def __init__(self, max_header_bytes: int) -> None:
        """`max_header_bytes` bounds request line and headers together."""
        self._max_header_bytes = max_header_bytes
        self._held = bytearray()
        """What has come and is not judged yet."""
        self._seen = 0
        """How much of a header that is not complete was looked at already."""
        self._offers: list[tuple[int, int]] = []
        """Where in what is held the headers stand that are taken out."""
        self._skip = 0
        """How much is left of a body or a chunk."""
        self._state: Callable[[int], int] = self._head

    @property
    def in_header(self) -> bool:
        """Whether a request has begun and its header has not ended."""
        return bool(self._held) and self._state == self._head

    def feed(self, data: bytes) -> bytes:
        """Judges the next bytes, and gives those that may be read now.

        Raises `Malformed`; then none of these bytes may be used, nor any after them.
        """
        if self._skip > len(data):
            self._skip -= len(data)
            return data
        self._held += data
        at = 0
        while at < len(self._held):
            taken = self._state(at)
            if not taken:
                break
            at += taken
        judged = self._without_offers(at) if self._offers else bytes(self._held[:at])
        del self._held[:at]
        return judged

    def _without_offers(self, end: int) -> bytes:
        at, parts = 0, []
        for start, stop in self._offers:
            parts.append(self._held[at:start])
            at = stop
        self._offers.clear()
        return b"".join((*parts, self._held[at:end]))

    # Each state takes bytes from a position on and says how many; 0 where it needs more than there are.

    def _head(self, at: int) -> int:
        held = self._held
        end = held.find(b"\r\n\r\n", at + max(0, self._seen - 3))
        size = (len(held) if end < 0 else end + 4) - at
        self._bound_head(at, size)
        if end < 0:
            if _STRAY.search(held, at + max(0, self._seen - 1)):
                raise Malformed("its header has a stray line end or a control character")
            self._seen = size
            return 0
        self._seen = 0
        self._begin(bytes(held[at : at + size]), at)
        return size

    def _bound_head(self, at: int, size: int) -> None:
        if size > MAX_LINE_BYTES and self._held.find(b"\r\n", at, at + MAX_LINE_BYTES) < 0:
            raise Malformed(f"its request line is longer than {MAX_LINE_BYTES} bytes", 414)
        if size > self._max_header_bytes:
            raise Malformed(f"its headers are larger than {self._max_header_bytes} bytes", 431)

    def _begin(self, head: bytes, at: int) -> None:
        line, _, fields = head.partition(b"\r\n")
        target, version = _request_line(line)
        if _FIELDS.fullmatch(fields) is None:
            raise Malformed("a header line is not NAME: VALUE")
        if fields.count(b"\r\n") > MAX_HEADERS + 1:
            raise Malformed(f"it has more than {MAX_HEADERS} headers", 431)
        found: dict[bytes, list[bytes]] = {}
        for name, value in _FRAMING.findall(fields):
            found.setdefault(name.lower(), []).append(value.strip(b" \t"))
        if b"upgrade" in found:
            self._offers += [(at + offer.start(), at + offer.end()) for offer in _OFFER.finditer(head)]
        _check_host(found.get(b"host", []), target, version)
        if _is_chunked(found.get(b"transfer-encoding", []), version, b"content-length" in found):
            self._state = self._chunk_line
        else:
            self._skip = _length(found.get(b"content-length", []))
            self._state = self._body if self._skip else self._head

    def _body(self, at: int) -> int:
        return self._pass(at, self._head)

    def _chunk_line(self, at: int) -> int:
        held = self._held
        end = held.find(b"\r\n", at, at + MAX_CHUNK_LINE_BYTES)
        if end < 0:
            if len(held) - at >= MAX_CHUNK_LINE_BYTES or _STRAY.search(held, at):
                raise Malformed("a chunk's size is too long or has a stray line end")
            return 0
        match = _CHUNK.fullmatch(held, at, end)
        if match is None:
            raise Malformed("a chunk's size is not a hexadecimal number below 4 GiB")
        self._skip = int(match[1], 16)
        self._state = self._chunk if self._skip else self._last
        return end + 2 - at

    def _chunk(self, at: int) -> int:
        return self._pass(at, self._chunk_end)

    def _chunk_end(self, at: int) -> int:
        return self._line_end(at, self._chunk_line, "a chunk does not end where its size says")

    def _last(self, at: int) -> int:
        """The end of the chunks, with trailers or without. The engines drop their fields."""
        held = self._held
        if held.startswith(b"\r", at):
            return self._line_end(at, self._head, "a stray line end stands behind its last chunk")
        end = held.find(b"\r\n\r\n", at)
        if (len(held) if end < 0 else end) - at > self._max_header_bytes:
            raise Malformed(f"its trailers are larger than {self._max_header_bytes} bytes", 431)
        if end < 0:
            if _STRAY.search(held, at):
                raise Malformed("its trailers have a stray line end or a control character")
            return 0
        fields = bytes(held[at : end + 4])
        if _FIELDS.fullmatch(fields) is None or _FRAMING.search(fields):
            raise Malformed("a trailer is not NAME: VALUE, or is one that belongs into the header")
        self._state = self._head
        return len(fields)

    def _pass(self, at: int, then: Callable[[int], int]) -> int:
        taken = min(self._skip, len(self._held) - at)
        self._skip -= taken
        if not self._skip:
            self._state = then
        return taken

    def _line_end(self, at: int, then: Callable[[int], int], otherwise: str) -> int:
        found = bytes(self._held[at : at + 2])
        if not b"\r\n".startswith(found):
            raise Malformed(otherwise)
        if len(found) < 2:
            return 0
        self._state = then
        return 2

    def __repr__(self) -> str:
        return f"<Framing {self._state.__name__.strip('_')} {len(self._held)} held>"


def _request_line(line: bytes) -> tuple[bytes, bytes]:
    """Target and minor version."""
    match = _LINE.fullmatch(line)
    if match is None:
        raise Malformed("its first line is not METHOD TARGET HTTP/1.1")
    method, target, major, minor = match.groups()
    if major != b"1" or minor not in b"01":
        raise Malformed("its version is neither 1.1 nor 1.0", 505)
    if method == b"CONNECT":
        raise Malformed("this is no proxy for CONNECT", 501)
    if b"#" in target or not (target.startswith(b"/") or target == b"*" or _ABSOLUTE.match(target)):
        raise Malformed("its target is not a path")
    return target, minor


def _check_host(hosts: list[bytes], target: bytes, version: bytes) -> None:
    """One host, and the same one in every place (RFC 9112, 3.2)."""
    if len(hosts) > 1 or (not hosts and version == b"1"):
        raise Malformed("it must have one Host header")
    if hosts and _HOST.fullmatch(hosts[0]) is None:
        raise Malformed("its Host header is not HOST or HOST:PORT")
    absolute = _ABSOLUTE.match(target)
    if absolute and (not hosts or absolute[1].lower() != hosts[0].lower()):
        raise Malformed("its target and its Host header name two hosts")


def _is_chunked(codings: list[bytes], version: bytes, has_length: bool) -> bool:
    if not codings:
        return False
    if has_length:
        raise Malformed("it has both Content-Length and Transfer-Encoding")
    if version != b"1":
        raise Malformed("HTTP/1.0 has no Transfer-Encoding")
    if len(codings) > 1 or codings[0].lower() != b"chunked":
        raise Malformed("its Transfer-Encoding is not just chunked", 501)
    return True


def _length(lengths: list[bytes]) -> int:
    if not lengths:
        return 0
    if len(lengths) > 1 or _LENGTH.fullmatch(lengths[0]) is None:
        raise Malformed("its Content-Length is not one number")
    return int(lengths[0])
