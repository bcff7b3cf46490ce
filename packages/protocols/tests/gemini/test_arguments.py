"""Tests of arguments and results between JSON text and objects."""

import pytest
from msgspec import Raw

from llmgw_domain.errors import InvalidField
from llmgw_protocols.gemini.arguments import object_of, response_of, result_of, text_of


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", b"{}"),
        ("  \n", b"{}"),
        ('{ "b": 1.00,\n "a": 12345678901234567890 }', b'{"b":1.00,"a":12345678901234567890}'),
        ("[1, 2]", b'{"value":[1,2]}'),
        ('"x"', b'{"value":"x"}'),
        ('{"a": ', b'{"__raw_arguments":"{\\"a\\": "}'),
    ],
)
def test_object_of(text: str, expected: bytes) -> None:
    """Arguments become one object without losing a digit, a key's place, or text that is no JSON."""
    assert expected == bytes(object_of(text))


@pytest.mark.parametrize(
    ("raw", "expected"), [(b"", "{}"), (b"null", "{}"), (b'{ "a" : "\\n b" }', '{"a":"\\n b"}'), (b"{}", "{}")]
)
def test_text_of(raw: bytes, expected: str) -> None:
    """An object becomes compact text; none is the empty object."""
    assert expected == text_of(Raw(raw))


@pytest.mark.parametrize(
    ("text", "error", "expected"),
    [
        ("42", False, b'{"output":"42"}'),
        ('{"a": 1}', False, b'{"a":1}'),
        ('{"a": 1', False, b'{"output":"{\\"a\\": 1"}'),
        ("boom", True, b'{"error":"boom"}'),
        ('{"error": "boom"}', True, b'{"error":"boom"}'),
        ('{"a": 1}', True, b'{"error":"{\\"a\\": 1}"}'),
        ("", False, b'{"output":""}'),
    ],
)
def test_response_of(text: str, error: bool, expected: bytes) -> None:
    """A result that is an object stays one; any other text is wrapped, as output or as error."""
    assert expected == bytes(response_of(text, error=error))


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b'{"output":"42"}', ("42", False)),
        (b'{"result":"42"}', ("42", False)),
        (b'{"output":"42","x":1}', ('{"output":"42","x":1}', False)),
        (b'{"output":[1, 2]}', ('{"output":[1,2]}', False)),
        (b'{"error":"boom"}', ("boom", True)),
        (b'{"error":{"code":1}}', ('{"error":{"code":1}}', True)),
        (b"{}", ("{}", False)),
    ],
)
def test_result_of(raw: bytes, expected: tuple[str, bool]) -> None:
    """A response object gives its text where it only wraps one, and its JSON otherwise."""
    assert expected == result_of(Raw(raw))


def test_text_that_is_none_is_refused() -> None:
    """Half of a surrogate pair in a result is the client's mistake, told as one."""
    with pytest.raises(InvalidField):
        result_of(Raw(b'{"output":"\\ud800"}'))
