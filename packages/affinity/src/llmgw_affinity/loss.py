"""Cached tokens that a turn should have found and did not, and what they were lost to."""

from __future__ import annotations

import msgspec

from llmgw_affinity.decide import Cause, Decision, cause_of
from llmgw_affinity.pins import Pin
from llmgw_domain import Usage


class Loss(msgspec.Struct, frozen=True, kw_only=True):
    """In tokens: what the session's warm caches would have had of this prompt, what was read from one, and what is
    lost.

    `tokens` counts what had expired as well, which nobody expected: it may be more than `expected` - `observed`.
    `cause` is empty where nothing is lost.
    """

    expected: int
    observed: int
    tokens: int
    cause: Cause


def lost(before: Pin | None, decision: Decision, account: str, usage: Usage, now: float) -> Loss:
    """What a turn lost, of a session whose pin was `before`, decided at `now` (Unix seconds) and served by `account`.

    Nothing is known of a turn whose usage is an estimate: it expects and loses nothing. A prompt that is shorter than
    what is cached is another one (a title, a subagent, the rest after a compaction): it expects what it finds.
    """
    if before is None or usage.provenance == "estimated":
        return Loss(expected=0, observed=usage.cache_read, tokens=0, cause="")
    stays = (before.home, before.current)
    ever = max(stay.cached for stay in stays)
    if usage.input < ever:
        return Loss(expected=usage.cache_read, observed=usage.cache_read, tokens=0, cause="")
    expected = max(stay.cached if stay.warm(now) else 0 for stay in stays)
    loss = Loss(expected=expected, observed=usage.cache_read, tokens=max(0, ever - usage.cache_read), cause="")
    return msgspec.structs.replace(loss, cause=_cause(loss, before, decision, account, now)) if loss.tokens else loss


def _cause(loss: Loss, before: Pin, decision: Decision, account: str, now: float) -> Cause:
    here = [s.cached for s in (before.home, before.current) if s.account == account and s.warm(now)]
    if loss.observed >= loss.expected or loss.observed < min(max(here, default=0), loss.expected):
        # Only what nobody believed in any more is gone; or the account itself lost what it should have had.
        return "expiry"
    if decision.kind == "home" and account == before.home.account:
        return "return"
    # Without a trouble the session meant to be elsewhere, and its account was taken in the same moment.
    return cause_of(decision.trouble) or "full"
