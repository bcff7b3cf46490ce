"""Typed reading: what is told of a wrong value."""

import msgspec
import pytest

from llmgw_domain.errors import InvalidField
from llmgw_protocols.messages._wire import MediaBlock
from llmgw_protocols.messages.reading import is_null, read


def test_value() -> None:
    """A value of the right type comes back."""
    assert read(b"[1,2]", list[int], "x") == [1, 2]


def test_wrong_type() -> None:
    """The error names the dotted path, what was expected and what came."""
    raw = b'{"source":{"type":"base64","data":7}}'
    with pytest.raises(InvalidField, match=r"expected `str \| null`, got `int`") as caught:
        read(raw, MediaBlock, "messages.0.content.1")
    assert caught.value.param == "messages.0.content.1.source.data"


def test_null() -> None:
    """Only the value null is null, with white space or without."""
    assert [is_null(msgspec.Raw(b" null ")), is_null(msgspec.Raw(b'"null"'))] == [True, False]
