"""Tests of JSON Schema in both directions."""

from typing import Any

import msgspec
import pytest
from msgspec import Raw

from llmgw_domain.errors import InvalidField
from llmgw_protocols.gemini import schema


def narrowed(node: Any) -> Any:
    return msgspec.json.decode(schema.for_gemini(Raw(msgspec.json.encode(node)), "s", lambda: None))


def widened(node: Any) -> Any:
    return msgspec.json.decode(schema.from_openapi(Raw(msgspec.json.encode(node)), "s"))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (
            {"$schema": "x", "type": "object", "properties": {"pattern": {"type": "string", "pattern": "^a"}}},
            {"type": "object", "properties": {"pattern": {"type": "string"}}},
        ),
        ({"const": "a"}, {"enum": ["a"]}),
        ({"enum": ["a", 1, 1.5, None, True]}, {"enum": ["a", 1, 1.5]}),
        ({"type": "boolean", "enum": [True]}, {"type": "boolean"}),
        ({"allOf": [{"type": "string"}], "description": "d"}, {"type": "string", "description": "d"}),
        ({"type": ["string", "null"]}, {"type": ["string", "null"]}),
        ({"$ref": "#/$defs/N", "description": "d", "default": 1}, {"$ref": "#/$defs/N"}),
        (
            {"definitions": {"N": {"type": "integer", "exclusiveMinimum": 0}}, "$ref": "#/definitions/N"},
            {"$defs": {"N": {"type": "integer"}}, "$ref": "#/$defs/N"},
        ),
        (
            {"items": [{"type": "string"}, {"type": "integer"}]},
            {"prefixItems": [{"type": "string"}, {"type": "integer"}]},
        ),
        ({"anyOf": [{"type": "string", "minLength": 1}]}, {"anyOf": [{"type": "string"}]}),
        ({"additionalProperties": False}, {"additionalProperties": False}),
        ({"additionalProperties": {"type": "string", "not": {}}}, {"additionalProperties": {"type": "string"}}),
        ({"properties": {"a": True}}, {"properties": {"a": {}}}),
        (
            {"properties": {"default": {"type": "string", "default": ""}}},
            {"properties": {"default": {"type": "string"}}},
        ),
    ],
)
def test_for_gemini(given: Any, expected: Any) -> None:
    """Only keywords that Gemini documents are left, at every depth, and property names are not taken for keywords."""
    assert expected == narrowed(given)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (
            {"type": "OBJECT", "properties": {"property_ordering": {"type": "STRING"}}, "propertyOrdering": ["x"]},
            {"type": "object", "properties": {"property_ordering": {"type": "string"}}},
        ),
        ({"type": "STRING", "nullable": True}, {"type": ["string", "null"]}),
        ({"type": "STRING", "nullable": True, "enum": ["a"]}, {"type": ["string", "null"], "enum": ["a", None]}),
        ({"type": "STRING", "nullable": False}, {"type": "string"}),
        ({"any_of": [{"type": "NUMBER"}], "nullable": True}, {"anyOf": [{"type": "number"}, {"type": "null"}]}),
        ({"type": 6, "properties": {"a": {"type": 1}}}, {"type": "object", "properties": {"a": {"type": "string"}}}),
        (
            {"type": "ARRAY", "min_items": "2", "items": {"type": "INTEGER"}},
            {"type": "array", "minItems": 2, "items": {"type": "integer"}},
        ),
        ({"type": "STRING", "example": "e"}, {"type": "string", "examples": ["e"]}),
        (
            {"defs": {"N": {"type": "STRING"}}, "ref": "#/defs/N"},
            {"$defs": {"N": {"type": "string"}}, "$ref": "#/$defs/N"},
        ),
        ({"type": "string", "description": None}, {"type": "string"}),
    ],
)
def test_from_openapi(given: Any, expected: Any) -> None:
    """Gemini's OpenAPI schema becomes plain JSON Schema, whichever way its types and names are written."""
    assert expected == widened(given)


@pytest.mark.parametrize("raw", [b"[]", b'"x"', b"1", b"{"])
def test_what_is_no_schema_is_refused(raw: bytes) -> None:
    """A schema that is no object is refused by the field's name."""
    with pytest.raises(InvalidField) as caught:
        schema.for_gemini(Raw(raw), "tools[0].parameters", lambda: None)
    assert caught.value.param == "tools[0].parameters"


def test_depth_is_bounded() -> None:
    """A schema nested beyond reason is refused instead of exhausting the stack."""
    node: Any = {}
    for _ in range(schema.MAX_DEPTH + 5):
        node = {"items": node}
    with pytest.raises(InvalidField):
        narrowed(node)


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        ({"type": "object", "properties": {}}, True),
        ({"type": "object"}, True),
        ({"type": "object", "properties": {"a": {}}}, False),
        ({"type": "object", "additionalProperties": True}, False),
        ({"$ref": "#/$defs/A"}, False),
    ],
)
def test_is_empty(node: Any, expected: bool) -> None:
    """A schema without any parameter is told from a free-form one."""
    assert expected == schema.is_empty(Raw(msgspec.json.encode(node)))


A: Any = {"type": "object", "properties": {"a": {"type": "string"}}}
B: Any = {"properties": {"b": {"type": "integer"}}}
REF = {"$ref": "#/$defs/N"}


@pytest.mark.parametrize(
    ("given", "expected", "losses"),
    [
        (
            {"allOf": [{**A, "required": ["a"]}, {**B, "required": ["a", "b"]}], "description": "d"},
            {**A, "properties": {**A["properties"], **B["properties"]}, "required": ["a", "b"], "description": "d"},
            0,
        ),
        ({"allOf": [{"allOf": [A]}, True]}, A, 0),
        (
            {"allOf": [{"properties": {"a": {"title": "t"}}}, A, {"properties": {"a": {"enum": ["x"]}}}]},
            {"type": "object", "properties": {"a": {"title": "t", "type": "string", "enum": ["x"]}}},
            0,
        ),
        ({"allOf": [REF, B]}, B, 1),
        ({"type": "object", "allOf": [REF], "title": "t"}, REF, 0),
        ({"allOf": [REF, {"$ref": "#/$defs/M"}]}, REF, 1),
        ({"allOf": [REF, {"required": ["a"]}]}, REF, 1),
        ({"allOf": [{"type": "string"}, {"type": "integer"}]}, {"type": "string"}, 1),
        ({"allOf": [A, False]}, A, 1),
    ],
)
def test_all_of(given: Any, expected: Any, losses: int) -> None:
    """Branches become one schema, and what of them can't be told is reported."""
    lost: list[None] = []
    made = schema.for_gemini(Raw(msgspec.json.encode(given)), "s", lambda: lost.append(None))
    assert (expected, losses) == (msgspec.json.decode(made), len(lost))


def test_the_depth_of_branches_is_bounded() -> None:
    """Branches nested beyond reason are refused instead of exhausting the stack."""
    node: Any = {}
    for _ in range(schema.MAX_DEPTH + 5):
        node = {"allOf": [node]}
    with pytest.raises(InvalidField):
        narrowed(node)


@pytest.mark.parametrize("newer", [None, []])
def test_definitions_beside_what_are_none(newer: Any) -> None:
    """The older word's definitions are kept where the newer one holds something else."""
    assert narrowed({"definitions": {"N": A}, "$defs": newer}) == {"$defs": {"N": A}}
