"""What headers and query say."""

import pytest

from llmgw_domain import StreamErrors
from llmgw_domain.errors import BadRequest, UnknownKey
from llmgw_httpapi.headers import (
    Wishes,
    declared_length,
    has_body,
    header_map,
    query_map,
    refuse_encoding,
    request_id_of,
    take_secret,
    wishes_of,
)


def test_repeated_headers_are_joined() -> None:
    """A header that is sent twice reads as one with both values, in order."""
    scope = {"headers": [(b"anthropic-beta", b"a"), (b"host", b"h"), (b"anthropic-beta", b"b")]}
    assert header_map(scope) == {"anthropic-beta": "a, b", "host": "h"}


def test_query_keeps_the_first_value() -> None:
    """Of a repeated query field the first one counts, and escapes are decoded."""
    assert query_map({"query_string": b"alt=sse&k=a%20b&alt=x&e="}) == {"alt": "sse", "k": "a b", "e": ""}


@pytest.mark.parametrize(
    ("headers", "query"),
    [
        ({"authorization": "Bearer sk-1"}, {}),
        ({"authorization": "bearer  sk-1 "}, {}),
        ({"x-api-key": "sk-1"}, {}),
        ({"x-goog-api-key": "sk-1"}, {}),
        ({"api-key": "sk-1"}, {}),
        ({}, {"key": "sk-1"}),
        ({"authorization": "Bearer ", "x-api-key": " ", "api-key": "sk-1"}, {"key": "sk-2"}),
        ({"authorization": "Bearer sk-1", "x-api-key": "sk-2"}, {}),
        ({"authorization": "Basic abc", "x-api-key": "sk-1"}, {}),
    ],
)
def test_key_is_taken_from_the_first_place_that_has_one(headers: dict[str, str], query: dict[str, str]) -> None:
    """Every dialect's way to send a key works, empty ones are passed over, and no credential is left behind."""
    assert take_secret(headers, query) == "sk-1"
    assert (headers, query) == ({}, {})


def test_no_key_is_refused() -> None:
    """A request without any key is told how to send one, and its other credentials are removed all the same."""
    headers = {"authorization": "Basic abc", "cookie": "a=b", "host": "h"}
    with pytest.raises(UnknownKey, match="x-api-key"):
        take_secret(headers, {})
    assert headers == {"host": "h"}


@pytest.mark.parametrize("given", ["a", "A-b_c.9", "x" * 128])
def test_a_sane_request_id_is_kept(given: str) -> None:
    """A client's own request id is used."""
    assert given == request_id_of({"x-request-id": given}, lambda: "new")


@pytest.mark.parametrize("given", ["", "x" * 129, "a b", 'a"b', "ä", "a\n"])
def test_a_strange_request_id_is_replaced(given: str) -> None:
    """What could break a log line or a header is not taken over."""
    assert request_id_of({"x-request-id": given}, lambda: "new") == "new"


def test_wishes_are_read() -> None:
    """The three gateway headers are read, and absent ones are their defaults."""
    headers = {"x-gw-stream-errors": "Raise", "x-gw-timeout": "2.5", "x-gw-tags": "team=a"}
    assert Wishes(StreamErrors.RAISE, 2.5, "team=a") == wishes_of(headers)
    assert Wishes(None, None, "") == wishes_of({})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("x-gw-stream-errors", "ignore"),
        ("x-gw-timeout", "0"),
        ("x-gw-timeout", "-1"),
        ("x-gw-timeout", "nan"),
        ("x-gw-timeout", "inf"),
        ("x-gw-timeout", "soon"),
        ("x-gw-tags", "x" * 1025),
    ],
)
def test_a_wrong_wish_is_named(name: str, value: str) -> None:
    """A gateway header that makes no sense is a bad request whose message and param name it."""
    with pytest.raises(BadRequest, match=name) as caught:
        wishes_of({name: value})
    assert name == caught.value.param


def test_a_compressed_body_is_refused() -> None:
    """A compressed body is refused with what to send instead; identity is fine."""
    refuse_encoding({})
    refuse_encoding({"content-encoding": "Identity"})
    with pytest.raises(BadRequest, match=r"gzip.*identity"):
        refuse_encoding({"content-encoding": "gzip"})


@pytest.mark.parametrize(
    ("given", "expected"), [("0", 0), ("12", 12), ("", None), ("-1", None), ("1e3", None), ("9" * 19, None)]
)
def test_length_is_a_plain_number(given: str, expected: int | None) -> None:
    """Only digits announce a length."""
    assert expected == declared_length({"content-length": given})


def test_a_body_is_announced_by_length_or_coding() -> None:
    """A length above zero or a transfer coding announce a body."""
    assert [
        has_body(headers)
        for headers in ({"content-length": "1"}, {"transfer-encoding": "chunked"}, {"content-length": "0"}, {})
    ] == [True, True, False, False]
