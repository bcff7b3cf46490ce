"""The admin API as a command line sees it: one request at a time, and every way to fail as an exception."""

from __future__ import annotations

import http.client
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import SplitResult, quote, urlencode, urlsplit

import msgspec

TIMEOUT_SECONDS = 30.0

PAGE = 1000
"""Entries that are asked for at once: as many as the API gives."""

Query = Mapping[str, str | int | None]


class Wrong(Exception):
    """The command line asks for something that can't be asked; the text says what would be right. Exit code 2."""


class Unreachable(Exception):
    """No admin API answers; the text says where it was looked for and what to do. Exit code 3."""


class TurnedAway(Exception):
    """The gateway refused; `lines` are its message and every reason. Exit code 1."""

    def __init__(self, status: int, lines: tuple[str, ...]) -> None:
        self.status = status
        self.lines = lines
        super().__init__("\n".join(lines))


class Place(msgspec.Struct, frozen=True):
    """Where the admin API is (`url`) and what opens it; `source` says where the token comes from, in words."""

    url: str
    token: str | None
    source: str

    def __repr__(self) -> str:
        return f"<Place {self.url} with {self.source}>"


class _Error(msgspec.Struct):
    message: str
    reasons: tuple[dict[str, str], ...] = ()


class _Envelope(msgspec.Struct):
    error: _Error


class Client:
    """Talks to the admin API of one place, with a connection for each request."""

    def __init__(self, place: Place) -> None:
        """Raises `Wrong` for an address that is none."""
        self._place = place
        self._at = urlsplit(place.url)
        if self._at.scheme not in ("http", "https") or not self._at.hostname or not _has_port(self._at):
            raise Wrong(f"the admin address must be like http://127.0.0.1:8081, not {place.url!r}")

    def call(
        self,
        method: str,
        path: str,
        body: object = None,
        query: Query | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """What `path` (below /api/v1) answers, as plain values; None where the answer has no body.

        Raises `Unreachable` and `TurnedAway`.
        """
        given = {name: value for name, value in (query or {}).items() if value is not None}
        target = f"{self._at.path.rstrip('/')}/api/v1/{path}" + (f"?{urlencode(given)}" if given else "")
        content = None if body is None else msgspec.json.encode(body)
        status, answer = self._exchange(method, target, content, {**self._headers(content), **(headers or {})})
        if status < 300:
            return self._plain(answer) if answer else None
        raise self._refusal(status, answer)

    def pages(self, path: str, query: Query, most: int | None) -> Iterator[dict[str, Any]]:
        """The entries of a list, page by page, at most so many."""
        after, left = query.get("after"), most
        while left is None or left > 0:
            size = PAGE if left is None else min(left, PAGE)
            page = self.call("GET", path, query={**query, "after": after, "limit": size})
            yield from page["data"]
            left = None if left is None else left - len(page["data"])
            after = page["next"]
            if after is None:
                return

    def _headers(self, content: bytes | None) -> dict[str, str]:
        headers = {"accept": "application/json", "user-agent": "gateway"}
        if self._place.token:
            headers["authorization"] = f"Bearer {self._place.token}"
        if content is not None:
            headers["content-type"] = "application/json"
        return headers

    def _exchange(
        self, method: str, target: str, content: bytes | None, headers: Mapping[str, str]
    ) -> tuple[int, bytes]:
        kind = http.client.HTTPSConnection if self._at.scheme == "https" else http.client.HTTPConnection
        assert self._at.hostname is not None
        try:
            connection = kind(self._at.hostname, self._at.port, timeout=TIMEOUT_SECONDS)
            try:
                connection.request(method, target, content, dict(headers))
                answer = connection.getresponse()
                return answer.status, answer.read()
            finally:
                connection.close()
        except http.client.HTTPException:
            raise Unreachable(self._no_gateway()) from None
        except (OSError, ValueError) as error:
            raise Unreachable(self._nothing(error)) from None

    def _nothing(self, error: Exception) -> str:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error) or "no answer in time"
        return (
            f"no gateway can be reached at {self._place.url} ({reason}). Start one with 'gateway serve', or say where "
            "its admin listener is: --admin-url, GATEWAY_ADMIN_URL, or server.admin_bind in the configuration"
        )

    def _no_gateway(self) -> str:
        return (
            f"what answers at {self._place.url} is not a gateway's admin listener. Say where that is: --admin-url, "
            "GATEWAY_ADMIN_URL, or server.admin_bind in the configuration"
        )

    def _plain(self, answer: bytes) -> Any:
        try:
            return msgspec.json.decode(answer)
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise Unreachable(self._no_gateway()) from None

    def _refusal(self, status: int, answer: bytes) -> Exception:
        try:
            error = msgspec.json.decode(answer, type=_Envelope).error
        except (msgspec.DecodeError, UnicodeDecodeError):
            return Unreachable(self._no_gateway())
        reasons = tuple("  " + ": ".join(part for part in r.values() if part) for r in error.reasons)
        # One reason is the message already.
        lines = (error.message, *(reasons if len(reasons) > 1 else ()))
        if status == 401:
            lines = (*lines, f"The token that was sent: {self._place.source}.")
        return TurnedAway(status, lines)

    def __repr__(self) -> str:
        return f"<Client of {self._place.url}>"


def _has_port(at: SplitResult) -> bool:
    """Whether the port is one, or left to the scheme."""
    try:
        return at.port is None or at.port > 0
    except ValueError:
        return False


def step(text: str) -> str:
    """A record's id as one step of a path."""
    return quote(text, safe="")
