"""When a refusal's body asks to come back: in a field for it, by a date, or in words.

| who | says |
|---|---|
| Google | `RetryInfo` (`46s`); of a day's quota nothing that counts: it is back at midnight Pacific time |
| OpenAI's subscriptions | `resets_in_seconds`, `resets_at` |
| OpenRouter | `metadata.headers.X-RateLimit-Reset`, Unix milliseconds |
| Anthropic | "You will regain access on 2026-12-01 at 00:00 UTC." |
| Z.ai | "Your limit will reset at 2026-09-04 19:01:25", in Beijing's time |
| anybody | "Please try again in 1m26.4s", "retry after 7 seconds" |
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta, timezone
from typing import Any

from llmgw_protocols.refusals import details_of, error_of, quotas_of
from llmgw_protocols.retry_after import LONGEST

_MAX_TEXT = 4096
_MOST = 10**15
"""Of seconds; a number above it is none."""
_FIRST_TIME, _FIRST_TIME_MS = 1e9, 1e11
"""A number from here on is a time in Unix seconds (of 2001), or in milliseconds (of 1973), and no wait."""

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

_DATE = re.compile(
    r"(?:regain access on|resets? (?:at|on)|在) (\d{4}-\d\d-\d\d)(?: at|T)? ?(\d\d:\d\d(?::\d\d)?)( ?UTC|Z)?",
    re.IGNORECASE,
)
_BEIJING = timezone(timedelta(hours=8))
_PACIFIC, _PACIFIC_SUMMER = timezone(timedelta(hours=-8)), timezone(timedelta(hours=-7))


def asked_in(body: bytes, now: float) -> float | None:
    """Seconds that a refusal's body asks to wait, of `now` in Unix seconds; None where it does not say."""
    said = error_of(body)
    if said is not None and (wait := _in_fields(said, now)) is not None:
        return wait
    text = body[:_MAX_TEXT].decode("utf-8", "replace")
    dated = _dated(text, now)
    return _spoken(text) if dated is None else dated


def midnight_pacific(now: float) -> float:
    """Seconds from now to the next midnight in California, when Google's daily quotas begin anew.

    By rule and not by a time zone's file, which not every container has.
    """
    today = datetime.fromtimestamp(now, _PACIFIC).date()
    midnights = (today + timedelta(days=days) for days in range(3))
    waits = (datetime.combine(day, time(), _zone_at_midnight(day)).timestamp() - now for day in midnights)
    return next(seconds for seconds in waits if seconds > 0)


def _zone_at_midnight(day: date) -> timezone:
    """Summer time begins on the second Sunday of March and ends on the first of November, at two o'clock."""
    begins, ends = _sunday_from(date(day.year, 3, 8)), _sunday_from(date(day.year, 11, 1))
    return _PACIFIC_SUMMER if begins < day <= ends else _PACIFIC


def _sunday_from(day: date) -> date:
    return day + timedelta(days=6 - day.weekday())


def from_now(number: float, now: float) -> float | None:
    """Seconds of a number that is a wait, or a time in Unix seconds or milliseconds; None for nonsense."""
    if number < _FIRST_TIME:
        return within(number)
    return within(max(0.0, (number if number < _FIRST_TIME_MS else number / 1000) - now))


def duration(text: str) -> float | None:
    """Seconds of a duration as Go writes it, such as `6m0s` or `12ms`; None where it is none."""
    if not _GO_WHOLE.fullmatch(text):
        return None
    return within(math.fsum(float(amount) * _UNITS[unit] for amount, unit in _GO.findall(text)))


def within(seconds: float | None) -> float | None:
    """The wait, if it is one that a provider can mean."""
    return seconds if seconds is not None and 0 <= seconds <= LONGEST else None


def _in_fields(said: Mapping[str, Any], now: float) -> float | None:
    if any("PerDay" in str(quota.get("quotaId")) for quota in quotas_of(said)):
        return midnight_pacific(now)  # its `RetryInfo` speaks of some seconds, which can't be meant
    for value in (d.get("retryDelay") for d in details_of(said)):
        if isinstance(value, str) and (delay := duration(value)) is not None:
            return delay
    for value in (said.get("resets_in_seconds"), said.get("resets_at"), _openrouter(said)):
        if isinstance(value, int | float) and 0 <= value <= _MOST:
            return from_now(float(value), now)
    return None


def _openrouter(said: Mapping[str, Any]) -> float | None:
    metadata = said.get("metadata")
    headers = metadata.get("headers") if isinstance(metadata, dict) else None
    value = headers.get("X-RateLimit-Reset") if isinstance(headers, dict) else None
    text = str(value)[:20]
    return float(text) if text.isascii() and text.isdecimal() else None


def _dated(text: str, now: float) -> float | None:
    match = _DATE.search(text)
    if match is None:
        return None
    try:
        at = datetime.fromisoformat(f"{match[1]}T{match[2]}")
    except ValueError:
        return None
    return within(max(0.0, at.replace(tzinfo=UTC if match[3] else _BEIJING).timestamp() - now))


def _spoken(text: str) -> float | None:
    """The wait in "Please try again in 1m26.4s." or "Please retry after 7 seconds"."""
    match = _AGAIN.search(text)
    if match is None:
        return None
    return within(math.fsum(float(n) * _SPOKEN[unit.lower()] for n, unit in _AMOUNT.findall(match[1])))
