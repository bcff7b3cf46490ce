"""The state out of one gateway and into another one."""

from __future__ import annotations

from typing import Any

import pytest

from llmgw_control.testing import Desk

ACCOUNT = {"id": "a", "provider": "openai", "pool": "p", "credential": "sk-canary"}


def test_what_is_exported_can_be_imported(stack: Any) -> None:
    """Whole: the other gateway serves the same, with the same master key; and again it changes nothing."""
    stack.owner.post("/api/v1/accounts", json=ACCOUNT)
    key = stack.owner.post("/api/v1/keys", json={"name": "ci"}).json()
    state = stack.owner.get("/api/v1/export").json()
    assert "sk-canary" not in str(state)
    assert key["secret"] not in str(state)
    for record in state["records"]:
        if record["kind"] in ("account", "key"):
            plural = {"account": "accounts", "key": "keys"}[record["kind"]]
            stack.owner.delete(f"/api/v1/{plural}/{record['id']}")
    before = stack.desk.catalog.version
    done = stack.owner.post("/api/v1/import", json=state).json()
    assert (2, True) == (done["changed"], done["catalog"] != before)
    assert 0 == stack.owner.post("/api/v1/import", json=state).json()["changed"]
    assert key["id"] == stack.desk.catalog.key_for(key["secret"]).id


def test_a_file_s_records_are_copied_into_the_log(stack: Any) -> None:
    """They count once the file no longer has them."""
    assert 1 == stack.owner.post("/api/v1/import", json={"file": True}).json()["changed"]
    assert ["filed"] == [r["id"] for r in stack.owner.get("/api/v1/export").json()["records"] if r["kind"] == "account"]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"format": 9, "records": []}, "format"),
        ({"records": [{"kind": "secret", "id": "session", "fields": {}}]}, "no kind 'secret'"),
        ({"records": [{"kind": "key", "id": "k", "fields": {"policy": "none"}}]}, "needs either hash"),
        ({"records": "all"}, "records"),
    ],
)
def test_what_would_break_something_is_not_imported(stack: Any, body: dict[str, Any], said: str) -> None:
    """Whole or not at all, with the reasons."""
    before = stack.desk.catalog.version
    answer = stack.owner.post("/api/v1/import", json=body)
    assert (400, True, before) == (answer.status_code, said in answer.text, stack.desk.catalog.version)


def test_only_an_owner_takes_the_state_out(stack: Any) -> None:
    """Sealed secrets are secrets all the same."""
    assert [403, 403] == [who.get("/api/v1/export").status_code for who in (stack.viewer, stack.operator)]
    assert isinstance(stack.desk, Desk)
