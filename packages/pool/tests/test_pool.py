"""The pool over real sockets: what is leased comes back, on every path."""

import asyncio
import gc

import aiohttp.web
import pytest

from llmgw_domain import Account, Deadlines, Provider, Secret
from llmgw_domain.errors import (
    AccountRejected,
    BadRequest,
    GatewayError,
    TooLarge,
    UpstreamReset,
    UpstreamSilent,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from llmgw_pool import ConnectionPool, PoolConfig
from llmgw_pool.signer import Signature
from llmgw_pool.testing import OK, RawServer
from llmgw_relay.ports import UpstreamRequest


def ask(server, **fields):
    fields = {"path": "/v1/x", "body": b"{}", "account": server.account(), **fields}
    return UpstreamRequest(**fields)


async def whole(pool, request):
    async with pool.open(request) as reply:
        return await reply.read(1 << 20)


async def settle(condition):
    """Gives the other end time to notice."""
    async with asyncio.timeout(2):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


async def answering(peer):
    while True:
        await peer.request()
        await peer.answer()


async def test_a_reply_has_status_lower_case_headers_and_body():
    """An answer arrives with its status, its headers under lower-case names, repeated ones joined, and its bytes."""

    async def script(peer):
        await peer.request()
        await peer.send(b"HTTP/1.1 429 Slow\r\nRetry-After: 7\r\nX-A: 1\r\nx-a: 2\r\nContent-Length: 2\r\n\r\nno")

    async with RawServer(script) as server, ConnectionPool() as pool:
        async with pool.open(ask(server)) as reply:
            got = (reply.status, reply.headers["retry-after"], reply.headers["x-a"], await reply.read(10))
        assert got == (429, "7", "1, 2", b"no")
        assert pool.counters().leased == 0


async def test_the_request_goes_out_as_given():
    """Method, path, query and body are sent unchanged, with our own encoding, agent and credential headers."""
    seen = []

    async def script(peer):
        seen.append(await peer.request())
        await peer.answer()

    async with RawServer(script) as server, ConnectionPool() as pool:
        await whole(
            pool, ask(server, path="/v1/a%2Fb/..%20", query="x=%2B&y=a+b", body=b'{"a":1}', headers=(("x-one", "1"),))
        )
    head, body = seen[0]
    line, *headers = head.decode().lower().rstrip().split("\r\n")
    assert (line, body) == ("post /v1/a%2fb/..%20?x=%2b&y=a+b http/1.1", b'{"a":1}')
    assert sorted(headers) == sorted(
        [
            f"host: 127.0.0.1:{server.port}",
            "x-one: 1",
            "accept-encoding: identity",
            "user-agent: llmgw/0.1",
            "content-type: application/json",
            "authorization: bearer sk-test",
            "content-length: 7",
        ]
    )


@pytest.mark.parametrize("size", [1, 1 << 20, (1 << 20) + 1, 5_000_001])
async def test_bodies_of_any_size_arrive_whole(size):
    """A request body larger than any buffer arrives whole, without a warning."""
    seen = []

    async def script(peer):
        seen.append((await peer.request())[1])
        await peer.answer()

    async with RawServer(script) as server, ConnectionPool() as pool:
        await whole(pool, ask(server, body=b"x" * size))
    assert [b"x" * size] == seen


async def test_connections_are_reused():
    """Calls that follow each other share one connection, which is idle between them."""
    async with RawServer(answering) as server, ConnectionPool() as pool:
        bodies = [await whole(pool, ask(server)) for _ in range(3)]
        now = pool.counters()
        assert (bodies, server.connections) == ([b"hello"] * 3, 1)
        assert (now.leased, now.open, now.idle, now.opened_total, now.failed_total) == (0, 1, 1, {"a": 3}, {})
        assert repr(pool) == "<ConnectionPool leased=0 open=1 idle=1>"
    assert pool.counters().open == 0


async def test_more_calls_than_aiohttp_allows_by_default_run_at_once():
    """The pool never queues: 120 calls hold 120 connections at the same time."""
    gate = asyncio.Event()

    async def script(peer):
        await peer.request()
        await gate.wait()
        await peer.answer()

    async with RawServer(script) as server, ConnectionPool() as pool, asyncio.TaskGroup() as group:
        for _ in range(120):
            group.create_task(whole(pool, ask(server)))
        await settle(lambda: server.connections == 120)
        assert pool.counters().leased == 120
        gate.set()
    assert pool.counters().leased == 0


async def test_leaving_early_tells_the_provider():
    """Leaving before the body's end closes the connection at once, and it is not used again."""

    async def script(peer):
        await peer.request()
        await peer.send(OK + b"transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n")
        await peer.silence()

    async with RawServer(script) as server, ConnectionPool() as pool:
        async with pool.open(ask(server)) as reply:
            async for piece in reply.chunks():
                assert piece == b"abc"
                break
            assert pool.counters().leased == 1
        await settle(lambda: server.left == 1 and pool.counters().open == 0)
        assert (pool.counters().leased, pool.counters().idle) == (0, 0)


async def test_an_answer_before_the_body_was_read_closes_the_connection():
    """A provider that refuses a large body without reading it gets its answer through, and the connection is gone."""

    async def script(peer):
        await peer.reader.readuntil(b"\r\n\r\n")
        await peer.send(b"HTTP/1.1 413 Large\r\ncontent-length: 2\r\n\r\nno")
        await asyncio.sleep(0.05)

    async with RawServer(script) as server, ConnectionPool() as pool:
        async with pool.open(ask(server, body=b"x" * 20_000_000)) as reply:
            assert (reply.status, await reply.read(10)) == (413, b"no")
        await settle(lambda: pool.counters().open == 0)
        assert (pool.counters().leased, pool.counters().idle) == (0, 0)


async def test_cookies_are_not_replayed():
    """A cookie that a provider sets for one call is not sent with the next."""
    seen = []

    async def page(request):
        seen.append(request.headers.get("cookie"))
        reply = aiohttp.web.Response(text="ok")
        reply.set_cookie("__cf_bm", "tenant-one")
        return reply

    async with web(page) as server, ConnectionPool() as pool:
        # A name, since cookies of bare addresses are kept by no jar.
        server.url = server.url.replace("127.0.0.1", "localhost")
        assert [await whole(pool, ask(server)) for _ in range(2)] == [b"ok", b"ok"]
    assert seen == [None, None]


async def test_redirects_are_not_followed():
    """A redirect is an answer like any other: the credential is not carried anywhere."""
    seen = []

    async def page(request):
        seen.append(request.path)
        raise aiohttp.web.HTTPTemporaryRedirect("/elsewhere")

    async with web(page) as server, ConnectionPool() as pool, pool.open(ask(server)) as reply:
        assert (reply.status, reply.headers["location"]) == (307, "/elsewhere")
    assert seen == ["/v1/x"]


class web:
    """An aiohttp server that has one page for every path."""

    account = RawServer.account

    def __init__(self, page):
        app = aiohttp.web.Application()
        app.router.add_route("*", "/{any:.*}", page)
        self.runner = aiohttp.web.AppRunner(app)

    async def __aenter__(self):
        await self.runner.setup()
        site = aiohttp.web.TCPSite(self.runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self.runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *error):
        await self.runner.cleanup()


# --- failures before the headers --------------------------------------------------------------------------------------


async def failing(pool, request):
    with pytest.raises(GatewayError) as caught:
        await whole(pool, request)
    now = pool.counters()
    assert (now.leased, now.failed_total) == (0, {"a": 1})
    return type(caught.value), caught.value.detail


def at(base_url):
    return Account(id="a", provider=Provider.OPENAI, base_url=base_url, credential=Secret("sk"), pool="p")


async def test_a_closed_port_is_unreachable(unused_tcp_port):
    """Nobody listening is `UpstreamUnreachable`, and the log says why."""
    async with ConnectionPool() as pool:
        request = UpstreamRequest(account=at(f"http://127.0.0.1:{unused_tcp_port}"), path="/", body=b"{}")
        assert (UpstreamUnreachable, "connect: ECONNREFUSED") == await failing(pool, request)


async def test_an_unknown_host_is_unreachable():
    """A name that does not resolve is `UpstreamUnreachable`."""
    async with ConnectionPool() as pool:
        request = UpstreamRequest(account=at("http://nothing.invalid"), path="/", body=b"{}")
        kind, detail = await failing(pool, request)
        assert (UpstreamUnreachable, "dns:") == (kind, detail[:4])


async def test_a_peer_without_tls_is_unreachable():
    """A handshake that fails is `UpstreamUnreachable`: nothing was sent."""

    async def script(peer):
        await peer.reader.read(1)
        await peer.send(b"HTTP/1.1 400 no TLS here\r\n\r\n")

    async with RawServer(script) as server, ConnectionPool() as pool:
        request = UpstreamRequest(account=at(server.url.replace("http:", "https:")), path="/", body=b"{}")
        kind, detail = await failing(pool, request)
        assert (UpstreamUnreachable, "tls:") == (kind, detail[:4])


async def test_a_silent_handshake_is_a_connect_timeout():
    """The connect deadline covers TLS: a peer that accepts and says nothing is given up."""
    async with RawServer(lambda peer: peer.silence()) as server, ConnectionPool() as pool:
        request = UpstreamRequest(
            account=at(server.url.replace("http:", "https:")), path="/", body=b"{}", deadlines=Deadlines(connect=0.05)
        )
        assert (UpstreamSilent, "connect: no progress in 0.05 s") == await failing(pool, request)
        await settle(lambda: server.left == 1)


async def test_a_bad_base_address_is_unreachable():
    """An address that is none fails as the account's trouble, not as a crash."""
    for address in ("", "ftp://x", "http://", "http://u:p@h", "http://h:99999", "http://a b", "http://h/?x=1"):
        async with ConnectionPool() as pool:
            kind, _ = await failing(pool, UpstreamRequest(account=at(address), path="/", body=b"{}"))
            assert (address, UpstreamUnreachable) == (address, kind)


async def test_silence_is_a_headers_timeout():
    """A provider that takes the request and says nothing runs into the headers deadline."""
    async with RawServer(lambda peer: peer.silence()) as server, ConnectionPool() as pool:
        request = ask(server, deadlines=Deadlines(headers=0.05))
        assert (UpstreamSilent, "headers: no progress in 0.05 s") == await failing(pool, request)
        await settle(lambda: server.left == 1)


async def test_the_total_deadline_holds_before_the_headers():
    """The total deadline ends the wait for headers, and the log names the phase it hit."""
    async with RawServer(lambda peer: peer.silence()) as server, ConnectionPool() as pool:
        request = ask(server, deadlines=Deadlines(total=0.05))
        assert (UpstreamTimeout, "total: over 0.05 s, in the phase 'headers'") == await failing(pool, request)


async def test_a_connection_closed_without_an_answer_is_a_reset():
    """On a new connection nothing is sent twice: the request may have been acted on."""
    seen = []

    async def script(peer):
        seen.append(await peer.request())

    async with RawServer(script) as server, ConnectionPool() as pool:
        assert (UpstreamReset, "headers: connection closed before an answer") == await failing(pool, ask(server))
    assert len(seen) == 1


async def test_a_reset_before_the_answer_is_a_reset():
    """A RST in place of the headers is `UpstreamReset` with the system's name for it."""

    async def script(peer):
        await peer.request()
        peer.reset()

    async with RawServer(script) as server, ConnectionPool() as pool:
        assert (UpstreamReset, "headers: ECONNRESET") == await failing(pool, ask(server))


async def test_headers_that_make_no_sense_are_malformed():
    """What is not HTTP is `UpstreamMalformed`."""

    async def script(peer):
        await peer.request()
        await peer.send(b"SSH-2.0-OpenSSH\r\n\r\n")

    async with RawServer(script) as server, ConnectionPool() as pool:
        kind, detail = await failing(pool, ask(server))
        assert (kind.__name__, detail[:14]) == ("UpstreamMalformed", "response head:")


async def test_injection_is_refused_before_a_connection_is_made():
    """Line breaks in a path, a header or a credential raise and nothing reaches the provider."""
    async with RawServer(answering) as server:
        account = server.account(credential="sk-1\r\nx-evil: 1")
        cases = [
            (BadRequest, {"path": "/a\r\nx: 1"}),
            (BadRequest, {"query": "a=1 HTTP/1.1"}),
            (BadRequest, {"headers": (("x-a", "1\r\nx-evil: 1"),)}),
            (BadRequest, {"headers": (("x-a: 1\r\nx-evil", "1"),)}),
            (AccountRejected, {"account": account}),
        ]
        for kind, fields in cases:
            async with ConnectionPool() as pool:
                assert (fields, kind) == (fields, (await failing(pool, ask(server, **fields)))[0])
        assert server.connections == 0


async def test_a_closed_pool_is_unreachable():
    """A call after the pool was closed is refused as any unreachable provider."""
    pool = ConnectionPool()
    async with RawServer(answering) as server:
        async with pool:
            await whole(pool, ask(server))
        with pytest.raises(UpstreamUnreachable):
            pool.open(ask(server))


# --- the race with the provider's keep-alive --------------------------------------------------------------------------


def once_then(ending):
    """Answers the first request of the first connection; `ending` plays its second. Later connections just answer."""

    async def script(peer):
        await peer.request()
        await peer.answer()
        if peer.number == 1:
            await peer.request()
            await ending(peer)
        else:
            await answering(peer)

    return script


async def closes(peer):
    pass


async def resets(peer):
    peer.reset()


async def begins(peer):
    await peer.send(b"HTTP/1.1 200 O")


async def begins_and_resets(peer):
    await peer.send(b"HTTP/1.1 200 O")
    await asyncio.sleep(0.02)
    peer.reset()


@pytest.mark.parametrize("ending", [closes, resets])
async def test_a_request_lost_with_a_kept_connection_is_sent_again(ending):
    """A kept connection that dies before any byte of the answer costs one more sending, on a new connection."""
    async with RawServer(once_then(ending)) as server, ConnectionPool() as pool:
        assert [await whole(pool, ask(server)) for _ in range(2)] == [b"hello", b"hello"]
        now = pool.counters()
        assert (server.connections, now.resent_total, now.failed_total, now.leased) == (2, {"a": 1}, {}, 0)


@pytest.mark.parametrize("ending", [begins, begins_and_resets])
async def test_a_request_that_was_being_answered_is_not_sent_again(ending):
    """One byte of an answer proves that the provider acted, so the request is not repeated."""
    async with RawServer(once_then(ending)) as server, ConnectionPool() as pool:
        await whole(pool, ask(server))
        kind, _ = await failing(pool, ask(server))
        assert (UpstreamReset, 1, {}) == (kind, server.connections, pool.counters().resent_total)


async def test_what_may_be_sent_once_takes_no_kept_connection():
    """It could die without a word, and nobody knew whether the request was taken."""
    async with RawServer(once_then(closes)) as server, ConnectionPool() as pool:
        assert [b"hello"] * 2 == [await whole(pool, ask(server, once=once)) for once in (False, True)]
        now = pool.counters()
        assert (2, {}, 0) == (server.connections, now.resent_total, now.leased)


async def test_the_second_sending_takes_a_new_connection_and_spares_kept_ones():
    """With several kept connections, the second sending uses none of them and leaves them kept."""
    gate, doomed = asyncio.Event(), set()

    async def script(peer):
        await peer.request()
        await gate.wait()
        await peer.answer()
        await peer.request()
        if peer.number not in doomed:
            await peer.answer()

    async with RawServer(script) as server, ConnectionPool() as pool:
        async with asyncio.TaskGroup() as group:
            for _ in range(3):
                group.create_task(whole(pool, ask(server)))
            await settle(lambda: server.connections == 3)
            gate.set()
        doomed.update({1, 2, 3})
        assert await whole(pool, ask(server)) == b"hello"
        now = pool.counters()
        assert (server.connections, now.resent_total, now.idle) == (4, {"a": 1}, 3)


# --- signatures -------------------------------------------------------------------------------------------------------


class Numbered:
    """Signs with a number that grows; takes a refusal as worth another one `again` times."""

    def __init__(self, again=0):
        self.count = 0
        self.again = again
        self.seen = []

    async def sign(self, request):
        self.count += 1
        self.seen.append(request)
        return Signature((("x-signed", str(self.count)),), ())

    def refused(self, signature):
        self.again -= 1
        return self.again >= 0


def signing(pool, signer):
    """The pool, with one signer for every account."""
    pool._signers.of = lambda account: signer
    return pool


async def test_each_sending_has_a_signature_of_its_own():
    """A request that is sent again after its connection died is signed again; the signer gets the very bytes."""
    heads = []

    async def script(peer):
        heads.append((await peer.request())[0])
        await peer.answer()
        heads.append((await peer.request())[0])

    signer = Numbered()
    async with RawServer(script) as server, signing(ConnectionPool(), signer) as pool:
        assert [b"hello"] * 2 == [await whole(pool, ask(server, query="a=b")) for _ in range(2)]
        url = f"{server.url}/v1/x?a=b"
    assert [b"1", b"2", b"3"] == [head.partition(b"x-signed: ")[2].partition(b"\r")[0] for head in heads]
    sent = signer.seen[-1]
    assert ("POST", url, b"{}", "application/json") == (sent.method, sent.url, sent.body, sent.headers["content-type"])


@pytest.mark.parametrize(("again", "status", "signed"), [(0, 401, 1), (1, 200, 2), (5, 200, 2)])
async def test_a_refused_signature_is_bettered_once(again, status, signed):
    """Where the signer has another one, the request is sent again; nothing is left of the refusal."""

    async def script(peer):
        while True:
            head, _ = await peer.request()
            code = b"401 No" if b"x-signed: 1" in head else b"200 OK"
            await peer.send(b"HTTP/1.1 " + code + b"\r\ncontent-length: 2\r\n\r\nab")

    signer = Numbered(again)
    async with RawServer(script) as server, signing(ConnectionPool(), signer) as pool:
        async with pool.open(ask(server)) as reply:
            assert (status, b"ab") == (reply.status, await reply.read(10))
        assert (signed, 0) == (signer.count, pool.counters().leased)


# --- cancellation -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kept", [False, True])
async def test_cancelled_at_each_await_nothing_is_left(kept):
    """Whatever step a call is cancelled at, its lease comes back and no half-used connection stays."""

    async def script(peer):
        while True:
            await peer.request()
            await peer.send(OK + b"transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n")
            await asyncio.sleep(0)
            await peer.send(b"3\r\ndef\r\n0\r\n\r\n")

    finished = cancelled = 0
    async with RawServer(script) as server, ConnectionPool() as pool:
        for steps in range(60):
            if kept:
                await whole(pool, ask(server))
            task = asyncio.get_running_loop().create_task(whole(pool, ask(server)))
            for _ in range(steps):
                await asyncio.sleep(0)
            task.cancel()
            try:
                assert await task == b"abcdef"
                finished += 1
            except asyncio.CancelledError:
                cancelled += 1
            now = pool.counters()
            assert (steps, 0, {}) == (steps, now.leased, now.failed_total)
            await settle(lambda: pool.counters().open == pool.counters().idle)
        assert await whole(pool, ask(server)) == b"abcdef"
    gc.collect()
    assert finished
    assert cancelled
    assert pool.counters().open == 0


@pytest.mark.parametrize("waiting", [True, False])
async def test_closing_the_pool_ends_what_is_still_leased(waiting):
    """A pool that is closed under a reader ends that read with an error and leaves no socket."""

    async def script(peer):
        await peer.request()
        await peer.send(OK + b"content-length: 10\r\n\r\nab")
        await peer.silence()

    async with RawServer(script) as server:
        pool = ConnectionPool(PoolConfig(close_timeout_seconds=0.5))
        async with pool:
            lease = pool.open(ask(server))
            reply = await lease.__aenter__()
            reading = asyncio.get_running_loop().create_task(reply.read(100))
            if waiting:
                await asyncio.sleep(0.02)
        with pytest.raises(UpstreamReset) as caught:
            await reading
        await lease.__aexit__(None, None, None)
        assert (caught.value.bytes_received, pool.counters().leased, pool.counters().open) == (2, 0, 0)


async def pieces(*parts, error=None):
    for part in parts:
        yield part
    if error is not None:
        raise error


async def test_a_body_is_streamed_as_it_comes():
    """In chunks, or with the length that is known; never on a kept connection, since it can't be sent again."""
    got = []

    async def handler(request):
        got.append((request.headers.get("Content-Length"), await request.read()))
        return aiohttp.web.Response(text="ok")

    app = aiohttp.web.Application()
    app.router.add_post("/v1/x", handler)
    runner = aiohttp.web.AppRunner(app)
    await runner.setup()
    try:
        site = aiohttp.web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = site._server.sockets[0].getsockname()[1]
        account = Account(
            id="a", provider=Provider.OPENAI, base_url=f"http://127.0.0.1:{port}", credential=Secret("k"), pool="p"
        )
        async with ConnectionPool() as pool:
            for length in (None, 4):
                request = UpstreamRequest(
                    account=account, path="/v1/x", body=b"", upload=pieces(b"ab", b"cd"), length=length
                )
                assert b"ok" == await whole(pool, request)
            assert 0 == pool.counters().leased
    finally:
        await runner.cleanup()
    assert [(None, b"abcd"), ("4", b"abcd")] == got


async def test_what_breaks_a_streamed_body_is_told_as_it_is():
    """The client's fault is not the provider's, whatever aiohttp makes of it."""

    async def script(peer):
        await peer.silence()

    async with RawServer(script) as server, ConnectionPool() as pool:
        with pytest.raises(TooLarge, match="much"):
            await whole(pool, ask(server, body=b"", upload=pieces(b"ab", error=TooLarge("too much"))))
        assert 0 == pool.counters().leased
