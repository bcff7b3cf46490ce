"""When a provider wants to be asked again: `retry-after-ms`, then `retry-after` in seconds or as an HTTP date."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime

LONGEST = 366 * 86400.0
"""Seconds. A wait beyond it is a mistake, or a time in a unit that was not meant."""

_HTTP_DATE = "%a, %d %b %Y %H:%M:%S GMT"  # RFC 9110, 5.6.7: the only form that may still be sent


def retry_after(headers: Mapping[str, str], now: float | None = None) -> float | None:
    """Seconds to wait, never negative; None where the provider does not say. Header names are lower-case.

    An HTTP date counts only with `now`, the time in Unix seconds.
    """
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    value = headers.get("retry-after")
    seconds = _number(value)
    if seconds is None and value and now is not None:
        seconds = _until(value, now)
    return None if seconds is None or seconds > LONGEST else seconds


def _number(text: str | None) -> float | None:
    try:
        number = float(text) if text else math.nan
    except ValueError:
        return None
    return max(0.0, number) if math.isfinite(number) and number <= LONGEST * 1000 else None


def _until(date: str, now: float) -> float | None:
    try:
        at = datetime.strptime(date.strip(), _HTTP_DATE).replace(tzinfo=UTC)
    except ValueError:
        return None
    return max(0.0, at.timestamp() - now)
