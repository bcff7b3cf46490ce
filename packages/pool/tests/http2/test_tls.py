"""HTTP/2 over TLS: what server and client agree on, on both event loops."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable

import msgspec
import pytest
import trustme
import uvloop

from llmgw_domain import Account
from llmgw_domain.errors import UpstreamUnreachable
from llmgw_pool import ConnectionPool, PoolConfig
from llmgw_pool.testing_http2 import Http2Server, Served, account_at
from llmgw_relay.ports import UpstreamRequest

LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
CA = trustme.CA()


def certified(*protocols: str, name: str = "127.0.0.1") -> ssl.SSLContext:
    """A server's context, with a certificate for this name."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    CA.issue_cert(name).configure_cert(context)
    if protocols:
        context.set_alpn_protocols(list(protocols))
    return context


def trusting(account: Account, **more: object) -> Account:
    return msgspec.structs.replace(account, ca=CA.cert_pem.bytes().decode(), **more)


async def ask(pool: ConnectionPool, account: Account) -> bytes:
    async with pool.open(UpstreamRequest(account=account, path="/", body=b"{}")) as reply:
        return await reply.read(1 << 20)


async def answers(served: Served) -> None:
    await served.answer(b"by h2")


async def one_one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A server that knows HTTP/1.1 only."""
    try:
        while True:
            await reader.readuntil(b"{}")
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nby 1.1")
    except asyncio.IncompleteReadError:
        writer.close()


@pytest.fixture(params=LOOPS)
def on_a_loop(request) -> Callable[[Callable[[], Awaitable[None]]], None]:
    def run(test: Callable[[], Awaitable[None]]) -> None:
        with asyncio.Runner(loop_factory=LOOPS[request.param]) as runner:
            runner.run(test())

    return run


def test_both_offer_http2(on_a_loop):
    """`auto` is HTTP/2 then; a large body goes both ways, through TLS, on one connection."""

    async def large(served: Served) -> None:
        await served.ended.wait()
        await served.head()
        await served.send(served.body, end=True)

    async def test() -> None:
        async with Http2Server(large, tls=certified("h2", "http/1.1")) as server, ConnectionPool() as pool:
            account = trusting(server.account("auto"))
            body = b"0123456789abcdef" * 50_000
            for _ in range(2):
                async with pool.open(UpstreamRequest(account=account, path="/", body=body)) as reply:
                    assert body == await reply.read(1 << 20)
            assert [("http2", "idle", 1)] == [(c.transport, c.state, c.count) for c in pool.counters().connections]
            assert 1 == len(server.connections)

    on_a_loop(test)


@pytest.mark.parametrize("protocols", [("http/1.1",), ()])
def test_a_server_without_http2_is_asked_in_http1(on_a_loop, protocols):
    """It declines by ALPN, or knows no ALPN; its calls succeed, and the next one does not try HTTP/2 first."""

    async def test() -> None:
        async with await asyncio.start_server(one_one, "127.0.0.1", 0, ssl=certified(*protocols)) as server:
            port = server.sockets[0].getsockname()[1]
            account = trusting(account_at(f"https://127.0.0.1:{port}", "auto"))
            async with ConnectionPool() as pool:
                assert [b"by 1.1", b"by 1.1"] == [await ask(pool, account), await ask(pool, account)]
                assert {"http1"} == {c.transport for c in pool.counters().connections}

    on_a_loop(test)


def test_http2_that_is_insisted_on(on_a_loop):
    """A server that does not speak it is an error that says so, and not asked otherwise."""

    async def test() -> None:
        async with await asyncio.start_server(one_one, "127.0.0.1", 0, ssl=certified("http/1.1")) as server:
            port = server.sockets[0].getsockname()[1]
            account = trusting(account_at(f"https://127.0.0.1:{port}"))
            async with ConnectionPool() as pool:
                with pytest.raises(UpstreamUnreachable) as caught:
                    await ask(pool, account)
                assert (0, 0) == (pool.counters().leased, pool.counters().open)
        assert 'transport = "http2" insists on' in str(caught.value.detail) or "tls:" in str(caught.value.detail)

    on_a_loop(test)


@pytest.mark.parametrize(
    ("trusted", "name", "said"),
    [(False, "127.0.0.1", "tls: unable to get local issuer"), (True, "elsewhere.test", "tls: IP address mismatch")],
)
@pytest.mark.parametrize("transport", ["http1", "http2"])
def test_a_server_that_is_not_who_it_says(on_a_loop, trusted, name, said, transport):
    """An unknown authority, or a certificate for another name: nothing is sent."""

    async def test() -> None:
        async with Http2Server(answers, tls=certified("h2", "http/1.1", name=name)) as server:
            account = server.account(transport)
            async with ConnectionPool() as pool:
                with pytest.raises(UpstreamUnreachable) as caught:
                    await ask(pool, trusting(account) if trusted else account)
                assert (0, 0) == (pool.counters().leased, pool.counters().open)
            assert [] == server.served
        assert said in str(caught.value.detail)

    on_a_loop(test)


def test_an_authority_for_all_accounts(on_a_loop, tmp_path):
    """`[connections] ca_file` is trusted where an account names no certificates of its own."""

    async def test() -> None:
        CA.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
        config = PoolConfig(ca_file=str(tmp_path / "ca.pem"))
        async with Http2Server(answers, tls=certified("h2")) as server, ConnectionPool(config) as pool:
            assert b"by h2" == await ask(pool, server.account())

    on_a_loop(test)
