import asyncio
import datetime
import gc
import ipaddress
import socket
import ssl
import sys

import pytest

from llmgw_domain.errors import UpstreamUnreachable
from llmgw_pool import ConnectionPool, PoolConfig
from llmgw_pool.connector import Connector, Line, make_socket
from llmgw_pool.testing import RawServer
from llmgw_relay.ports import UpstreamRequest


def test_sockets_notice_a_dead_peer():
    """Keep-alive probes, the user timeout and undelayed writes are set before connecting."""
    config = PoolConfig(tcp_keepalive_idle_seconds=11, tcp_keepalive_interval_seconds=6, tcp_user_timeout_seconds=21)
    with make_socket(config, (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", ("h", 1))) as sock:
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        if sys.platform == "linux":
            names = ("TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT", "TCP_USER_TIMEOUT")
            got = [sock.getsockopt(socket.IPPROTO_TCP, getattr(socket, name)) for name in names]
            assert got == [11, 6, 3, 21000]


async def test_it_is_configured_for_a_gateway():
    """No limit of its own, and our keep-alive time."""
    connector = Connector(PoolConfig(keepalive_seconds=7), ssl.create_default_context())
    assert (connector.limit, connector.limit_per_host, connector._keepalive_timeout, connector.idle) == (0, 0, 7, 0)
    await connector.close()


async def test_a_connection_is_live_from_made_to_lost():
    """The set of live connections follows the transport, and a body is ended with its connection."""
    live = set()
    line = Line(asyncio.get_running_loop(), live)
    ours, theirs = socket.socketpair()
    transport, _ = await asyncio.get_running_loop().create_connection(lambda: line, sock=ours)
    assert {line} == live
    transport.abort()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert (set(), False) == (live, line.heard)
    theirs.close()


async def test_an_expired_connection_is_not_used():
    """A connection kept longer than the keep-alive time is replaced, not reused."""

    async def script(peer):
        while True:
            await peer.request()
            await peer.answer()

    async with RawServer(script) as server, ConnectionPool(PoolConfig(keepalive_seconds=0.02)) as pool:
        for _ in range(2):
            async with pool.open(UpstreamRequest(account=server.account(), path="/", body=b"{}")) as reply:
                await reply.read(10)
            await asyncio.sleep(0.05)
        assert server.connections == 2


async def test_certificates_are_checked(tmp_path):
    """A certificate of an unknown authority is refused, and accepted once its authority is configured."""
    pem, context = _certificate(tmp_path)

    async def script(peer):
        while True:
            await peer.request()
            await peer.answer()

    async with RawServer(script, tls=context) as server:
        request = UpstreamRequest(account=server.account(), path="/", body=b"{}")
        async with ConnectionPool() as pool:
            with pytest.raises(UpstreamUnreachable) as caught:
                await pool.open(request).__aenter__()
        assert caught.value.detail == "tls: self-signed certificate"
        async with ConnectionPool(PoolConfig(ca_file=pem)) as pool:
            async with pool.open(request) as reply:
                assert await reply.read(10) == b"hello"
            async with pool.open(request) as reply:
                assert reply.status == 200
            assert pool.counters().leased == 0
        assert pool.counters().open == 0


async def test_leaving_a_tls_stream_does_not_wait_for_the_peer(tmp_path):
    """A stream that is left is cut at once, even where the peer would never agree to close it."""
    pem, context = _certificate(tmp_path)

    async def script(peer):
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nab")
        peer.writer.transport.pause_reading()
        await asyncio.sleep(10)

    async with RawServer(script, tls=context) as server, ConnectionPool(PoolConfig(ca_file=pem)) as pool:
        async with pool.open(UpstreamRequest(account=server.account(), path="/", body=b"{}")) as reply:
            assert await anext(reply.chunks()) == b"ab"
        await asyncio.sleep(0.05)
        assert pool.counters().open == 0


def _certificate(folder):
    """A self-signed certificate for 127.0.0.1: its file, and a server context that uses it."""
    pytest.importorskip("cryptography")
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    day = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(day)
        .not_valid_after(day + datetime.timedelta(days=36500))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
        .sign(key, hashes.SHA256())
    )
    pem = folder / "cert.pem"
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    pem.write_bytes(certificate.public_bytes(serialization.Encoding.PEM) + secret)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    return str(pem), context


class Silent(asyncio.Transport):
    """A transport that can close without a word to its protocol."""

    closed = False

    def is_closing(self) -> bool:
        return self.closed


async def test_a_line_that_was_never_told_of_its_end_is_not_counted():
    """A connection whose loss nobody reported is neither open nor kept in memory."""
    connector = Connector(PoolConfig(), ssl.create_default_context())
    line, transport = connector._factory(), Silent()
    line.connection_made(transport)
    assert (len(connector.live), connector.open) == (1, 1)
    transport.closed = True
    assert connector.open == 0
    del line
    gc.collect()
    assert len(connector.live) == 0
    await connector.close()
