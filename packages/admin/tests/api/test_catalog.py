from __future__ import annotations

from typing import Any

import pytest


def test_the_catalog_says_what_is_served(stack: Any) -> None:
    """Version, how many of each kind, and what is in quarantine."""
    answer = stack.viewer.get("/api/v1/catalog").json()
    counts = {"accounts": 0, "models": 0, "patterns": 0, "keys": 0, "policies": 1}
    assert {"version": "empty", "counts": counts, "quarantined": []} == answer


def test_a_trial_changes_nothing(stack: Any) -> None:
    """What would differ is told, to viewers too, and nothing is there afterwards."""
    change = {"action": "create", "kind": "policy", "id": "p", "fields": {"hide_accounts": True}}
    answer = stack.viewer.post("/api/v1/catalog/try", json={"changes": [change]})
    assert (200, ["p"]) == (answer.status_code, [d["id"] for d in answer.json()["differences"]])
    assert 404 == stack.viewer.get("/api/v1/policies/p").status_code


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
