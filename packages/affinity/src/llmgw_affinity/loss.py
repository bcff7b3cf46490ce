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

    Nothing is known of a turn whose usage is an estimate: it expects and loses nothing.
    """
    if before is None or usage.provenance == "estimated":
        return Loss(expected=0, observed=usage.cache_read, tokens=0, cause="")
    stays = (before.home, before.current)
    ever = min(max(stay.cached for stay in stays), usage.input)
    expected = min(max(stay.cached if stay.warm(now) else 0 for stay in stays), usage.input)
    tokens = max(0, ever - usage.cache_read)
    cause = _cause(before, decision, account, expected, now) if tokens else ""
    return Loss(expected=expected, observed=usage.cache_read, tokens=tokens, cause=cause)


def _cause(before: Pin, decision: Decision, account: str, expected: int, now: float) -> Cause:
    if not expected:
        return "expiry"
    if decision.kind == "home" and account == before.home.account:
        return "return"
    at = [stay for stay in (before.home, before.current) if stay.account == account and stay.warm(now)]
    if at:
        return "expiry"
    return cause_of(decision.trouble) or "cooldown"
