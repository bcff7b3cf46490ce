"""The in-memory client refuses what a server would refuse."""

import pytest
from starlette.types import Receive, Scope, Send

from llmgw_httpapi.testing import drive


async def test_a_message_after_the_end_is_refused() -> None:
    """An application that goes on after its last body message fails its test."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"", "more_body": False})
        await send({"type": "http.response.body", "body": b"x", "more_body": False})

    with pytest.raises(RuntimeError, match="after the end"):
        await drive(app, "GET", "/")


async def test_a_repeated_header_is_noticed() -> None:
    """A header that must be sent once can't hide its second value."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"a", b"1"), (b"a", b"2")]})

    exchange = await drive(app, "GET", "/")
    with pytest.raises(ValueError, match="2 times"):
        exchange.header(b"a")
