from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from llmgw_domain import Event
from llmgw_domain.errors import GatewayError


def test_the_trail_says_who_when_and_from_what_to_what(stack: Any, event: Callable[..., Event]) -> None:
    """A change of a field, as a viewer sees it."""
    stack.history.log += [
        event(1795618800000, "account/a", {"pool": "p"}),
        event(
            1795618801000,
            "account/a",
            {"pool": "q"},
            incarnation=(1795618800000 << 16, "n1"),
            previous={"pool": (1795618800000 << 16, "n1")},
        ),
    ]
    page = stack.viewer.get("/api/v1/events", params={"limit": 1, "kind": "account"}).json()
    assert [
        {
            "id": "event-1795618801000-n1",
            "at": "2026-11-25T15:00:01.000Z",
            "node": "n1",
            "actor": "admin:the-owner",
            "action": "changed",
            "subject": "account/a",
            "cause": None,
            "changes": [{"field": "pool", "from": "p", "to": "q"}],
        }
    ] == page["data"]
    first = stack.viewer.get("/api/v1/events", params={"after": page["next"]}).json()
    assert (["created"], None) == ([change["action"] for change in first["data"]], first["next"])


@pytest.mark.parametrize(
    ("since", "expected"),
    [("2026-11-25T15:00:01Z", 1), ("2026-11-25T16:00:01+01:00", 1), ("1795618800", 2), ("2030-01-01T00:00:00Z", 0)],
)
def test_since_is_a_moment(stack: Any, event: Callable[..., Event], since: str, expected: int) -> None:
    """RFC 3339 with any offset, or seconds since 1970."""
    stack.history.log += [event(1795618800000, "account/a", {}), event(1795618801000, "account/b", {})]
    assert expected == len(stack.viewer.get("/api/v1/events", params={"since": since}).json()["data"])


@pytest.mark.parametrize("query", ["since=yesterday", "since=2026-11-25T15:00:00", "after=x", "node=n1"])
def test_what_can_not_be_asked_is_refused(stack: Any, query: str) -> None:
    """A moment without its offset, an invented cursor and an unknown filter are 400, and named."""
    answer = stack.viewer.get(f"/api/v1/events?{query}")
    assert (400, query.partition("=")[0]) == (answer.status_code, answer.json()["error"]["param"])


def test_a_log_that_can_not_be_read_is_503(stack: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The trail is the database's; while that is away the answer says so, and is not an empty trail."""

    class Away(GatewayError):
        """The database is away; ask again."""

        status = 503

    async def away(*_: object) -> None:
        raise Away(retry_after=2)

    monkeypatch.setattr(stack.history, "events", away)
    answer = stack.viewer.get("/api/v1/events")
    assert (503, "2") == (answer.status_code, answer.headers["retry-after"])
