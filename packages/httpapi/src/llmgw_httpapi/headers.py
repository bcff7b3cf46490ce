"""What a request's headers and query say: who calls, under which id, with which wishes.

Credentials stop here. They are taken out of what goes on to the relay, so that nothing behind this module can log or
forward a client's key.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from urllib.parse import parse_qsl

import msgspec
from starlette.types import Scope

from llmgw_domain import StreamErrors
from llmgw_domain.errors import BadRequest, UnknownKey
from llmgw_relay.call import Heartbeats

_SANE_ID = re.compile(r"[A-Za-z0-9._-]{1,128}").fullmatch
_KEY_HEADERS = ("x-api-key", "x-goog-api-key", "api-key")
_SECRET = frozenset({"authorization", "proxy-authorization", "cookie", *_KEY_HEADERS})
_MAX_TAGS = 1024


def header_map(scope: Scope) -> dict[str, str]:
    """Headers by name, which ASGI has in lower case. Repeated ones are joined with a comma (RFC 9110, 5.3)."""
    headers: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


def query_map(scope: Scope) -> dict[str, str]:
    """The query's fields; of a repeated one, the first."""
    raw: bytes = scope.get("query_string", b"")
    if not raw:
        return {}
    query: dict[str, str] = {}
    for name, value in parse_qsl(raw.decode("latin-1"), keep_blank_values=True):
        query.setdefault(name, value)
    return query


def take_secret(headers: dict[str, str], query: dict[str, str]) -> str:
    """Removes every credential and gives the client's key: the first of any dialect that is not empty.

    Raises `UnknownKey` if there is none.
    """
    scheme, _, token = headers.get("authorization", "").partition(" ")
    found = token.strip() if scheme.lower() == "bearer" else ""
    for name in _KEY_HEADERS:
        found = found or headers.get(name, "").strip()
    found = found or query.get("key", "")
    for name in _SECRET:
        headers.pop(name, None)
    query.pop("key", None)
    if not found:
        raise UnknownKey()
    return found


def request_id_of(headers: Mapping[str, str], new: Callable[[], str]) -> str:
    """The client's own `x-request-id` if it is harmless to log and to send back, else a new one."""
    given = headers.get("x-request-id")
    return given if given is not None and _SANE_ID(given) else new()


class Wishes(msgspec.Struct, frozen=True):
    """What a client asks of the gateway itself; `timeout` is in seconds."""

    stream_errors: StreamErrors | None = None
    timeout: float | None = None
    tags: str = ""
    pool: str = ""
    heartbeats: Heartbeats | None = None


def wishes_of(headers: Mapping[str, str]) -> Wishes:
    """The `x-gw-*` headers. Raises `BadRequest`, which names the header."""
    return Wishes(
        stream_errors=_stream_errors(headers),
        timeout=_timeout(headers),
        tags=_tags(headers),
        pool=headers.get("x-gw-pool", "").strip(),
        heartbeats=_heartbeats(headers),
    )


def _heartbeats(headers: Mapping[str, str]) -> Heartbeats | None:
    given = headers.get("x-gw-heartbeats")
    match given and given.strip().lower():
        case None:
            return None
        case "off":
            return "off"
        case "json":
            return "json"
    raise BadRequest("Header x-gw-heartbeats must be one of: off, json.", param="x-gw-heartbeats")


def _stream_errors(headers: Mapping[str, str]) -> StreamErrors | None:
    given = headers.get("x-gw-stream-errors")
    if given is None:
        return None
    try:
        return StreamErrors(given.strip().lower())
    except ValueError:
        known = ", ".join(StreamErrors)
        raise BadRequest(f"Header x-gw-stream-errors must be one of: {known}.", param="x-gw-stream-errors") from None


def _timeout(headers: Mapping[str, str]) -> float | None:
    given = headers.get("x-gw-timeout")
    if given is None:
        return None
    try:
        seconds = float(given)
    except ValueError:
        seconds = 0.0
    if not (math.isfinite(seconds) and seconds > 0):
        raise BadRequest("Header x-gw-timeout must be a number of seconds above 0.", param="x-gw-timeout")
    return seconds


def _tags(headers: Mapping[str, str]) -> str:
    tags = headers.get("x-gw-tags", "")
    if len(tags) > _MAX_TAGS:
        raise BadRequest(f"Header x-gw-tags must not be longer than {_MAX_TAGS} characters.", param="x-gw-tags")
    return tags


def refuse_encoding(headers: Mapping[str, str]) -> None:
    """Raises `BadRequest` for a compressed body: its real size can't be bounded before it is unpacked."""
    encoding = headers.get("content-encoding", "").strip().lower()
    if encoding not in ("", "identity"):
        raise BadRequest(
            f"Content-Encoding {encoding[:40]!r} is not supported: send the body uncompressed (identity).",
            param="content-encoding",
        )


def declared_length(headers: Mapping[str, str]) -> int | None:
    """The body's length as announced; None where it is not."""
    given = headers.get("content-length", "")
    return int(given) if given.isascii() and given.isdigit() and len(given) < 19 else None


def has_body(headers: Mapping[str, str]) -> bool:
    """Whether the request announces a body (RFC 9112, 6.3)."""
    return "transfer-encoding" in headers or bool(declared_length(headers))
