"""When refusals' bodies ask to come back."""

from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmgw_protocols.retry_after import LONGEST
from llmgw_protocols.waits import asked_in, duration, from_now, midnight_pacific

NOW = 1_800_000_000.0  # 2027-01-15T08:00:00Z


def google(*quotas: str, delay: Any = "46s") -> dict[str, Any]:
    violations = [{"quotaId": quota} for quota in quotas]
    return {"error": {"code": 429, "details": [{"violations": violations}, {"retryDelay": delay}]}}


def said(message: str) -> dict[str, Any]:
    return {"error": {"message": message}}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (google("RequestsPerMinutePerProject"), 46.0),
        (google("RequestsPerMinute", "RequestsPerDayPerProject", delay="5s"), 86400.0),
        (google(delay="-46s"), None),
        ({"error": {"type": "usage_limit_reached", "resets_in_seconds": 120, "resets_at": 1}}, 120.0),
        ({"error": {"type": "usage_limit_reached", "resets_at": NOW + 30}}, 30.0),
        ({"error": {"metadata": {"headers": {"X-RateLimit-Reset": "1800000030000"}}}}, 30.0),
        ({"error": {"metadata": {"headers": {"X-RateLimit-Reset": 1800000030000}}}}, 30.0),
        ({"error": {"metadata": {"headers": {"X-RateLimit-Reset": "soon"}}}}, None),
        ({"error": {"metadata": {"headers": ["X-RateLimit-Reset"]}}}, None),
        (said("You will regain access on 2027-01-16 at 00:00 UTC."), 57600.0),
        (said("Your limit will reset at 2027-01-15 16:01:00"), 60.0),
        (said("您的限额将在 2027-01-15 16:01:00 重置。"), 60.0),
        (said("Your limit will reset at 2027-01-14 16:01:00"), 0.0),
        (said("Your limit will reset at 2027-13-45 16:01:00"), None),
        (said("Your limit will reset at 2099-01-01 00:00:00"), None),
        (said("Please try again in 1m26.4s."), 86.4),
    ],
)
def test_asked_in(body: Any, expected: float | None) -> None:
    """Fields count before words, a day's quota before what else is said of it."""
    found = asked_in(msgspec.json.encode(body), NOW)
    assert expected == (None if found is None else pytest.approx(found))


CALIFORNIA = "America/Los_Angeles"


@pytest.mark.skipif(CALIFORNIA not in available_timezones(), reason="this machine has no files of time zones")
@given(st.floats(min_value=1.7e9, max_value=2.1e9))
def test_midnight_pacific(now: float) -> None:
    """The rule agrees with the time zone's own file, in summer and winter and on the days between."""
    zone = ZoneInfo(CALIFORNIA)
    tomorrow = datetime.fromtimestamp(now, zone).date() + timedelta(days=1)
    expected = datetime.combine(tomorrow, time(), zone).timestamp() - now
    assert expected == pytest.approx(midnight_pacific(now), abs=1e-3)


@pytest.mark.parametrize(
    ("at", "hours"),
    [
        ("2027-03-14T07:59:59+00:00", 1 / 3600),  # the last second before the day that is an hour short
        ("2027-03-14T08:00:00+00:00", 23.0),
        ("2027-11-07T06:59:59+00:00", 1 / 3600),
        ("2027-11-07T07:00:00+00:00", 25.0),
        ("2027-07-01T06:30:00+00:00", 0.5),
    ],
)
def test_the_days_on_which_clocks_change(at: str, hours: float) -> None:
    """Those have 23 and 25 hours."""
    assert hours * 3600 == midnight_pacific(datetime.fromisoformat(at).timestamp())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("6m0s", 360.0),
        ("1h2m3.5s", 3723.5),
        ("12ms", 0.012),
        ("5", None),
        ("", None),
        ("-6s", None),
        ("9" * 400 + "s", None),
    ],
)
def test_duration(text: str, expected: float | None) -> None:
    """Go's durations; nothing that is none or lasts for years."""
    assert expected == duration(text)


@given(st.floats(min_value=0, allow_nan=False), st.floats(min_value=0, max_value=4e9))
def test_from_now(number: float, now: float) -> None:
    """A wait, a time in seconds and one in milliseconds all come to a wait that can be meant, or to nothing."""
    seconds = from_now(number, now)
    assert seconds is None or 0 <= seconds <= LONGEST
