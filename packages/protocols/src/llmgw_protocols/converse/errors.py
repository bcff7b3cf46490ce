"""What Bedrock's refusals mean, of an HTTP answer and inside a stream alike.

An error is named by the `x-amzn-errortype` header (the name may have an address behind a colon) or by the exception's
type in a stream; the name decides, the status where there is none. Messages are read only where Bedrock has no other
sign: a prompt that is too long, a day's quota, a credential behind an AccessDeniedException.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from llmgw_domain.errors import (
    AccountForbidden,
    AccountRejected,
    BadRequest,
    ContentRefused,
    ContextTooLong,
    GatewayError,
    Overloaded,
    QuotaExhausted,
    RateLimited,
    UpstreamFailed,
    UpstreamNotFound,
    UpstreamTimeout,
)
from llmgw_protocols.redaction import hide_secrets
from llmgw_protocols.retry_after import retry_after
from llmgw_protocols.statuses import kind_of

_MAX_MESSAGE = 2000
_MAX_TEXT = 500

_KINDS: dict[str, type[GatewayError]] = {
    "validationexception": BadRequest,
    "accessdeniedexception": AccountForbidden,
    "unrecognizedclientexception": AccountRejected,
    "invalidclienttokenid": AccountRejected,
    "invalidsignatureexception": AccountRejected,
    "signaturedoesnotmatch": AccountRejected,
    "incompletesignatureexception": AccountRejected,
    "incompletesignature": AccountRejected,
    "missingauthenticationtokenexception": AccountRejected,
    "missingauthenticationtoken": AccountRejected,
    "expiredtokenexception": AccountRejected,
    "expiredtoken": AccountRejected,
    "resourcenotfoundexception": UpstreamNotFound,
    "servicequotaexceededexception": QuotaExhausted,
    "throttlingexception": RateLimited,
    "toomanyrequestsexception": RateLimited,
    # A model that is still loading: AWS's own SDK waits and asks again, as it does where it is throttled.
    "modelnotreadyexception": RateLimited,
    "modeltimeoutexception": UpstreamTimeout,
    "serviceunavailableexception": Overloaded,
    "internalserverexception": UpstreamFailed,
    "internalfailure": UpstreamFailed,
    "modelerrorexception": UpstreamFailed,
    "modelstreamerrorexception": UpstreamFailed,
}
_STATUSES = {
    "validationexception": 400,
    "throttlingexception": 429,
    "modelstreamerrorexception": 424,
    "serviceunavailableexception": 503,
}
_OF_THE_MODEL = frozenset(("modelerrorexception", "modelstreamerrorexception"))

_TOO_LONG = re.compile(
    r"input is too long|prompt is too long|input tokens exceed|number of input tokens exceeds"
    r"|exceeds? (the )?(model's )?(maximum )?context|context (length|window|limit)|too many input tokens",
    re.IGNORECASE,
)
_FILTERED = re.compile(r"content filter", re.IGNORECASE)
_CREDENTIAL = re.compile(r"authentication|bearer token|api key|security token|signature", re.IGNORECASE)
_DAILY = re.compile(r"per day|daily", re.IGNORECASE)
# The account's number stands in the names that AWS quotes.
_ACCOUNT = re.compile(r"(arn:aws[a-z-]*:[a-z0-9-]*:[a-z0-9-]*:)\d{12}")


class _Body(msgspec.Struct):
    message: str | None = None
    Message: str | None = None
    originalMessage: str | None = None
    originalStatusCode: int | None = None
    type: str | None = msgspec.field(default=None, name="__type")


_body = msgspec.json.Decoder(_Body).decode


def fault(status: int, headers: Mapping[str, str], body: bytes) -> GatewayError:
    """What an answer with a status of 400 or more means; header names are lower-case, any body is borne."""
    said = _read(body)
    name = headers.get("x-amzn-errortype") or said.type or ""
    return _classed(name.partition(":")[0].rpartition("#")[2].strip(), status, said, retry_after(headers))


def stream_error(name: str, payload: bytes, message: str = "") -> GatewayError:
    """What an exception inside a stream means; `message` is that of an `error` message, which has no payload."""
    said = _read(payload)
    if message and not _told(said):
        said.message = message
    return _classed(name, _STATUSES.get(name.lower(), 500), said, None)


def body_error(message: str | None) -> GatewayError:
    """What a body means that came with status 200 and without an answer."""
    said = _scrubbed(message)
    return UpstreamFailed(upstream_status=200, upstream_message=said, detail="an answer without output")


def _read(body: bytes) -> _Body:
    try:
        return _body(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return _Body(message=body[:_MAX_TEXT].decode("utf-8", "replace").strip())


def _told(said: _Body) -> str:
    return said.message or said.Message or said.originalMessage or ""


def _classed(name: str, status: int, said: _Body, wait: float | None) -> GatewayError:
    message = _told(said)
    kind = _kind_of(name.lower(), status, message, said.originalStatusCode)
    shown = _scrubbed(message)
    if kind.blame == "request":
        return kind(shown, upstream_status=status, upstream_message=shown, retry_after=wait)
    return kind(upstream_status=status, upstream_message=shown, retry_after=wait, detail=name or None)


def _kind_of(name: str, status: int, message: str, original: int | None) -> type[GatewayError]:
    kind = _KINDS.get(name) or kind_of(status)
    if name in _OF_THE_MODEL and original is not None and (original == 429 or original >= 500):
        return kind_of(original)
    if kind is AccountForbidden and _CREDENTIAL.search(message):
        return AccountRejected
    if kind is RateLimited and _DAILY.search(message):
        return QuotaExhausted
    if kind is BadRequest and _TOO_LONG.search(message):
        return ContextTooLong
    if kind is BadRequest and _FILTERED.search(message):
        return ContentRefused
    return kind


def _scrubbed(message: str | None) -> str | None:
    if not message:
        return None
    return _ACCOUNT.sub(r"\1[hidden]", hide_secrets(message))[:_MAX_MESSAGE]
