"""Errors of Chat Completions in both directions: a provider's refusal read into our tree, ours written for a client.

A provider's words are passed on where they are about the request; where they are about the account they go to the log.
Servers that call themselves compatible differ most in their errors, so every shape seen is read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any

import msgspec

from llmgw_domain.errors import (
    AccountForbidden,
    AccountRejected,
    ContentRefused,
    ContextTooLong,
    GatewayError,
    ModelRefused,
    QuotaExhausted,
    UpstreamNotFound,
)
from llmgw_protocols.redaction import hide_secrets
from llmgw_protocols.retry_after import retry_after
from llmgw_protocols.statuses import kind_of

_BY_CODE: dict[str, type[GatewayError]] = {
    "access_terminated": AccountRejected,
    "account_deactivated": AccountRejected,
    "billing_hard_limit_reached": QuotaExhausted,
    "billing_not_active": QuotaExhausted,
    "bio_policy": ContentRefused,
    "content_filter": ContentRefused,
    "content_policy_violation": ContentRefused,
    "context_length_exceeded": ContextTooLong,
    "exceeded_current_quota_error": QuotaExhausted,
    "image_content_policy_violation": ContentRefused,
    "insufficient_quota": QuotaExhausted,
    "invalid_api_key": AccountRejected,
    "misalignment_policy_violation": ContentRefused,
    "model_not_found": UpstreamNotFound,
    "quota_exceeded": QuotaExhausted,
    "too_many_prompt_tokens": ContextTooLong,
    "usage_limit_reached": QuotaExhausted,
    # Z.ai numbers its own (docs.z.ai/api-reference/api-code).
    "1113": QuotaExhausted,
    "1261": ContextTooLong,
    "1301": ContentRefused,
    "1304": QuotaExhausted,
    "1308": QuotaExhausted,
    "1309": QuotaExhausted,
    "1310": QuotaExhausted,
}
_OF_THE_MODEL = frozenset(("tool_use_failed",))
"""Codes of requests that are refused for what the model made of them: the same request may well be answered next time
(Groq, where a call does not fit its schema)."""
# Errors inside an answer have no status of their own; their type or code tells it.
_STATUS_OF_WORD = {
    "authentication_error": 401,
    "billing_hard_limit_reached": 429,
    "bio_policy": 400,
    "content_filter": 400,
    "content_policy_violation": 400,
    "context_length_exceeded": 400,
    "data_residency_mismatch": 400,
    "empty_image_file": 400,
    "failed_to_download_image": 400,
    "image_content_policy_violation": 400,
    "image_file_not_found": 400,
    "image_file_too_large": 400,
    "image_parse_error": 400,
    "image_too_large": 400,
    "image_too_small": 400,
    "insufficient_quota": 429,
    "invalid_api_key": 401,
    "invalid_base64_image": 400,
    "invalid_image": 400,
    "invalid_image_format": 400,
    "invalid_image_mode": 400,
    "invalid_image_url": 400,
    "invalid_prompt": 400,
    "invalid_request_error": 400,
    "misalignment_policy_violation": 400,
    "model_not_found": 404,
    "not_found_error": 404,
    "overloaded_error": 503,
    "permission_error": 403,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "service_unavailable": 503,
    "timeout": 504,
    "timeout_error": 504,
    "tool_use_failed": 400,
    "unsupported_image_media_type": 400,
    "vector_store_timeout": 504,
}
_TOO_LONG = re.compile(
    r"maximum (context|prompt|model) length|context (window|length)|prompt is too long|too many tokens"
    r"|reduce the length of (the|your) (messages|prompt|input)|tokens \+ .?max_new_tokens",
    re.IGNORECASE,
)
# xAI answers 400 to a wrong key, in an envelope without a type, and 403 where money is spent.
_BAD_KEY = re.compile(r"(incorrect|invalid) api[ _-]?key", re.IGNORECASE)
_SPENT = re.compile(
    r"(insufficient|not enough|out of|run out of|any|no) (account )?(balance|credits?|funds)|credit balance"
    r"|exceeded your (current|monthly) (quota|included credits|usage)|(key|spend(ing)?) (limit|cap) (exceeded|reached)"
    r"|used all available credits|reached its monthly spending limit",
    re.IGNORECASE,
)
# OpenAI tells of an organization that is shut, or that has yet to say who it is, with a plain 400; another may serve.
_SHUT = re.compile(r"(organization|account) has been (disabled|suspended|deactivated)", re.IGNORECASE)
_UNVERIFIED = re.compile(r"organization must be verified to (use|stream)", re.IGNORECASE)
# xAI's 403 of what its policy refuses is otherwise that of an account.
_FORBIDDEN_CONTENT = re.compile(r"content violates", re.IGNORECASE)
_POLICY = "ResponsibleAIPolicyViolation"
_LONGEST_TEXT = 500


_Said = Annotated[str, msgspec.Meta(min_length=1)]


class _Inner(msgspec.Struct):
    message: _Said
    type: _Said
    code: str | None = None
    param: str | None = None


class _Envelope(msgspec.Struct):
    error: _Inner


_envelope = msgspec.json.Decoder(_Envelope).decode


class Complaint(msgspec.Struct, frozen=True):
    """What a provider said, whatever the shape in which it said it."""

    message: str = ""
    type: str = ""
    code: str = ""
    param: str | None = None


def fault(status: int, headers: Mapping[str, str], body: bytes) -> GatewayError:
    """What an answer with a status of 400 or more means. Header names are lower-case."""
    return _error(status, complaint(body), retry_after(headers))


def in_band(error: bytes) -> GatewayError:
    """What an error object inside an answer with status 200 means."""
    said = complaint(error)
    status = _STATUS_OF_WORD.get(said.code) or _STATUS_OF_WORD.get(said.type)
    if said.code.isdecimal() and 400 <= int(said.code[:4]) <= 599:
        status = int(said.code)
    return _error(status or 500, said, None)


def complaint(body: bytes) -> Complaint:
    """Reads an error body: OpenAI's, Mistral's, FastAPI's, old vLLM's, Azure's gateway's, plain text or HTML."""
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Complaint(message=body[: _LONGEST_TEXT * 4].decode("utf-8", "replace")[:_LONGEST_TEXT].strip())
    if isinstance(value, list):
        value = value[0] if value else None
    if not isinstance(value, dict):
        return Complaint(message="" if value is None else _text(value)[:_LONGEST_TEXT])
    inner = value.get("error")
    if isinstance(inner, dict):
        return _of_object(inner)
    if isinstance(inner, str):
        return _of_object({**value, "message": value.get("message") or inner})
    return _of_object(value)


def owns(body: bytes) -> bool:
    """Whether an error has OpenAI's envelope; compatible servers number their codes or leave out the type."""
    try:
        _envelope(body)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return False
    return True


def error_body(error: GatewayError) -> bytes:
    """The envelope of an error for a client."""
    return msgspec.json.encode({"error": error_object(error)})


def error_object(error: GatewayError) -> dict[str, Any]:
    """What stands below `error`."""
    return {"message": error.message, "type": error.type, "param": error.param, "code": error.code}


def _error(status: int, said: Complaint, wait: float | None) -> GatewayError:
    kind = _kind(status, said)
    text = hide_secrets(said.message)
    if kind.blame != "request":
        return kind(retry_after=wait, upstream_status=status, upstream_message=text or None)
    error = kind(
        text or None, param=said.param, retry_after=wait, upstream_status=status, upstream_message=text or None
    )
    error.should_retry = True if said.code in _OF_THE_MODEL else None
    return error


def _kind(status: int, said: Complaint) -> type[GatewayError]:
    named = _BY_CODE.get(said.code) or _BY_CODE.get(said.type)
    # A code is believed where its status may carry it: an overloaded server's 5xx stays the server's.
    if named is UpstreamNotFound and status == 400:
        return ModelRefused
    if named and 400 <= status < 500:
        return named
    if status == 400 and not said.type and _BAD_KEY.search(said.message):
        return AccountRejected
    if status in (400, 403, 429) and _SPENT.search(said.message):
        return QuotaExhausted
    if status == 403 and _FORBIDDEN_CONTENT.search(said.message):
        return ContentRefused
    if status == 400 and _SHUT.search(said.message):
        return AccountRejected
    if status == 400 and _UNVERIFIED.search(said.message):
        return AccountForbidden
    if status in (400, 422) and _TOO_LONG.search(said.message):
        return ContextTooLong
    return kind_of(status)


def _of_object(value: dict[str, Any]) -> Complaint:
    message = value.get("message") or value.get("Message") or value.get("detail") or ""
    if isinstance(message, list):
        message = "; ".join(_detail(item) for item in message)
    code = "content_filter" if _is_moderated(value) else value.get("code")
    param = value.get("param")
    return Complaint(
        message=_with_raw(_text(message), value.get("metadata")),
        type=_text(value.get("type") or ""),
        code="" if code is None else _text(code),
        param=param if isinstance(param, str) else None,
    )


def _is_moderated(value: dict[str, Any]) -> bool:
    """Whether a policy refused the content: Azure and OpenRouter say it beside the code, OpenRouter with a 403."""
    inner, metadata = value.get("innererror"), value.get("metadata")
    return (isinstance(inner, dict) and inner.get("code") == _POLICY) or (
        isinstance(metadata, dict) and isinstance(metadata.get("reasons"), list)
    )


def _with_raw(message: str, metadata: Any) -> str:
    """OpenRouter's "Provider returned error" is followed by what that provider returned."""
    raw = metadata.get("raw") if isinstance(metadata, dict) else None
    return f"{message}: {raw[:_LONGEST_TEXT]}" if isinstance(raw, str) and raw else message


def _detail(item: Any) -> str:
    """One entry of FastAPI's list: `{"loc": ["body", "messages", 0], "msg": "..."}`."""
    if not isinstance(item, dict) or "msg" not in item:
        return _text(item)
    where = item.get("loc")
    path = ".".join(_text(step) for step in where) if isinstance(where, list) else ""
    return f"{path}: {_text(item['msg'])}" if path else _text(item["msg"])


def _text(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
