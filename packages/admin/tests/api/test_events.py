from __future__ import annotations

from typing import Any

import pytest

from llmgw_domain.errors import GatewayError

ACCOUNT = {"id": "a", "provider": "openai", "pool": "p", "credential": "sk-canary"}


def test_the_trail_says_who_when_and_from_what_to_what(stack: Any) -> None:
    """Changes through the API, as a viewer sees them afterwards: newest first, page by page."""
    stack.owner.post("/api/v1/accounts", json=ACCOUNT)
    stack.desk.now += 60
    stack.owner.patch("/api/v1/accounts/a", json={"pool": "q", "max_concurrency": 7})
    stack.desk.now += 60
    stack.operator.post("/api/v1/accounts/a/drain")
    stack.owner.delete("/api/v1/accounts/a")
    told, query = [], {"limit": 3, "kind": "account"}
    for _ in range(2):
        page = stack.viewer.get("/api/v1/events", params=query).json()
        told += [(c["at"], c["actor"], c["action"], c["subject"], c["changes"]) for c in page["data"]]
        query = {**query, "after": page["next"]}
    first, second, third = "2027-01-15T08:00:00.000Z", "2027-01-15T08:01:00.000Z", "2027-01-15T08:02:00.000Z"
    made = {"credential": "sealed:k1", "pool": "p", "provider": "openai"}
    assert (None, True) == (page["next"], "sk-canary" not in str(told))
    assert [
        (third, "admin:owner", "deleted", "account/a", []),
        (third, "admin:operator", "changed", "account/a", [{"field": "drain", "from": None, "to": True}]),
        (
            second,
            "admin:owner",
            "changed",
            "account/a",
            [{"field": "max_concurrency", "from": None, "to": 7}, {"field": "pool", "from": "p", "to": "q"}],
        ),
        (
            first,
            "admin:owner",
            "created",
            "account/a",
            [{"field": name, "from": None, "to": to} for name, to in made.items()],
        ),
    ] == told


@pytest.mark.parametrize(
    ("since", "expected"),
    [
        ("2027-01-15T08:00:30Z", 1),
        ("2027-01-15T09:01:00+01:00", 1),
        ("1800000060", 1),
        ("1800000000", 2),
        ("2030-01-01T00:00:00Z", 0),
    ],
)
def test_since_is_a_moment(stack: Any, since: str, expected: int) -> None:
    """RFC 3339 with any offset, or seconds since 1970."""
    stack.owner.post("/api/v1/policies", json={"id": "p"})
    stack.desk.now += 60
    stack.owner.post("/api/v1/policies", json={"id": "q"})
    query = {"since": since, "kind": "policy"}
    assert expected == len(stack.viewer.get("/api/v1/events", params=query).json()["data"])


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
