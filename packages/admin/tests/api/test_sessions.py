"""Sessions over HTTP."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from llmgw_admin.testing import a_session

PATH = "/api/v1/sessions"


def test_sessions_are_listed_page_by_page(stack: Any) -> None:
    """In the order of their keys, all that fit every filter."""

    def listed(**query: object) -> list[int]:
        return [int(session["session"], 16) for session in stack.viewer.get(PATH, params=query).json()["data"]]

    page = stack.viewer.get(PATH, params={"limit": 2}).json()
    assert [msgspec.to_builtins(a_session(1)), 2] == [page["data"][0], len(page["data"])]
    assert [3] == listed(after=page["next"])
    assert [[2], [1, 3], [3], []] == [
        listed(account="b"),
        listed(tenant="acme"),
        listed(key="web"),
        listed(key="web", account="b"),
    ]


def test_a_session_is_shown(stack: Any) -> None:
    """By its key; of another there is none."""
    found = stack.viewer.get(f"{PATH}/{a_session(2).session}")
    assert (200, "b", "emca") == (found.status_code, (shown := found.json())["current"], shown["tenant"])
    missing = stack.viewer.get(f"{PATH}/{a_session(9).session}")
    assert (404, "session_not_found") == (missing.status_code, missing.json()["error"]["code"])


def test_a_session_is_forgotten(stack: Any) -> None:
    """By an operator, whom the log names; not by a viewer, nor twice."""
    path = f"{PATH}/{a_session(1).session}"
    assert 403 == stack.viewer.delete(path).status_code
    assert (204, b"") == ((done := stack.operator.delete(path)).status_code, done.content)
    assert [(a_session(1).session, "admin:operator")] == stack.sessions.forgotten
    assert [404, 404] == [stack.operator.delete(path).status_code, stack.viewer.get(path).status_code]


@pytest.mark.parametrize(
    ("query", "at_fault"),
    [({"after": "x"}, "after"), ({"account": "a\0"}, "account"), ({"limit": 0}, "limit"), ({"sort": "x"}, "sort")],
)
def test_a_wrong_query_is_refused(stack: Any, query: dict[str, object], at_fault: str) -> None:
    """With the name of the parameter."""
    refused = stack.viewer.get(PATH, params=query)
    assert (400, at_fault) == (refused.status_code, refused.json()["error"]["param"])
