"""Answers of the data plane's own, and the body that is still coming."""

import asyncio

from llmgw_domain.errors import GatewayBusy, NotFound
from llmgw_httpapi.answer import Answer, must_close, refusal
from llmgw_httpapi.config import HttpConfig
from llmgw_httpapi.testing import drive
from llmgw_protocols import dialect_named

CONFIG = HttpConfig(linger_bytes=100, linger_seconds=0.05)


async def test_body_is_read_off_within_bounds() -> None:
    """The rest of a small body is taken before the answer ends."""
    exchange = await drive(Answer(401, [], b"no", config=CONFIG), "POST", "/", body_chunks=[b"x" * 40, b"x" * 40])
    assert (exchange.status, exchange.body, exchange.complete, exchange.taken) == (401, b"no", True, 80)


async def test_a_large_body_does_not_delay_the_end() -> None:
    """The answer is ended after the bound; what comes later is only discarded."""
    order: list[str] = []

    async def receive() -> dict[str, object]:
        order.append("part")
        await asyncio.sleep(0)
        if "end" in order:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": b"x" * 60, "more_body": True}

    async def send(message: dict[str, object]) -> None:
        if message.get("more_body") is False:
            order.append("end")

    await Answer(413, [], b"no", config=CONFIG)({}, receive, send)
    assert order == ["part", "part", "end", "part"]


async def test_a_slow_body_does_not_hold_the_answer() -> None:
    """A client that stops sending is not waited for longer than the bound."""
    gone = asyncio.Event()
    ends: list[object] = []

    async def receive() -> dict[str, object]:
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: dict[str, object]) -> None:
        if message.get("more_body") is False:
            ends.append(message["body"])
            gone.set()

    await asyncio.wait_for(Answer(400, [], b"no", config=CONFIG)({}, receive, send), 1)
    assert ends == [b""]


async def test_a_read_body_is_not_waited_for() -> None:
    """After the whole body was read, the answer is one message and nothing is received."""
    exchange = await drive(Answer(500, [], b"no", config=CONFIG, unread=False), "POST", "/", body_chunks=[b"x"])
    assert (exchange.body, exchange.complete, exchange.taken) == (b"no", True, 0)


async def test_a_refusal_is_in_its_dialect() -> None:
    """A refusal has the dialect's envelope and status, the request's id, and what else it is given."""
    error = GatewayBusy()
    dialect = dialect_named("messages")
    app = refusal(error, dialect, request_id="r-1", config=CONFIG, close=True, extra=[(b"allow", b"POST")])
    exchange = await drive(app, "POST", "/")
    assert (dialect.status_of(error), dialect.error_body(error, "r-1")) == (exchange.status, exchange.body)
    names = (b"x-request-id", b"connection", b"allow", b"content-type")
    expected = [b"r-1", b"close", b"POST", b"application/json"]
    assert expected == [exchange.header(name) for name in names]


async def test_a_refusal_says_no_more_than_it_knows() -> None:
    """Without a time to come back there is no such header, and the connection lives on."""
    exchange = await drive(refusal(NotFound(), dialect_named("chat"), request_id="r", config=CONFIG), "GET", "/")
    assert (exchange.header(b"retry-after"), exchange.header(b"connection")) == (None, None)


def test_a_body_that_is_not_read_off_ends_the_connection() -> None:
    """A connection survives a refusal only if its body is surely within what is read off."""
    cases = ({}, {"content-length": "100"}, {"content-length": "101"}, {"transfer-encoding": "chunked"})
    assert [must_close(headers, CONFIG) for headers in cases] == [False, False, True, True]
