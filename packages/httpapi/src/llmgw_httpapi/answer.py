"""Answers of the data plane's own: refusals and pages.

They may be written while the client is still sending. A connection that is closed then is reset by the kernel, and the
client never sees why. So the body is read off for a little while after the answer is written and before it is ended
(nginx calls it a lingering close). Some servers stop reading a connection whose application leaves its body, and never
notice its end; so what remains after that is taken until the server has closed.
"""

from __future__ import annotations

import asyncio
import math

from starlette.types import Receive, Scope, Send

from llmgw_domain.errors import GatewayError
from llmgw_httpapi.config import HttpConfig
from llmgw_httpapi.headers import declared_length, has_body
from llmgw_protocols import Dialect

Headers = list[tuple[bytes, bytes]]

CLOSE = (b"connection", b"close")


class Answer:
    """A whole response, as an ASGI application. `unread` says that the request's body was not read to its end."""

    def __init__(self, status: int, headers: Headers, body: bytes, *, config: HttpConfig, unread: bool = True) -> None:
        self.status = status
        self.headers = headers
        self.body = body
        self._config = config
        self._unread = unread

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status, "headers": self.headers})
        if self._unread:
            await send({"type": "http.response.body", "body": self.body, "more_body": True})
            await self._end_after_body(receive, send)
        else:
            await send({"type": "http.response.body", "body": self.body, "more_body": False})

    async def _end_after_body(self, receive: Receive, send: Send) -> None:
        end = {"type": "http.response.body", "body": b"", "more_body": False}
        if await self._linger(receive):
            await send(end)
            return
        async with asyncio.TaskGroup() as group:
            group.create_task(_discard(receive))
            await send(end)

    async def _linger(self, receive: Receive) -> bool:
        """Reads the body off within bounds; whether that was all of it."""
        try:
            async with asyncio.timeout(self._config.linger_seconds):
                return await _discard(receive, self._config.linger_bytes)
        except TimeoutError:
            return False

    def __repr__(self) -> str:
        return f"<Answer {self.status} {len(self.body)} bytes>"


async def _discard(receive: Receive, limit: float = math.inf) -> bool:
    size = 0
    while size <= limit:
        message = await receive()
        size += len(message.get("body", b""))
        if not message.get("more_body", False):
            return True
    return False


def refusal(
    error: GatewayError,
    dialect: Dialect,
    *,
    request_id: str,
    config: HttpConfig,
    close: bool = False,
    extra: Headers | None = None,
    unread: bool = True,
) -> Answer:
    """An error in a dialect's envelope. `close` ends the connection after it."""
    body = dialect.error_body(error, request_id)
    headers = json_headers(body, request_id)
    headers += extra or ()
    if close:
        headers.append(CLOSE)
    return Answer(dialect.status_of(error), headers, body, config=config, unread=unread)


def json_headers(body: bytes, request_id: str) -> Headers:
    """The headers of a JSON answer."""
    return [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(body)),
        (b"x-request-id", request_id.encode("latin-1")),
    ]


def must_close(headers: dict[str, str], config: HttpConfig) -> bool:
    """Whether a refused request's body is more than is read off, so that its connection can't be used again."""
    declared = declared_length(headers)
    return has_body(headers) and (declared is None or declared > config.linger_bytes)
