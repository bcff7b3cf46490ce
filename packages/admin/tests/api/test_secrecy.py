"""No answer of the API holds a secret but the one that it was made for."""

from __future__ import annotations

from typing import Any

CANARY = "sk-canary-0123456789"


def test_a_credential_that_was_sent_is_in_no_answer(stack: Any) -> None:
    """Neither in that to its creation and change, nor in refusals, trials, lists, the trail or the catalog."""
    account = {"id": "a", "provider": "openai", "pool": "p", "credential": CANARY}
    keys = {"access_key_id": CANARY, "secret_access_key": CANARY, "nonsense": CANARY}
    trial = {"action": "patch", "kind": "account", "id": "a", "fields": {"credential": CANARY + "2"}}
    answers = [
        stack.owner.post("/api/v1/accounts", json=account),
        stack.owner.post("/api/v1/accounts", json=account),
        stack.owner.post("/api/v1/accounts", json={**account, "id": "b", "pool": None}),
        stack.owner.patch("/api/v1/accounts/a", json={"credential": CANARY + "1", "proxy": f"http://u:{CANARY}@p:1"}),
        stack.owner.patch("/api/v1/accounts/a", json={"credential": keys}),
        stack.owner.patch("/api/v1/accounts/a", json={"credential": [CANARY]}),
        stack.owner.patch("/api/v1/accounts/filed", json={"credential": CANARY}),
        stack.viewer.patch("/api/v1/accounts/a", json={"credential": CANARY}),
        stack.owner.post("/api/v1/keys", json={"id": "k", "value": CANARY}),
        stack.viewer.post("/api/v1/catalog/try", json={"changes": [trial]}),
        stack.viewer.post("/api/v1/catalog/try", json={"changes": [{**trial, "kind": CANARY[:3], "fields": CANARY}]}),
        *(stack.viewer.get(f"/api/v1/{path}") for path in ("accounts", "accounts/a", "catalog", "events")),
    ]
    assert [201, 409, 400, 200, 400, 400, 409, 403, 400, 200, 400, 200, 200, 200, 200] == [
        a.status_code for a in answers
    ]
    assert [] == [answer.text for answer in answers if CANARY in answer.text or CANARY in str(answer.headers)]


def test_a_token_that_was_sent_is_in_no_answer(stack: Any) -> None:
    """Whether it is valid or not."""
    for token in ("env-token", CANARY):
        headers = {"authorization": f"Bearer {token}"}
        answers = [
            stack.nobody.get(path, headers=headers) for path in ("/api/v1/tokens", "/api/v1/x", "/openapi.json", "/")
        ]
        assert [] == [answer.text for answer in answers if token in answer.text or token in str(answer.headers)]
