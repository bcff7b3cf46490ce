import pytest

from llmgw_simulator.dialects.coral import Blob, Document, Fields, Flag, Many, Number, Pairs, Text, check, dotted
from llmgw_simulator.wire import Refusal

BLOCK = Fields({"text": Text(), "image": Fields({"format": Text(enum=("gif", "png"))})}, union="Block")
SHAPE = Fields(
    {
        "name": Text(1, 5, "[a-z]+"),
        "heat": Number(0, 1),
        "most": Number(1, whole=True),
        "flag": Flag(),
        "raw": Blob(1),
        "any": Document(),
        "list": Many(BLOCK, 0, 2),
        "map": Pairs(Text(1), Text(), 1, 2),
    },
    ("name",),
)


def refused(body):
    with pytest.raises(Refusal) as caught:
        check(SHAPE, body)
    assert 400 == caught.value.status
    return caught.value.kind, caught.value.message


def test_what_fits_passes():
    """Null is the same as absent."""
    check(SHAPE, {"name": "abc", "heat": 1, "most": 3, "flag": True, "raw": "AAAA", "any": [1], "list": None})
    check(SHAPE, {"name": "a", "list": [{"text": "", "image": None}], "map": {"a": ""}})


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"name": 1}, "NUMBER_VALUE can not be converted to a String"),
        ({"name": True}, "TRUE_VALUE can not be converted to a String"),
        ({"name": {}}, "Start of structure or map found where not expected."),
        ({"name": []}, "Start of list found where not expected"),
        ({"name": "a", "heat": "1"}, "STRING_VALUE can not be converted to a Float"),
        ({"name": "a", "most": 1.5}, "NUMBER_VALUE can not be converted to an Integer"),
        ({"name": "a", "flag": "x"}, "STRING_VALUE can not be converted to a Boolean"),
        ({"name": "a", "list": {}}, "Expected list or null"),
        ({"name": "a", "list": ["x"]}, "Expected structure or null"),
        ({"name": "a", "map": []}, "Start of list found where not expected"),
        ({"name": "a", "raw": "?"}, "Unable to parse the base64 value at raw"),
    ],
)
def test_wrong_types_are_not_deserialized(body, message):
    """With the words of AWS's JSON parser, before any constraint is looked at."""
    assert ("SerializationException", message) == refused(body)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "Value null at 'name' failed to satisfy constraint: Member must not be null"),
        ({"name": ""}, "Member must satisfy regular expression pattern: [a-z]+"),
        (
            {"name": "abcdef"},
            "Value 'abcdef' at 'name' failed to satisfy constraint: Member must have length less than",
        ),
        (
            {"name": "a", "heat": 2},
            "Value '2' at 'heat' failed to satisfy constraint: Member must have value less than",
        ),
        ({"name": "a", "most": 0}, "Member must have value greater than or equal to 1"),
        ({"name": "a", "raw": ""}, "Member must have length greater than or equal to 1"),
        ({"name": "a", "list": [{"text": ""}] * 3}, "Value '[...]' at 'list' failed"),
        ({"name": "a", "map": {}}, "at 'map' failed to satisfy constraint: Member must have length greater"),
        (
            {"name": "a", "list": [{"text": ""}, {"image": {"format": "bmp"}}]},
            "Value 'bmp' at 'list.2.member.image.format' failed to satisfy constraint: Member must satisfy enum",
        ),
    ],
)
def test_constraints_are_told_with_their_paths(body, message):
    """Elements are counted from 1."""
    kind, found = refused(body)
    assert ("ValidationException", True) == (kind, message in found)
    assert found.startswith("1 validation error detected: ")


def test_all_violations_come_together():
    """Counted."""
    assert refused({"name": "A", "heat": -1})[1].startswith("2 validation errors detected: Value 'A' at 'name'")


def test_a_union_has_exactly_one_member():
    """In Bedrock's own words, where elements are counted from 0."""
    for block in ({}, {"text": "a", "image": {}}):
        message = "Block object at list.0 must set one of the following keys: text, image."
        assert ("ValidationException", message) == refused({"name": "a", "list": [block]})


def test_unknown_members_are_refused_where_they_are():
    """So that a misspelt one shows."""
    kind, message = refused({"name": "a", "list": [{"tex": "x"}]})
    assert ("ValidationException", True) == (kind, "#/list/0: extraneous key [tex] is not permitted" in message)


def test_paths_are_written_with_dots():
    """As Bedrock does."""
    assert "messages.0.content" == dotted(("messages", 0, "content"))
