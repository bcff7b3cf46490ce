"""The request log over HTTP."""

from __future__ import annotations

from typing import Any

import pytest

from llmgw_domain.errors import StoreUnavailable


def test_requests_are_listed_page_by_page(stack: Any) -> None:
    """A viewer sees them, newest first."""
    for n in range(3):
        stack.requests.tell(f"c{n}", 100.0 + n)
    first = stack.viewer.get("/api/v1/requests", params={"limit": 2, "since": "1970-01-01T00:01:40Z"}).json()
    second = stack.viewer.get("/api/v1/requests", params={"limit": 2, "after": first["next"], "key": "k"}).json()
    assert [["c2", "c1"], ["c0", "x"]] == [[entry["id"] for entry in page["data"]] for page in (first, second)]
    assert None is second["next"]


def test_a_request_and_why_it_went_there(stack: Any) -> None:
    """By its id, and by one with slashes that its client chose."""
    stack.requests.tell("c1", 100.0, request_id="a/b")
    got = stack.viewer.get("/api/v1/requests/c1").json()
    assert ("c1", "a/b", "ok") == (got["id"], got["request_id"], got["outcome"])
    told = stack.viewer.get("/api/v1/requests/a/b/explain").json()
    assert ("c1", 1, ["a"]) == (told["request"]["id"], told["matches"], [a["account"] for a in told["attempts"]])


@pytest.mark.parametrize("path", ["/api/v1/requests/nope", "/api/v1/requests/nope/explain"])
def test_an_unknown_request_is_not_found(stack: Any, path: str) -> None:
    """With what may be the reason."""
    answer = stack.viewer.get(path)
    assert (404, True) == (answer.status_code, "keep_months" in answer.json()["error"]["message"])


@pytest.mark.parametrize("query", ["limit=0", "limit=1001", "since=noon", "account=a&account=b", "colour=red"])
def test_a_wrong_query_is_refused(stack: Any, query: str) -> None:
    """Nothing is guessed."""
    assert 400 == stack.viewer.get(f"/api/v1/requests?{query}").status_code


def test_nobody_without_a_token(stack: Any) -> None:
    """What was asked is nobody's business but the operators'."""
    assert [401, 401] == [stack.nobody.get(f"/api/v1/requests{path}").status_code for path in ("", "/x/explain")]


def test_a_database_that_is_away_is_said(stack: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """With 503, and when to come back."""

    async def away(*_: object) -> None:
        raise StoreUnavailable("The request log can't be read now: the database is away.", retry_after=5.0)

    monkeypatch.setattr(stack.requests, "find", away)
    answer = stack.viewer.get("/api/v1/requests/x/explain")
    assert (503, "5") == (answer.status_code, answer.headers["retry-after"])
