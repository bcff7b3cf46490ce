"""JSON Schema and Gemini's two subsets of it.

Outbound, plain JSON Schema goes into `parametersJsonSchema` and `responseJsonSchema`, which know a fixed list of
keywords: what is not on it is rewritten where it says the same (`const`, `definitions`, `allOf`) and left out
otherwise. Inbound, clients also send the older OpenAPI `Schema` (`"type": "STRING"`, `nullable`), which becomes plain
JSON Schema. Property names are never touched, whatever they are called.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec

from llmgw_domain.errors import InvalidField
from llmgw_protocols import exact
from llmgw_protocols.gemini.fields import camel

Node = dict[str, Any]
Report = Callable[[], None]

MAX_DEPTH = 100

SUPPORTED = frozenset(
    [
        "$id",
        "$defs",
        "$ref",
        "$anchor",
        "type",
        "format",
        "title",
        "description",
        "enum",
        "items",
        "prefixItems",
        "minItems",
        "maxItems",
        "minimum",
        "maximum",
        "anyOf",
        "oneOf",
        "properties",
        "additionalProperties",
        "required",
        "propertyOrdering",
    ]
)
"""The keywords that Google documents for its JSON Schema fields."""

_TYPE_NUMBERS = {1: "string", 2: "number", 3: "integer", 4: "boolean", 5: "array", 6: "object", 7: "null"}
_INTEGERS = frozenset(["minItems", "maxItems", "minProperties", "maxProperties", "minLength", "maxLength"])
_MAPS = frozenset({"properties", "$defs"})
_LISTS = frozenset({"anyOf", "oneOf", "prefixItems"})
_SINGLE = frozenset({"items", "additionalProperties"})
_NOTES = frozenset({"$id", "$anchor", "title", "description", "format", "propertyOrdering"})
"""Keywords that don't bind: where two schemas differ in them, nothing is lost."""
_SUBSTANCE = frozenset({"properties", "items", "prefixItems", "anyOf", "oneOf", "enum", "const"})
"""Keywords that say more than a reference beside them can be worth."""


def for_gemini(schema: msgspec.Raw, where: str, lost: Report) -> msgspec.Raw:
    """JSON Schema reduced to the keywords that Gemini takes. Raises `InvalidField` on `where` if it is no schema.

    `lost` is called for branches of an `allOf` that could not be told in full.
    """
    return exact.write(_narrow(_loaded(schema, where), where, 0, lost))


def from_openapi(schema: msgspec.Raw, where: str) -> msgspec.Raw:
    """Gemini's OpenAPI `Schema` as plain JSON Schema. Raises `InvalidField` on `where` if it is no schema."""
    return exact.write(_widen(_loaded(schema, where), where, 0))


def is_empty(schema: msgspec.Raw) -> bool:
    """Whether a parameters' schema describes no parameters at all."""
    node = exact.read(schema)
    says = ("properties", "$ref", "anyOf", "oneOf", "allOf", "additionalProperties", "patternProperties")
    return isinstance(node, dict) and not any(node.get(name) for name in says)


def _loaded(schema: msgspec.Raw, where: str) -> Node:
    try:
        node = exact.read(schema)
    except (msgspec.DecodeError, RecursionError):
        node = None
    if not isinstance(node, dict):
        raise InvalidField(f"{where} must be a JSON Schema object.", param=where)
    return node


def _checked_depth(where: str, depth: int) -> int:
    if depth > MAX_DEPTH:
        raise InvalidField(f"{where} is nested too deeply.", param=where)
    return depth + 1


def _each(node: Node, visit: Callable[[Any], Any]) -> Node:
    """The node with every schema directly below it visited; anything else stays."""
    out: Node = {}
    for name, value in node.items():
        if name in _MAPS and isinstance(value, dict):
            out[name] = {key: visit(below) for key, below in value.items()}
        elif name in _LISTS and isinstance(value, list):
            out[name] = [visit(below) for below in value]
        elif name in _SINGLE and isinstance(value, dict):
            out[name] = visit(value)
        else:
            out[name] = value
    return out


# --- outbound ---------------------------------------------------------------------------------------------------------


def _narrow(node: Any, where: str, depth: int, lost: Report) -> Any:
    if not isinstance(node, dict):
        # `true` and `false` are schemas too; Gemini has no form for them but "anything".
        return {}
    below = _checked_depth(where, depth)
    if "allOf" in node:
        node = _without_clash(_merged(node, where, depth, lost), lost)
    node = _rewritten(node)
    if "$ref" in node:
        return _each({k: v for k, v in node.items() if k.startswith("$")}, lambda n: _narrow(n, where, below, lost))
    kept = {name: value for name, value in node.items() if name in SUPPORTED}
    if "enum" in kept:
        _narrow_enum(kept)
    return _each(kept, lambda n: _narrow(n, where, below, lost))


def _rewritten(node: Node) -> Node:
    """The same schema in the words that Gemini knows."""
    out = dict(node)
    if "const" in out:
        out["enum"] = [out.pop("const")]
    if isinstance(out.get("definitions"), dict):
        newer = out.get("$defs")
        out["$defs"] = {**out.pop("definitions"), **(newer if isinstance(newer, dict) else {})}
    if isinstance(out.get("$ref"), str):
        out["$ref"] = out["$ref"].replace("#/definitions/", "#/$defs/", 1)
    if isinstance(out.get("items"), list):
        out["prefixItems"] = out.pop("items")
    return out


def _merged(node: Node, where: str, depth: int, lost: Report) -> Node:
    """The node with the branches of its `allOf` written into it."""
    below = _checked_depth(where, depth)
    out = {name: value for name, value in node.items() if name != "allOf"}
    branches = node.get("allOf")
    for branch in branches if isinstance(branches, list) else []:
        if isinstance(branch, dict):
            _merge(_merged(branch, where, below, lost), out, lost)
        elif branch is not True:
            lost()
    return out


def _merge(branch: Node, out: Node, lost: Report) -> None:
    """Writes what the branch says into `out`, which wins where both can't hold."""
    for name, value in branch.items():
        held = out.setdefault(name, value)
        if held == value:
            continue
        if name == "required" and isinstance(held, list) and isinstance(value, list):
            out[name] = [*held, *(item for item in value if item not in held)]
        elif name == "properties" and isinstance(held, dict) and isinstance(value, dict):
            out[name] = {**held, **{key: _both(held.get(key, below), below) for key, below in value.items()}}
        elif name in ("$defs", "definitions") and isinstance(held, dict) and isinstance(value, dict):
            out[name] = {**value, **held}
        elif name == "items" and isinstance(held, dict) and isinstance(value, dict):
            out[name] = _both(held, value)
        elif name == "const" or (name in SUPPORTED and name not in _NOTES):
            lost()


def _both(one: Any, other: Any) -> Any:
    """A schema that says what both say; it is merged when its own turn comes."""
    if one == other:
        return one
    if isinstance(one, dict) and one.keys() == {"allOf"} and isinstance(one["allOf"], list):
        # Kept flat, as each level counts against the depth that is allowed.
        return {"allOf": [*one["allOf"], other]}
    return {"allOf": [one, other]}


def _without_clash(node: Node, lost: Report) -> Node:
    """A merged node without its reference, if it says more itself: Gemini takes nothing beside a reference."""
    if "$ref" not in node:
        return node
    if any(node.get(name) for name in _SUBSTANCE):
        lost()
        return {name: value for name, value in node.items() if name != "$ref"}
    if any(name in SUPPORTED and name not in _NOTES and name != "type" and name[0] != "$" for name in node):
        lost()
    return node


def _narrow_enum(node: Node) -> None:
    values = node["enum"] if isinstance(node["enum"], list) else []
    kept = [v for v in values if isinstance(v, str | int | Decimal) and not isinstance(v, bool)]
    if kept:
        node["enum"] = kept
    else:
        del node["enum"]


# --- inbound ----------------------------------------------------------------------------------------------------------


def _widen(node: Any, where: str, depth: int) -> Any:
    if not isinstance(node, dict):
        return node
    below = _checked_depth(where, depth)
    out: Node = {}
    for name, value in node.items():
        known = {"ref": "$ref", "defs": "$defs"}.get(name, camel(name))
        if known != "propertyOrdering" and value is not None:
            out[known] = _widened_value(known, value)
    if "example" in out:
        out["examples"] = [out.pop("example")]
    if out.pop("nullable", False) is True:
        _allow_null(out)
    return _each(out, lambda n: _widen(n, where, below))


def _widened_value(name: str, value: Any) -> Any:
    if name == "type":
        return [_type_name(v) for v in value] if isinstance(value, list) else _type_name(value)
    if name == "$ref" and isinstance(value, str):
        return value.replace("#/defs/", "#/$defs/", 1)
    # Proto JSON writes 64-bit integers as strings.
    if name in _INTEGERS and isinstance(value, str) and value.isascii() and value.isdigit():
        return int(value)
    return value


def _type_name(value: Any) -> Any:
    if isinstance(value, str):
        return value.lower()
    return _TYPE_NUMBERS.get(value, value) if isinstance(value, int) else value


def _allow_null(node: Node) -> None:
    if isinstance(node.get("type"), str) and node["type"] != "null":
        node["type"] = [node["type"], "null"]
    if isinstance(node.get("enum"), list) and None not in node["enum"]:
        node["enum"] = [*node["enum"], None]
    if isinstance(node.get("anyOf"), list) and "type" not in node:
        node["anyOf"] = [*node["anyOf"], {"type": "null"}]
