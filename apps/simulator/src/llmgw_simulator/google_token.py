"""Access tokens of Google service accounts: the JWT bearer grant, and the check of what it gave.

A token carries its own end, so that nothing has to be remembered about it.
https://developers.google.com/identity/protocols/oauth2/service-account
"""

from __future__ import annotations

import base64
import hashlib
from typing import Any, NoReturn

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from llmgw_simulator.keyring import Keyring
from llmgw_simulator.opaque import decoded

GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
PREFIX = "ya29.sim-"
"""What the tokens given here start with; others are nobody's business here."""

_LONGEST = 3600
_SKEW = 300
_SCOPES = frozenset(
    {
        "https://www.googleapis.com/auth/cloud-platform",
        "https://www.googleapis.com/auth/cloud-platform.read-only",
        "https://www.googleapis.com/auth/generative-language",
        "https://www.googleapis.com/auth/generative-language.retriever",
    }
)
_AUDIENCES = frozenset({"https://oauth2.googleapis.com/token", "https://www.googleapis.com/oauth2/v4/token"})


class GrantError(Exception):
    """A grant that is refused with 400: OAuth's error code and Google's description."""

    def __init__(self, code: str, description: str) -> None:
        super().__init__(description)
        self.code = code
        self.description = description


class _Token(msgspec.Struct, frozen=True):
    email: str
    end: float
    issued: float
    mac: str = ""


def grant(form: dict[str, str], host: str, keyring: Keyring, now: float) -> dict[str, Any]:
    """The answer to a grant sent to `/token` on `host`. Raises `GrantError`."""
    kind = form.get("grant_type")
    if kind is None:
        raise GrantError("invalid_request", "Missing required parameter: grant_type")
    if kind != GRANT:
        raise GrantError("unsupported_grant_type", f"Invalid grant_type: {kind}")
    if not form.get("assertion"):
        raise GrantError("invalid_request", "Missing required parameter: assertion")
    claims = _verified(form["assertion"], keyring)
    _check_claims(claims, host, now)
    token = _minted(_Token(str(claims["iss"]), now + keyring.token_seconds, now))
    return {"access_token": token, "expires_in": keyring.token_seconds, "token_type": "Bearer"}


def issuer(form: dict[str, str]) -> str | None:
    """The service account that asks, whether or not it may; None if the assertion cannot be read."""
    parts = form.get("assertion", "").split(".")
    claims = _part(parts[1]) if len(parts) == 3 else None
    return str(claims.get("iss")) if claims else None


def is_good(token: str, now: float) -> bool:
    """Whether a token was given by `grant` and has not ended."""
    raw = _url_decoded(token.removeprefix(PREFIX))
    try:
        found = msgspec.json.decode(raw or b"", type=_Token)
    except msgspec.MsgspecError:
        return False
    return token == _minted(found) and now < found.end


def _minted(token: _Token) -> str:
    bare = msgspec.json.encode(msgspec.structs.replace(token, mac=""))
    whole = msgspec.json.encode(msgspec.structs.replace(token, mac=hashlib.sha256(bare).hexdigest()))
    return PREFIX + base64.urlsafe_b64encode(whole).decode().rstrip("=")


def _verified(assertion: str, keyring: Keyring) -> dict[str, Any]:
    """The claims of a JWT whose signature is right, where its account's key is known."""
    parts = assertion.split(".")
    header, claims = (_part(part) for part in parts[:2]) if len(parts) == 3 else (None, None)
    signature = _url_decoded(parts[2]) if len(parts) == 3 else None
    if header is None or claims is None or not signature:
        raise GrantError("invalid_grant", "Bad Request")
    if header.get("alg") != "RS256":
        raise GrantError("invalid_grant", "Invalid JWT: Only RS256 is supported.")
    email = str(claims.get("iss"))
    if email.startswith("bad") or (keyring.google and email not in keyring.google):
        raise GrantError("invalid_grant", "Invalid grant: account not found")
    if email in keyring.google and not _is_signed(assertion, signature, keyring.google[email]):
        raise GrantError("invalid_grant", "Invalid JWT Signature.")
    return claims


def _is_signed(assertion: str, signature: bytes, pem: str) -> bool:
    key = load_pem_public_key(pem.encode())
    assert isinstance(key, RSAPublicKey), "service accounts have RSA keys"
    try:
        key.verify(signature, assertion.rpartition(".")[0].encode(), PKCS1v15(), SHA256())
    except InvalidSignature:
        return False
    return True


def _check_claims(claims: dict[str, Any], host: str, now: float) -> None:
    if not _is_timely(claims.get("iat"), claims.get("exp"), now):
        _refuse(
            "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. Check your iat "
            "and exp values in the JWT claim."
        )
    if claims.get("aud") not in _AUDIENCES | {f"http://{host}/token", f"https://{host}/token"}:
        _refuse("Invalid JWT: Failed audience check. The right audience is https://oauth2.googleapis.com/token")
    scopes = str(claims.get("scope") or "").split()
    if not scopes or not set(scopes) <= _SCOPES:
        raise GrantError("invalid_scope", "Invalid OAuth scope or ID token audience provided.")


def _is_timely(issued: Any, end: Any, now: float) -> bool:
    if not isinstance(issued, int | float) or not isinstance(end, int | float):
        return False
    return now < end and issued <= now + _SKEW and end - issued <= _LONGEST


def _refuse(description: str) -> NoReturn:
    raise GrantError("invalid_grant", description)


def _part(text: str) -> dict[str, Any] | None:
    raw = _url_decoded(text)
    try:
        found = msgspec.json.decode(raw or b"")
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return found if isinstance(found, dict) else None


def _url_decoded(text: str) -> bytes | None:
    return decoded(text, lenient=True)
