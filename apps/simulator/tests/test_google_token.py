import base64

import msgspec
import pytest
from google.auth import crypt, jwt

from llmgw_simulator.google_token import GRANT, PREFIX, GrantError, grant, is_good, issuer
from llmgw_simulator.keyring import Keyring
from llmgw_simulator.testing import service_account

NOW = 1_790_000_000.0
URI = "http://localhost:9001/token"
ACCOUNT = service_account(URI)
KEYS = Keyring(google=ACCOUNT.public)
CLAIMS = {
    "iss": ACCOUNT.file["client_email"],
    "scope": "https://www.googleapis.com/auth/cloud-platform",
    "aud": URI,
    "iat": NOW,
    "exp": NOW + 3600,
}


def assertion(account=ACCOUNT, **more):
    """A JWT that Google's own library signed."""
    claims = {name: value for name, value in {**CLAIMS, **more}.items() if value is not None}
    signer = crypt.RSASigner.from_service_account_info(account.file)
    return jwt.encode(signer, claims).decode()


def granted(made=None, keyring=KEYS, now=NOW, **form):
    given = {"grant_type": GRANT, "assertion": made or assertion(), **form}
    return grant({name: value for name, value in given.items() if value}, "localhost:9001", keyring, now)


def refused(*arguments, **more):
    with pytest.raises(GrantError) as caught:
        granted(*arguments, **more)
    return caught.value.code, caught.value.description


def test_a_token_is_good_until_it_ends():
    """As long as the keyring says."""
    given = granted(keyring=Keyring(google=ACCOUNT.public, token_seconds=60))
    token = given.pop("access_token")
    assert {"expires_in": 60, "token_type": "Bearer"} == given
    assert [True, True, False] == [is_good(token, NOW + later) for later in (0, 59, 60)]


@pytest.mark.parametrize("token", ["", "ya29.other", PREFIX, PREFIX + "AAAA", PREFIX + "?"])
def test_other_tokens_are_not_good(token):
    """Whatever they look like."""
    assert not is_good(token, NOW)


def test_an_altered_token_is_not_good():
    """Its end can't be moved."""
    raw = base64.urlsafe_b64decode(granted()["access_token"].removeprefix(PREFIX) + "==")
    found = msgspec.json.decode(raw)
    later = base64.urlsafe_b64encode(msgspec.json.encode(found | {"end": found["end"] + 1})).decode().rstrip("=")
    assert not is_good(PREFIX + later, NOW)


def test_the_signature_is_checked_if_the_key_is_known():
    """With an empty keyring everything else is."""
    other = service_account(URI)
    assert ("invalid_grant", "Invalid JWT Signature.") == refused(assertion(other))
    assert granted(assertion(other), keyring=Keyring())
    stranger = assertion(iss="someone@else")
    assert ("invalid_grant", "Invalid grant: account not found") == refused(stranger)
    assert "not found" in refused(assertion(iss="bad@x"), keyring=Keyring())[1]


@pytest.mark.parametrize(
    ("claims", "code", "words"),
    [
        ({"exp": NOW + 3601}, "invalid_grant", "short-lived token (60 minutes)"),
        ({"exp": NOW - 1, "iat": NOW - 3000}, "invalid_grant", "short-lived token"),
        ({"iat": NOW + 301}, "invalid_grant", "short-lived token"),
        ({"iat": None}, "invalid_grant", "short-lived token"),
        ({"aud": "https://example.com/token"}, "invalid_grant", "Failed audience check"),
        ({"scope": "https://www.googleapis.com/auth/drive"}, "invalid_scope", "Invalid OAuth scope"),
        ({"scope": None}, "invalid_scope", "Invalid OAuth scope"),
    ],
)
def test_claims_are_checked(claims, code, words):
    """Times, audience and scope."""
    found, description = refused(assertion(**claims))
    assert (code, True) == (found, words in description)


@pytest.mark.parametrize(
    ("form", "code"),
    [
        ({"grant_type": None}, "invalid_request"),
        ({"grant_type": "refresh_token"}, "unsupported_grant_type"),
        ({"assertion": None}, "invalid_request"),
        ({"assertion": "a.b"}, "invalid_grant"),
        ({"assertion": "e30.W10.AAAA"}, "invalid_grant"),
        ({"assertion": "eyJhbGciOiJub25lIn0.e30.AAAA"}, "invalid_grant"),
    ],
)
def test_the_form_is_checked(form, code):
    """Grant type and assertion, of which only RS256 is known."""
    assert code == refused(**form)[0]


def test_the_issuer_can_be_read_unchecked():
    """For the log."""
    assert CLAIMS["iss"] == issuer({"assertion": assertion()})
    assert [None, None] == [issuer({}), issuer({"assertion": "a.b.c"})]
