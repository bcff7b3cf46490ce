"""What a provider's HTTP status means where nothing else in its answer says more; the same in every dialect."""

from __future__ import annotations

from llmgw_domain.errors import (
    AccountForbidden,
    AccountRejected,
    BadRequest,
    Conflict,
    GatewayError,
    Overloaded,
    QuotaExhausted,
    RateLimited,
    TooLarge,
    Unprocessable,
    UpstreamFailed,
    UpstreamNotFound,
    UpstreamTimeout,
)

OVERLOADED = 529
"""Anthropic's own status of an overloaded service."""
FLEX_FULL = 498
"""Groq's own status where the flex tier has no room (console.groq.com/docs/errors)."""

_KINDS: dict[int, type[GatewayError]] = {
    401: AccountRejected,
    402: QuotaExhausted,
    403: AccountForbidden,
    404: UpstreamNotFound,
    408: UpstreamTimeout,
    409: Conflict,
    413: TooLarge,
    422: Unprocessable,
    424: UpstreamFailed,
    429: RateLimited,
    503: Overloaded,
    504: UpstreamTimeout,
    FLEX_FULL: Overloaded,
    OVERLOADED: Overloaded,
}


def kind_of(status: int) -> type[GatewayError]:
    """The error of a status; of those without one of their own, 4xx are the request's affair, others the server's."""
    return _KINDS.get(status) or (BadRequest if 400 <= status < 500 else UpstreamFailed)
