"""Google's tokens, from an issuer on a real socket."""

import asyncio
import logging
import time
from contextlib import asynccontextmanager
from urllib.parse import parse_qs

import msgspec
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.auth import jwt

from llmgw_domain import Account, Deadlines, Provider, Secret
from llmgw_domain.accounts import Ambient, ServiceAccount
from llmgw_domain.errors import AccountRejected, UpstreamTimeout
from llmgw_pool import ConnectionPool, PoolConfig
from llmgw_pool.oauth import AmbientTokens, ServiceAccountTokens, assertion_of
from llmgw_pool.testing import RawServer
from llmgw_relay.ports import UpstreamRequest

TOKEN = "ya29.an-access-token-of-this-test"


@pytest.fixture(scope="module")
def key():
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture
def robot(key):
    """A service account whose tokens are issued at `url`."""

    def made(url="http://issuer/token", **changes):
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode()
        fields = {"client_email": "gw@p.example", "private_key": Secret(pem), "private_key_id": "k1", **changes}
        return ServiceAccount(**fields, token_url=url)

    return made


@pytest.fixture
def verify(key):
    """Reads a JWT as the issuer does, with the public key."""
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return lambda text, url: jwt.decode(text, public, audience=url)


def account(credential, base="http://h"):
    return Account(id="v", provider=Provider.VERTEX, base_url=base, credential=credential, pool="p")


class Cloud:
    """An issuer at /token and a model elsewhere, on one socket; both answer what they are told to."""

    def __init__(self):
        self.grants = [(200, {"access_token": TOKEN, "expires_in": 3599, "token_type": "Bearer"})]
        self.answers = [(200, b"hello")]
        self.forms = []
        self.tokens = []

    async def play(self, peer):
        while True:
            head, body = await peer.request()
            if head.startswith(b"POST /token "):
                self.forms.append({name: values[0] for name, values in parse_qs(body.decode()).items()})
                grant = self.grants.pop(0) if len(self.grants) > 1 else self.grants[0]
                status, answer = grant(self.forms[-1]) if callable(grant) else grant
                answer = answer if isinstance(answer, bytes) else msgspec.json.encode(answer)
            else:
                fields = dict(line.split(": ", 1) for line in head.decode().rstrip().split("\r\n")[1:])
                self.tokens.append({name.lower(): value for name, value in fields.items()}["authorization"])
                status, answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
            await peer.send(b"HTTP/1.1 %d X\r\ncontent-length: %d\r\n\r\n" % (status, len(answer)) + answer)


@pytest.fixture
async def cloud(robot):
    """A cloud, and `ask()`, which sends a call to it over a pool of its own."""
    played = Cloud()

    @asynccontextmanager
    async def opened():
        async with RawServer(played.play) as server, ConnectionPool(PoolConfig(credential_timeout_seconds=5.0)) as pool:
            request = UpstreamRequest(
                account=account(robot(f"{server.url}/token"), server.url), path="/v1/x", body=b"{}"
            )

            async def ask():
                async with pool.open(request) as reply:
                    return reply.status, await reply.read(1 << 20)

            played.ask, played.pool, played.url = ask, pool, f"{server.url}/token"
            yield played

    async with opened() as it:
        yield it


def test_an_assertion_says_who_and_for_how_long(robot, verify):
    """The claims of Google's description, signed with the key whose id is in the header."""
    made = assertion_of(robot("https://t.example/token"), time.time())
    claims = verify(made, "https://t.example/token")
    assert ("gw@p.example", "https://www.googleapis.com/auth/cloud-platform") == (claims["iss"], claims["scope"])
    assert 3600 == claims["exp"] - claims["iat"]
    assert {"alg": "RS256", "typ": "JWT", "kid": "k1"} == jwt.decode_header(made)


def test_a_key_without_an_id(robot):
    """A file that leaves the id out is served as well."""
    assert "kid" not in jwt.decode_header(assertion_of(robot(private_key_id=""), time.time()))


async def test_a_call_goes_out_with_a_token(cloud, verify):
    """One form with one JWT, for any number of calls at once."""
    answers = await asyncio.gather(*(cloud.ask() for _ in range(5)))
    assert [(200, b"hello")] * 5 == answers
    assert [f"Bearer {TOKEN}"] * 5 == cloud.tokens
    (form,) = cloud.forms
    assert "urn:ietf:params:oauth:grant-type:jwt-bearer" == form["grant_type"]
    assert "gw@p.example" == verify(form["assertion"], cloud.url)["iss"]


async def test_a_token_that_is_refused_is_renewed_once(cloud):
    """The call is sent again with a new one; where that is refused too, the refusal is the answer."""
    cloud.grants = [(200, {"access_token": f"{TOKEN}-{n}"}) for n in (1, 2, 3)]
    cloud.answers = [(401, b"no"), (200, b"hello"), (401, b"no")]
    assert (200, b"hello") == await cloud.ask()
    assert [f"Bearer {TOKEN}-1", f"Bearer {TOKEN}-2"] == cloud.tokens
    assert [(401, b"no")] * 2 == [await cloud.ask() for _ in range(2)]
    assert (2, 4) == (len(cloud.forms), len(cloud.tokens))
    assert 0 == cloud.pool.counters().leased


async def test_a_refusal_does_not_show_the_token(cloud):
    """A provider that quotes what it refuses is read without it; what it answers to good calls is its own."""
    cloud.answers = [(403, f"bad token {TOKEN}!".encode()), (200, TOKEN.encode())]
    assert (403, b"bad token [hidden]!") == await cloud.ask()
    assert (200, TOKEN.encode()) == await cloud.ask()


@pytest.mark.parametrize(
    ("status", "answer", "reason"),
    [
        (
            400,
            {"error": "invalid_grant", "error_description": "Invalid JWT:\ncheck your 'iat'"},
            "status 400: invalid_grant: Invalid JWT: check your 'iat'",
        ),
        (500, b"<html>", "status 500: without an OAuth error"),
        (200, {"id_token": "x"}, "the answer has no access_token"),
        (200, b"", "the answer has no access_token"),
    ],
)
async def test_a_refusal_of_the_issuer_rejects_the_account(cloud, status, answer, reason):
    """With its reason for the log, in one line."""
    cloud.grants = [(status, answer)]
    with pytest.raises(AccountRejected) as caught:
        await cloud.ask()
    assert f"account v: no access token from token_uri: {reason}" == caught.value.detail
    assert [] == cloud.tokens


async def test_an_issuer_that_quotes_what_it_refuses(cloud):
    """An assertion is good for an hour, so it is taken out of the issuer's words."""
    cloud.grants = [lambda form: (400, {"error": "invalid_grant", "error_description": f"bad {form['assertion']}"})]
    with pytest.raises(AccountRejected) as caught:
        await cloud.ask()
    assert caught.value.detail.endswith("status 400: invalid_grant: bad [hidden]")


async def test_nothing_secret_is_logged(cloud, caplog):
    """Neither the assertion nor the token, when everything is logged."""
    with caplog.at_level(logging.DEBUG):
        await cloud.ask()
    assert TOKEN not in caplog.text
    assert cloud.forms[0]["assertion"] not in caplog.text


async def test_a_key_that_can_t_sign_rejects_the_account():
    """Nothing is asked, and no piece of the key is told."""
    broken = ServiceAccount(
        client_email="e", private_key=Secret("-----BEGIN PRIVATE KEY-----\nx"), token_url="http://t"
    )
    tokens = ServiceAccountTokens(account(broken), lambda request: pytest.fail("asked"), 1.0)
    with pytest.raises(AccountRejected) as caught:
        await tokens()
    assert caught.value.detail.startswith("account v: its private key can't sign: ")


async def test_an_issuer_that_can_t_be_reached_rejects_the_account(robot):
    """The transport's reason is told, and the wait is bounded."""
    async with ConnectionPool() as pool:
        request = UpstreamRequest(account=account(robot("http://127.0.0.1:1/token")), path="/", body=b"")
        with pytest.raises(AccountRejected) as caught:
            async with pool.open(request):
                pass
    assert (
        "account v: no access token from token_uri: upstream_unreachable: connect: ECONNREFUSED" == caught.value.detail
    )


async def test_cancelled_at_each_await_nothing_is_left(cloud):
    """Whatever step of fetching, sending and sending again a call is cancelled at, every lease comes back."""
    cloud.answers = [(401, b"no"), (200, b"hello")] * 100
    cancelled = 0
    for steps in range(0, 60, 3):
        task = asyncio.get_running_loop().create_task(cloud.ask())
        for _ in range(steps):
            await asyncio.sleep(0)
        await asyncio.sleep(0.0005 * (steps % 5))
        task.cancel()
        try:
            await task
        except asyncio.CancelledError:
            cancelled += 1
        assert 0 == cloud.pool.counters().leased
    cloud.answers = [(200, b"hello")]
    assert (200, b"hello") == await cloud.ask()
    assert cancelled


async def test_a_total_deadline_counts_the_wait_for_a_token(robot):
    """A call whose time is up does not wait for its credential."""

    async def silent(peer):
        await peer.request()
        await peer.silence()

    async with RawServer(silent) as server, ConnectionPool() as pool:
        robotic = account(robot(f"{server.url}/token"), server.url)
        request = UpstreamRequest(account=robotic, path="/", body=b"", deadlines=Deadlines(total=0.2))
        with pytest.raises(UpstreamTimeout) as caught:
            async with pool.open(request):
                pass
        assert caught.value.detail.startswith("total: over 0.2 s")
        assert 0 == pool.counters().leased


# --- the chain --------------------------------------------------------------------------------------------------------


async def test_the_chain_finds_a_file(cloud, robot, tmp_path, monkeypatch):
    """GOOGLE_APPLICATION_CREDENTIALS names a file, and Google's own library fetches its token."""
    key = robot(cloud.url)
    file = tmp_path / "adc.json"
    content = {
        "type": "service_account",
        "project_id": "p",
        "private_key_id": "k1",
        "private_key": key.private_key.reveal(),
        "client_email": key.client_email,
        "token_uri": key.token_url,
        "quota_project_id": "billed",
    }
    file.write_bytes(msgspec.json.encode(content))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(file))
    tokens = AmbientTokens(account(Ambient()))
    first = await tokens()
    assert TOKEN == first.text
    assert 3500 < first.life < 3700
    cloud.grants = [(200, {"access_token": "second", "expires_in": 60})]
    second = await tokens()
    assert ("second", True) == (second.text, 0 < second.life <= 61)


async def test_a_chain_that_finds_nothing_rejects_the_account(tmp_path, monkeypatch):
    """The detail names the error, not its words."""
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none.json"))
    with pytest.raises(AccountRejected) as caught:
        await AmbientTokens(account(Ambient()))()
    said = "account v: no access token from Google's own chain: DefaultCredentialsError"
    assert said == caught.value.detail
