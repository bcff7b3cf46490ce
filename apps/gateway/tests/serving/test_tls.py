"""TLS towards clients, on both engines, and its certificate's renewal."""

import asyncio
import logging
import socket
import ssl
from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives import serialization

from llmgw_gateway.serving import BadCertificate, Certificate, arrivals, renew, watched

from .test_listener import GET, engines, eventually, on_uvloop, service

CA = trustme.CA()


def put(folder: Path, name: str = "gateway.test") -> tuple[Path, Path]:
    """Writes a new certificate for this name over what is there."""
    leaf = CA.issue_cert(name)
    cert, key = folder / "cert.pem", folder / "key.pem"
    cert.write_bytes(b"".join(blob.bytes() for blob in leaf.cert_chain_pems))
    key.write_bytes(leaf.private_key_pem.bytes())
    return cert, key


def trusting() -> ssl.SSLContext:
    context = ssl.create_default_context()
    CA.configure_trust(context)
    context.set_alpn_protocols(["h2", "http/1.1"])
    return context


async def connect(address, name: str = "gateway.test"):
    return await asyncio.open_connection(*address, ssl=trusting(), server_hostname=name)


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    writer.write(GET % b"hello")
    head = await reader.readuntil(b"\r\n\r\n")
    return head + await reader.readexactly(2)


@engines
def test_requests_over_tls(engine, tmp_path):
    """HTTP/1.1 is agreed on; the application is told https; TLS 1.1 and plain text are not spoken."""

    class Seen:
        scheme = ""

        async def __call__(self, scope, receive, send):
            self.scheme = scope["scheme"]
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
            await send({"type": "http.response.body", "body": b"hi"})

    @on_uvloop
    async def run() -> None:
        seen = Seen()
        async with service(engine, seen, certificate=Certificate(*put(tmp_path))) as s:
            reader, writer = await connect(s.address)
            assert "http/1.1" == writer.get_extra_info("ssl_object").selected_alpn_protocol()
            assert (await answer(reader, writer)).endswith(b"hi")
            assert "https" == seen.scheme
            writer.close()

            reader, writer = await asyncio.open_connection(*s.address)
            writer.write(GET % b"hello")
            assert b"hi" not in await reader.read()
            writer.close()

            old = trusting()
            old.minimum_version, old.maximum_version = ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1_1
            with pytest.raises(OSError):
                await asyncio.open_connection(*s.address, ssl=old, server_hostname="gateway.test")

    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        run()


@engines
def test_a_new_certificate(engine, tmp_path, caplog):
    """New connections get it, without a restart; the open ones go on as they are."""

    @on_uvloop
    async def run() -> None:
        certificate = Certificate(*put(tmp_path))
        async with service(engine, certificate=certificate) as s, watched(certificate, seconds=0.02):
            old = await connect(s.address)
            put(tmp_path, "new.test")
            await eventually(lambda: "new certificate is in use" in caplog.text)
            reader, writer = await connect(s.address, "new.test")
            assert (await answer(reader, writer)).endswith(b"hi")
            assert (await answer(*old)).endswith(b"hi")
            with pytest.raises(ssl.SSLCertVerificationError):
                await connect(s.address)
            writer.close()
            old[1].close()

    with caplog.at_level(logging.INFO):
        run()


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda cert, key: key.write_bytes(CA.issue_cert("x.test").private_key_pem.bytes()), "is not the key of"),
        (lambda cert, key: cert.write_text("nonsense"), "not a certificate chain"),
        (lambda cert, key: cert.unlink(), "No such file"),
        (lambda cert, key: key.unlink(), "No such file"),
    ],
)
def test_a_certificate_that_can_not_be_used(tmp_path, caplog, spoil, why):
    """Is named with the reason, at the start and later; what was in use stays in use."""
    cert, key = put(tmp_path)
    certificate = Certificate(cert, key)
    spoil(cert, key)
    assert certificate.changed
    with pytest.raises(BadCertificate, match=why):
        Certificate(cert, key)
    renew(certificate)
    assert "the old one stays" in caplog.text
    assert why in caplog.text
    assert not certificate.changed

    @on_uvloop
    async def run() -> None:
        async with service("hypercorn", certificate=certificate) as s:
            reader, writer = await connect(s.address)
            assert (await answer(reader, writer)).endswith(b"hi")
            writer.close()

    run()


def test_an_encrypted_key(tmp_path):
    """Is refused, instead of asked for on a terminal."""
    cert, key = put(tmp_path)
    loaded = serialization.load_pem_private_key(key.read_bytes(), None)
    closed = serialization.BestAvailableEncryption(b"secret")
    form = serialization.PrivateFormat.PKCS8
    key.write_bytes(loaded.private_bytes(serialization.Encoding.PEM, form, closed))
    with pytest.raises(BadCertificate, match="must need no password"):
        Certificate(cert, key)


@engines
def test_handshakes_have_their_time_and_their_place(engine, tmp_path, monkeypatch, caplog):
    """One that does not go on counts as a connection, ends in time, and what is no TLS ends at once, without noise."""
    monkeypatch.setattr(arrivals, "HANDSHAKE_SECONDS", 0.3)

    @on_uvloop
    async def run() -> None:
        async with service(engine, certificate=Certificate(*put(tmp_path)), max_connections=2) as s:
            with socket.create_connection(s.address) as silent, socket.create_connection(s.address) as plain:
                plain.sendall(GET % b"hello")
                await eventually(lambda: s.listener.connections == 1)
                first = await connect(s.address)
                assert (await answer(*first)).endswith(b"hi")
                over = await connect(s.address)
                assert (await over[0].read()).startswith(b"HTTP/1.1 503")
                await eventually(lambda: s.listener.connections == 1)
                silent.settimeout(0)
                assert silent.recv(1) == b""
                for _, writer in (first, over):
                    writer.close()

    run()
    assert [] == [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]


@engines
def test_a_drain_does_not_wait_for_handshakes(engine, tmp_path):
    """A client that has not even finished its handshake is let go with the idle ones."""

    @on_uvloop
    async def run() -> None:
        async with service(engine, certificate=Certificate(*put(tmp_path))) as s:
            with socket.create_connection(s.address):
                await eventually(lambda: s.listener.connections == 1)
                await asyncio.wait_for(s.listener.drain(5), 1)
                assert s.listener.connections == 0

    run()


@engines
@pytest.mark.parametrize("secure", [False, True], ids=["bare", "tls"])
def test_little_is_held_for_a_client_that_does_not_read(engine, secure, tmp_path):
    """The application waits once some 64 KiB are held, whatever it still has to write; under TLS as well."""
    taken = 0

    async def app(scope, receive, send):
        nonlocal taken
        await send({"type": "http.response.start", "status": 200, "headers": []})
        while taken < 64 << 20:
            await send({"type": "http.response.body", "body": b"x" * 8192, "more_body": True})
            taken += 8192

    @on_uvloop
    async def run() -> None:
        async with service(engine, app, certificate=Certificate(*put(tmp_path)) if secure else None) as s:
            reader, writer = await (connect(s.address) if secure else asyncio.open_connection(*s.address))
            writer.write(GET % b"")
            await reader.readuntil(b"\r\n\r\n")
            writer.transport.pause_reading()
            before = -1
            while before != taken:
                before = taken
                await asyncio.sleep(0.1)
            (transport,) = s.listener._engine.connections._open.values()
            assert taken < 64 << 20
            assert transport.get_write_buffer_size() <= (64 << 10) + 2 * 8192
            writer.transport.abort()
            writer.close()

    run()


@engines
def test_options_of_an_accepted_connection(engine, tmp_path):
    """Keep-alive, the user timeout and the bound on what the kernel holds are the listener's, bare and under TLS."""
    names = ("TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT", "TCP_USER_TIMEOUT", "TCP_NOTSENT_LOWAT")

    @on_uvloop
    async def run() -> None:
        for certificate in (None, Certificate(*put(tmp_path))):
            async with service(engine, certificate=certificate) as s:
                _, writer = await (connect(s.address) if certificate else asyncio.open_connection(*s.address))
                await eventually(lambda: len(s.listener._engine.connections) == 1)
                (transport,) = s.listener._engine.connections._open.values()
                sock = transport.get_extra_info("socket")
                tcp = [sock.getsockopt(socket.IPPROTO_TCP, getattr(socket, name)) for name in names]
                assert 1 == sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
                assert [30, 10, 3, 75_000, 262_144] == tcp
                writer.close()

    run()
