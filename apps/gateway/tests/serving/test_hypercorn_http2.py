"""HTTP/2 to clients: each defect that is mended, by the frames of `h2`'s client side."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from h2.settings import SettingCodes

from llmgw_gateway.serving import Certificate
from llmgw_gateway.serving.hypercorn_http2 import MAX_STREAMS
from llmgw_httpapi import HttpConfig, data_app
from llmgw_httpapi.testing import SECRET, ScriptedRelay, whole
from llmgw_simulator.testing_http2 import Http2Client

from .test_listener import Service, on_uvloop, service
from .test_tls import put, trusting


class App:
    """An application whose answer depends on the path, and which notes what became of each exchange."""

    def __init__(self) -> None:
        self.release = asyncio.Event()
        self.sent = 0
        self.ends: list[str] = []
        self.bodies: list[int] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        try:
            await getattr(self, scope["path"].strip("/"))(scope, receive, send)
            self.ends.append("returned")
        except asyncio.CancelledError:
            self.ends.append("cancelled")
            raise

    async def _start(self, send: Any, *more: tuple[bytes, bytes]) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"x-app", b"1"), *more]})

    async def hello(self, scope: Any, receive: Any, send: Any) -> None:
        assert ("2", "https") == (scope["http_version"], scope["scheme"])
        await self._start(send, (b"connection", b"close"), (b"transfer-encoding", b"chunked"))
        await send({"type": "http.response.body", "body": b"hi"})

    async def echo(self, scope: Any, receive: Any, send: Any) -> None:
        size = 0
        while True:
            message = await receive()
            size += len(message.get("body", b""))
            if not message.get("more_body"):
                break
        await self._start(send)
        await send({"type": "http.response.body", "body": b"%d" % size})

    async def hold(self, scope: Any, receive: Any, send: Any) -> None:
        await self._start(send)
        await send({"type": "http.response.body", "body": b"one", "more_body": True})
        await self.release.wait()
        await send({"type": "http.response.body", "body": b"two"})

    async def deaf(self, scope: Any, receive: Any, send: Any) -> None:
        await self.release.wait()
        await self.hello(scope, receive, send)

    async def endless(self, scope: Any, receive: Any, send: Any) -> None:
        await self._start(send)
        while True:
            await send({"type": "http.response.body", "body": b"x" * 16_384, "more_body": True})
            self.sent += 16_384

    async def unended(self, scope: Any, receive: Any, send: Any) -> None:
        await self._start(send)
        await send({"type": "http.response.body", "body": b"part", "more_body": True})

    async def abort(self, scope: Any, receive: Any, send: Any) -> None:
        await self.unended(scope, receive, send)
        scope["state"]["abort"]()
        await self.release.wait()

    async def waits(self, scope: Any, receive: Any, send: Any) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass


@asynccontextmanager
async def serving(tmp_path: Any, app: Any, **more: Any) -> AsyncIterator[tuple[Service, Http2Client]]:
    certificate = Certificate(*put(tmp_path, "localhost"), ("h2", "http/1.1"))
    context = trusting()
    context.set_alpn_protocols(["h2"])
    async with (
        service("hypercorn", app, certificate=certificate) as s,
        Http2Client(s.address[1], context, **more) as client,
    ):
        yield s, client


def http2(test: Any) -> Any:
    """Runs a test on uvloop, with an application and a client of its connection."""

    def run(tmp_path: Any) -> None:
        @on_uvloop
        async def inner() -> None:
            app = App()
            async with serving(tmp_path, app) as (s, client):
                await test(app, s, client)

        inner()

    run.__doc__, run.__name__ = test.__doc__, test.__name__
    return run


async def ended(client: Http2Client, *numbers: int) -> None:
    await client.until(lambda: all(client.streams[number].ending is not None for number in numbers))


@http2
async def test_requests_share_a_connection(app, s, client):
    """Fifty at a time, with bodies larger than the first window; headers of HTTP/1.1's own are left out."""
    asked = [await client.ask("/echo", b"x" * 100_000, {}) for _ in range(5)]
    asked += [await client.ask("/hello", b"{}", {}) for _ in range(50)]
    await ended(client, *asked)
    assert [b"100000"] * 5 + [b"hi"] * 50 == [client.streams[number].body for number in asked]
    assert not {"connection", "transfer-encoding"} & set(client.streams[asked[-1]].headers)
    assert 1 == s.listener.connections


@http2
async def test_an_answer_before_the_body_ends(app, s, client):
    """The rest of the body is dropped; the connection, its window and its other streams go on."""
    held = await client.ask("/hold", b"{}", {})
    for _ in range(5):
        early = await client.ask("/hello", b"x" * 30_000, {}, end=False)
        await ended(client, early)
        assert b"hi" == client.streams[early].body
        client.h2.send_data(early, b"x" * 10_000, end_stream=True)
        await client.flush()
    late = client.h2.get_next_available_stream_id()
    app.release.set()
    await ended(client, held)
    assert b"onetwo" == client.streams[held].body
    assert late == await client.ask("/echo", b"x" * 200_000, {})
    await ended(client, late)
    assert b"200000" == client.streams[late].body


@http2
async def test_a_body_that_is_not_read(app, s, client):
    """PINGs are answered and other streams are served meanwhile, however small its pieces are."""
    deaf = await client.ask("/deaf", b"x", {}, end=False)
    for _ in range(100):
        client.h2.send_data(deaf, b"x" * 100)
    await client.flush()
    client.h2.ping(b"12345678")
    await client.flush()
    await client.until(lambda: client.acknowledged == 1)
    other = await client.ask("/hello", b"{}", {})
    await ended(client, other)
    app.release.set()
    await ended(client, deaf)
    assert [b"hi", b"hi"] == [client.streams[number].body for number in (other, deaf)]


def test_a_client_that_does_not_read(tmp_path):
    """Its application waits: little more than its window has been sent, and is held."""

    @on_uvloop
    async def run() -> None:
        app = App()
        async with serving(tmp_path, app, opens_windows=False) as (_, client):
            number = await client.ask("/endless", b"{}", {})
            await client.until(lambda: len(client.streams[number].body) >= 65_535)
            await asyncio.sleep(0.1)
            assert app.sent < 65_535 + 100_000

    run()


@http2
async def test_a_stream_too_many(app, s, client):
    """Is refused alone."""
    await client.until(lambda: client.h2.remote_settings.max_concurrent_streams == MAX_STREAMS)
    held = [await client.ask("/hold", b"{}", {}) for _ in range(MAX_STREAMS)]
    client.h2.remote_settings[SettingCodes.MAX_CONCURRENT_STREAMS] = 1000
    client.h2.remote_settings.acknowledge()
    refused = await client.ask("/hello", b"{}", {})
    await ended(client, refused)
    assert 7 == client.streams[refused].ending
    app.release.set()
    await ended(client, *held)
    assert {"complete"} == {client.streams[number].ending for number in held}


@pytest.mark.parametrize("path", ["/unended", "/abort"])
def test_a_response_that_is_given_up(tmp_path, path):
    """Its stream is reset, so that nobody takes it for whole; its neighbour goes on."""

    @on_uvloop
    async def run() -> None:
        app = App()
        async with serving(tmp_path, app) as (_, client):
            held = await client.ask("/hold", b"{}", {})
            broken = await client.ask(path, b"{}", {})
            await ended(client, broken)
            assert 2 == client.streams[broken].ending
            app.release.set()
            await ended(client, held)
            assert b"onetwo" == client.streams[held].body

    run()


@http2
async def test_a_reset_is_a_disconnect(app, s, client):
    """The application is told at once, and ends."""
    number = await client.ask("/waits", b"{}", {})
    await asyncio.sleep(0.05)
    client.h2.reset_stream(number, 8)
    await client.flush()
    async with asyncio.timeout(2):
        while not app.ends:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
    assert ["returned"] == app.ends


@http2
async def test_resets_without_end(app, s, client):
    """Opening streams and resetting them at once is ended by ENHANCE_YOUR_CALM; no application is left."""
    for _ in range(300):
        if client.closed or client.goaways:
            break
        number = await client.ask("/waits", b"{}", {})
        client.h2.reset_stream(number, 8)
        await client.flush()
        await asyncio.sleep(0)
    await client.until(lambda: client.closed)
    assert 11 == client.goaways[0][1]
    async with asyncio.timeout(2):
        while s.listener.connections:  # noqa: ASYNC110
            await asyncio.sleep(0.005)


def test_a_drain(tmp_path):
    """GOAWAY without an error; the open stream ends well, a new one is refused, and then the connection ends."""

    @on_uvloop
    async def run() -> None:
        app = App()
        async with serving(tmp_path, app) as (s, client):
            held = await client.ask("/hold", b"{}", {})
            await client.until(lambda: client.streams[held].body)
            draining = asyncio.get_running_loop().create_task(s.listener.drain(10))
            await client.until(lambda: client.goaways)
            assert [(held, 0)] == client.goaways
            late = await client.ask("/hello", b"{}", {})
            await ended(client, late)
            assert 7 == client.streams[late].ending
            app.release.set()
            await ended(client, held)
            assert (b"onetwo", "complete") == (client.streams[held].body, client.streams[held].ending)
            await draining
            await client.until(lambda: client.closed)

    run()


def test_a_client_that_leaves(tmp_path):
    """All its applications end, and nothing is left of the connection."""

    @on_uvloop
    async def run() -> None:
        app = App()
        async with serving(tmp_path, app) as (s, client):
            for _ in range(10):
                await client.ask("/waits", b"{}", {})
            await asyncio.sleep(0.05)
            client._writer.transport.abort()
            async with asyncio.timeout(2):
                while s.listener.connections:  # noqa: ASYNC110
                    await asyncio.sleep(0.005)
            assert ["returned"] * 10 == app.ends

    run()


def test_the_data_plane(tmp_path):
    """A call of a client, whole."""

    @on_uvloop
    async def run() -> None:
        app = data_app(
            ScriptedRelay(whole(b'{"ok":true}')), HttpConfig(), new_request_id=lambda: "r", clock=lambda: 0.0
        )  # type: ignore[arg-type]
        async with serving(tmp_path, app) as (_, client):
            seen = await client.answer("/v1/chat/completions", b"{}", {"authorization": f"Bearer {SECRET}"})
            assert (200, b'{"ok":true}', "complete") == (seen.status, seen.body, seen.ending)

    run()
