"""Schemas written out for models that follow no references."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmgw_domain.errors import InvalidField
from llmgw_protocols.converse.schema import without_references


def _written(schema: Any) -> Any:
    return msgspec.json.decode(without_references(msgspec.Raw(msgspec.json.encode(schema)), "tools.0"))


def test_a_schema_without_references_stays_as_it_is() -> None:
    """Nothing is re-read where nothing has to change: not even white space."""
    raw = msgspec.Raw(b'{ "type" : "object", "maximum": 1e400 }')
    assert raw is without_references(raw, "tools.0")


def test_references_are_written_out() -> None:
    """What a reference means stands in its place, with what stood beside it; names of the schema go."""
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": {
            "$id": {"type": "string"},
            "to": {"$ref": "#/$defs/place", "description": "Where to"},
            "via": {"type": "array", "items": {"$ref": "#/definitions/a~1b"}},
        },
        "$defs": {"place": {"type": "object", "properties": {"city": {"type": "string"}}}},
        "definitions": {"a/b": {"enum": ["$ref"]}},
    }
    assert _written(schema) == {
        "type": "object",
        "properties": {
            "$id": {"type": "string"},
            "to": {"type": "object", "properties": {"city": {"type": "string"}}, "description": "Where to"},
            "via": {"type": "array", "items": {"enum": ["$ref"]}},
        },
    }


@pytest.mark.parametrize("reference", ["#", "#/$defs/tree", "#/$defs/none", "https://example.com/x", "#/type/x"])
def test_what_can_not_be_written_out_is_any_object(reference: str) -> None:
    """A definition inside of itself, or one that is not here, is any object."""
    tree = {"type": "object", "properties": {"child": {"$ref": reference}}}
    written = _written({"type": "object", "$defs": {"tree": tree}, "properties": {"root": tree}})
    assert "$ref" not in str(written)
    assert "object" in str(written["properties"]["root"]["properties"]["child"])


@given(
    st.recursive(
        st.none() | st.text(max_size=3),
        lambda inner: (
            st.lists(inner, max_size=2)
            | st.dictionaries(
                st.sampled_from(["$ref", "$defs", "properties", "items", "anyOf", "enum", "a"]), inner, max_size=3
            )
        ),
        max_leaves=8,
    )
)
def test_any_json_is_borne(schema: Any) -> None:
    """Whatever a client calls a schema, writing it out ends."""
    _written(schema)


@pytest.mark.parametrize("raw", [b'{"$ref":', b'{"$id":' + b"[" * 5000])
def test_what_can_not_be_read(raw: bytes) -> None:
    """A schema that is no JSON, or too deep, is the client's fault."""
    with pytest.raises(InvalidField, match=r"tools\.0"):
        without_references(msgspec.Raw(raw), "tools.0")


def test_references_that_double() -> None:
    """A schema of a few lines that would grow without bound is refused, not written out."""
    levels = {f"a{n}": {"anyOf": [{"$ref": f"#/$defs/a{n + 1}"}, {"$ref": f"#/$defs/a{n + 1}"}]} for n in range(60)}
    with pytest.raises(InvalidField, match="too large"):
        _written({"$ref": "#/$defs/a0", "$defs": levels})
