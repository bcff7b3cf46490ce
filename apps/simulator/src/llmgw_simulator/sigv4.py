"""AWS Signature Version 4, checked from the bytes of the request.

Written from AWS's description of the algorithm, not with its SDK, so that it is a second opinion of what a client
signs. The path is encoded once more than it was sent, as every service but S3 wants it.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import quote, unquote

import msgspec

from llmgw_simulator.keyring import Keyring

ALGORITHM = "AWS4-HMAC-SHA256"
SKEW = 300.0
"""How far a request's date may be from the server's clock, in seconds."""

_FORMAT = "%Y%m%dT%H%M%SZ"
_REGION = re.compile(r"^[a-z]{2,}(-[a-z]+)+-\d+$")
_HOST_REGION = re.compile(r"^[a-z-]+\.([a-z0-9-]+)\.amazonaws\.com")
_MISMATCH = (
    "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key "
    "and signing method. Consult the service documentation for details."
)


class SignatureError(Exception):
    """A signature that AWS refuses with 403; `kind` is the exception's name."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message


class Signed(msgspec.Struct, frozen=True):
    """What a request's `Authorization` header says."""

    key: str
    date: str
    region: str
    service: str
    headers: tuple[str, ...]
    signature: str

    @property
    def scope(self) -> str:
        """The credential scope, as it is in the string to sign."""
        return f"{self.date}/{self.region}/{self.service}/aws4_request"


def access_key(authorization: str) -> str | None:
    """The access key id of an `Authorization` header, or None if it is no signature."""
    found = re.search(r"Credential=([^/,\s]+)", authorization)
    return found.group(1) if found and authorization.startswith("AWS4-") else None


def read(authorization: str) -> Signed:
    """The parts of an `Authorization` header. Raises `SignatureError` if one is missing."""
    scheme, _, rest = authorization.partition(" ")
    if scheme != ALGORITHM:
        raise SignatureError("IncompleteSignatureException", f"Unsupported AWS 'algorithm': '{scheme}'.")
    pairs = dict(part.strip().split("=", 1) for part in rest.split(",") if "=" in part)
    missing = [name for name in ("Credential", "Signature", "SignedHeaders") if not pairs.get(name)]
    if missing:
        needs = " ".join(f"Authorization header requires '{name}' parameter." for name in missing)
        raise SignatureError("IncompleteSignatureException", f"{needs} Authorization={authorization}")
    scope = pairs["Credential"].split("/")
    if len(scope) != 5 or scope[4] != "aws4_request":
        message = (
            "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got "
            f"'{pairs['Credential']}'"
        )
        raise SignatureError("IncompleteSignatureException", message)
    key, date, region, service, _ = scope
    return Signed(key, date, region, service, tuple(pairs["SignedHeaders"].split(";")), pairs["Signature"])


def verify(
    method: str, target: str, headers: Mapping[str, str], body: bytes, *, service: str, keyring: Keyring, now: float
) -> str:
    """The access key id whose signature this is; headers have lower-case names, `now` is Unix time in seconds.

    Raises `SignatureError` with the exception and the words of AWS.
    """
    signed = read(headers.get("authorization", ""))
    stamp = headers.get("x-amz-date", "")
    _check_scope(signed, headers, stamp, service)
    _check_date(stamp, now)
    _check_headers(signed, headers)
    _check_token(signed, headers)
    canonical = canonical_request(method, target, headers, signed.headers, body)
    string = string_to_sign(canonical, stamp, signed.scope)
    if not hmac.compare_digest(signature(string, keyring.aws_secret(signed.key), signed), signed.signature):
        shown = (
            f"The Canonical String for this request should have been\n'{canonical}'\n\n"
            f"The String-to-Sign should have been\n'{string}'\n"
        )
        raise SignatureError("InvalidSignatureException", f"{_MISMATCH}\n\n{shown}")
    return signed.key


def canonical_request(
    method: str, target: str, headers: Mapping[str, str], signed: tuple[str, ...], body: bytes
) -> str:
    """The canonical request; `target` is path and query as they were sent."""
    path, _, query = target.partition("?")
    lines = [f"{name}:{' '.join(headers.get(name, '').split())}" for name in signed]
    digest = hashlib.sha256(body).hexdigest()
    return "\n".join([method, _canonical_path(path), _canonical_query(query), *lines, "", ";".join(signed), digest])


def string_to_sign(canonical: str, stamp: str, scope: str) -> str:
    """What the signing key is applied to."""
    return "\n".join([ALGORITHM, stamp, scope, hashlib.sha256(canonical.encode()).hexdigest()])


def signature(string: str, secret: str, signed: Signed) -> str:
    """The signature in hexadecimal."""
    key = f"AWS4{secret}".encode()
    for step in (signed.date, signed.region, signed.service, "aws4_request"):
        key = hmac.digest(key, step.encode(), "sha256")
    return hmac.digest(key, string.encode(), "sha256").hex()


def _canonical_path(path: str) -> str:
    """Dot segments and empty ones go, and what was sent is encoded again."""
    kept: list[str] = []
    for segment in path.split("/"):
        if segment == "..":
            kept = kept[:-1]
        elif segment not in ("", "."):
            kept.append(segment)
    tail = "/" if path.endswith("/") and kept else ""
    return quote("/" + "/".join(kept) + tail, safe="/~")


def _canonical_query(query: str) -> str:
    pairs = [pair.partition("=") for pair in query.split("&") if pair]
    encoded = [(quote(unquote(name), safe="~"), quote(unquote(value), safe="~")) for name, _, value in pairs]
    return "&".join(f"{name}={value}" for name, value in sorted(encoded))


def _check_scope(signed: Signed, headers: Mapping[str, str], stamp: str, service: str) -> None:
    host = _HOST_REGION.match(headers.get("host", ""))
    if not _REGION.match(signed.region) or (host and host.group(1) != signed.region):
        raise SignatureError("InvalidSignatureException", "Credential should be scoped to a valid region. ")
    if signed.service != service:
        raise SignatureError(
            "InvalidSignatureException", f"Credential should be scoped to correct service: '{service}'. "
        )
    if not stamp:
        message = "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header."
        raise SignatureError("IncompleteSignatureException", message)
    if signed.date != stamp[:8]:
        message = (
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: "
            f"'{signed.date}' != '{stamp[:8]}', from '{stamp}'."
        )
        raise SignatureError("InvalidSignatureException", message)


def _check_date(stamp: str, now: float) -> None:
    try:
        sent = datetime.strptime(stamp, _FORMAT).replace(tzinfo=UTC).timestamp()
    except ValueError:
        message = f"Date must be in ISO-8601 'basic format'. Got '{stamp}'. See http://en.wikipedia.org/wiki/ISO_8601"
        raise SignatureError("IncompleteSignatureException", message) from None
    late, early, clock = _stamp(now - SKEW), _stamp(now + SKEW), _stamp(now)
    if sent < now - SKEW:
        message = f"Signature expired: {stamp} is now earlier than {late} ({clock} - 5 min.)"
        raise SignatureError("InvalidSignatureException", message)
    if sent > now + SKEW:
        message = f"Signature not yet current: {stamp} is still later than {early} ({clock} + 5 min.)"
        raise SignatureError("InvalidSignatureException", message)


def _stamp(when: float) -> str:
    return datetime.fromtimestamp(when, UTC).strftime(_FORMAT)


def _check_headers(signed: Signed, headers: Mapping[str, str]) -> None:
    """The host and everything of Amazon's must be signed, in order."""
    if "host" not in signed.headers:
        message = "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization."
        raise SignatureError("InvalidSignatureException", message)
    unsigned = [name for name in headers if name.startswith("x-amz-") and name not in signed.headers]
    if unsigned:
        message = f"'{unsigned[0]}' must be a 'SignedHeader' in the AWS Authorization."
        raise SignatureError("InvalidSignatureException", message)
    if list(signed.headers) != sorted(signed.headers):
        raise SignatureError("InvalidSignatureException", _MISMATCH)


def _check_token(signed: Signed, headers: Mapping[str, str]) -> None:
    """Unknown keys and session tokens. Temporary keys (`ASIA...`) are worth nothing without their token."""
    token = headers.get("x-amz-security-token", "")
    if token.startswith("expired"):
        raise SignatureError("ExpiredTokenException", "The security token included in the request is expired")
    lost = signed.key.startswith("ASIA") and not token
    if lost or signed.key.startswith("bad") or token.startswith("bad"):
        message = "The security token included in the request is invalid."
        raise SignatureError("UnrecognizedClientException", message)
