"""The data plane from request to answer, over a scripted relay."""

import asyncio
import logging
from collections.abc import Iterator

import pytest
from starlette.types import ASGIApp

from llmgw_domain import Policy, StreamErrors
from llmgw_domain.errors import GatewayError, MethodNotAllowed, UnknownKey
from llmgw_httpapi import HttpConfig, data_app
from llmgw_httpapi.testing import SECRET, Exchange, ScriptedRelay, drive, stream, whole
from llmgw_protocols import dialect_named
from llmgw_relay.call import Call, Reply

AUTH = ("authorization", f"Bearer {SECRET}")
CHAT = "/v1/chat/completions"


class Plane:
    """The application under test with its relay."""

    def __init__(self, relay: ScriptedRelay, config: HttpConfig, draining: bool = False) -> None:
        self.relay = relay
        ids: Iterator[int] = iter(range(1, 1000))
        self.app: ASGIApp = data_app(
            relay,
            config,
            new_request_id=lambda: f"r-{next(ids)}",
            clock=lambda: 12.5,
            draining=lambda: draining,
        )

    async def post(self, path: str = CHAT, *headers: tuple[str, str], **more: object) -> Exchange:
        more.setdefault("body_chunks", [b'{"model":', b'"m"}'])
        before = asyncio.all_tasks()
        exchange = await drive(self.app, "POST", path, [AUTH, *headers], **more)  # type: ignore[arg-type]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert asyncio.all_tasks() - before == set()
        return exchange


def plane(script: object = None, **config: object) -> Plane:
    return Plane(ScriptedRelay(script or whole(b'{"ok":true}')), HttpConfig(**config))  # type: ignore[arg-type]


async def test_a_whole_answer() -> None:
    """A whole answer goes out as one body message with its length, the relay's headers and the request's id."""
    p = plane()
    exchange = await p.post()
    assert (exchange.status, exchange.chunks, exchange.complete) == (200, [b'{"ok":true}'], True)
    names = (b"content-type", b"content-length", b"x-request-id", b"connection", b"cache-control")
    assert [exchange.header(name) for name in names] == [b"application/json", b"11", b"r-1", None, None]
    assert p.relay.outcomes == ["ok"]


async def test_the_call_carries_the_request() -> None:
    """The relay gets body, headers without credentials, wishes, times and the client's address."""
    p = plane()
    wishes = [("x-gw-stream-errors", "strict"), ("x-gw-timeout", "3"), ("x-gw-tags", "a=b"), ("x-request-id", "mine")]
    exchange = await p.post(CHAT, *wishes, ("user-agent", "sdk"), ("x-api-key", "other"), query="alt=sse&key=k")
    (call,) = p.relay.calls
    assert (call.wire.body, call.wire.query) == (b'{"model":"m"}', {"alt": "sse"})
    assert {*dict(wishes), "user-agent"} == set(call.wire.headers)
    assert (
        call.request_id,
        call.started,
        call.client,
        call.tags,
        call.timeout,
        call.stream_errors,
    ) == ("mine", 12.5, "192.0.2.7", "a=b", 3.0, StreamErrors.STRICT)
    assert exchange.header(b"x-request-id") == b"mine"


async def test_a_client_can_choose_an_id_again() -> None:
    """What is recorded of its calls goes by ids of the gateway's own, so none hides another."""
    p = plane()
    for _ in range(2):
        await p.post(CHAT, ("x-request-id", "mine"))
    await p.post()
    calls = [(call.id, call.request_id) for call in p.relay.calls]
    assert [("r-1", "mine"), ("r-2", "mine"), ("r-3", "r-3")] == calls


@pytest.mark.parametrize(
    ("path", "dialect"),
    [
        (CHAT, "chat"),
        ("/chat/completions", "chat"),
        ("/v1/messages", "messages"),
        ("/v1beta/models/a%2Fb:streamGenerateContent", "gemini"),
    ],
)
async def test_the_path_gives_the_dialect(path: str, dialect: str) -> None:
    """Each path leads to its dialect; Gemini's gives model, stream and version too."""
    p = plane()
    await p.post(path)
    (call,) = p.relay.calls
    expected = ("a/b", True, "v1beta") if dialect == "gemini" else (None, False, None)
    assert dialect == call.dialect.name
    assert expected == (call.wire.path_model, call.wire.path_stream, call.wire.path_version)


async def test_a_stream_is_written_chunk_by_chunk() -> None:
    """Each chunk is one message as it comes, then an empty one ends the body; no proxy is to keep it."""
    exchange = await plane(stream([b"a", b"b"])).post()
    assert (exchange.chunks, exchange.complete) == ([b"a", b"b"], True)
    names = (b"content-type", b"cache-control", b"x-accel-buffering", b"content-length")
    assert [exchange.header(name) for name in names] == [b"text/event-stream", b"no-cache", b"no", None]


async def test_an_unknown_key_is_refused_unread() -> None:
    """A wrong key or none is 401 in the dialect's envelope, before the relay sees a call."""
    p = plane()
    for headers in ([], [("x-api-key", "wrong")]):
        exchange = await drive(p.app, "POST", "/v1/messages", [*headers, ("x-request-id", "r")], [b"{}"])
        assert (401, dialect_named("messages").error_body(UnknownKey(), "r")) == (exchange.status, exchange.body)
    assert p.relay.calls == []


async def test_who_is_turned_away_is_recorded() -> None:
    """A refusal at the door is told to the relay with the key, if it was known by then, and only once."""
    p = plane(max_body_bytes=100)
    await p.post(CHAT, ("content-length", "101"))
    await drive(p.app, "POST", CHAT, [("x-api-key", "wrong")], [b"{}"])
    assert [(error.status, knock.key.id if knock.key else None) for knock, error in p.relay.turned] == [
        (413, "key-1"),
        (401, None),
    ]


async def test_a_wrong_method_is_405() -> None:
    """A path of calls takes POST only."""
    exchange = await drive(plane().app, "GET", CHAT)
    error = MethodNotAllowed(f"{CHAT} takes POST, not GET.")
    assert (405, dialect_named("chat").error_body(error, "r-1")) == (exchange.status, exchange.body)
    assert exchange.header(b"allow") == b"POST"


@pytest.mark.parametrize(
    ("header", "status"),
    [
        (("x-gw-stream-errors", "ignore"), 400),
        (("x-gw-timeout", "0"), 400),
        (("x-gw-tags", "x" * 1025), 400),
        (("content-encoding", "gzip"), 400),
        (("content-length", "101"), 413),
    ],
)
async def test_what_headers_forbid_is_refused(header: tuple[str, str], status: int) -> None:
    """A request whose headers are wrong never reaches the relay; its answer carries the request's id."""
    p = plane(max_body_bytes=100)
    exchange = await p.post(CHAT, header)
    assert (status, [], b"r-1") == (exchange.status, p.relay.calls, exchange.header(b"x-request-id"))


async def test_an_announced_length_is_refused_unread() -> None:
    """A body over the limit is refused before it is read, and a large one ends the connection."""
    exchange = await plane(max_body_bytes=100, linger_bytes=0).post(CHAT, ("content-length", "5000"))
    assert (exchange.status, exchange.header(b"connection")) == (413, b"close")
    assert exchange.taken_before_start == 0


async def test_a_policy_sets_its_own_limit() -> None:
    """A key's policy may allow more or less than the gateway does by default."""
    relay = ScriptedRelay(whole(b"{}"), policy=Policy(max_body_bytes=4))
    exchange = await Plane(relay, HttpConfig()).post(body_chunks=[b"1234"])
    assert exchange.status == 200
    exchange = await Plane(relay, HttpConfig()).post(body_chunks=[b"1234", b"5"])
    assert exchange.status == 413


async def test_bodies_are_bounded_together() -> None:
    """A body for which there is no room is 503 with a time to come back; room returns as other requests end."""
    held = asyncio.Event()

    async def hold(call: Call) -> Reply:
        await held.wait()
        return Reply(200, [], b"")

    p = plane(hold, max_buffered_bytes=15)
    async with asyncio.TaskGroup() as group:
        first = group.create_task(drive(p.app, "POST", CHAT, [AUTH], [b"x" * 10]))
        await asyncio.sleep(0.01)
        second = await drive(p.app, "POST", CHAT, [AUTH], [b"x" * 10])
        assert (second.status, second.header(b"x-gw-attempts")) == (503, b"0")
        held.set()
    assert first.result().status == 200
    assert (await p.post(body_chunks=[b"x" * 15])).status == 200


async def test_a_client_that_leaves_during_its_body_gets_nothing() -> None:
    """Nothing is answered and nothing asked when the client leaves before its request is whole."""
    p = plane()
    exchange = await p.post(disconnect_after=0)
    assert (exchange.status, p.relay.calls) == (None, [])


async def test_a_client_that_leaves_cancels_the_relay() -> None:
    """A disconnect in mid-stream cancels the relay's work at once, and the response is not ended."""
    p = plane(stream([b"a", b"b"], hang=True))
    exchange = await asyncio.wait_for(p.post(disconnect_after=2), 1)
    assert (exchange.chunks, exchange.complete, p.relay.outcomes) == ([b"a", b"b"], False, ["cancelled"])
    assert not exchange.aborted


async def test_a_client_that_does_not_read_is_cut_off() -> None:
    """A chunk that is not taken in time cancels the relay's work and resets the connection."""
    p = plane(stream([b"a", b"b", b"c"]), send_timeout=0.02)
    exchange = await asyncio.wait_for(p.post(stall_after=1), 1)
    assert (exchange.chunks, exchange.complete, exchange.aborted) == ([b"a"], False, True)
    assert p.relay.outcomes == ["cancelled"]


@pytest.mark.parametrize(("http_version", "aborted"), [("1.1", False), ("1.0", True)])
async def test_a_broken_stream_is_not_ended(http_version: str, aborted: bool, caplog: pytest.LogCaptureFixture) -> None:
    """A stream that raises gets no last message; where the end of the connection would look like one, it is reset."""
    p = plane(stream([b"a"], error=RuntimeError("bug")))
    exchange = await p.post(http_version=http_version)
    assert ([b"a"], False, aborted) == (exchange.chunks, exchange.complete, exchange.aborted)
    assert [(r.name, r.levelno) for r in caplog.records] == [("llmgw_httpapi.app", logging.ERROR)]


async def test_a_bug_before_the_answer_is_500(caplog: pytest.LogCaptureFixture) -> None:
    """An unforeseen error is told in the dialect's envelope without its text, and logged with the request's id."""

    async def broken(call: Call) -> Reply:
        raise RuntimeError("secret detail")

    exchange = await plane(broken).post()
    assert (500, dialect_named("chat").error_body(GatewayError(), "r-1")) == (exchange.status, exchange.body)
    assert [record.message for record in caplog.records] == ["request r-1 failed inside the gateway"]


async def test_the_servers_cancellation_goes_through() -> None:
    """A server that cancels in mid-stream gets its cancellation back once the relay has settled, and no end."""
    p = plane(stream([b"a"], hang=True))
    task = asyncio.get_running_loop().create_task(drive(p.app, "POST", CHAT, [AUTH], [b"{}"]))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.sleep(0)
    assert (p.relay.outcomes, len(asyncio.all_tasks())) == (["cancelled"], 1)


@pytest.mark.parametrize("script", [whole(b"{}"), stream([b"a"])])
async def test_draining_ends_connections(script: object) -> None:
    """While draining, an answer still goes out and ends its connection; HTTP/2 is not told so in a header."""
    p = Plane(ScriptedRelay(script), HttpConfig(), draining=True)  # type: ignore[arg-type]
    assert (await p.post()).header(b"connection") == b"close"
    assert (await p.post(http_version="2")).header(b"connection") is None


async def test_other_kinds_of_connection_are_declined() -> None:
    """WebSockets are closed, and a server's lifespan messages are acknowledged."""
    sent: list[str] = []
    inbox = ["lifespan.startup", "lifespan.shutdown"]

    async def receive() -> dict[str, str]:
        return {"type": inbox.pop(0)}

    async def send(message: dict[str, str]) -> None:
        sent.append(message["type"])

    await plane().app({"type": "websocket"}, receive, send)  # type: ignore[arg-type]
    await plane().app({"type": "lifespan"}, receive, send)  # type: ignore[arg-type]
    assert sent == ["websocket.close", "lifespan.startup.complete", "lifespan.shutdown.complete"]
