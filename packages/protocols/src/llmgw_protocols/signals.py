"""What a provider's answer says of the account that gave it, as a signal for those who choose accounts.

The error's class, which its dialect read, says what kind of refusal it is; names and words of the body say the rest,
the rate limits when it ends. `docs/provider-signals.md` has the table of it all. The rules behind the table:

- The request's own fault is no signal, nor is a failure that calls count by themselves (5xx, timeouts, resets). What
  one request could bring about at every account that it is tried at must not shut them all: a 403 over a file or a
  policy, a request that is larger than a whole minute's allowance, a model's name that nobody has.
- What concerns one model leaves the account's others alone. OpenAI, Anthropic, Google, Groq, Mistral, xAI, Azure and
  Bedrock document their limits per model (or deployment); keys, credit, subscriptions' windows are the whole account's.
- A wait of some minutes is a pause; what counts by hours or days, or asks for longer, is exhausted.
- Seconds are the provider's own or None, so that the chooser's defaults hold; 0 says nothing, for it ends nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from llmgw_domain import Provider
from llmgw_domain.errors import (
    AccountForbidden,
    AccountRejected,
    GatewayError,
    Overloaded,
    QuotaExhausted,
    RateLimited,
)
from llmgw_domain.limits import Allowance, RateLimits
from llmgw_domain.signals import Signal, Verdict
from llmgw_protocols import refusals, windows
from llmgw_protocols.refusals import Refusal
from llmgw_protocols.statuses import FLEX_FULL

_LONGEST_PAUSE = 300.0
"""Seconds. A refusal that asks for more is not of a minute's limit; what waits should not wait for it."""
_LONGEST = 32 * 86400.0
"""Seconds. The longest window that anybody counts by is a month."""
_LONG_WINDOW = 3600.0
_ENOUGH = 1 / 8
"""The part of a spent token bucket that is waited for: it fills all the time, and `reset` is when it is full."""
_SHORTEST = 0.1
"""Seconds. A shorter pause is over before another choice is made."""

_BY_KIND = ""
"""As a rule's reason: the kind of limit, as `_kind` finds it."""


class _Rule(msgspec.Struct, frozen=True):
    """Fits a refusal that has one of the names, or words that match. Without a verdict it says: no signal."""

    verdict: Verdict | None
    reason: str = _BY_KIND
    whole: bool = False
    names: frozenset[str] = frozenset()
    words: re.Pattern[str] | None = None
    only: Provider | None = None

    def fits(self, provider: Provider, refusal: Refusal) -> bool:
        if self.only is not None and provider is not self.only:
            return False
        if self.names & refusal.names:
            return True
        return self.words is not None and self.words.search(refusal.words) is not None


class _TooLarge(_Rule, frozen=True):
    """Fits where the request alone is more than the account's whole allowance: waiting is no use, and others fit."""

    def fits(self, provider: Provider, refusal: Refusal) -> bool:
        match = _TOO_LARGE.search(refusal.words)
        return match is not None and _number(match[2]) > _number(match[1])


def _number(text: str) -> int:
    return int(text.replace(",", "") or 0)


def _words(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)


_ANY = re.compile("")
_SHUT = _words(
    r"(account|organi[sz]ation|workspace|consumer|team|user)\b[^.\n]{0,60}"
    r"\b(disabled|suspended|deactivated|terminated|locked|banned)|disabled in this account"
)
_SHUT_NAMES = frozenset({"account_deactivated", "access_terminated", "consumer_suspended", "1112", "1121"})
_LONG_CONTEXT = _words(r"required for long context")
_NEEDS_CREDITS = _words(r"(extra usage|usage credits?) (is|are) required")

_REJECTED = (
    _Rule("disable", "suspended", whole=True, names=_SHUT_NAMES, words=_SHUT),
    _Rule("disable", "key", whole=True, words=_ANY),
)
"""A credential that is not taken. The last rule fits all."""

_FORBIDDEN = (
    _Rule(
        "disable",
        "forbidden",
        whole=True,
        # Google's reasons of an account that is not set up, OpenAI's of an address that is not on its list.
        names=frozenset(
            {
                "service_disabled",
                "consumer_invalid",
                "api_key_service_blocked",
                "api_key_ip_address_blocked",
                "api_key_http_referrer_blocked",
                "ip_not_authorized",
            }
        ),
        words=_words(r"has not been used in project|OAuth authentication"),
    ),
    _Rule("disable", "suspended", whole=True, names=_SHUT_NAMES, words=_SHUT),
    _Rule(
        "disable",
        "region",
        whole=True,
        names=frozenset({"unsupported_country_region_territory"}),
        words=_words(r"location is not supported|(country|region|territory)\S* (is )?not (supported|available)"),
    ),
    _Rule("disable", "verification", words=_words(r"must be verified to")),
    # Of the request: its content, or a thing that it names and that another account may have.
    _Rule(
        None,
        words=_words(
            r"content (polic|filter|violat)|usage (guideline|polic)|safety|moderation"
            r"|\b(the|access) files?\b|cached ?content|\bs3:|storage\.|\bbucket|\bgs://|\burls?\b|vector store"
        ),
    ),
    _Rule("disable", "forbidden", words=re.compile(r"\A(?!\s*<)")),
)
"""A 403. A page for people (a firewall's) fits none: it may be about the request's content."""

_NO_CREDIT = _Rule("disable", "credit", whole=True, words=_ANY)
_UNCLEAR = _Rule("exhausted", "quota")
"""Instead of it inside an answer, which has no details: Google speaks of billing whatever is used up."""
_SPENT = (
    # Google: the tier has no quota for this model at all.
    _Rule("disable", "no_quota", words=_words(r"\blimit: 0\b")),
    _Rule("exhausted", words=_words(r"PerDay\S* limit:")),
    _Rule(None, words=_LONG_CONTEXT),
    _Rule("exhausted", "credit", names=frozenset({"credits_required"}), words=_NEEDS_CREDITS),
    _Rule(
        "exhausted",
        "usage",
        whole=True,
        names=frozenset({"usage_limit_reached", "1304", "1308", "1310"}),
        words=_words(r"usage limit has been reached"),
    ),
    # Bedrock counts by model (Service Quotas), and says so with a 400 that is no request's fault.
    _Rule("exhausted", "quota", names=frozenset({"servicequotaexceededexception"})),
    _Rule("exhausted", names=frozenset({"throttlingexception", "toomanyrequestsexception"})),
    # Limits that people have set themselves, and that end by themselves: Anthropic's, OpenRouter's.
    _Rule("exhausted", "spend_limit", whole=True, words=_words(r"regain access on|specified .{0,20}usage limits")),
    _Rule("exhausted", "spend_limit", whole=True, words=_words(r"key limit exceeded \((daily|weekly|monthly)")),
    # OpenRouter: what is left pays for less than this request may cost; cheaper models are still served.
    _Rule("disable", "credit", words=_words(r"can only afford")),
    _NO_CREDIT,
)
"""Money or an allowance that is used up. The last rule fits all."""

_LIMITED = (
    _TooLarge(None),
    _Rule(None, words=_LONG_CONTEXT),
    _Rule("exhausted", "credit", names=frozenset({"credits_required"}), words=_NEEDS_CREDITS),
    # The flex tier alone has no room (OpenAI's guide to flex processing).
    _Rule(None, names=frozenset({"resource_unavailable"})),
    _Rule("overloaded", "loading", names=frozenset({"modelnotreadyexception"})),
    _Rule(
        "overloaded",
        "capacity",
        names=frozenset({"model_capacity_exhausted", "engine_overloaded_error", "overloaded_error", "1312"}),
        words=_words(r"no capacity|(out of|at|tier) capacity|rate-limited upstream|overloaded"),
    ),
    # Vertex has no quota of one's own for most models; its 429 without one is that of what all share.
    _Rule("overloaded", "capacity", words=_words(r"\Aresource (has been )?exhausted"), only=Provider.VERTEX),
    # Z.ai's plans: used up, ended, not for this model, suspected (docs.z.ai/api-reference/api-code).
    _Rule("disable", "forbidden", names=frozenset({"1311"})),
    _Rule("disable", "suspended", whole=True, names=frozenset({"1112", "1121", "1313"})),
    _Rule("pause", words=_ANY),
)
"""A 429. The last rule fits all: a limit of a minute's, or of longer (`_signal`)."""

_OVERLOADED = (_Rule("overloaded", "overloaded", words=_ANY),)

_RULES: tuple[tuple[type[GatewayError], tuple[_Rule, ...]], ...] = (
    (AccountRejected, _REJECTED),
    (AccountForbidden, _FORBIDDEN),
    (QuotaExhausted, _SPENT),
    (RateLimited, _LIMITED),
    (Overloaded, _OVERLOADED),
)

_ACCOUNT_WIDE = _words(
    r"your account's rate limit|reached for organization|trial key|concurrent connections has exceeded"
)
"""Limits of all models together, by their words: Anthropic's subscriptions, OpenAI, Cohere's trial keys."""

_FIRST_WINDOW = _words(
    r"\b(?:[rt]p|as)(?P<letter>[smhd])\b|(?:per[ _-]?|/ )(?P<unit>sec|min|hour|day|week|month)|(?P<often>daily|weekly)"
)
_LONG_UNITS = frozenset({"h", "d", "hour", "day", "week", "month", "daily", "weekly"})
_TOO_LARGE = _words(r"limit:? ?([\d,]{1,15})\b.{0,80}?\brequested:? ?~?([\d,]{1,15})\b")
_KINDS = (
    ("input_tokens", _words(r"input[ _-]?tokens?")),
    ("output_tokens", _words(r"output[ _-]?tokens?")),
    ("concurrency", _words(r"concurren")),
    ("images", _words(r"images?[ _-]?per|input-images")),
    ("tokens", _words(r"tokens?[ _-]?per|token (rate|count)|too many tokens|\btp[mdh]\b")),
    (
        "requests",
        _words(r"requests?[ _-]?per|requests? rate|call rate|too many requests|api calls|models-per|\brp[smdh]\b"),
    ),
)


def read(
    provider: Provider,
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    error: GatewayError,
    limits: RateLimits | None,
) -> Signal | None:
    """What a refusal says of its account; None where it says nothing that others should know.

    `error` is what the dialect made of the refusal, `limits` what `ratelimits.read` found in it. Header names are
    lower-case. A refusal inside an answer has the answer's status and no body: its error tells what it can.
    """
    rules = next((rules for kind, rules in _RULES if isinstance(error, kind)), ())
    if not rules or status == FLEX_FULL:
        return None
    refusal = refusals.read(headers, body or (error.upstream_message or "").encode())
    rule = next((rule for rule in rules if rule.fits(provider, refusal)), None)
    if rule is _NO_CREDIT and status < 400:
        rule = _UNCLEAR
    if rule is None or rule.verdict is None:
        return None
    spent = windows.refused(headers, limits) if isinstance(error, QuotaExhausted | RateLimited) else None
    return spent or _signal(rule, rule.verdict, refusal, limits)


def ahead(limits: RateLimits) -> Signal | None:
    """What a good answer says of the next one: that a window is used up, or that a bucket is empty.

    A bucket is paused for as short as can help, because the refusal of a call too soon says for how long exactly.
    """
    if (spent := windows.used_up(limits)) is not None:
        return spent
    waits = [(_refill(kind, allowance), kind) for kind, allowance in _allowances(limits) if allowance.spent]
    seconds, kind = max(waits, default=(0.0, ""))
    if seconds < _SHORTEST:
        return None
    return Signal(verdict="pause", whole=False, seconds=min(seconds, _LONGEST_PAUSE), reason=kind)


def _signal(rule: _Rule, verdict: Verdict, refusal: Refusal, limits: RateLimits | None) -> Signal:
    whole = rule.whole
    seconds = _seconds(verdict, limits)
    if verdict == "pause":
        whole = windows.has_subscription(limits) or _ACCOUNT_WIDE.search(refusal.words) is not None
        if _is_long(refusal, limits) or (seconds or 0.0) > _LONGEST_PAUSE:
            verdict = "exhausted"
    return Signal(verdict=verdict, whole=whole, seconds=seconds, reason=rule.reason or _kind(refusal, limits))


def _is_long(refusal: Refusal, limits: RateLimits | None) -> bool:
    """Whether the limit counts by hours or days: the first window that is named says so, else the allowance spent."""
    if match := _FIRST_WINDOW.search(refusal.words):
        return (match["letter"] or match["unit"] or match["often"]).lower() in _LONG_UNITS
    return any((a.window or 0.0) >= _LONG_WINDOW for _, a in _spent_of(limits))


def _kind(refusal: Refusal, limits: RateLimits | None) -> str:
    """What was counted: by the refusal's words, else by what is spent; `rate` where nobody says."""
    for kind, words in _KINDS:
        if kind in refusal.names or words.search(refusal.words):
            return kind
    return next((kind for kind, _ in _spent_of(limits)), "rate")


def _seconds(verdict: Verdict, limits: RateLimits | None) -> float | None:
    """What the provider asked for, else when the last of what is spent is back."""
    if limits is None or verdict == "disable":
        return None
    seconds = limits.retry_after
    if seconds is None and verdict != "overloaded":
        seconds = max((a.reset for _, a in _spent_of(limits) if a.reset is not None), default=None)
    return min(seconds, _LONGEST) if seconds else None


def _refill(kind: str, allowance: Allowance) -> float:
    """Seconds until an empty bucket has something again."""
    if allowance.reset is None:
        return 0.0
    if kind == "requests":
        return allowance.reset / (allowance.limit or 1)
    return allowance.reset * _ENOUGH


def _spent_of(limits: RateLimits | None) -> list[tuple[str, Allowance]]:
    return [] if limits is None else [(kind, a) for kind, a in _allowances(limits) if a.spent]


def _allowances(limits: RateLimits) -> list[tuple[str, Allowance]]:
    kinds = ("requests", "input_tokens", "output_tokens", "tokens")
    return [(kind, allowance) for kind in kinds if (allowance := getattr(limits, kind)) is not None]
