"""Whether a failed attempt is followed by another: the only loop of the request path asks here."""

from __future__ import annotations

from collections.abc import Sequence

from llmgw_domain.errors import (
    AccountForbidden,
    AccountRejected,
    BadRequest,
    GatewayError,
    NotFound,
    QuotaExhausted,
    RateLimited,
    UpstreamNotFound,
    UpstreamUnreachable,
)


def may_retry(error: GatewayError, attempts: int, max_attempts: int, remaining: float | None) -> bool:
    """Whether the call may be tried on another account.

    `attempts` counts those made, `remaining` is what is left of the call's time in seconds, None without a limit. Only
    asked before the commit point: afterwards the client already holds a part of the answer.
    """
    if not _may_help(error) or attempts >= max_attempts:
        return False
    return remaining is None or remaining > 0


def _may_help(error: GatewayError) -> bool:
    """The provider's word counts, but not on its account's own affairs: there it speaks of the same account."""
    if error.should_retry is None or error.blame == "account":
        return error.retryable
    return error.should_retry


def cannot_answer(error: GatewayError) -> bool:
    """Whether a refusal may mean that the target does not have this endpoint, or not for this model."""
    return isinstance(error, UpstreamNotFound | NotFound | BadRequest)


_NOTHING_DONE = (
    UpstreamUnreachable,
    RateLimited,
    QuotaExhausted,
    AccountRejected,
    AccountForbidden,
    UpstreamNotFound,
)


def unprocessed(error: GatewayError) -> bool:
    """Whether the provider has surely done nothing: it was not reached, or refused before it looked at the request."""
    return isinstance(error, _NOTHING_DONE)


_OWN_AFFAIR = (AccountRejected, AccountForbidden, UpstreamNotFound, QuotaExhausted)


def most_telling(errors: Sequence[GatewayError]) -> GatewayError:
    """The error to show of several attempts: the last one that is not a single account's own affair.

    A client that is told "rate limited, come back in 3 s" can act on it; "one account has a bad key" it can't.
    """
    for error in reversed(errors):
        if not isinstance(error, _OWN_AFFAIR):
            return error
    return errors[-1]
