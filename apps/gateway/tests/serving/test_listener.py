"""Serving over real sockets, on both engines."""

import asyncio
import functools
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvloop

from llmgw_gateway.serving import Draining, Listener, ServeConfig, bind, serve
from llmgw_httpapi import HttpConfig, data_app
from llmgw_httpapi.testing import SECRET, ScriptedRelay, stream, whole

GET = b"GET /%s HTTP/1.1\r\nhost: gateway\r\n\r\n"
POST = b"POST /v1/chat/completions HTTP/1.1\r\nhost: g\r\nauthorization: Bearer %s\r\ncontent-length: 2\r\n\r\n{}"

engines = pytest.mark.parametrize("engine", ["hypercorn", "uvicorn"])


def on_uvloop(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    """Runs a test as a worker runs: on uvloop."""

    @functools.wraps(test)
    def run(*args: Any, **kwargs: Any) -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(asyncio.wait_for(test(*args, **kwargs), 20))

    return run


class App:
    """An application whose answer depends on the path, and which notes what became of each exchange."""

    def __init__(self) -> None:
        self.draining = Draining()
        self.ends: list[str] = []
        self.release = asyncio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        headers = [(b"connection", b"close")] if self.draining() else []
        try:
            await getattr(self, scope["path"].strip("/"))(receive, send, headers, scope)
        except asyncio.CancelledError:
            self.ends.append("cancelled")
            raise

    async def hello(self, receive: Any, send: Any, headers: list[Any], scope: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [*headers, (b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"hi", "more_body": False})

    async def stream(self, receive: Any, send: Any, headers: list[Any], scope: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"one", "more_body": True})
        await self.release.wait()
        await send({"type": "http.response.body", "body": b"two", "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})
        self.ends.append("streamed")

    async def hang(self, receive: Any, send: Any, headers: list[Any], scope: Any) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self.ends.append("disconnected")

    async def deaf(self, receive: Any, send: Any, headers: list[Any], scope: Any) -> None:
        await asyncio.Event().wait()

    async def unended(self, receive: Any, send: Any, headers: list[Any], scope: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"part", "more_body": True})

    async def abort(self, receive: Any, send: Any, headers: list[Any], scope: Any) -> None:
        await self.unended(receive, send, headers, scope)
        scope["state"]["abort"]()

    async def broken(self, receive: Any, send: Any, headers: list[Any], scope: Any) -> None:
        raise RuntimeError("bug")


class Peer:
    """A client that speaks HTTP by hand."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    def ask(self, path: bytes) -> None:
        self.writer.write(GET % path)

    async def head(self) -> bytes:
        return (await self.reader.readuntil(b"\r\n\r\n")).lower()

    async def chunk(self) -> bytes:
        size = int(await self.reader.readuntil(b"\r\n"), 16)
        return (await self.reader.readexactly(size + 2))[:-2]

    async def hello(self) -> bytes:
        self.ask(b"hello")
        head = await self.head()
        assert await self.reader.readexactly(2) == b"hi"
        return head


class Service:
    """A listener under test with its application."""

    def __init__(self, app: Any, listener: Listener, address: tuple[str, int]) -> None:
        self.app, self.listener, self.address = app, listener, address
        self._writers: list[asyncio.StreamWriter] = []

    async def connect(self) -> Peer:
        reader, writer = await asyncio.open_connection(*self.address)
        self._writers.append(writer)
        return Peer(reader, writer)

    def leave(self) -> None:
        for writer in self._writers:
            writer.close()


async def eventually(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.005)


@asynccontextmanager
async def service(engine: str, app: Any = None, **config: Any) -> AsyncIterator[Service]:
    """Serves an application, and checks in the end that no task and no connection is left."""
    app = app or App()
    before = asyncio.all_tasks()
    (sock,) = bind("127.0.0.1:0")
    address = sock.getsockname()
    settings = ServeConfig(engine=engine, **{"idle_grace_seconds": 0.05, **config})  # type: ignore[arg-type]
    async with serve(app, [sock], settings, getattr(app, "draining", None)) as listener:
        s = Service(app, listener, address)
        try:
            yield s
        finally:
            s.leave()
    await eventually(lambda: asyncio.all_tasks() == before)
    assert listener.connections == 0


@engines
@on_uvloop
async def test_a_connection_serves_many_requests(engine: str) -> None:
    """Requests on one connection are answered in turn, with a date and no server name."""
    async with service(engine) as s:
        peer = await s.connect()
        heads = [await peer.hello() for _ in range(3)]
        assert s.listener.connections == 1
    assert all(b"http/1.1 200" in head and b"\r\ndate: " in head for head in heads)
    assert not any(b"\r\nserver:" in head or b"connection: close" in head for head in heads)


@engines
@on_uvloop
async def test_pipelined_requests_are_answered_in_order(engine: str) -> None:
    """Requests that are sent without waiting are answered one after the other."""
    async with service(engine) as s:
        peer = await s.connect()
        peer.writer.write(GET % b"hello" * 3)
        for _ in range(3):
            assert b"http/1.1 200" in await peer.head()
            assert await peer.reader.readexactly(2) == b"hi"


@engines
@on_uvloop
async def test_a_stream_arrives_chunk_by_chunk(engine: str) -> None:
    """A chunk is at the client while the application waits to make the next one."""
    async with service(engine) as s:
        peer = await s.connect()
        peer.ask(b"stream")
        assert b"transfer-encoding: chunked" in await peer.head()
        assert await peer.chunk() == b"one"
        assert s.app.ends == []
        s.app.release.set()
        assert [await peer.chunk(), await peer.chunk()] == [b"two", b""]


@engines
@on_uvloop
async def test_a_disconnect_reaches_the_application(engine: str) -> None:
    """An application that waits in receive hears that its client is gone."""
    async with service(engine) as s:
        peer = await s.connect()
        peer.ask(b"hang")
        await eventually(lambda: s.listener.connections == 1)
        await asyncio.sleep(0.05)
        peer.writer.close()
        await eventually(lambda: s.app.ends == ["disconnected"])


@engines
@on_uvloop
async def test_many_connections_at_once(engine: str) -> None:
    """Connections do not wait for each other, and all of them end."""
    async with service(engine) as s:
        slow = [await s.connect() for _ in range(20)]
        for peer in slow:
            peer.ask(b"stream")
            await peer.head()
        assert b"200" in await (await s.connect()).hello()
        assert s.listener.connections == 21
        s.app.release.set()
        for peer in slow:
            assert [await peer.chunk(), await peer.chunk(), await peer.chunk()] == [b"one", b"two", b""]


@engines
@on_uvloop
async def test_a_malformed_request_is_400(engine: str) -> None:
    """What is not HTTP is answered with 400, closed, and the listener goes on."""
    async with service(engine) as s:
        peer = await s.connect()
        peer.writer.write(b"NOT HTTP AT ALL\r\n\r\n")
        assert b"http/1.1 400" in await peer.head()
        await peer.reader.read()
        assert b"200" in await (await s.connect()).hello()


@engines
@on_uvloop
async def test_a_large_header_is_refused(engine: str) -> None:
    """A header over the limit is refused with 431, whether it ends or not."""
    async with service(engine, max_header_bytes=4096) as s:
        for end in (b"\r\n\r\n", b""):
            peer = await s.connect()
            peer.writer.write(b"GET /hello HTTP/1.1\r\nhost: g\r\nx: " + b"x" * 8192 + end)
            assert b" 431 " in await peer.head()


@engines
@on_uvloop
async def test_a_silent_connection_is_closed(engine: str) -> None:
    """A connection on which no request begins in time is closed, before the first request and after one."""
    async with service(engine, keep_alive_seconds=0.1) as s:
        silent, idle = await s.connect(), await s.connect()
        await idle.hello()
        async with asyncio.timeout(1):
            assert [await p.reader.read() for p in (silent, idle)] == [b"", b""]


@engines
@on_uvloop
async def test_a_header_has_less_time_than_an_idle_connection(engine: str) -> None:
    """From its first byte on, on a new connection and on one that has served; bytes on the way gain nothing."""
    async with service(engine, keep_alive_seconds=30.0, header_seconds=0.15) as s:
        half, used, idle = [await s.connect() for _ in range(3)]
        early = await s.connect()
        early.writer.write(b"G")
        await used.hello()
        await asyncio.sleep(0.2)
        for byte in (b"G", b"E", b"T", b" ", b"/"):
            half.writer.write(byte)
            used.writer.write(byte)
            await asyncio.sleep(0.02)
        async with asyncio.timeout(1):
            assert [(await p.reader.read())[:12] for p in (half, used, early)] == [b"HTTP/1.1 408"] * 3
        assert b"200" in await idle.hello()
        assert b"200" in await idle.hello()


@engines
@on_uvloop
async def test_a_header_begun_during_an_answer_has_its_time_after_it(engine: str) -> None:
    """The time of a pipelined header runs while the connection waits for it, not while an answer is on its way."""
    async with service(engine, header_seconds=0.1) as s:
        peer = await s.connect()
        peer.ask(b"stream")
        await peer.head()
        peer.writer.write(b"GET /he")
        await asyncio.sleep(0.2)
        s.app.release.set()
        assert [await peer.chunk() for _ in range(3)] == [b"one", b"two", b""]
        assert b" 408 " in await peer.head()


@engines
@on_uvloop
async def test_an_answer_before_the_end_of_its_request_ends_the_connection(engine: str) -> None:
    """What is left of a body that nobody reads has no time to take."""
    async with service(engine) as s:
        peer = await s.connect()
        peer.writer.write(b"POST /hello HTTP/1.1\r\nhost: g\r\ncontent-length: 100\r\n\r\nhalf")
        assert b" 200 " in await peer.head()
        async with asyncio.timeout(2):
            assert await peer.reader.read() == b"hi"


@engines
@on_uvloop
async def test_connections_are_bounded(engine: str) -> None:
    """A connection over the limit is told to come back, and room returns when another ends."""
    async with service(engine, max_connections=1) as s:
        first = await s.connect()
        await first.hello()
        assert b"http/1.1 503" in await (await s.connect()).head()
        first.writer.close()
        await eventually(lambda: s.listener.connections == 0)
        assert b"200" in await (await s.connect()).hello()


@engines
@on_uvloop
async def test_an_application_that_fails_does_not_stop_the_listener(engine: str) -> None:
    """An exception is a 500 for its own client only."""
    async with service(engine) as s:
        peer = await s.connect()
        peer.ask(b"broken")
        assert b"http/1.1 500" in await peer.head()
        assert b"200" in await (await s.connect()).hello()


@engines
@on_uvloop
async def test_an_unended_body_looks_unended(engine: str) -> None:
    """A body whose last message is not sent ends without the last chunk, after all that was written."""
    async with service(engine) as s:
        peer = await s.connect()
        peer.ask(b"unended")
        await peer.head()
        assert await peer.reader.read() == b"4\r\npart\r\n"


@engines
@on_uvloop
async def test_abort_resets_the_connection(engine: str) -> None:
    """The application can cut its connection so that the client sees an error and not an end."""
    async with service(engine) as s:
        peer = await s.connect()
        peer.ask(b"abort")
        with pytest.raises(ConnectionResetError):
            await peer.reader.readuntil(b"never sent")


@engines
@pytest.mark.parametrize("left", [b"hang", b"stream"])
@on_uvloop
async def test_clients_that_leave_leave_no_noise(engine: str, left: bytes, caplog: pytest.LogCaptureFixture) -> None:
    """A client that goes away, even with a reset, is no error in the log."""
    async with service(engine) as s:
        peer = await s.connect()
        peer.ask(left)
        await asyncio.sleep(0.05)
        peer.writer.transport.abort()
        s.app.release.set()
        await eventually(lambda: s.listener.connections == 0)
    assert [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING] == []


@engines
@on_uvloop
async def test_a_drain_lets_streams_finish(engine: str) -> None:
    """A drain refuses new connections, closes idle ones after the grace, and ends when the last stream has ended."""
    async with service(engine) as s:
        streaming, idle = await s.connect(), await s.connect()
        streaming.ask(b"stream")
        await streaming.head()
        await idle.hello()
        drain = asyncio.get_running_loop().create_task(s.listener.drain(5))
        assert await idle.reader.read() == b""
        with pytest.raises(OSError):
            await s.connect()
        assert (s.listener.draining, s.listener.connections, drain.done()) == (True, 1, False)
        s.app.release.set()
        assert [await streaming.chunk() for _ in range(3)] == [b"one", b"two", b""]
        await asyncio.wait_for(drain, 1)
        assert s.app.ends == ["streamed"]


@engines
@on_uvloop
async def test_a_drain_tells_connections_that_they_end(engine: str) -> None:
    """In the grace of a drain an open connection still gets its answer, which says that it is the last."""
    async with service(engine, idle_grace_seconds=5) as s:
        peer = await s.connect()
        await peer.hello()
        drain = asyncio.get_running_loop().create_task(s.listener.drain(10))
        await asyncio.sleep(0)
        assert b"connection: close" in await peer.hello()
        assert await peer.reader.read() == b""
        await asyncio.wait_for(drain, 1)


@engines
@on_uvloop
async def test_a_drain_ends_at_its_deadline(engine: str) -> None:
    """What has not ended by the deadline is cut: the client sees no end of its stream, the application a disconnect."""
    async with service(engine) as s:
        streaming, hanging = await s.connect(), await s.connect()
        streaming.ask(b"stream")
        hanging.ask(b"hang")
        await streaming.head()
        assert await streaming.chunk() == b"one"
        began = time.monotonic()
        s.app.release.clear()
        drain = asyncio.get_running_loop().create_task(s.listener.drain(0.2))
        with pytest.raises(ConnectionResetError):
            await streaming.chunk()
        await eventually(lambda: "disconnected" in s.app.ends)
        s.app.release.set()
        await drain
        assert 0.15 < time.monotonic() - began < 1.5


@engines
@on_uvloop
async def test_an_application_that_does_not_listen_is_cancelled(engine: str) -> None:
    """A drain does not wait for an application that ignores its client's end."""
    async with service(engine) as s:
        (await s.connect()).ask(b"deaf")
        await asyncio.sleep(0.05)
        await s.listener.drain(0.05)
        assert s.app.ends == ["cancelled"]


@pytest.mark.parametrize("engine", ["hypercorn", "uvicorn"])
async def test_the_standard_loop_serves_too(engine: str) -> None:
    """Nothing depends on uvloop."""
    async with service(engine) as s:
        peer = await s.connect()
        assert b"200" in await peer.hello()
        await s.listener.drain(1)


def test_a_listener_shows_itself() -> None:
    """The text of a listener names its addresses, its state and its connections."""

    async def main() -> str:
        async with service("uvicorn") as s:
            return repr(s.listener).replace(str(s.address[1]), "PORT")

    assert asyncio.run(main()) == "<Listener 127.0.0.1:PORT open: 0 connections>"


# --- the data plane over both engines ---------------------------------------------------------------------------------


def plane(script: Any, **config: Any) -> Any:
    relay = ScriptedRelay(script)
    app = data_app(relay, HttpConfig(**config), new_request_id=lambda: "r-1", clock=time.monotonic)
    return relay, app


@engines
@on_uvloop
async def test_plane_answers(engine: str) -> None:
    """A call is answered whole over a real socket, and its connection lives on."""
    relay, app = plane(whole(b'{"ok":true}'))
    async with service(engine, app) as s:
        peer = await s.connect()
        for _ in range(2):
            peer.writer.write(POST % SECRET.encode())
            assert b"x-request-id: r-1" in await peer.head()
            assert await peer.reader.readexactly(11) == b'{"ok":true}'
    assert relay.outcomes == ["ok", "ok"]


@engines
@on_uvloop
async def test_plane_cancels_when_the_client_leaves(engine: str) -> None:
    """A disconnect in mid-stream cancels the relay's work within a moment, without a log line."""
    relay, app = plane(stream([b"data: 1\n\n"], hang=True))
    async with service(engine, app) as s:
        peer = await s.connect()
        peer.writer.write(POST % SECRET.encode())
        await peer.head()
        assert await peer.chunk() == b"data: 1\n\n"
        assert relay.outcomes == []
        peer.writer.close()
        await eventually(lambda: relay.outcomes == ["cancelled"])


@engines
@on_uvloop
async def test_plane_does_not_end_a_broken_stream(engine: str) -> None:
    """A stream that raises reaches the client up to there, and then has no last chunk."""
    relay, app = plane(stream([b"data: 1\n\n"], error=RuntimeError("bug")))
    async with service(engine, app) as s:
        peer = await s.connect()
        peer.writer.write(POST % SECRET.encode())
        await peer.head()
        assert await peer.reader.read() == b"9\r\ndata: 1\n\n\r\n"
    assert relay.outcomes == ["RuntimeError"]


@engines
@on_uvloop
async def test_plane_cuts_off_a_client_that_does_not_read(engine: str) -> None:
    """A client that stops reading is dropped after the send timeout, with what was written for it."""
    relay, app = plane(stream([b"x" * (1 << 20)] * 64), send_timeout=0.2)
    async with service(engine, app) as s:
        peer = await s.connect()
        peer.writer.write(POST % SECRET.encode())
        await peer.head()
        peer.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await eventually(lambda: relay.outcomes == ["cancelled"])
        await eventually(lambda: s.listener.connections == 0)


@engines
@pytest.mark.parametrize("megabytes", [1, 8])
@on_uvloop
async def test_plane_refuses_a_large_upload_visibly(engine: str, megabytes: int) -> None:
    """A client that sends a body over the limit gets to read why, and its connection ends."""
    relay, app = plane(whole(b"{}"), max_body_bytes=1000, linger_seconds=0.2)
    async with service(engine, app) as s:
        peer = await s.connect()
        size = megabytes << 20
        head = POST.split(b"content-length")[0] % SECRET.encode() + b"content-length: %d\r\n\r\n" % size
        peer.writer.write(head + b"x" * size)
        assert b"http/1.1 413" in await peer.head()
    assert relay.calls == []
