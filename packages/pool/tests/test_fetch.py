"""Fetching over real sockets and TLS. Loopback stands for the public network, 127.0.0.1 for a public address of it."""

import asyncio
import datetime
import socket
import ssl

import pytest
from aiohttp.abc import AbstractResolver

from llmgw_domain.errors import BadRequest
from llmgw_pool import FetchConfig, Fetcher
from llmgw_pool.testing import RawServer
from llmgw_relay.testing import MemoryFetch

HOST = "images.test"


class Names(AbstractResolver):
    """A resolver whose answers are these, one a question, the last again and again."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.asked = 0

    async def resolve(self, host, port=0, family=socket.AF_INET):
        self.asked += 1
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return [
            {"hostname": host, "host": each, "port": port, "family": socket.AF_INET, "proto": 0, "flags": 0}
            for each in answer
        ]

    async def close(self):
        pass


@pytest.fixture(scope="module")
def tls(tmp_path_factory):
    """The contexts of a server that is `images.test`, and of a client that trusts it."""
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
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), False)
        .sign(key, hashes.SHA256())
    )
    pem = tmp_path_factory.mktemp("tls") / "cert.pem"
    encoding, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    pem.write_bytes(
        certificate.public_bytes(encoding) + key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, plain)
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(pem)
    return server, ssl.create_default_context(cafile=str(pem))


def fetcher(server, client, names=None, **config):
    config = {"enabled": True, "allowed_hosts": (f"{HOST}:{server.port}",), **config}
    resolver = names or Names(["127.0.0.1"])
    return Fetcher(FetchConfig(**config), tls=client, resolver=resolver, allowed=lambda a: a == "127.0.0.1")


def url(server, path="/a.png?sig=secret"):
    return f"https://{HOST}:{server.port}{path}"


def answering(body=b"bytes", head=b"200 OK", *headers):
    async def script(peer):
        script.heads.append((await peer.request())[0])
        lines = [b"HTTP/1.1 " + head, *headers, b"content-length: %d" % len(body)]
        await peer.send(b"\r\n".join(lines) + b"\r\n\r\n" + body)

    script.heads = []
    return script


async def refused(fetcher, *urls):
    with pytest.raises(BadRequest) as caught:
        await fetcher.fetch(urls)
    return caught.value.message


async def test_what_an_address_holds(tls):
    """The bytes, in the order of the addresses; the request brings nothing that tells who asks."""
    script = answering()
    async with RawServer(script, tls=tls[0]) as server:
        assert [b"bytes", b"bytes"] == await fetcher(server, tls[1]).fetch([url(server), url(server, "/b")])
        assert 2 == server.connections
    (head,) = [h for h in script.heads if h.startswith(b"GET /a.png")]
    names = {line.partition(b":")[0].lower() for line in head.split(b"\r\n")[1:] if line}
    assert {b"host", b"accept", b"accept-encoding", b"connection", b"user-agent"} == names
    assert head.startswith(b"GET /a.png?sig=secret HTTP/1.1\r\n")


@pytest.mark.parametrize("form", ["real", "in memory"])
async def test_both_forms_of_the_port_keep_its_contract(tls, form):
    """Contents in the order of their addresses, one as often as it is asked for; nothing beside the allowed."""
    async with RawServer(answering(), tls=tls[0]) as server:
        known = url(server)
        port = fetcher(server, tls[1]) if form == "real" else MemoryFetch({known: b"bytes"})
        other = "https://other.test/a"
        assert (True, False) == (port.allows(known), port.allows(other))
        assert [b"bytes", b"bytes"] == await port.fetch([known, known])
        assert [] == await port.fetch([])
        assert "fetch.allowed_hosts" in await refused(port, known, other)


@pytest.mark.parametrize(
    ("text", "allowed"),
    [
        ("https://images.test/a", True),
        ("https://IMAGES.test:443/a", True),
        ("https://cdn.images.org/a", True),
        ("https://a.b.images.org/a", True),
        ("https://images.org/a", False),
        ("https://evilimages.org/a", False),
        ("https://images.test.evil.org/a", False),
        ("https://images.test:8443/a", False),
        ("https://port.test:8443/a", True),
        ("https://port.test/a", False),
        ("http://images.test/a", False),
        ("ftp://images.test/a", False),
        ("file:///etc/passwd", False),
        ("https://user@images.test/a", False),
        ("https://user:pass@images.test/a", False),
        ("https://evil.org\\@images.test/a", False),
        ("https://images.test@evil.org/a", False),
        ("https://127.0.0.1/a", False),
        ("https://2130706433/a", False),
        ("https://[::1]/a", False),
        ("https://[::1/a", False),
        ("https:///a", False),
        ("https://images.test:99999/a", False),
        ("images.test/a", False),
    ],
)
def test_only_https_to_allowed_hosts(text, allowed):
    """The host is compared as a whole or below a dot, the port as well; an address with a user in it is never taken."""
    hosts = ("images.test", "*.images.org", "port.test:8443")
    assert allowed == Fetcher(FetchConfig(enabled=True, allowed_hosts=hosts)).allows(text)
    assert not Fetcher(FetchConfig(enabled=False, allowed_hosts=hosts)).allows(text)


async def test_nothing_is_fetched_that_is_not_allowed(tls):
    """Also where nobody asked before: the refusal names the settings."""
    async with RawServer(answering(), tls=tls[0]) as server:
        off = fetcher(server, tls[1], enabled=False)
        assert "fetch.enabled and fetch.allowed_hosts" in await refused(off, url(server))
        assert "fetch.allowed_hosts" in await refused(fetcher(server, tls[1]), "https://other.test/a")
        assert 0 == server.connections


async def test_a_name_that_leads_inward_is_not_followed(tls):
    """No connection is made to an address that is not public, whatever the name."""
    async with RawServer(answering(), tls=tls[0]) as server:
        message = await refused(fetcher(server, tls[1], Names(["127.0.0.2"])), url(server))
        assert message.endswith("its host's name leads to an address that is not public.")
        assert 0 == server.connections


async def test_a_name_that_changes_between_check_and_connection_gains_nothing(tls):
    """DNS rebinding: the name is looked up once a fetch, and the address that was checked is the one connected to."""
    names = Names(["127.0.0.1"], ["127.0.0.2"])
    async with RawServer(answering(), tls=tls[0]) as server:
        one = fetcher(server, tls[1], names)
        assert [b"bytes"] == await one.fetch([url(server)])
        assert (1, 1) == (names.asked, server.connections)
        assert "not public" in await refused(one, url(server))
        assert (2, 1) == (names.asked, server.connections)


async def test_inward_addresses_among_public_ones_are_passed_over(tls):
    """A name with both is served from the public one."""
    async with RawServer(answering(), tls=tls[0]) as server:
        assert [b"bytes"] == await fetcher(server, tls[1], Names(["127.0.0.2", "127.0.0.1"])).fetch([url(server)])


async def test_the_systems_own_judgement_refuses_loopback(tls):
    """Without a stand-in for the public network, loopback is not public."""
    async with RawServer(answering(), tls=tls[0]) as server:
        config = FetchConfig(enabled=True, allowed_hosts=(f"{HOST}:{server.port}",))
        strict = Fetcher(config, tls=tls[1], resolver=Names(["127.0.0.1"]))
        assert "not public" in await refused(strict, url(server))
        assert 0 == server.connections


async def test_certificates_are_checked(tls):
    """A server that can't prove its name is not read."""
    async with RawServer(answering(), tls=tls[0]) as server:
        config = FetchConfig(enabled=True, allowed_hosts=(f"{HOST}:{server.port}",))
        wary = Fetcher(config, resolver=Names(["127.0.0.1"]), allowed=lambda _: True)
        assert "can't be reached" in await refused(wary, url(server))


@pytest.mark.parametrize(
    ("script", "why"),
    [
        (answering(b"", b"302 Found", b"location: https://images.test/b"), "status 302; redirects are not followed"),
        (answering(b"", b"404 Not Found"), "it answered with status 404."),
        (answering(b"", b"206 Partial Content"), "it answered with status 206."),
        (answering(b"zip", b"200 OK", b"content-encoding: gzip"), "compressed"),
    ],
)
async def test_only_a_plain_200_is_read(tls, script, why):
    """Redirects, errors and compressed answers are refused; the address is told without its query."""
    async with RawServer(script, tls=tls[0]) as server:
        message = await refused(fetcher(server, tls[1]), url(server))
        assert why in message
        assert f"The address https://{HOST}:{server.port}/a.png can't be fetched" in message
        assert "secret" not in message
        assert 1 == server.connections


async def test_an_announced_size_over_the_limit_is_not_read(tls):
    """The limit is for all media of a call together."""
    async with RawServer(answering(b"x" * 60), tls=tls[0]) as server:
        limited = fetcher(server, tls[1], max_bytes=100)
        assert [b"x" * 60] == await limited.fetch([url(server)])
        assert "fetch.max_bytes, 100 bytes" in await refused(limited, url(server), url(server, "/b"))


async def test_a_body_without_a_size_is_cut_at_the_limit(tls):
    """However much a server sends, no more is kept than is allowed."""

    async def endless(peer):
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            await peer.send(b"x" * 65536)

    async with RawServer(endless, tls=tls[0]) as server:
        assert "fetch.max_bytes" in await refused(fetcher(server, tls[1], max_bytes=100_000), url(server))


@pytest.mark.parametrize("sent", [b"", b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nab"])
async def test_a_slow_server_is_given_up(tls, sent):
    """Before its answer and inside of it."""

    async def slow(peer):
        await peer.request()
        await peer.send(sent)
        await peer.silence()

    async with RawServer(slow, tls=tls[0]) as server:
        message = await refused(fetcher(server, tls[1], timeout_seconds=0.2), url(server))
        assert "longer than fetch.timeout_seconds, 0.2 s" in message


async def test_a_body_that_breaks_off_is_no_medium(tls):
    """Half an image is not shown to a model."""

    async def short(peer):
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nab")

    async with RawServer(short, tls=tls[0]) as server:
        assert "can't be reached" in await refused(fetcher(server, tls[1]), url(server))


async def test_the_number_of_addresses_is_bounded(tls):
    """Too many are refused before any is asked."""
    async with RawServer(answering(), tls=tls[0]) as server:
        many = [url(server, f"/{i}") for i in range(3)]
        assert "names 3 addresses to fetch; fetch.max_urls is 2" in await refused(
            fetcher(server, tls[1], max_urls=2), *many
        )
        assert 0 == server.connections


async def test_the_number_of_fetches_at_a_time_is_bounded(tls):
    """Further ones wait for their turn, across calls."""
    now = most = 0

    async def counting(peer):
        nonlocal now, most
        await peer.request()
        now += 1
        most = max(most, now)
        await asyncio.sleep(0.03)
        now -= 1
        await peer.answer()

    async with RawServer(counting, tls=tls[0]) as server:
        shared = fetcher(server, tls[1], max_concurrency=2)
        await asyncio.gather(*(shared.fetch([url(server, f"/{i}"), url(server, f"/{i}b")]) for i in range(3)))
        assert (2, 6) == (most, server.connections)


async def test_a_cancelled_fetch_leaves_no_connection(tls):
    """The client that went away takes its fetches along."""

    async def silent(peer):
        await peer.request()
        await peer.silence()

    async with RawServer(silent, tls=tls[0]) as server:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await fetcher(server, tls[1]).fetch([url(server)])
        async with asyncio.timeout(2):
            while server.left < 1:  # noqa: ASYNC110
                await asyncio.sleep(0.005)


def test_its_repr_says_whether_it_is_on():
    """For logs and debuggers."""
    assert "<Fetcher off>" == repr(Fetcher(FetchConfig()))
    assert "<Fetcher 1 hosts>" == repr(Fetcher(FetchConfig(enabled=True, allowed_hosts=("x",))))
