from __future__ import annotations

from typing import Any

import pytest


def refusal(answer: Any) -> tuple[int, str]:
    """Status and code, of an answer that is the JSON envelope and not to be stored."""
    assert ("application/json", "no-store") == (answer.headers["content-type"], answer.headers["cache-control"])
    error = answer.json()["error"]
    assert {"type", "code", "message"} <= set(error)
    return answer.status_code, error["code"]


def test_what_is_not_there_is_said_in_json(stack: Any) -> None:
    """An unknown path, a wrong method, an unknown record: never a page of HTML or plain text."""
    assert (404, "not_found") == refusal(stack.owner.get("/api/v1/acounts"))
    assert (404, "record_not_found") == refusal(stack.owner.get("/api/v1/accounts/none"))
    put = stack.owner.put("/api/v1/accounts/a", json={})
    assert ((405, "method_not_allowed"), "GET, PATCH, DELETE") == (refusal(put), put.headers["allow"])


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b'{"id": "a", "id": "b"}', b'{"id": "\xff"}'])
def test_what_is_no_proper_json_is_refused(stack: Any, content: bytes) -> None:
    """Neither half an object nor one with a name twice gets as far as the records."""
    headers = {"content-type": "application/json"}
    assert (400, "invalid_json") == refusal(stack.owner.post("/api/v1/policies", content=content, headers=headers))
    assert [] == stack.owner.get("/api/v1/policies").json()["data"]


def test_a_record_of_the_file_is_told_where_it_stands(stack: Any) -> None:
    """409 names the file; switching it is allowed."""
    answer = stack.owner.patch("/api/v1/accounts/filed", json={"pool": "q"})
    assert ((409, "record_from_file"), True) == (refusal(answer), "gateway.toml" in answer.json()["error"]["message"])
    assert 200 == stack.owner.post("/api/v1/accounts/filed/disable").status_code


def test_what_can_not_be_written_is_503(stack: Any) -> None:
    """While nothing can be written, reading goes on, and changes are refused with the reason and not half made."""
    stack.desk.journal.full = True
    answer = stack.owner.post("/api/v1/policies", json={"id": "p"})
    assert ((503, "not_writable"), True) == (refusal(answer), "No space left" in answer.json()["error"]["message"])
    assert [] == stack.owner.get("/api/v1/policies").json()["data"]


def test_a_surprise_is_500_in_the_envelope(stack: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault of ours shows neither traceback nor text of its own."""

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("sk-secret")

    monkeypatch.setattr(stack.desk.administration, "get", broken)
    answer = stack.owner.get("/api/v1/accounts/a")
    assert ((500, "internal_error"), False) == (refusal(answer), "sk-secret" in answer.text)


def test_a_head_is_a_get(stack: Any) -> None:
    """HEAD has the headers of GET."""
    assert 200 == stack.viewer.head("/api/v1/accounts").status_code


def test_roles(stack: Any) -> None:
    """A viewer reads, an operator also makes keys and switches, an owner also makes accounts."""
    statuses = {
        role: (
            client.get("/api/v1/accounts").status_code,
            client.post("/api/v1/accounts/filed/disable").status_code,
            client.post("/api/v1/keys", json={}).status_code,
            client.post("/api/v1/policies", json={"id": "p"}).status_code,
        )
        for role, client in (("viewer", stack.viewer), ("operator", stack.operator), ("owner", stack.owner))
    }
    assert {"viewer": (200, 403, 403, 403), "operator": (200, 200, 201, 403), "owner": (200, 200, 201, 201)} == statuses


@pytest.mark.parametrize("token", ["env-token", "owner-token"])
def test_configured_tokens_are_owners(stack: Any, token: str) -> None:
    """The token of the environment and that of the data folder may do everything."""
    headers = {"authorization": f"Bearer {token}"}
    assert 201 == stack.nobody.post("/api/v1/policies", json={"id": "p"}, headers=headers).status_code
