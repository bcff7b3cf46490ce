"""Errors for clients: OpenAI's envelope for refusals, and the object below `error` of a failed response."""

from __future__ import annotations

from llmgw_domain.errors import BadRequest, ContextTooLong, GatewayError, QuotaExhausted, RateLimited
from llmgw_protocols.chat.errors import error_body as _error_body

_SERVER_ERROR = "server_error"


def error_body(error: GatewayError, request_id: str) -> bytes:
    """A refusal in OpenAI's envelope, the same as in Chat Completions."""
    return _error_body(error)


def status_of(error: GatewayError) -> int:
    """The HTTP status; OpenAI's clients expect the plain ones."""
    return error.status


def failure(error: GatewayError) -> dict[str, str]:
    """The `error` of a response that failed.

    Its codes are fewer than those of refusals, and clients decide by them: Codex repeats a turn on `server_error` and
    `rate_limit_exceeded`, and gives up on the others.
    """
    return {"code": _code(error), "message": error.message}


def _code(error: GatewayError) -> str:
    match error:
        case RateLimited() | QuotaExhausted() | ContextTooLong():
            return error.code
        case BadRequest():
            return "invalid_prompt"
    return _SERVER_ERROR
