from datetime import UTC, datetime

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from llmgw_simulator.keyring import Keyring
from llmgw_simulator.sigv4 import SignatureError, access_key, read, verify

HOST = "bedrock-runtime.eu-west-1.amazonaws.com"
PATH = "/model/eu.anthropic.claude-sonnet-4-5-v1%3A0/converse"
BODY = b'{"messages":[]}'
KEYS = Keyring(aws={"AKIDSET": "chosen"})


def signed(path=PATH, *, key="AKID1", secret=None, token=None, region="eu-west-1", service="bedrock", **extra):
    """Headers with a signature that botocore made."""
    request = AWSRequest(
        "POST", f"https://{HOST}{path}", data=BODY, headers={"content-type": "application/json", **extra}
    )
    SigV4Auth(Credentials(key, secret or f"secret-of-{key}", token), service, region).add_auth(request)
    return {"host": HOST, **{name.lower(): value for name, value in request.headers.items()}}


def check(headers, *, path=PATH, body=BODY, later=0.0, keyring=KEYS):
    stamp = datetime.strptime(headers["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()
    return verify("POST", path, headers, body, service="bedrock", keyring=keyring, now=stamp + later)


def refused(headers, **more):
    with pytest.raises(SignatureError) as caught:
        check(headers, **more)
    return caught.value.kind, caught.value.message


@pytest.mark.parametrize(
    "path",
    [
        PATH,
        "/model/arn%3Aaws%3Abedrock%3Aeu-west-1%3A012345678901%3Ainference-profile%2Feu.anthropic.claude/converse",
        "/model/eu.anthropic.claude-sonnet-4-5-v1:0/converse",
        "/model//twice/./a/../b/converse/",
        "/model/a%20b/converse?b=2&a=1&a=%2F&empty=",
    ],
)
def test_what_botocore_signs_is_accepted(path):
    """The canonical path is encoded twice, and the query sorted, exactly as AWS's own signer does it."""
    assert "AKID1" == check(signed(path), path=path)


def test_secrets_are_those_of_the_keyring_or_follow_from_the_key():
    """A key that is set has its secret, and no other."""
    assert "AKIDSET" == check(signed(key="AKIDSET", secret="chosen"))
    assert "InvalidSignatureException" == refused(signed(key="AKIDSET"))[0]
    assert "InvalidSignatureException" == refused(signed(secret="other"))[0]


@pytest.mark.parametrize("spoil", [{"body": b"{}"}, {"path": PATH.replace("%3A", ":")}, {"path": PATH + "?a=1"}])
def test_whatever_is_signed_may_not_change(spoil):
    """Body, path as it was sent and query are covered, and the answer shows what should have been signed."""
    kind, message = refused(signed(), **spoil)
    assert "InvalidSignatureException" == kind
    assert "The Canonical String for this request should have been\n'POST\n/model/" in message


def test_a_signed_header_may_not_change():
    """The content type is covered where it is signed."""
    headers = signed()
    assert "content-type" in read(headers["authorization"]).headers
    assert "InvalidSignatureException" == refused(headers | {"content-type": "text/plain"})[0]


def test_the_body_hash_header_is_only_believed_if_it_is_true():
    """A client may send the hash, signed; a wrong one does not match the body."""
    headers = signed(**{"x-amz-content-sha256": "0" * 64})
    assert "InvalidSignatureException" == refused(headers)[0]


@pytest.mark.parametrize(("later", "words"), [(301, "Signature expired"), (-301, "Signature not yet current")])
def test_the_date_may_be_five_minutes_off(later, words):
    """Beyond that the message says by how much."""
    assert "AKID1" == check(signed(), later=later / 302 * 299)
    kind, message = refused(signed(), later=later)
    assert ("InvalidSignatureException", True) == (kind, message.startswith(words))


@pytest.mark.parametrize(
    ("made", "kind", "words"),
    [
        ({"service": "bedrock-runtime"}, "InvalidSignatureException", "correct service: 'bedrock'"),
        ({"region": "us-east-1"}, "InvalidSignatureException", "valid region"),
        ({"key": "bad-key"}, "UnrecognizedClientException", "is invalid"),
        ({"key": "ASIA1"}, "UnrecognizedClientException", "is invalid"),
        ({"token": "bad"}, "UnrecognizedClientException", "is invalid"),
        ({"token": "expired-1"}, "ExpiredTokenException", "is expired"),
    ],
)
def test_wrong_scopes_and_tokens_are_told_apart(made, kind, words):
    """Each has the exception that AWS throws."""
    found, message = refused(signed(**made))
    assert (kind, True) == (found, words in message)


def test_a_session_token_is_signed():
    """Temporary keys bring one, and it must be among the signed headers."""
    headers = signed(key="ASIA1", token="session")
    assert "ASIA1" == check(headers)
    unsigned = signed() | {"x-amz-security-token": "session"}
    assert "'x-amz-security-token' must be a 'SignedHeader'" in refused(unsigned)[1]
    assert "InvalidSignatureException" == refused(headers | {"x-amz-security-token": "another"})[0]


@pytest.mark.parametrize(
    ("authorization", "words"),
    [
        ("AWS4-HMAC-SHA1 Credential=a", "Unsupported AWS 'algorithm'"),
        ("AWS4-HMAC-SHA256 Credential=a/b/c/d/aws4_request", "requires 'Signature' parameter"),
        ("AWS4-HMAC-SHA256 Credential=a/b, SignedHeaders=host, Signature=1", "exactly 5 slash-delimited"),
    ],
)
def test_an_incomplete_header_is_refused_by_what_it_lacks(authorization, words):
    """So that a client's author sees it."""
    with pytest.raises(SignatureError, match=words) as caught:
        read(authorization)
    assert "IncompleteSignatureException" == caught.value.kind


def test_dates_must_be_there_and_agree():
    """The scope's day is that of the date header, whose form is fixed."""
    headers = signed()
    for date in ("", "20200101T000000Z", "yesterday"):
        with pytest.raises(SignatureError):
            verify("POST", PATH, headers | {"x-amz-date": date}, BODY, service="bedrock", keyring=KEYS, now=1e9)
    spoilt = headers | {"x-amz-date": headers["x-amz-date"][:8] + " noon"}
    with pytest.raises(SignatureError, match="basic format"):
        verify("POST", PATH, spoilt, BODY, service="bedrock", keyring=KEYS, now=1e9)


def test_the_host_must_be_signed_and_headers_be_in_order():
    """As AWS demands."""
    headers = signed()
    for names in ("content-type;x-amz-date", "x-amz-date;host;content-type"):
        spoilt = headers["authorization"].replace("content-type;host;x-amz-date", names)
        assert "InvalidSignatureException" == refused(headers | {"authorization": spoilt})[0]


def test_the_access_key_is_found_without_checking():
    """For the log, which names the credential of refused requests too."""
    assert "AKID1" == access_key(signed()["authorization"])
    assert None is access_key("Bearer token")
