"""Rate limits as providers tell them, in headers of a dozen spellings and in the bodies of refusals.

| who | limits | resets |
|---|---|---|
| OpenAI, Groq, xAI, Cerebras | `x-ratelimit-{limit,remaining,reset}-KIND[-WINDOW]` | `6m0s`, `12ms` |
| Azure | the same, `x-ratelimit-renewalperiod-KIND` | seconds |
| Mistral | the same, `req-minute`, `tokens-month` | none |
| Anthropic | `anthropic-ratelimit-KIND-{limit,remaining,reset}`, `-unified-WINDOW-...` | RFC 3339, Unix seconds |
| OpenRouter, Together | `x-ratelimit-{limit,remaining,reset}` | Unix milliseconds, seconds |
| OpenAI's subscriptions | `x-codex-WINDOW-...`, `resets_in_seconds` in bodies | seconds |
| Google | `RetryInfo` in bodies | `46s` |
| anybody | `retry-after-ms`, `retry-after`, "try again in 20s" | seconds, an HTTP date |

A header that says nothing sensible is passed over: what is negative, no number, or years away. Nothing here raises.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from llmgw_domain.limits import Allowance, RateLimits, Window
from llmgw_domain.servers import GENERIC, Server
from llmgw_protocols.retry_after import LONGEST, retry_after

_MOST = 10**15
"""Of units; a limit above it limits nothing, or is none."""
_MAX_TEXT = 4096
_FIRST_TIME, _FIRST_TIME_MS = 1e9, 1e11
"""A number from here on is a time in Unix seconds (of 2001), or in milliseconds (of 1973), and no wait."""

_KINDS = {
    "requests": "requests",
    "req": "requests",
    "tokens": "tokens",
    "tokens_usage_based": "",
    "input-tokens": "input_tokens",
    "output-tokens": "output_tokens",
    "tokens-prompt": "input_tokens",
    "tokens-generated": "output_tokens",
}
_WINDOWS = {"second": 1.0, "10-second": 10.0, "minute": 60.0, "hour": 3600.0, "day": 86400.0, "month": 2_592_000.0}

_OPENAI = re.compile(
    r"(?:x-ratelimit|ratelimitbysize|x-ratelimitbysize)-(limit|remaining|reset|renewalperiod)"
    r"(?:-([a-z_-]*?)(?:-(10-second|second|minute|hour|day|month))?)?"
)
_ANTHROPIC = re.compile(r"anthropic-(?:ratelimit-|(?=priority-))([a-z0-9_-]+)-(limit|remaining|reset)")
_UNIFIED = re.compile(r"anthropic-ratelimit-unified(?:-([0-9a-z_]+))?-(status|utilization|reset)")
_CODEX = re.compile(r"x-codex-([a-z-]+?)-(used-percent|reset-after-seconds|reset-at)")

_OTHERS = ("x-codex-", "anthropic-priority-")

_GO = re.compile(r"(\d+(?:\.\d+)?)(h|ms|m|us|µs|ns|s)")
_GO_WHOLE = re.compile(r"(?:\d+(?:\.\d+)?(?:h|ms|m|us|µs|ns|s))+")
_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_AGAIN = re.compile(
    r"(?:try again|retry|wait|available again|resets?)(?: after| in| for)? "
    r"((?:\d+(?:\.\d+)?\s?(?:milliseconds?|ms|seconds?|secs?|s|minutes?|mins?|m|hours?|hrs?|h|days?|d)\b[, and]*)+"
    r"|(?:\d+(?:\.\d+)?(?:h|ms|m|s))+)",
    re.IGNORECASE,
)
_AMOUNT = re.compile(r"(\d+(?:\.\d+)?)\s?(ms|mil|s|m|h|d)", re.IGNORECASE)
_SPOKEN = {"mil": 1e-3, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


_json = msgspec.json.Decoder().decode


def read(headers: Mapping[str, str], body: bytes, now: float, server: Server = GENERIC) -> RateLimits | None:
    """What an answer says of its account's limits; None where it says nothing. Header names are lower-case.

    `body` is that of a refusal, empty for an answer. `now` is the time in Unix seconds.
    """
    # Most headers are none of these, and every answer has many.
    said = [(name, value) for name, value in headers.items() if "ratelimit" in name or name.startswith(_OTHERS)]
    wait = retry_after(headers, now)
    if wait is None and body:
        wait = _asked_in(body, now)
    should_retry = _flag(headers.get("x-should-retry"))
    if not said and wait is None and should_retry is None:
        return None
    found = _Found(now, server)
    for name, value in said:
        found.header(name, value)
    return found.limits(_within(wait), should_retry)


class _Found:
    """Collects the parts of each limit until all headers are read."""

    def __init__(self, now: float, server: Server) -> None:
        self._now = now
        self._server = server
        self._parts: dict[tuple[str, str], dict[str, str]] = {}
        self._windows: dict[str, dict[str, str]] = {}

    def header(self, name: str, value: str) -> None:
        if match := _UNIFIED.fullmatch(name):
            self._windows.setdefault(match[1] or "unified", {})[match[2]] = value
        elif match := _ANTHROPIC.fullmatch(name):
            self._parts.setdefault((match[1], ""), {})[match[2]] = value
        elif match := _CODEX.fullmatch(name):
            self._windows.setdefault(match[1], {})[match[2]] = value
        elif match := _OPENAI.fullmatch(name):
            self._parts.setdefault((match[2] or "requests", match[3] or ""), {})[match[1]] = value

    def limits(self, wait: float | None, should_retry: bool | None) -> RateLimits | None:
        kinds: dict[str, Allowance] = {}
        windows = [w for name, parts in self._windows.items() if (w := self._window(name, parts))]
        for (name, unit), parts in sorted(self._parts.items(), key=lambda item: _WINDOWS.get(item[0][1], 0.0)):
            allowance = self._allowance(name, unit, parts)
            if allowance is None:
                continue
            kind = _KINDS.get(name, "")
            if kind and kind not in kinds:
                kinds[kind] = allowance
            else:
                windows.append(_as_window(f"{name}-{unit}" if unit else name, allowance))
        if not (kinds or windows or wait is not None or should_retry is not None):
            return None
        return RateLimits(
            requests=kinds.get("requests"),
            tokens=kinds.get("tokens"),
            input_tokens=kinds.get("input_tokens"),
            output_tokens=kinds.get("output_tokens"),
            windows=tuple(windows),
            retry_after=wait,
            should_retry=should_retry,
        )

    def _allowance(self, name: str, unit: str, parts: Mapping[str, str]) -> Allowance | None:
        limit, remaining = _count(parts.get("limit")), _count(parts.get("remaining"))
        reset = _reset(parts.get("reset"), self._now)
        # A limit of nothing would be no service at all; Azure sends it where it does not count.
        if limit == 0 or (limit is None and remaining is None and reset is None):
            return None
        window = _WINDOWS.get(unit) or _seconds(parts.get("renewalperiod"))
        window = window or self._server.rate_windows.get(_KINDS.get(name, ""))
        return Allowance(limit=limit, remaining=remaining, reset=reset, window=window)

    def _window(self, name: str, parts: Mapping[str, str]) -> Window | None:
        used, percent = _number(parts.get("utilization")), _number(parts.get("used-percent"))
        if used is None and percent is not None:
            used = percent / 100
        reset = _reset(parts.get("reset") or parts.get("reset-after-seconds") or parts.get("reset-at"), self._now)
        status = parts.get("status", "")[:40] or None
        if used is None and reset is None and status is None:
            return None
        return Window(name=name, used=used, reset=reset, status=status)


def _as_window(name: str, allowance: Allowance) -> Window:
    used = None
    if allowance.limit and allowance.remaining is not None:
        used = max(0.0, 1 - allowance.remaining / allowance.limit)
    return Window(name=name, used=used, reset=allowance.reset)


# --- values -----------------------------------------------------------------------------------------------------------


def _number(text: str | None) -> float | None:
    try:
        number = float(text) if text else math.nan
    except ValueError:
        return None
    return number if math.isfinite(number) and number >= 0 else None


def _count(text: str | None) -> int | None:
    number = _number(text)
    return None if number is None or number > _MOST else int(number)


def _within(seconds: float | None) -> float | None:
    return seconds if seconds is not None and 0 <= seconds <= LONGEST else None


def _seconds(text: str | None) -> float | None:
    return _within(_number(text))


def _flag(text: str | None) -> bool | None:
    return {"true": True, "false": False}.get((text or "").strip().lower())


def _reset(text: str | None, now: float) -> float | None:
    """Seconds from now, of a number, a duration or a date. A number too large for a wait is a time of its own."""
    text = (text or "").strip()
    number = _number(text)
    if number is not None:
        return _from_now(number, now)
    if text[:1].isdigit() and _GO_WHOLE.fullmatch(text):
        return _within(_duration(text))
    at = _date(text)
    return None if at is None else _within(max(0.0, at - now))


def _from_now(number: float, now: float) -> float | None:
    if number < _FIRST_TIME:
        return _within(number)
    return _within(max(0.0, (number if number < _FIRST_TIME_MS else number / 1000) - now))


def _duration(text: str) -> float:
    return math.fsum(float(amount) * _UNITS[unit] for amount, unit in _GO.findall(text))


def _date(text: str) -> float | None:
    try:
        at = datetime.fromisoformat(text)
        return at.replace(tzinfo=at.tzinfo or UTC).timestamp()
    except (ValueError, OverflowError):
        return None


# --- bodies -----------------------------------------------------------------------------------------------------------


def _asked_in(body: bytes, now: float) -> float | None:
    """When a refusal's body asks to come back: in a field for it, or in words."""
    said = _error_of(body)
    if said is not None:
        delay = _delay(said)
        if delay is not None:
            return delay
        for field in ("resets_in_seconds", "resets_at"):
            value = said.get(field)
            if isinstance(value, int | float) and 0 <= value <= _MOST:
                return _from_now(float(value), now)
    return _spoken(body[:_MAX_TEXT].decode("utf-8", "replace"))


def _error_of(body: bytes) -> dict[str, Any] | None:
    try:
        outer = _json(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if isinstance(outer, list) and outer:
        outer = outer[0]
    inner = outer.get("error", outer) if isinstance(outer, dict) else None
    return inner if isinstance(inner, dict) else None


def _delay(said: Mapping[str, Any]) -> float | None:
    """Google's `RetryInfo`."""
    details = said.get("details")
    for detail in details if isinstance(details, list) else ():
        delay = detail.get("retryDelay") if isinstance(detail, dict) else None
        if isinstance(delay, str) and _GO_WHOLE.fullmatch(delay):
            return _within(_duration(delay))
    return None


def _spoken(text: str) -> float | None:
    """The wait in "Please try again in 1m26.4s." or "Please retry after 7 seconds"."""
    match = _AGAIN.search(text)
    if match is None:
        return None
    return _within(math.fsum(float(n) * _SPOKEN[unit.lower()] for n, unit in _AMOUNT.findall(match[1])))
