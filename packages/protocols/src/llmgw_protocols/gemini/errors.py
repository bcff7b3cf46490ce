"""Gemini's errors, both ways: what a provider's refusal means, and how an error is told to a Gemini client.

The envelope is `{"error": {"code", "message", "status", "details"}}`, with the HTTP status as a number in `code`; it
may come inside a one-element array. The class follows the status, but for what Google tells only in words or in
details: a bad key is a 400, a day's quota and a minute's are both a 429.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

import msgspec

from llmgw_domain.errors import (
    AccountForbidden,
    AccountRejected,
    BadRequest,
    ClientGone,
    ContextTooLong,
    GatewayError,
    QuotaExhausted,
    RateLimited,
)
from llmgw_protocols.redaction import hide_secrets
from llmgw_protocols.retry_after import retry_after
from llmgw_protocols.statuses import kind_of

_STATUSES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ABORTED",
    413: "INVALID_ARGUMENT",
    422: "INVALID_ARGUMENT",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    405: "UNIMPLEMENTED",
    502: "UNAVAILABLE",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
_CODES = {
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "OUT_OF_RANGE": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "ABORTED": 409,
    "ALREADY_EXISTS": 409,
    "RESOURCE_EXHAUSTED": 429,
    "CANCELLED": 499,
    "UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
}

_BAD_KEY = re.compile(
    r"api[ _-]?key (not valid|not found|expired|is invalid|has expired|was reported as leaked)|API_KEY_INVALID"
    r"|has been suspended",
    re.IGNORECASE,
)
_TOO_LONG = re.compile(
    r"token count.*exceeds|exceeds the maximum number of tokens|context length", re.IGNORECASE | re.DOTALL
)
_BILLING = re.compile(r"billing|free tier|prepay|spend", re.IGNORECASE)
# Every 429 of Google's mentions billing, so these are the words of money that is spent.
_SPENT = re.compile(r"prepa(y|id)|credits? (is|are|have been) depleted|spend(ing)? (cap|limit)", re.IGNORECASE)
_REGION = re.compile(r"location is not supported", re.IGNORECASE)
_DELAY = re.compile(r"^([0-9]+(?:\.[0-9]+)?)s$")
_NO_QUOTA = re.compile(r"limit: 0\b")
_RETRY_INFO = "type.googleapis.com/google.rpc.RetryInfo"


class _Refusal(msgspec.Struct, frozen=True):
    """What an error's envelope says."""

    status: int
    name: str
    message: str
    details: list[dict[str, Any]]
    limits: str
    """The quota's ids and values, as text to search."""

    @property
    def delay(self) -> float | None:
        for detail in self.details:
            found = _DELAY.match(str(detail.get("retryDelay", "")))
            if found:
                return float(found[1])
        return None


def fault_of(status: int, headers: Mapping[str, str], body: bytes) -> GatewayError:
    """What a provider's refusal means. Header names are lower-case."""
    return _fault(_read(status, body), headers)


def owns_error(body: bytes) -> bool:
    """Whether an error has Google's envelope."""
    outer = _json(body)
    inner = outer.get("error") if isinstance(outer, dict) else None
    return isinstance(inner, dict) and isinstance(inner.get("code"), int) and isinstance(inner.get("status"), str)


def fault_in_band(error: msgspec.Raw) -> GatewayError:
    """What an `error` object inside an answer with status 200 means."""
    inner = _json(bytes(error))
    code = inner.get("code") if isinstance(inner, dict) else None
    name = inner.get("status") if isinstance(inner, dict) else None
    status = code if isinstance(code, int) and 400 <= code < 600 else _CODES.get(str(name), 500)
    return _fault(_read(status, b'{"error":' + bytes(error) + b"}"), {})


def error_envelope(error: GatewayError) -> dict[str, Any]:
    """The `error` object for a client; `code` is the HTTP status."""
    inner: dict[str, Any] = {"code": error.status, "message": error.message, "status": _name(error.status)}
    if error.status == 429 and error.retry_after is not None:
        delay = f"{max(1, math.ceil(error.retry_after))}s"
        inner["details"] = [{"@type": _RETRY_INFO, "retryDelay": delay}]
    return {"error": inner}


def _name(status: int) -> str:
    return _STATUSES.get(status) or ("INTERNAL" if status >= 500 else "INVALID_ARGUMENT")


def _fault(refusal: _Refusal, headers: Mapping[str, str]) -> GatewayError:
    kind = _class_of(refusal)
    delay = refusal.delay
    said = hide_secrets(refusal.message) or None
    return kind(
        # What is the account's affair is told in our words: the provider's may name projects and quotas.
        said if kind.blame == "request" else None,
        retry_after=retry_after(headers) if delay is None else delay,
        upstream_status=refusal.status,
        upstream_message=said,
    )


def _class_of(refusal: _Refusal) -> type[GatewayError]:
    if refusal.status == 400:
        return _class_of_400(refusal)
    if refusal.status == 403 and _BAD_KEY.search(refusal.message):
        return AccountRejected
    if refusal.status == 403 and any(d.get("reason") == "BILLING_DISABLED" for d in refusal.details):
        return QuotaExhausted
    if refusal.status == 429:
        spent = "PerDay" in refusal.limits or _NO_QUOTA.search(f"{refusal.message}\n{refusal.limits}")
        spent = spent or _SPENT.search(refusal.message)
        return QuotaExhausted if spent else RateLimited
    return ClientGone if refusal.status == ClientGone.status else kind_of(refusal.status)


def _class_of_400(refusal: _Refusal) -> type[GatewayError]:
    if _BAD_KEY.search(refusal.message) or any(d.get("reason") == "API_KEY_INVALID" for d in refusal.details):
        return AccountRejected
    if refusal.name == "FAILED_PRECONDITION" and _BILLING.search(refusal.message):
        return QuotaExhausted
    if _REGION.search(refusal.message):
        return AccountForbidden
    return ContextTooLong if _TOO_LONG.search(refusal.message) else BadRequest


def _read(status: int, body: bytes) -> _Refusal:
    outer = _json(body)
    if isinstance(outer, list) and outer:
        outer = outer[0]
    inner = outer.get("error") if isinstance(outer, dict) else None
    if not isinstance(inner, dict):
        said = inner if isinstance(inner, str) else body.decode("utf-8", "replace")
        return _Refusal(status, "", said.strip()[:500], [], "")
    details = inner.get("details")
    kept = [d for d in details if isinstance(d, dict)] if isinstance(details, list) else []
    message = inner.get("message")
    return _Refusal(
        status, str(inner.get("status") or ""), message if isinstance(message, str) else "", kept, _limits(kept)
    )


def _limits(details: list[dict[str, Any]]) -> str:
    found: list[str] = []
    for detail in details:
        violations = detail.get("violations")
        for violation in violations if isinstance(violations, list) else []:
            if isinstance(violation, dict):
                found.append(f"{violation.get('quotaId')} limit: {violation.get('quotaValue')}")
    return "\n".join(found)


def _json(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
