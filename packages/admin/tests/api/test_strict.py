from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmgw_admin.api.strict import parse_object
from llmgw_domain.errors import InvalidJson

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.text(max_size=4), VALUES, max_size=4))
def test_every_object_without_repetition_is_read_as_it_is(value: dict[str, object]) -> None:
    """Whatever names and texts hold (quotes, braces, colons), a proper object comes out whole."""
    assert value == parse_object(msgspec.json.encode(value))


@given(st.text(max_size=6), st.lists(st.sampled_from([("[", "]"), ('{"x":', "}"), ("[1,", "]")]), max_size=4))
def test_a_name_that_stands_twice_is_refused_at_every_depth(name: str, around: list[tuple[str, str]]) -> None:
    """A repeated name is refused however deep it stands, and is named."""
    spelt = msgspec.json.encode(name).decode()
    text = f"{{{spelt}:1,{spelt}:2}}"
    for before, after in around:
        text = before + text + after
    with pytest.raises(InvalidJson) as refused:
        parse_object(('{"top":' + text + "}").encode())
    assert name[:100] == refused.value.param


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "is empty"),
        (b"{", "not valid JSON"),
        (b"[]", "must be a JSON object"),
        (b"null", "must be a JSON object"),
        (b'{"a": NaN}', "not valid JSON"),
        (b'{"a": 1} x', "not valid JSON"),
        (b"\xef\xbb\xbf{}", "not valid JSON"),
        (b'{"a": "\xff"}', "not UTF-8"),
        (b'{"a": ' + b"[" * 5000 + b"]" * 5000 + b"}", "too deeply"),
        (b'{"a": 1, "\\u0061": 2}', "'a' stands twice"),
    ],
)
def test_what_is_no_object_is_refused_with_the_reason(body: bytes, said: str) -> None:
    """Each way to be wrong is told apart; an escaped name is the same name."""
    with pytest.raises(InvalidJson) as refused:
        parse_object(body)
    assert said in refused.value.message


def test_equal_names_in_different_objects_are_fine() -> None:
    """Only within one object is a repeated name a repetition."""
    assert {"a": {"a": [{"a": 1}, {"a": 2}]}} == parse_object(b'{"a": {"a": [{"a": 1}, {"a": 2}]}}')
