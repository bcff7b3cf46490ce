"""Tests of reading a request's objects by either spelling."""

import pytest
from msgspec import Raw

from llmgw_domain.errors import InvalidField
from llmgw_protocols.gemini.fields import Fields, camel, objects


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("function_declarations", "functionDeclarations"),
        ("functionDeclarations", "functionDeclarations"),
        ("top_p", "topP"),
        ("text", "text"),
        ("_private", "_private"),
    ],
)
def test_camel(name: str, expected: str) -> None:
    """A snake_case name gets its camelCase spelling, any other stays."""
    assert expected == camel(name)


def test_either_spelling_is_read() -> None:
    """A value is found under its camelCase name however it was spelt, and null counts as absent."""
    fields = Fields({"mime_type": Raw(b'"image/png"'), "displayName": Raw(b"null")}, "blob")
    assert (fields.text("mimeType"), fields.text("displayName"), "displayName" in fields) == ("image/png", None, False)


def test_both_spellings_are_refused() -> None:
    """A name in both spellings is refused, because two readers would disagree on which counts."""
    with pytest.raises(InvalidField) as caught:
        Fields({"mime_type": Raw(b'"a"'), "mimeType": Raw(b'"b"')}, "blob")
    assert caught.value.param == "blob.mimeType"


@pytest.mark.parametrize(("raw", "expected"), [(b"40", 40), (b"40.0", 40), (b'"40"', 40), (b"-1", -1)])
def test_integers_are_read_leniently(raw: bytes, expected: int) -> None:
    """An integer may come as a float or as text, as proto JSON writes it."""
    assert expected == Fields({"topK": Raw(raw)}).integer("topK")


@pytest.mark.parametrize("raw", [b"1.5", b'"x"', b"true", b"[]", b"1e999"])
def test_what_is_no_integer_is_refused(raw: bytes) -> None:
    """Anything else in an integer's place is refused by its path."""
    with pytest.raises(InvalidField) as caught:
        Fields({"topK": Raw(raw)}, "generationConfig").integer("topK")
    assert caught.value.param == "generationConfig.topK"


@pytest.mark.parametrize(("raw", "expected"), [(b'"auto"', "AUTO"), (b"2", 2)])
def test_words(raw: bytes, expected: str | int) -> None:
    """An enum is read by name, without regard to case, or by number."""
    assert expected == Fields({"mode": Raw(raw)}).word("mode")


def test_a_wrong_item_is_named_by_its_index() -> None:
    """An item of another kind is refused with its place in the array."""
    with pytest.raises(InvalidField) as caught:
        objects(Raw(b'[{"a":1},2]'), "contents")
    assert caught.value.param == "contents[1]"


def test_the_rest_is_what_has_no_known_name() -> None:
    """Unknown names survive with their raw values."""
    fields = Fields({"known": Raw(b"1"), "un_known": Raw(b"2.00")})
    assert {"unKnown": Raw(b"2.00")} == fields.rest({"known"})
