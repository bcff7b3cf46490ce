"""JSON Schemas in the forms that Anthropic takes.

Schemas of tools that are not strict go through unchanged, but for the root, which must be an object. Structured output
and strict tools take a subset: objects are closed, and bounds on numbers, lengths and counts are refused, so those move
to the description, where the model still reads them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from llmgw_domain.errors import InvalidField
from llmgw_protocols import exact

EMPTY = msgspec.Raw(b'{"type":"object","properties":{}}')

_KEPT = frozenset(
    (
        "type",
        "enum",
        "const",
        "title",
        "description",
        "properties",
        "required",
        "items",
        "default",
        "anyOf",
        "allOf",
        "$ref",
        "$defs",
    )
)
_FORMATS = frozenset(("date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"))
_IGNORED = frozenset(("$schema", "$id", "$comment", "additionalProperties", "definitions"))

_fields = msgspec.json.Decoder(dict[str, msgspec.Raw])


def object_schema(schema: msgspec.Raw | None) -> msgspec.Raw:
    """The schema with `type: object` at its root; what is no object takes no parameters."""
    if schema is None:
        return EMPTY
    try:
        fields = _fields.decode(schema)
    except msgspec.ValidationError:
        return EMPTY
    if bytes(fields.get("type", b"")) == b'"object"':
        return schema
    return msgspec.Raw(msgspec.json.encode({**fields, "type": "object"}))


def closed(schema: msgspec.Raw, param: str) -> msgspec.Raw | None:
    """The schema within the subset of structured output; None if it has objects that must stay open.

    Raises `InvalidField` on `param` for a schema that is too deep or can't be read.
    """
    try:
        node = exact.read(schema)
        return None if _is_open(node) else exact.write(_closed(node))
    except msgspec.DecodeError as error:
        raise InvalidField(f"{param}: the schema can't be read: {error}.", param=param) from None
    except RecursionError:
        raise InvalidField(f"{param}: the schema is nested too deeply.", param=param) from None


def _is_open(node: Any) -> bool:
    """Whether an object in the schema takes properties without naming them: closed, it would be another one."""
    if not isinstance(node, dict):
        return False
    return node.get("additionalProperties", False) is not False or any(_is_open(inner) for inner in _inner(node))


def _inner(node: dict[str, Any]) -> Iterator[Any]:
    for key in ("properties", "$defs", "definitions"):
        if isinstance(node.get(key), dict):
            yield from node[key].values()
    for key in ("anyOf", "allOf", "oneOf"):
        if isinstance(node.get(key), list):
            yield from node[key]
    yield node.get("items")


def _closed(node: Any) -> Any:
    if not isinstance(node, dict):
        return node
    out = {key: _kept(key, value) for key, value in node.items() if key in _KEPT}
    if isinstance(node.get("oneOf"), list) and "anyOf" not in out:
        out["anyOf"] = [_closed(branch) for branch in node["oneOf"]]
    if isinstance(node.get("definitions"), dict):
        out["definitions"] = {name: _closed(value) for name, value in node["definitions"].items()}
    if "object" in _types(node) or "properties" in node:
        out["additionalProperties"] = False
    return _with_notes(out, node)


def _kept(key: str, value: Any) -> Any:
    if key in ("properties", "$defs") and isinstance(value, dict):
        return {name: _closed(inner) for name, inner in value.items()}
    if key in ("anyOf", "allOf") and isinstance(value, list):
        return [_closed(branch) for branch in value]
    return _closed(value) if key == "items" else value


def _types(node: dict[str, Any]) -> list[Any]:
    kind = node.get("type")
    return kind if isinstance(kind, list) else [kind]


def _with_notes(out: dict[str, Any], node: dict[str, Any]) -> dict[str, Any]:
    notes = {}
    for key, value in node.items():
        if key in _KEPT or key in _IGNORED or (key == "oneOf" and "anyOf" not in node):
            continue
        # Two constraints of the subset: a known format, and a list of none or at least one.
        if (key == "format" and value in _FORMATS) or (key == "minItems" and value in (0, 1)):
            out[key] = value
        else:
            notes[key] = value
    if notes:
        text = bytes(exact.write(notes)).decode()
        out["description"] = f"{node['description']} {text}" if isinstance(node.get("description"), str) else text
    return out
