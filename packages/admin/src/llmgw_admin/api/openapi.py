"""OpenAPI 3.1, made of the same table and the same structs that serve (https://spec.openapis.org/oas/v3.1.1)."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from llmgw_admin.api.operations import Answer, Call, Operation
from llmgw_admin.refusal import ErrorEnvelope

_REF = "#/components/schemas/{name}"

_ALWAYS = (400, 401, 403)
"""A request that is wrong in form, without a token, or not for the token's role, may be sent to any operation."""

_WITH_BODY = (413, 415)

_REFUSED = {
    400: "The request is not valid; `reasons` say all that is wrong with a record.",
    401: "No valid admin token was sent.",
    403: "The token's role may not do this.",
    404: "There is no such record.",
    409: "It exists already, or stands in the configuration file, which `message` names.",
    412: "The record is not of the version in If-Match.",
    413: "The body is larger than 1 MiB.",
    415: "The body is not declared as JSON.",
    503: "Nothing can be written, or read, right now; `message` says why.",
}

_IF_MATCH = {
    "name": "If-Match",
    "in": "header",
    "required": False,
    "description": "The record's ETag: it is changed only if it still is of this version; else the last writer wins.",
    "schema": {"type": "string"},
}

_TEXT = {"type": "string"}
_HEADERS = {
    "ETag": {"description": "The record's version, for If-Match.", "schema": _TEXT},
    "Location": {"description": "Where the new record is.", "schema": _TEXT},
    "X-Gw-Config-Version": {
        "description": "The version of the catalog that has the change; requests served by it name it too.",
        "schema": _TEXT,
    },
}


def openapi_operation(operations: Sequence[Operation], version: str) -> Operation:
    """The operation that answers the description of the others, and of itself.

    It is made when somebody asks for it: a start has no use for it, and it takes some ten milliseconds.
    """

    async def get(_: Call) -> Answer:
        return Answer(body=await asyncio.to_thread(document))

    itself = Operation(
        name="getOpenApi",
        method="GET",
        path="/openapi.json",
        summary="This description",
        run=get,
        tag="description",
        answer=dict[str, Any],
    )
    document = functools.cache(lambda: describe([*operations, itself], version))
    return itself


def describe(operations: Sequence[Operation], version: str) -> dict[str, Any]:
    """The document of these operations; `version` is the gateway's."""
    kinds = [ErrorEnvelope, *_kinds(operations)]
    schemas, components = msgspec.json.schema_components(kinds, ref_template=_REF)
    schema_of = dict(zip(map(id, kinds), schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation, schema_of)
    refused = schema_of[id(ErrorEnvelope)]
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "llmgw admin API",
            "version": version,
            "description": "Administers a gateway at run time. Viewers read; operators also enable, drain, and make "
            "and change keys; owners do everything.",
        },
        "security": [{"adminToken": []}],
        "tags": [{"name": tag} for tag in dict.fromkeys(operation.tag for operation in operations)],
        "paths": paths,
        "components": {
            "schemas": components,
            "responses": {f"Refused{status}": _response(text, refused) for status, text in _REFUSED.items()},
            "securitySchemes": {"adminToken": {"type": "http", "scheme": "bearer"}},
        },
    }


def _kinds(operations: Iterable[Operation]) -> list[Any]:
    found = [kind for operation in operations for kind in (operation.answer, operation.body) if kind is not None]
    return list({id(kind): kind for kind in found}.values())


def _operation(operation: Operation, schema_of: dict[int, Any]) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "tags": [operation.tag],
        "parameters": _parameters(operation),
        "responses": _responses(operation, schema_of),
    }
    if operation.body is not None:
        content = {media: {"schema": schema_of[id(operation.body)]} for media in operation.types}
        described["requestBody"] = {"required": True, "content": content}
    return described


def _parameters(operation: Operation) -> list[dict[str, Any]]:
    found = [_query_parameter(operation.query, field) for field in msgspec.structs.fields(operation.query)]
    if operation.conditional:
        found.insert(0, _IF_MATCH)
    if "{id}" in operation.path:
        text = "The record's id" + ("; a slash in it may stand as it is, or as %2F." if operation.slashes else ".")
        found.insert(0, {"name": "id", "in": "path", "required": True, "description": text, "schema": _TEXT})
    return found


def _query_parameter(query: type[msgspec.Struct], field: msgspec.structs.FieldInfo) -> dict[str, Any]:
    """A parameter is there or not; it is never null, as its field is."""
    schema = dict(msgspec.json.schema(field.type))
    text = schema.pop("description", "")
    choices = [choice for choice in schema.pop("anyOf", []) if choice != {"type": "null"}]
    if len(choices) == 1:
        schema.update(choices[0])
    if field.default is not None:
        schema["default"] = field.default
    return {"name": field.encode_name, "in": "query", "required": False, "description": text, "schema": schema}


def _responses(operation: Operation, schema_of: dict[int, Any]) -> dict[str, Any]:
    done: dict[str, Any] = {"description": "Done."}
    if operation.answer is not None:
        done = _response("Done.", schema_of[id(operation.answer)])
    if operation.headers:
        done["headers"] = {name: _HEADERS[name] for name in operation.headers}
    also = (*_ALWAYS, *(_WITH_BODY if operation.body is not None else ()), *operation.refusals)
    also = (*also, 412) if operation.conditional else also
    refused = {str(status): {"$ref": f"#/components/responses/Refused{status}"} for status in sorted(set(also))}
    return {str(operation.status): done, **refused}


def _response(text: str, schema: Any) -> dict[str, Any]:
    return {"description": text, "content": {"application/json": {"schema": schema}}}
