"""Waiting times of providers, in seconds."""

import pytest

from llmgw_protocols.retry_after import retry_after


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, None),
        ({"retry-after": "20"}, 20.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after-ms": "1500", "retry-after": "2"}, 1.5),
        ({"retry-after-ms": "soon", "retry-after": "2"}, 2.0),
        ({"retry-after": "-3"}, 0.0),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "1e300"}, None),
        ({"retry-after-ms": "1e300", "retry-after": "2"}, 2.0),
        ({"retry-after": "Thu, 01 Jan 2099 00:01:40 GMT"}, None),
        ({"retry-after": ""}, None),
        ({"retry-after": "tomorrow"}, None),
        ({"retry-after": "Thu, 01 Jan 1970 00:01:40 GMT"}, 60.0),
        ({"retry-after": "Thu, 01 Jan 1970 00:00:01 GMT"}, 0.0),
    ],
)
def test_retry_after(headers: dict[str, str], expected: float | None) -> None:
    """Milliseconds win over seconds, dates count from now, and nonsense is nothing."""
    assert expected == retry_after(headers, now=40.0)


def test_a_date_needs_a_clock() -> None:
    """Without the time of day a date says nothing."""
    assert retry_after({"retry-after": "Thu, 01 Jan 1970 00:01:40 GMT"}) is None
