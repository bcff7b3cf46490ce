"""What is put on the wire for a request: address, headers, body. All checks against injection are here.

Client input reaches paths and headers (a model name in a Gemini path, forwarded headers), so every text is checked for
what would end its line, and the headers that frame a message belong to the transport alone.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from functools import lru_cache

from aiohttp.abc import AbstractStreamWriter
from aiohttp.payload import Payload
from multidict import CIMultiDict
from yarl import URL

from llmgw_domain.errors import BadRequest, UpstreamUnreachable
from llmgw_pool.credentials import CREDENTIAL_HEADERS
from llmgw_relay.ports import UpstreamRequest

# Anything but printable ASCII; "#" as well, because a fragment is cut off in silence.
_NOT_IN_TARGET = re.compile(r"[^\x21-\x7e]|#")
# Obsolete folding and NUL are excluded with CR and LF; tab is allowed by RFC 9110, 5.5.
_NOT_IN_VALUE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")

_OURS = CREDENTIAL_HEADERS | {
    "accept-encoding",
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
}

_SLICE = 256 * 1024


class Body(Payload):
    """A body that is already bytes. A large one goes out in slices, so that no buffer takes 32 MiB at once."""

    _value: bytes

    def __init__(self, value: bytes) -> None:
        super().__init__(value, content_type="application/json")
        self._size = len(value)

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        return self._value.decode(encoding, errors)

    async def write(self, writer: AbstractStreamWriter) -> None:
        if len(self._value) <= _SLICE:
            await writer.write(self._value)
            return
        view = memoryview(self._value)
        for start in range(0, len(view), _SLICE):
            await writer.write(view[start : start + _SLICE])

    async def write_with_length(self, writer: AbstractStreamWriter, content_length: int | None) -> None:
        await self.write(writer)


class Streamed:
    """A body that comes in while it is sent. aiohttp hides what its source raises behind an error of its own, so that
    is kept in `error`.
    """

    def __init__(self, upload: AsyncIterator[bytes]) -> None:
        self._upload = upload
        self.begun = False
        self.error: Exception | None = None

    async def __aiter__(self) -> AsyncIterator[bytes]:
        self.begun = True
        try:
            async for part in self._upload:
                yield part
        except Exception as error:
            self.error = error
            raise


def address(request: UpstreamRequest) -> URL:
    """Where the request goes, exactly as its parts are written: nothing is quoted or normalised again.

    Raises `BadRequest` for a path or query that no URL can hold, `UpstreamUnreachable` for a base address that is none.
    """
    target = f"{request.path}?{request.query}" if request.query else request.path
    if _NOT_IN_TARGET.search(target):
        raise BadRequest("The request's path or query holds characters that a URL can't hold.")
    base = _base(request.account.base_url)
    if base is None:
        raise UpstreamUnreachable(detail=f"account {request.account.id}: base_url is not a valid http(s) address")
    return URL(base + target, encoded=True)


@lru_cache(maxsize=1024)
def _base(text: str) -> str | None:
    """The base address without a trailing slash; None if it can't be one. User and password are not taken from it."""
    try:
        url = URL(text, encoded=True)
        usable = url.scheme in ("http", "https") and url.host and url.port and url.user is None and not url.query_string
    except ValueError:
        return None
    return text.rstrip("/") if usable and not _NOT_IN_TARGET.search(text) else None


def headers(request: UpstreamRequest, user_agent: str) -> CIMultiDict[str]:
    """The headers to send, but for those that authenticate. Raises `BadRequest` for one that can't be sent."""
    out: CIMultiDict[str] = CIMultiDict()
    for name, value in request.headers:
        if not _TOKEN.fullmatch(name) or _NOT_IN_VALUE.search(value):
            raise BadRequest(f"The header {name[:100]!r} holds characters that are not allowed.")
        if name.lower() not in _OURS:
            out.add(name, value)
    # A compressed answer could not be cut into events as it arrives.
    out["accept-encoding"] = "identity"
    out.setdefault("user-agent", user_agent)
    if request.body:
        out.setdefault("content-type", "application/json")
    if request.upload is not None and request.length is not None:
        out["content-length"] = str(request.length)
    return out
