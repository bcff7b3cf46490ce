from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from llmgw_gateway.verbs.audit import moment
from llmgw_gateway.verbs.client import Wrong

NOW = datetime(2026, 11, 25, 15, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("7d", "2026-11-18T15:00:00+00:00"),
        ("12h", "2026-11-25T03:00:00+00:00"),
        ("30min", "2026-11-25T14:30:00+00:00"),
        ("90s", "2026-11-25T14:58:30+00:00"),
        ("2w", "2026-11-11T15:00:00+00:00"),
        ("2026-01-31", "2026-01-31T00:00:00+00:00"),
        ("2026-01-31T12:00:00Z", "2026-01-31T12:00:00+00:00"),
        ("2026-01-31T12:00:00+02:00", "2026-01-31T12:00:00+02:00"),
    ],
)
def test_moments(text: str, expected: str) -> None:
    """So long ago, a day's beginning in UTC, or a moment with its offset."""
    assert expected == moment(text, NOW)


@pytest.mark.parametrize("text", ["", "7", "7m", "yesterday", "d7", "2026-13-01", "9999999w", "999999w"])
def test_what_is_no_moment_is_refused(text: str) -> None:
    """With examples of what would be right: `7m` could be minutes or months."""
    with pytest.raises(Wrong, match="7d, 12h"):
        moment(text, NOW)


def test_the_trail_on_a_terminal(gateway: Any, running: Any) -> None:
    """A line for each change, newest first: who, what, from what to what."""
    gateway("policies", "create", "p", "--models", "a")
    gateway("policies", "set", "p", "--models", "a,b")
    gateway("policies", "delete", "p")
    said = gateway("events", "--kind", "policy")
    assert [
        ["AT", "ACTOR", "ACTION", "SUBJECT", "CHANGES"],
        ["admin:owner", "deleted", "policy/p", "-"],
        ["admin:owner", "changed", "policy/p", "models:", "a", "→", "a,", "b"],
        ["admin:owner", "created", "policy/p", "models:", "a"],
    ] == [said.rows[0], *(row[1:] for row in said.rows[1:])]
    assert "2027-01-15T08:00:00.000Z" == said.rows[1][0]


def test_filters_and_limits(gateway: Any) -> None:
    """All filters together; the newest ones up to the limit; nothing is said as such."""
    for name in "abc":
        gateway("policies", "create", name)

    def subjects(*options: str) -> list[str]:
        return [change["subject"] for change in gateway("events", "--json", *options).json]

    assert ["policy/c", "policy/b"] == subjects("--limit", "2", "--kind", "policy")
    assert ["policy/a"] == subjects("--subject", "policy/a", "--actor", "admin:owner", "--since", "2027-01-15")
    assert "no events\n" == gateway("events", "--since", "2027-01-16").out
    assert (2, 2) == (gateway("events", "--limit", "0").code, gateway("events", "--since", "x").code)
