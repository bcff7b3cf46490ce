from __future__ import annotations

from typing import Any

import msgspec
import pytest

from llmgw_control.testing import OWNER, Desk


def test_the_catalog_says_what_is_served(stack: Any) -> None:
    """Version, how many of each kind, and what is in quarantine with its reasons."""
    broken = Desk("n2").administration.create("key", "k", {}, OWNER).events
    [event] = (msgspec.structs.replace(e, body=msgspec.Raw(bytes(e.body).replace(b'"v":1', b'"v":9'))) for e in broken)
    stack.desk.receive([event])
    answer = stack.viewer.get("/api/v1/catalog").json()
    counts = {"accounts": 1, "models": 0, "patterns": 0, "keys": 0, "policies": 1, "prices": 0}
    assert (stack.desk.catalog.version, counts) == (answer["version"], answer["counts"])
    [held] = answer["quarantined"]
    assert ("key", "k", True) == (held["kind"], held["id"], "newer version" in held["reasons"][0]["message"])
    assert 1 == len(stack.viewer.get("/api/v1/keys/k").json()["quarantined"])


def test_a_trial_changes_nothing(stack: Any) -> None:
    """What would differ is told, to viewers too, and nothing is there afterwards."""
    change = {"action": "create", "kind": "policy", "id": "p", "fields": {"hide_accounts": True}}
    answer = stack.viewer.post("/api/v1/catalog/try", json={"changes": [change]})
    [difference] = answer.json()["differences"]
    assert (200, "p", None, True) == (
        answer.status_code,
        difference["id"],
        difference["before"],
        difference["after"]["hide_accounts"],
    )
    assert 404 == stack.viewer.get("/api/v1/policies/p").status_code


def test_a_trial_that_would_be_refused_says_why(stack: Any) -> None:
    """It is an answer, not a refusal: that is what was asked."""
    change = {"action": "create", "kind": "key", "id": "k", "fields": {"policy": "none"}}
    answer = stack.viewer.post("/api/v1/catalog/try", json={"changes": [change]})
    assert (200, True) == (answer.status_code, "none" in answer.json()["reasons"][0]["message"])


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, None),
        ({"changes": []}, "changes"),
        ({"changes": [{"action": "drop", "kind": "key", "id": "k"}]}, "changes[0].action"),
        ({"changes": [{"action": "delete", "kind": "node", "id": "k"}]}, "changes[0].kind"),
        ({"changes": [{"action": "delete", "kind": "key"}]}, "changes[0]"),
        ({"changes": [{"action": "delete", "kind": "key", "id": "k"}], "more": 1}, None),
    ],
)
def test_a_malformed_trial_is_refused(stack: Any, body: dict[str, Any], param: str | None) -> None:
    """What is wrong is named by its path."""
    answer = stack.viewer.post("/api/v1/catalog/try", json=body)
    assert (400, param) == (answer.status_code, answer.json()["error"].get("param"))
