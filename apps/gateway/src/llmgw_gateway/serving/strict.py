"""What the engines' parsers let pass and a proxy in front may read differently (RFC 9112, 11.2).

Whatever says where a request ends, or for whom it is, is refused when it is said twice or in an unusual way; being
liberal there is how one client's bytes become another's request.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

import h11
from h11._readers import ChunkedReader

_VERSIONS = frozenset({"1.0", "1.1"})
_LAX = re.compile(rb"(?<!\r)\n|\n[ \t]")
"""A line that ends without CR, or goes on in the next one."""
_LAX_LINE = re.compile(rb"(?<!\r)\n")


def head_problem(version: str, headers: Iterable[tuple[bytes, bytes]]) -> str | None:
    """Why a request's head is refused; None for one that is clear. Names are in lower case."""
    if version not in _VERSIONS:
        return f"HTTP/{version} is not spoken here"
    lengths = codings = hosts = 0
    for name, value in headers:
        if name == b"content-length":
            lengths += 1
        elif name == b"transfer-encoding":
            codings += 1
            if value.strip(b" \t").lower() != b"chunked":
                return "the only transfer-encoding is chunked"
        elif name == b"host":
            hosts += 1
    if codings and (lengths or codings > 1 or version == "1.0"):
        return "transfer-encoding beside content-length, twice, or in HTTP/1.0"
    if lengths > 1:
        return "several content-lengths"
    if hosts > 1 or (not hosts and version == "1.1"):
        return "a request names one host"
    return None


class StrictHttp11(h11.Connection):
    """h11 without its leniency about ends of lines."""

    def _extract_next_receive_event(self) -> Any:
        if self.their_state is h11.IDLE:
            data = self._receive_buffer._data
            end = data.find(b"\r\n\r\n")
            if _LAX.search(data, 0, end if end >= 0 else len(data)):
                raise h11.RemoteProtocolError("a line of the head that ends with a bare LF or is folded")
        return super()._extract_next_receive_event()

    def _get_io_object(self, role: Any, event: Any, io_dict: Any) -> Callable[..., Any] | None:
        made = super()._get_io_object(role, event, io_dict)
        return _StrictChunks() if type(made) is ChunkedReader else made


class _StrictChunks(ChunkedReader):
    def __call__(self, buf: Any) -> Any:
        data = buf._data
        if self._reading_trailer:
            end = data.find(b"\r\n\r\n")
            if _LAX_LINE.search(data, 0, end if end >= 0 else len(data)):
                raise h11.LocalProtocolError("a trailer that ends with a bare LF")
        elif self._bytes_in_chunk == 0:
            begin = len(self._bytes_to_discard)
            end = data.find(b"\r\n", begin)
            if end >= 0 and data.find(b"\r", begin, end) >= 0:
                raise h11.LocalProtocolError("a bare CR in a chunk's head")
        return super().__call__(buf)
