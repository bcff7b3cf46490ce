"""Errors both ways: what a provider's refusal means, and how this dialect's clients are told of one.

A refusal is classed by its status and Anthropic's error type; messages are read only where Anthropic has no other
sign for it (a prompt that is too long, a spent budget). What is about the request goes to the client in the provider's
own words; what is about the account stays in the log.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from llmgw_domain.errors import (
    AccountRejected,
    ContentRefused,
    ContextTooLong,
    GatewayError,
    Overloaded,
    QuotaExhausted,
)
from llmgw_protocols.messages._wire import WireError
from llmgw_protocols.redaction import hide_secrets
from llmgw_protocols.retry_after import retry_after
from llmgw_protocols.statuses import OVERLOADED, kind_of

_MAX_MESSAGE = 2000
_MAX_TEXT = 500

_STATUS_OF_TYPE = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "conflict_error": 409,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": OVERLOADED,
}
_TYPE_OF_STATUS = {status: name for name, status in _STATUS_OF_TYPE.items()} | {405: "invalid_request_error"}

_TOO_LONG = re.compile(r"prompt is too long|exceeds? (the )?context|context (window|limit)", re.IGNORECASE)
_SPENT = re.compile(r"credit balance|usage limits|spend(ing)?[ _-]limit", re.IGNORECASE)
_FILTERED = re.compile(r"content filtering policy|blocked by .*polic", re.IGNORECASE)
_SHUT = re.compile(r"(organization|account|workspace) has been (disabled|suspended)", re.IGNORECASE)
_SPENT_CODES = ("spend_limit", "credits_required")


class _Body(msgspec.Struct):
    type: str | None = None
    error: WireError | None = None
    message: str | None = None


class _Details(msgspec.Struct):
    error_code: str | None = None


_body = msgspec.json.Decoder(_Body).decode
_details = msgspec.json.Decoder(_Details | None).decode


def fault(status: int, headers: Mapping[str, str], body: bytes) -> GatewayError:
    """What a provider's answer with a status of 400 or more means; any body is borne."""
    error = _read(body)
    return _classed(status, error, retry_after(headers))


def stream_error(error: WireError | None) -> GatewayError:
    """What an error inside an answer means; `upstream_status` is the status that stands for its type."""
    error = error or WireError()
    return _classed(_STATUS_OF_TYPE.get(error.type or "", 500), error, None)


def owns(body: bytes) -> bool:
    """Whether an error has Anthropic's envelope, with a type that its clients know."""
    try:
        said = _body(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return False
    return said.type == "error" and said.error is not None and said.error.type in _STATUS_OF_TYPE


def _read(body: bytes) -> WireError:
    try:
        parsed = _body(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return WireError(message=body[:_MAX_TEXT].decode("utf-8", "replace").strip())
    return parsed.error or WireError(message=parsed.message)


def _classed(status: int, error: WireError, wait: float | None) -> GatewayError:
    kind = _class_of(status, error)
    said = hide_secrets(error.message or "")[:_MAX_MESSAGE] or None
    if kind.blame == "request":
        return kind(said, upstream_status=status, upstream_message=said, retry_after=wait)
    return kind(upstream_status=status, upstream_message=said, retry_after=wait)


def _class_of(status: int, error: WireError) -> type[GatewayError]:
    if _is_spent(status, error):
        return QuotaExhausted
    return (_class_of_400(error.message or "") if status == 400 else None) or kind_of(status)


def _class_of_400(message: str) -> type[GatewayError] | None:
    """What Anthropic has no type of its own for."""
    if _TOO_LONG.search(message):
        return ContextTooLong
    if _FILTERED.search(message):
        return ContentRefused
    return AccountRejected if _SHUT.search(message) else None


def _is_spent(status: int, error: WireError) -> bool:
    """Whether the account's money is used up: Anthropic says so with 402, with 400, or with a 429 of its own kind."""
    if status == 402 or error.type == "billing_error":
        return True
    if status in (400, 403, 429) and any(code in _code_of(error) for code in _SPENT_CODES):
        return True
    return status == 400 and bool(_SPENT.search(error.message or ""))


def _code_of(error: WireError) -> str:
    try:
        details = _details(error.details) if error.details else None
    except msgspec.ValidationError:
        return ""
    return (details and details.error_code) or ""


def status_of(error: GatewayError) -> int:
    """The status that Anthropic's clients expect: an overloaded provider has one of its own."""
    return OVERLOADED if isinstance(error, Overloaded) else error.status


def type_of(error: GatewayError) -> str:
    """Anthropic's name for an error."""
    status = status_of(error)
    return _TYPE_OF_STATUS.get(status) or ("invalid_request_error" if status < 500 else "api_error")


def error_body(error: GatewayError, request_id: str) -> bytes:
    """Anthropic's envelope, of refusals and of error events alike."""
    told = {"type": type_of(error), "message": error.message}
    return msgspec.json.encode({"type": "error", "error": told, "request_id": request_id})
