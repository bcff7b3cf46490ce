from __future__ import annotations

import msgspec
import pytest

from llmgw_admin.api.operations import Answer, Call, Operation, Table, parse_if_match, parse_query
from llmgw_admin.refusal import PathTakesOther
from llmgw_domain.errors import BadRequest, InvalidField, NotFound


async def nothing(_: Call) -> Answer:
    return Answer()


def row(name: str, method: str, path: str, *, slashes: bool = False) -> Operation:
    return Operation(name=name, method=method, path=path, summary="", run=nothing, tag="t", slashes=slashes)


TABLE = Table(
    [
        row("enable", "POST", "/models/{id}/enable", slashes=True),
        row("list", "GET", "/models"),
        row("get", "GET", "/models/{id}", slashes=True),
        row("patch", "PATCH", "/models/{id}", slashes=True),
        row("key", "GET", "/keys/{id}"),
        row("dot", "GET", "/openapi.json"),
    ]
)


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/models", ("list", "")),
        ("HEAD", "/models", ("list", "")),
        ("GET", "/models/a/b", ("get", "a/b")),
        ("POST", "/models/a/b/enable", ("enable", "a/b")),
        ("GET", "/models/a/enable", ("get", "a/enable")),
        ("GET", "/keys/k", ("key", "k")),
        ("GET", "/openapi.json", ("dot", "")),
    ],
)
def test_the_operation_of_a_path(method: str, path: str, expected: tuple[str, str]) -> None:
    """The first row that fits path and method; ids hold slashes where the row says so."""
    operation, found = TABLE.find(method, path)
    assert expected == (operation.name, found)


@pytest.mark.parametrize("path", ["/", "/model", "/models/", "/keys/a/b", "/openapi-json", "/models/a\nb"])
def test_what_is_not_in_the_table_is_not_served(path: str) -> None:
    """No row, no answer: the rows' paths are texts, not patterns."""
    with pytest.raises(NotFound):
        TABLE.find("GET", path)


def test_another_method_is_told_which_there_are() -> None:
    """All methods of a path are named, of every row that it could mean."""
    with pytest.raises(PathTakesOther) as refused:
        TABLE.find("DELETE", "/models/a/enable")
    assert ("POST", "GET", "PATCH") == refused.value.allowed


class Query(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    limit: int = 100
    after: str | None = None


def test_a_query_is_read_by_its_struct() -> None:
    """Numbers are read as such, what is escaped is unescaped, what is empty is empty."""
    assert Query(5, "a/b ü") == parse_query(b"limit=5&after=a%2Fb+%C3%BC", Query)
    assert (Query(), Query(after="")) == (parse_query(b"", Query), parse_query(b"after=", Query))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"limits=5", "it takes limit, after"),
        (b"limit=5&limit=5", "stands twice"),
    ],
)
def test_an_unknown_or_repeated_parameter_is_refused(text: bytes, said: str) -> None:
    """A misspelt parameter is not passed over: its absence would answer another question."""
    with pytest.raises(BadRequest, match=said):
        parse_query(text, Query)


def test_a_wrong_value_is_named() -> None:
    """What was expected, and of which parameter."""
    with pytest.raises(InvalidField, match=r"`int`.*limit") as refused:
        parse_query(b"limit=x", Query)
    assert "limit" == refused.value.param


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        ("*", None),
        (' "a"', ("a",)),
        ('"a", "b"', ("a", "b")),
        ('"a,b"', ("a,b",)),
        ('W/"a"', ()),
        ('W/"a", "b"', ("b",)),
    ],
)
def test_if_match(value: str | None, expected: tuple[str, ...] | None) -> None:
    """The strong versions that it names; none of them if it only names weak ones."""
    assert expected == parse_if_match(value)


@pytest.mark.parametrize("value", ["", "a", '"a', '"a" "b"', "a, *", '*, "a"'])
def test_a_malformed_if_match_is_refused(value: str) -> None:
    """A condition that can't be read must not become no condition."""
    with pytest.raises(BadRequest, match="ETag"):
        parse_if_match(value)
