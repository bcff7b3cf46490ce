"""JSON Schemas within what Anthropic takes."""

from typing import Any

import msgspec
import pytest

from llmgw_domain.errors import InvalidField
from llmgw_protocols.messages.schema import closed, object_schema


def _raw(text: str) -> msgspec.Raw:
    return msgspec.Raw(text.encode())


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        (None, b'{"type":"object","properties":{}}'),
        (_raw("null"), b'{"type":"object","properties":{}}'),
        (_raw("true"), b'{"type":"object","properties":{}}'),
        (_raw('{"type":"object","x": 1.50}'), b'{"type":"object","x": 1.50}'),
        (_raw('{"properties":{"a": {"minimum": 1.0}}}'), b'{"properties":{"a": {"minimum": 1.0}},"type":"object"}'),
        (_raw('{"type":["object","null"]}'), b'{"type":"object"}'),
    ],
)
def test_object(schema: msgspec.Raw | None, expected: bytes) -> None:
    """The root is an object; all else keeps its bytes."""
    assert expected == bytes(object_schema(schema))


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        (
            {"type": "object", "properties": {"a": {"type": "object"}}, "required": ["a"], "$schema": "x"},
            {
                "type": "object",
                "properties": {"a": {"type": "object", "additionalProperties": False}},
                "required": ["a"],
                "additionalProperties": False,
            },
        ),
        (
            {"type": "integer", "minimum": 1, "description": "N"},
            {"type": "integer", "description": 'N {"minimum":1}'},
        ),
        (
            {"type": "string", "format": "date", "maxLength": 9},
            {"type": "string", "format": "date", "description": '{"maxLength":9}'},
        ),
        (
            {"type": "array", "items": {"type": "string", "pattern": "a"}, "minItems": 1},
            {"type": "array", "items": {"type": "string", "description": '{"pattern":"a"}'}, "minItems": 1},
        ),
        (
            {"oneOf": [{"type": "object"}, {"type": "null"}]},
            {"anyOf": [{"type": "object", "additionalProperties": False}, {"type": "null"}]},
        ),
        (
            {"$ref": "#/$defs/A", "$defs": {"A": {"type": "object"}}},
            {"$ref": "#/$defs/A", "$defs": {"A": {"type": "object", "additionalProperties": False}}},
        ),
        (
            {"properties": {"minimum": {"type": "string"}}, "type": "object"},
            {"properties": {"minimum": {"type": "string"}}, "type": "object", "additionalProperties": False},
        ),
        ({"anyOf": [{}], "oneOf": [{"a": 1}]}, {"anyOf": [{}], "description": '{"oneOf":[{"a":1}]}'}),
        ({"enum": ["a"], "const": "a"}, {"enum": ["a"], "const": "a"}),
    ],
)
def test_closed(schema: Any, expected: Any) -> None:
    """Objects are closed, and what is refused moves to the description."""
    found = closed(msgspec.Raw(msgspec.json.encode(schema)), "x")
    assert found is not None
    assert expected == msgspec.json.decode(found)


def test_too_deep() -> None:
    """A schema nested without end is refused by name."""
    with pytest.raises(InvalidField, match="response_format"):
        closed(_raw('{"items":' * 900 + "{}" + "}" * 900), "response_format")


@pytest.mark.parametrize(
    "schema",
    [
        '{"type":"object","additionalProperties":{"type":"string"}}',
        '{"type":"object","additionalProperties":true}',
        '{"properties":{"a":{"items":{"oneOf":[{"type":"object","additionalProperties":{}}]}}}}',
        '{"$defs":{"A":{"type":"object","additionalProperties":true}}}',
    ],
)
def test_open(schema: str) -> None:
    """A schema with an object of unnamed properties can't be closed."""
    assert closed(_raw(schema), "x") is None


def test_number_out_of_range() -> None:
    """A number that can't be read is refused by name."""
    with pytest.raises(InvalidField, match="response_format"):
        closed(_raw('{"maximum":1e99999999999999999999}'), "response_format")


def test_numbers_keep_their_digits() -> None:
    """Those of enums stay in place, those of bounds move to the description, as they were written."""
    schema = closed(_raw('{"enum":[1.50,0.1000000000000000055511151231257827],"maximum":2.0}'), "x")
    assert b'"enum":[1.50,0.1000000000000000055511151231257827]' in bytes(schema or b"")
    assert b'\\"maximum\\":2.0' in bytes(schema or b"")
