from random import Random

import pytest

from llmgw_simulator.schema import make


def made(schema, seed=1):
    return make(schema, Random(seed))


def test_all_properties_near_the_root_are_filled():
    """An object has what is required and what is optional, each of its type."""
    schema = {
        "type": "object",
        "properties": {
            "city": {"type": "string"},
            "days": {"type": "integer", "minimum": 1, "maximum": 5},
            "tags": {"type": "array", "items": {"type": "string"}, "minItems": 2},
            "wet": {"type": "boolean"},
            "none": {"type": "null"},
        },
        "required": ["city"],
    }
    value = made(schema)
    assert ["city", "days", "tags", "wet", "none"] == list(value)
    assert isinstance(value["city"], str)
    assert 1 <= value["days"] <= 5
    assert 2 == len(value["tags"])
    assert isinstance(value["wet"], bool)
    assert value["none"] is None


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"const": 7}, 7),
        ({"enum": ["only"]}, "only"),
        ({"type": "integer", "minimum": 4, "maximum": 4}, 4),
        ({"type": "integer", "exclusiveMinimum": 4, "exclusiveMaximum": 6}, 5),
        ({"type": "number", "minimum": 2.5, "maximum": 2.5}, 2.5),
        ({"type": "integer", "minimum": 7, "maximum": 10, "multipleOf": 5}, 10),
        ({"type": "integer", "minimum": -9, "maximum": -9}, -9),
        ({"type": "string", "format": "date"}, "2026-03-14"),
        ({"type": "array", "items": {"const": 1}, "maxItems": 0}, []),
        ({"type": "array", "prefixItems": [{"const": 1}, {"const": "b"}]}, [1, "b"]),
        ({"type": ["null", "object"], "properties": {"a": {"const": 1}}}, {"a": 1}),
        ({"anyOf": [{"type": "null"}, {"const": 3}]}, 3),
        ({"oneOf": [{"const": 3}]}, 3),
        ({"allOf": [{"properties": {"a": {"const": 1}}}, {"properties": {"b": {"const": 2}}}]}, {"a": 1, "b": 2}),
        ({"$ref": "#/$defs/a", "$defs": {"a": {"const": "x"}}}, "x"),
        ({"type": "OBJECT", "properties": {"a": {"type": "STRING", "enum": ["x"]}}}, {"a": "x"}),
        ({"properties": {"a": {"const": 1}}, "required": ["a"]}, {"a": 1}),
    ],
)
def test_a_keyword_decides_the_value(schema, expected):
    """Each keyword is honoured."""
    assert expected == made(schema)


def test_string_lengths_are_bounds():
    """minLength pads and maxLength cuts."""
    assert 50 == len(made({"type": "string", "minLength": 50}))
    assert 2 == len(made({"type": "string", "maxLength": 2}))


def test_a_recursive_schema_ends():
    """A tree is made down to a depth, and null or nothing ends it."""
    node = {
        "type": "object",
        "properties": {
            "next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]},
            "children": {"type": "array", "items": {"$ref": "#/$defs/node"}},
        },
        "required": ["next", "children"],
    }
    value = made({"$defs": {"node": node}, "$ref": "#/$defs/node"})
    depth = 0
    while value is not None:
        value, depth = value["next"], depth + 1
    assert 1 <= depth <= 6


def test_a_schema_that_requires_itself_gives_null_at_the_bottom():
    """There is no finite value, and no endless loop either."""
    assert made({"type": "object", "properties": {"me": {"$ref": "#"}}, "required": ["me"]})["me"] is not None
    assert made({"$ref": "#"}) is not None


def test_the_same_seed_gives_the_same_value():
    """And another seed gives another."""
    schema = {"type": "array", "items": {"type": "integer"}, "minItems": 8}
    assert made(schema, 1) == made(schema, 1)
    assert made(schema, 1) != made(schema, 2)
