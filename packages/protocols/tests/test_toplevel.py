"""The top level of a body is split without touching a value."""

import json  # A second parser, so that two are compared.

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmgw_domain.errors import InvalidJson
from llmgw_protocols import toplevel

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
VALUES = st.recursive(
    SCALARS, lambda v: st.lists(v, max_size=3) | st.dictionaries(st.text(), v, max_size=3), max_leaves=8
)


@given(st.dictionaries(st.text(), VALUES, max_size=6), st.sampled_from([None, 1]), st.booleans())
def test_values_survive(fields: dict[str, object], indent: int | None, ascii_only: bool) -> None:
    """Names come in order and every value is the client's own bytes."""
    texts = {k: json.dumps(v, indent=indent, ensure_ascii=ascii_only).encode() for k, v in fields.items()}  # noqa: TID251
    body = b" { " + b" ,\n".join(json.dumps(k).encode() + b" : " + v for k, v in texts.items()) + b"\t} "  # noqa: TID251
    split = toplevel.split(body)
    assert list(fields) == list(split)
    assert texts == {k: bytes(v) for k, v in split.items()}
    assert fields == json.loads(toplevel.join(texts))  # noqa: TID251


@given(st.text(max_size=3), VALUES, VALUES, st.dictionaries(st.text(max_size=3), VALUES, max_size=3))
def test_a_name_that_stands_twice_is_refused(name: str, first: object, second: object, more: dict[str, object]) -> None:
    """A duplicate is found whatever its values are, and however its name is escaped."""
    more.pop(name, None)
    escaped = '"' + "".join(f"\\u{ord(c):04x}" if ord(c) < 0x10000 else c for c in name) + '"'
    pairs = [(json.dumps(name), first), *((json.dumps(k), v) for k, v in more.items()), (escaped, second)]  # noqa: TID251
    body = "{" + ",".join(f"{k}:{json.dumps(v)}" for k, v in pairs) + "}"  # noqa: TID251
    with pytest.raises(InvalidJson):
        toplevel.split(body.encode())


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"x"',
        b'{"a":1',
        b'{"a":1}}',
        b'{"a":1,}',
        b'{"a":1} x',
        b'{"a":12,"a":1}',
        b'{"a":1,"a":12}',
        b'{"a":-1,"a":-1}',
        b'{"a":{"b":1},"a":{"b":1}}',
        b'{"a":"\xff"}',
        b'{"\xff":1}',
        b"\xef\xbb\xbf{}",
        b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"a":' + b'{"a":' * 100_000 + b"1" + b"}" * 100_000 + b"}",
    ],
)
def test_invalid(body: bytes) -> None:
    """What two parsers could read in two ways, or none can read, is refused as invalid JSON."""
    with pytest.raises(InvalidJson):
        toplevel.split(body)


@given(st.binary(max_size=60) | st.text(alphabet='{}[]":,\\au0 1e-.tn', max_size=30).map(str.encode))
def test_agrees_with_a_parser(body: bytes) -> None:
    """A body is split or refused, never anything else, and what is split is what a parser reads."""
    try:
        split = toplevel.split(body)
    except InvalidJson:
        return
    assert json.loads(body) == {k: json.loads(bytes(v)) for k, v in split.items()}  # noqa: TID251


def test_nested_duplicates_pass() -> None:
    """Only the top level is looked at: what is nested is the provider's to judge."""
    assert {"a": msgspec.Raw(b'{"b":1,"b":2}')} == toplevel.split(b'{"a":{"b":1,"b":2}}')


@pytest.mark.parametrize(
    ("body", "expected"), [(b'{"a":[1]}', True), (b'{"a":[1', False), (b"{}x", False), (b"", False)]
)
def test_a_whole_json_value(body, expected):
    """From the first byte to the last."""
    assert expected == toplevel.is_json(body)
