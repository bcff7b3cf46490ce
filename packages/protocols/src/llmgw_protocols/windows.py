"""Subscriptions' windows of hours and days: which of them a refusal is for, and when it opens again.

Anthropic tells of `5h` and `7d`, which all models share, of windows for some models (`7d_oi`, `7d_opus`), of what may
be bought beyond (`overage`), and with `unified` of the verdict over all of them, which is believed before any single
one: an account whose five hours are used up is still served where it pays for more. OpenAI's have a `primary` and a
`secondary` window, and such pairs for some models (`NAME-primary`); their `credits` serve what is beyond.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from llmgw_domain.limits import RateLimits, Window
from llmgw_domain.signals import Signal

_SHARED = re.compile(r"\d{1,3}[hd]|primary|secondary")
_OF_MODELS = re.compile(r"\d{1,3}[hd]_[a-z0-9_]+|[a-z0-9-]+-(?:primary|secondary)")
_LENGTH = re.compile(r"(\d{1,3})([hd])(?:_.*)?")
_HOUR, _DAY = 3600.0, 86400.0
_LONGEST = 32 * _DAY
"""Seconds, of windows whose length is not in their name."""

_CLAIM = "anthropic-ratelimit-unified-representative-claim"
"""Names the window that decided: `five_hour`, `seven_day`, or of some models `seven_day_NAME`."""
_CLAIMED = {"five_hour": "5h", "seven_day": "7d"}


def refused(headers: Mapping[str, str], limits: RateLimits | None) -> Signal | None:
    """The window that a refusal is for; None where it is for none, or there is none.

    Of several that are used up the longest counts; those of all models before those of some.
    """
    if limits is None or _is_allowed(limits, "unified") or _is_allowed(limits, "credits"):
        return None
    spent = [window for window in limits.windows if _is_spent(window) and _concerns(window, headers)]
    for pattern, whole in ((_SHARED, True), (_OF_MODELS, False)):
        if found := [window for window in spent if pattern.fullmatch(window.name)]:
            return _exhausted(_latest(found), whole, limits)
    if _CLAIM in headers:
        return _claimed(headers[_CLAIM], limits)
    return _unsaid(limits)


def used_up(limits: RateLimits) -> Signal | None:
    """The window that will refuse the next call, as a good answer tells it; None where what is beyond is served.

    Windows of some models say nothing here: an answer tells of all of them, whichever model it is from.
    """
    if _is_allowed(limits, "credits"):
        return None
    if _is_allowed(limits, "unified") and not _named(limits, "overage", "rejected"):
        return None
    found = [w for w in limits.windows if _SHARED.fullmatch(w.name) and _is_spent(w) and _reset(w)]
    return _exhausted(_latest(found), True, limits) if found else None


def has_subscription(limits: RateLimits | None) -> bool:
    """Whether the account is a subscription, whose limits are one for all its models."""
    return limits is not None and any(_SHARED.fullmatch(window.name) for window in limits.windows)


def _claimed(claim: str, limits: RateLimits) -> Signal | None:
    """The window that the refusal names, where the windows themselves look open."""
    if not _named(limits, "unified", "rejected"):
        return None
    name = _CLAIMED.get(claim) or claim.replace("seven_day", "7d", 1)[:40]
    candidates = [w for w in limits.windows if w.name == name] or [w for w in limits.windows if w.name == "unified"]
    return _exhausted(Window(name=name, reset=candidates[0].reset), claim in _CLAIMED, limits)


def _unsaid(limits: RateLimits) -> Signal | None:
    """Where none of the windows is said to be the one, and none to be open, the one that opens sooner is believed."""
    rejected = _named(limits, "unified", "rejected")
    shared = [w for w in limits.windows if _SHARED.fullmatch(w.name) or w.name == "unified"]
    ends = [w for w in shared if _reset(w) and (rejected or (w.used is None and w.status is None))]
    return _exhausted(min(ends, key=lambda w: _reset(w) or 0.0), True, limits) if ends else None


def _exhausted(window: Window, whole: bool, limits: RateLimits) -> Signal:
    seconds = _reset(window) or limits.retry_after or None
    return Signal(
        verdict="exhausted",
        whole=whole,
        seconds=None if seconds is None else min(seconds, _LONGEST),
        reason=window.name,
    )


def _latest(windows: Iterable[Window]) -> Window:
    return max(windows, key=lambda window: _reset(window) or 0.0)


def _concerns(window: Window, headers: Mapping[str, str]) -> bool:
    """Whether it may be what a refusal is for: OpenAI tells of the windows of all models, and which one was asked."""
    model, _, which = window.name.rpartition("-")
    if not model or which not in ("primary", "secondary"):
        return True
    return headers.get("x-codex-active-limit", "").replace("-", "_") == f"codex_{model}".replace("-", "_")


def _is_spent(window: Window) -> bool:
    return window.status == "rejected" or (window.used or 0.0) >= 1.0


def _is_allowed(limits: RateLimits, name: str) -> bool:
    return any(w.name == name and (w.status or "").startswith("allowed") for w in limits.windows)


def _named(limits: RateLimits, name: str, status: str) -> bool:
    return any(w.name == name and w.status == status for w in limits.windows)


def _reset(window: Window) -> float | None:
    """Seconds until it opens; None where that is not said, or is further away than the window is long."""
    if window.reset is None or window.reset > _most(window.name):
        return None
    return window.reset or None


def _most(name: str) -> float:
    match = _LENGTH.fullmatch(name)
    if match is None:
        return _LONGEST
    unit = _HOUR if match[2] == "h" else _DAY
    return (int(match[1]) + 1) * unit
