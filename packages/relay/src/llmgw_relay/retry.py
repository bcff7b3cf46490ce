"""What follows a failed attempt, as data: the only loop of the request path asks here.

All of it is before the commit point: once the client holds a part of an answer, nothing is sent again. `RULES` says for
each class of errors whether the same account may answer if it is asked again, whether another may, and for which cause
another model is asked where no account is left. The classes are those of the wire specification's table of errors.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from llmgw_domain.errors import (
    AccountForbidden,
    AccountRejected,
    BadRequest,
    Conflict,
    ContentRefused,
    ContextTooLong,
    GatewayError,
    ModelRefused,
    NoAccount,
    NotFound,
    Overloaded,
    QuotaExhausted,
    RateLimited,
    UpstreamFailed,
    UpstreamNotFound,
    UpstreamReset,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from llmgw_domain.models import Cause


class Rule(NamedTuple):
    """`same`: this account may answer if it is asked once more. `other`: another may. `cause`: why another model is
    asked in the end, None where that would not help either.
    """

    same: bool
    other: bool
    cause: Cause | None


RULES: dict[type[GatewayError], Rule] = {
    GatewayError: Rule(same=False, other=False, cause=None),
    Conflict: Rule(same=True, other=False, cause=None),
    ContextTooLong: Rule(same=False, other=False, cause="context_too_long"),
    ContentRefused: Rule(same=False, other=False, cause="refused"),
    ModelRefused: Rule(same=False, other=True, cause=None),
    # Whoever is limited or overloaded is left alone for as long as it says, by the balancer, and may be waited for.
    RateLimited: Rule(same=True, other=True, cause="overloaded"),
    Overloaded: Rule(same=True, other=True, cause="overloaded"),
    QuotaExhausted: Rule(same=False, other=True, cause="overloaded"),
    AccountRejected: Rule(same=False, other=True, cause="overloaded"),
    AccountForbidden: Rule(same=False, other=True, cause=None),
    UpstreamNotFound: Rule(same=False, other=True, cause=None),
    UpstreamFailed: Rule(same=True, other=True, cause="overloaded"),
    # A kept connection that died has been tried anew below already.
    UpstreamReset: Rule(same=False, other=True, cause="overloaded"),
    UpstreamUnreachable: Rule(same=False, other=True, cause="overloaded"),
    UpstreamTimeout: Rule(same=False, other=True, cause="overloaded"),
    NoAccount: Rule(same=False, other=False, cause="overloaded"),
}
"""By class; a class without an entry follows that of its nearest base."""


def rule_of(error: GatewayError) -> Rule:
    """What may follow this error. The provider's own word on it (`x-should-retry`) counts, but not on its account's own
    affairs: there it speaks of the same account.
    """
    rule = next(RULES[kind] for kind in type(error).__mro__ if kind in RULES)
    if error.should_retry is None or error.blame == "account":
        return rule
    return rule._replace(same=error.should_retry and rule.same, other=error.should_retry)


def may_retry(error: GatewayError, attempts: int, max_attempts: int, remaining: float | None) -> bool:
    """Whether the call may be tried again, at the same account or another.

    `attempts` counts those made, `remaining` is what is left of the call's time in seconds, None without a limit.
    """
    rule = rule_of(error)
    if not (rule.same or rule.other) or attempts >= max_attempts:
        return False
    return remaining is None or remaining > 0


class RetryBudget:
    """How many attempts may be second ones: at most `share` of the calls, but for what was saved up.

    Where everything fails, every call would be sent several times, which keeps a provider down that is just getting up.
    """

    def __init__(self, share: float = 0.1, reserve: float = 100.0) -> None:
        """`reserve` is what may be saved up, in attempts; it is there at the beginning. An account that goes down takes
        all of its calls with it in one moment, and each of them is to be served elsewhere.
        """
        self._share = share
        self._reserve = reserve
        self._left = reserve

    def call(self) -> None:
        """A call begins."""
        self._left = min(self._left + self._share, self._reserve)

    def spend(self) -> bool:
        """Whether one more attempt may be made; it counts as made then."""
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True

    def __repr__(self) -> str:
        return f"<RetryBudget {self._left:.1f} left>"


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
