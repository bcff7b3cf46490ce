"""Rate limits as providers tell them, in headers of a dozen spellings and in the bodies of refusals.

| who | limits | resets |
|---|---|---|
| OpenAI, Groq, xAI, Cerebras | `x-ratelimit-{limit,remaining,reset}-KIND[-WINDOW]` | `6m0s`, `12ms` |
| Azure | the same, `x-ratelimit-renewalperiod-KIND` | seconds |
| Mistral | the same, `req-minute`, `tokens-month` | none |
| Anthropic | `anthropic-ratelimit-KIND-{limit,remaining,reset}`, `-unified-WINDOW-...` | RFC 3339, Unix seconds |
| OpenRouter, Together | `x-ratelimit-{limit,remaining,reset}` | Unix milliseconds, seconds |
| OpenAI's subscriptions | `x-codex-WINDOW-...`, `x-codex-credits-...` | seconds |
| anybody | `retry-after-ms`, `retry-after` | seconds, an HTTP date |
| anybody | bodies of refusals (`waits`) | fields, dates, words |

A header that says nothing sensible is passed over: what is negative, no number, or years away. Nothing here raises.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime

from llmgw_domain.limits import Allowance, RateLimits, Window
from llmgw_domain.servers import GENERIC, Server
from llmgw_protocols.retry_after import retry_after
from llmgw_protocols.waits import asked_in, duration, from_now, within

_MOST = 10**15
"""Of units; a limit above it limits nothing, or is none."""

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
_UNIFIED = re.compile(r"anthropic-ratelimit-unified(?:-([0-9a-z_]+))?-(status|utilization|reset|surpassed-threshold)")
_CODEX = re.compile(r"x-codex-([a-z0-9-]+?)-(used-percent|reset-after-seconds|reset-at|has-credits|unlimited)")

_OTHERS = ("x-codex-", "anthropic-priority-")


def read(headers: Mapping[str, str], body: bytes, now: float, server: Server = GENERIC) -> RateLimits | None:
    """What an answer says of its account's limits; None where it says nothing. Header names are lower-case.

    `body` is that of a refusal, empty for an answer. `now` is the time in Unix seconds.
    """
    # Most headers are none of these, and every answer has many.
    said = [(name, value) for name, value in headers.items() if "ratelimit" in name or name.startswith(_OTHERS)]
    wait = retry_after(headers, now)
    if wait is None and body:
        wait = asked_in(body, now)
    should_retry = _flag(headers.get("x-should-retry"))
    if not said and wait is None and should_retry is None:
        return None
    found = _Found(now, server)
    for name, value in said:
        found.header(name, value)
    return found.limits(within(wait), should_retry)


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
        used = _used(parts)
        reset = _reset(parts.get("reset") or parts.get("reset-after-seconds") or parts.get("reset-at"), self._now)
        status = parts.get("status", "")[:40] or None
        if _flag(parts.get("has-credits")) or _flag(parts.get("unlimited")):
            status = "allowed"  # credits serve what is beyond the windows
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


def _used(parts: Mapping[str, str]) -> float | None:
    """The used part of a window: said as a part, in percent, or as a threshold that was passed (`true`: the last)."""
    used, percent = _number(parts.get("utilization")), _number(parts.get("used-percent"))
    if used is None and percent is not None:
        used = percent / 100
    passed = parts.get("surpassed-threshold")
    threshold = 1.0 if _flag(passed) else _number(passed)
    return used if threshold is None else max(threshold, used or 0.0)


def _seconds(text: str | None) -> float | None:
    return within(_number(text))


def _flag(text: str | None) -> bool | None:
    return {"true": True, "false": False}.get((text or "").strip().lower())


def _reset(text: str | None, now: float) -> float | None:
    """Seconds from now, of a number, a duration or a date. A number too large for a wait is a time of its own."""
    text = (text or "").strip()
    number = _number(text)
    if number is not None:
        return from_now(number, now)
    if (wait := duration(text)) is not None:
        return wait
    at = _date(text)
    return None if at is None else within(max(0.0, at - now))


def _date(text: str) -> float | None:
    try:
        at = datetime.fromisoformat(text)
        return at.replace(tzinfo=at.tzinfo or UTC).timestamp()
    except (ValueError, OverflowError):
        return None
