"""The description is of what is served, and what is served is as it is described."""

from __future__ import annotations

from typing import Any

import pytest
from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from llmgw_admin.testing import a_session

BODIES: dict[str, Any] = {
    "state": {"records": [{"kind": "policy", "id": "imported", "fields": {}}]},
    "accounts": {"id": "x", "provider": "openai", "pool": "p", "credential": "env:K"},
    "models": {"name": "x", "targets": [{"pool": "p", "model": "m"}]},
    "keys": {"id": "x"},
    "policies": {"id": "x"},
    "prices": {
        "id": "x",
        "provider": "openai",
        "model": "m",
        "effective_from": "2026-01-31",
        "prices": {"uncached_input": 1, "output": 2},
    },
    "tokens": {"id": "x", "role": "viewer"},
    "catalog": {"changes": [{"action": "delete", "kind": "policy", "id": "x"}]},
}


IDS = {"sessions": a_session(1).session}
"""Of what can't be made through the API."""


@pytest.fixture
def document(stack: Any) -> dict[str, Any]:
    found: dict[str, Any] = stack.viewer.get("/openapi.json").json()
    return found


def resolved(document: dict[str, Any], node: Any) -> Any:
    """A node, or what it refers to."""
    while "$ref" in node:
        found: Any = document
        for step in node["$ref"].removeprefix("#/").split("/"):
            found = found[step]
        node = found
    return node


def conforms(document: dict[str, Any], schema: Any, value: object) -> list[str]:
    """What of the value is not as the schema says."""
    whole = {**schema, "components": document["components"]}
    return [f"{error.json_path}: {error.message}" for error in OAS31Validator(whole).iter_errors(value)]


def test_the_document_is_valid_openapi(document: dict[str, Any]) -> None:
    """As OpenAPI's own schema and rules have it: references lead somewhere, operation ids are unique."""
    assert [] == [str(error) for error in OpenAPIV31SpecValidator(document).iter_errors()]
    assert ("3.1.0", "9.9") == (document["openapi"], document["info"]["version"])


def test_every_operation_that_is_served_is_described(stack: Any, document: dict[str, Any]) -> None:
    """The table of the running application, row by row, is in the document, and nothing else is."""
    table = stack.nobody.app._api.table
    served = {(operation.path, operation.method.lower()) for operation in table.operations}
    described = {(path, method) for path, methods in document["paths"].items() for method in methods}
    assert served == described


def test_every_operation_that_is_described_answers_as_described(stack: Any, document: dict[str, Any]) -> None:
    """Each is called, creations before what needs a record and deletions last; answers hold to their schemas."""
    order = {"post": 0, "get": 1, "patch": 2, "delete": 9}
    calls = [(path, method, op) for path, methods in document["paths"].items() for method, op in methods.items()]
    calls.sort(key=lambda call: (order[call[1]], call[0].count("/")))
    for path, method, operation in calls:
        body = BODIES.get(operation["tags"][0]) if "requestBody" in operation else None
        if method == "patch":
            body = {}
        answer = stack.owner.request(method, path.replace("{id}", IDS.get(operation["tags"][0], "x")), json=body)
        expected = operation["responses"].get(str(answer.status_code), {})
        assert (operation["operationId"], True) == (operation["operationId"], answer.is_success)
        if "content" in expected:
            schema = expected["content"]["application/json"]["schema"]
            assert (operation["operationId"], []) == (
                operation["operationId"],
                conforms(document, schema, answer.json()),
            )
        assert [] == [name for name in expected.get("headers", {}) if name not in answer.headers]


def test_bodies_are_described_as_they_are_taken(document: dict[str, Any]) -> None:
    """What the test above sends fits the described schema, and what a schema forbids is not in it."""
    for tag, body in BODIES.items():
        [operation] = [
            op
            for methods in document["paths"].values()
            for method, op in methods.items()
            if method == "post" and op["tags"] == [tag] and "requestBody" in op
        ]
        schema = operation["requestBody"]["content"]["application/json"]["schema"]
        assert (tag, []) == (tag, conforms(document, schema, body))
        assert [] != conforms(document, schema, {**body, "quarantined": []})


@pytest.mark.parametrize(
    ("method", "path", "more", "status"),
    [
        ("get", "/api/v1/accounts/none", {}, 404),
        ("get", "/api/v1/accounts?limit=0", {}, 400),
        ("post", "/api/v1/accounts", {"content": b"{}"}, 415),
        (
            "post",
            "/api/v1/accounts",
            {"content": b"x" * (1 << 21), "headers": {"content-type": "application/json"}},
            413,
        ),
        ("patch", "/api/v1/accounts/filed", {"json": {"pool": "q"}}, 409),
        ("put", "/api/v1/accounts", {}, 405),
        ("get", "/api/v2", {}, 404),
    ],
)
def test_refusals_are_described_too(
    stack: Any, document: dict[str, Any], method: str, path: str, more: Any, status: int
) -> None:
    """Every refusal has the one envelope, and each status that a described operation gave is described for it."""
    answer = stack.owner.request(method, path, **more)
    schema = document["components"]["schemas"]["ErrorEnvelope"]
    assert (status, []) == (answer.status_code, conforms(document, schema, answer.json()))
    template = path.partition("?")[0].replace("/none", "/{id}").replace("/filed", "/{id}")
    operation = document["paths"].get(template, {}).get(method)
    if operation is not None:
        assert str(status) in operation["responses"]
        assert resolved(document, operation["responses"][str(status)])["description"]


def test_every_operation_refuses_whom_it_does_not_know(stack: Any, document: dict[str, Any]) -> None:
    """No path that is described answers without a token."""
    calls = [(path, method) for path, methods in document["paths"].items() for method in methods]
    statuses = {stack.nobody.request(method, path.replace("{id}", "x")).status_code for path, method in calls}
    assert {401} == statuses


def test_a_viewer_changes_nothing(stack: Any, document: dict[str, Any]) -> None:
    """Every operation that is no reading is refused to a viewer; a trial reads."""
    found = {}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            if method != "get" and operation["operationId"] != "tryCatalog":
                body = BODIES.get(operation["tags"][0]) if method == "post" else {}
                sent = {"json": body} if "requestBody" in operation else {}
                found[operation["operationId"]] = stack.viewer.request(
                    method, path.replace("{id}", "x"), **sent
                ).status_code
    assert {403} == set(found.values())
