"""Signatures are checked against AWS's published vectors and against a computation of the test's own."""

import datetime
import hashlib
import hmac
import logging
import re
import subprocess
import sys
from urllib.parse import quote, urlsplit

import botocore.auth
import pytest

from llmgw_domain import Account, Provider, Secret
from llmgw_domain.accounts import Ambient, AwsKeys, Platform
from llmgw_domain.errors import AccountRejected
from llmgw_pool import ConnectionPool, sigv4
from llmgw_pool.signer import Unsigned
from llmgw_pool.sigv4 import AwsSigner, signed
from llmgw_pool.testing import RawServer
from llmgw_relay.ports import UpstreamRequest

SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
KEYS = AwsKeys(access_key_id="AKIDEXAMPLE", secret_access_key=Secret(SECRET))
TEMPORARY = AwsKeys(access_key_id="ASIA", secret_access_key=Secret(SECRET), session_token=Secret("the/session+token=="))
PATH = "/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Ainference-profile%2Fus.anthropic.claude-v1%3A0/converse-stream"


def account(credential=KEYS, region="us-east-1", base="http://h"):
    place = Platform(region=region)
    return Account(id="a", provider=Provider.BEDROCK, base_url=base, credential=credential, pool="p", platform=place)


def request(method="POST", url=f"https://h{PATH}", headers=None, body=b"{}"):
    return Unsigned(method, url, headers or {}, body)


def signature_of(method, path, query, headers, body, secret=SECRET, service="bedrock"):
    """RFC-like: AWS's own description, from scratch. `headers` are those that were sent, lower-case."""
    credential, names, given = re.fullmatch(
        r"AWS4-HMAC-SHA256 Credential=(\S+), SignedHeaders=(\S+), Signature=([0-9a-f]{64})", headers["authorization"]
    ).groups()
    _, date, region, named, end = credential.split("/")
    assert (service, "aws4_request") == (named, end)
    canonical = "\n".join(
        [
            method,
            quote(path, safe="/~"),
            query,
            *(f"{name}:{headers[name].strip()}" for name in names.split(";")),
            "",
            names,
            hashlib.sha256(body).hexdigest(),
        ]
    )
    scope = f"{date}/{region}/{service}/aws4_request"
    text = f"AWS4-HMAC-SHA256\n{headers['x-amz-date']}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = f"AWS4{secret}".encode()
    for part in (date, region, service, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return hmac.new(key, text.encode(), "sha256").hexdigest(), given


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ("GET", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
        ("POST", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
    ],
)
def test_aws_s_own_vectors(monkeypatch, method, expected):
    """`get-vanilla` and `post-vanilla` of AWS's Signature Version 4 test suite."""
    moment = datetime.datetime(2015, 8, 30, 12, 36, tzinfo=datetime.UTC)
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda: moment)
    monkeypatch.setattr(sigv4, "_SERVICE", "service")
    got = dict(signed(Unsigned(method, "https://example.amazonaws.com/", {}, b""), KEYS, "us-east-1").headers)
    assert "20150830T123600Z" == got["x-amz-date"]
    assert (
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
        f"SignedHeaders=host;x-amz-date, Signature={expected}"
    ) == got["authorization"]


@pytest.mark.parametrize("keys", [KEYS, TEMPORARY])
async def test_what_arrives_is_what_was_signed(keys):
    """The bytes on the wire have the signature: path encoded twice, body, host with its port, type and token."""
    seen = []

    async def script(peer):
        seen.append(await peer.request())
        await peer.answer()

    body = '{"messages":[{"text":"größe"}]}'.encode()
    async with RawServer(script) as server, ConnectionPool() as pool:
        sent = UpstreamRequest(
            account=account(keys, base=server.url), path=PATH, query="b=2&a=%20", body=body, headers=(("x-amz-a", "1"),)
        )
        async with pool.open(sent) as reply:
            assert 200 == reply.status
    head, arrived = seen[0]
    line, *rest = head.decode().rstrip().split("\r\n")
    headers = {name.lower(): value for name, _, value in (part.partition(": ") for part in rest)}
    target = urlsplit(line.split(" ")[1])
    assert (PATH, body) == (target.path, arrived)
    computed, given = signature_of("POST", target.path, "a=%20&b=2", headers, arrived)
    assert computed == given
    token = ["x-amz-security-token"] if keys.session_token else []
    names = re.search("SignedHeaders=([^,]*)", headers["authorization"])[1].split(";")
    assert sorted(["content-type", "host", "x-amz-a", "x-amz-date", *token]) == names


def test_one_byte_more_is_another_signature():
    """The computation of the test notices a body that was changed after it was signed."""
    made = signed(request(), KEYS, "us-east-1")
    headers = {"host": "h", **dict(made.headers)}
    assert len(set(signature_of("POST", PATH, "", headers, b"{}"))) == 1
    assert len(set(signature_of("POST", PATH, "", headers, b"{} "))) == 2


async def test_a_request_is_signed_anew_each_time(monkeypatch):
    """A second sending has the time of its own."""
    moments = [datetime.datetime(2026, 1, 1, 0, 0, second, tzinfo=datetime.UTC) for second in (1, 2)]
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda: moments.pop(0))
    signer = AwsSigner(account(), 1.0)
    dates = [dict((await signer.sign(request())).headers)["x-amz-date"] for _ in range(2)]
    assert ["20260101T000001Z", "20260101T000002Z"] == dates


async def test_a_large_body_is_signed_whole():
    """Bodies that are hashed in a thread have the same signature."""
    body = b"x" * (sigv4._INLINE + 1)
    headers = {"host": "h", **dict((await AwsSigner(account(), 1.0).sign(request(body=body))).headers)}
    assert len(set(signature_of("POST", PATH, "", headers, body))) == 1


async def test_a_signer_s_secrets():
    """The token goes out in a header, so it is told; the key never does. A refused signature can't be bettered."""
    signer = AwsSigner(account(TEMPORARY), 1.0)
    signature = await signer.sign(request())
    assert (("the/session+token==",), False) == (signature.hidden, signer.refused(signature))
    assert SECRET not in str(signature.headers)
    assert () == (await AwsSigner(account(), 1.0).sign(request())).hidden


async def test_a_signature_needs_a_region():
    """An account without one is told what it lacks."""
    with pytest.raises(AccountRejected) as caught:
        await AwsSigner(account(region=None), 1.0).sign(request())
    assert "account a: it has no region, which a signature must name" == caught.value.detail


async def test_nothing_secret_is_logged(caplog):
    """The library would log what it signs, the token in it, when everything is logged."""
    with caplog.at_level(logging.DEBUG):
        await AwsSigner(account(TEMPORARY), 1.0).sign(request())
    assert "session+token" not in caplog.text


# --- the chain --------------------------------------------------------------------------------------------------------


@pytest.fixture
def chain(monkeypatch, tmp_path):
    """An environment in which AWS's chain finds what a test puts there, and asks nobody."""
    for name in (
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_PROFILE",
        "AWS_BEARER_TOKEN_BEDROCK",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    return tmp_path


async def test_the_chain_finds_variables_and_profiles(chain, monkeypatch):
    """What AWS's own SDK would sign with."""
    (chain / "credentials").write_text("[default]\naws_access_key_id = AKFILE\naws_secret_access_key = s\n")
    signer = AwsSigner(account(Ambient()), 5.0)
    assert "Credential=AKFILE/" in dict((await signer.sign(request())).headers)["authorization"]
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKENV")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_SESSION_TOKEN", "chain/token")
    signature = await AwsSigner(account(Ambient()), 5.0).sign(request())
    headers = {"host": "h", **dict(signature.headers)}
    assert ("chain/token", ("chain/token",)) == (headers["x-amz-security-token"], signature.hidden)
    assert len(set(signature_of("POST", PATH, "", headers, b"{}"))) == 1


async def test_the_chain_finds_an_api_key_first(chain, monkeypatch):
    """As AWS's own SDK, which signs nothing then."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKENV")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", "bedrock-api-key-x")
    signature = await AwsSigner(account(Ambient(), region=None), 5.0).sign(request())
    assert ((("authorization", "Bearer bedrock-api-key-x"),), ("bedrock-api-key-x",)) == signature


async def test_a_chain_that_finds_nothing_rejects_the_account(chain):
    """With the reason for the log."""
    with pytest.raises(AccountRejected) as caught:
        await AwsSigner(account(Ambient()), 5.0).sign(request())
    assert "account a: no credential from AWS's own chain: it found none" == caught.value.detail


async def test_a_chain_that_breaks_rejects_the_account(chain):
    """The detail names the error, not its words."""
    (chain / "config").write_text("[default]\ncredential_process = /nonexistent/secret-command\n")
    with pytest.raises(AccountRejected) as caught:
        await AwsSigner(account(Ambient()), 5.0).sign(request())
    assert caught.value.detail.startswith("account a: no credential from AWS's own chain: ")
    assert "secret-command" not in caught.value.detail


async def test_a_chain_that_hangs_is_waited_for_within_bounds(monkeypatch):
    """A metadata server that does not answer holds a call as long as configured."""
    import threading

    release = threading.Event()
    monkeypatch.setattr(sigv4, "_default_credentials", lambda: release.wait(5) and None)
    try:
        with pytest.raises(AccountRejected) as caught:
            await AwsSigner(account(Ambient()), 0.05).sign(request())
    finally:
        release.set()
    assert "account a: no credential from AWS's own chain: no answer within 0.05 s" == caught.value.detail


def test_the_library_is_only_imported_where_it_is_needed():
    """A gateway without accounts at AWS and Google does not pay for their libraries."""
    code = "import sys, llmgw_pool; print([m for m in ('botocore', 'google.auth', 'urllib3') if m in sys.modules])"
    assert "[]\n" == subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
