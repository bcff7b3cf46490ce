from __future__ import annotations

from enum import StrEnum
from typing import Any, Literal

import msgspec
import pytest

from llmgw_gateway.convert import convert


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


class Inner(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    size: int | None = None


class Outer(msgspec.Struct, frozen=True, kw_only=True):
    ratio: float = 1.0
    on: bool = False
    names: tuple[str, ...] | None = None
    colour: Colour = Colour.RED
    side: Literal["left", "right"] = "left"
    inner: Inner = Inner(id="default")
    items: tuple[Inner, ...] = ()
    either: str | Inner | None = None
    table: dict[str, str] | None = None


def test_values_arrive() -> None:
    """A document of the right kinds becomes the struct."""
    raw = {
        "ratio": 2,
        "on": True,
        "names": ["x"],
        "colour": "blue",
        "side": "right",
        "inner": {"id": "i", "size": 3},
        "items": [{"id": "a"}, {"id": "b"}],
        "either": {"id": "e"},
        "table": {"a.b": "c"},
    }
    expected = Outer(
        ratio=2.0,
        on=True,
        names=("x",),
        colour=Colour.BLUE,
        side="right",
        inner=Inner(id="i", size=3),
        items=(Inner(id="a"), Inner(id="b")),
        either=Inner(id="e"),
        table={"a.b": "c"},
    )
    assert (expected, []) == convert(Outer, raw)


@pytest.mark.parametrize(
    ("raw", "path", "message"),
    [
        ({"ratio": "x"}, "ratio", "must be a number, not a string"),
        ({"ratio": True}, "ratio", "must be a number, not a boolean"),
        ({"on": 1}, "on", "must be true or false, not an integer"),
        ({"names": "x"}, "names", "must be an array of strings, not a string"),
        ({"names": [1]}, "names", "must be an array of strings, not an array"),
        ({"colour": "green"}, "colour", "must be one of 'red', 'blue', not 'green'"),
        ({"side": 3}, "side", "must be one of 'left', 'right', not an integer"),
        ({"inner": 3}, "inner", "must be a table, not an integer"),
        ({"inner": {"id": "i", "size": 1.5}}, "inner.size", "must be an integer, not a number"),
        ({"items": {}}, "items", "must be an array of tables, not a table"),
        ({"items": [{"size": 1}]}, "items[0].id", "missing"),
        ({"items": [{"id": "a", "sise": 1}]}, "items[0].sise", "there is no such key; did you mean 'size'?"),
        ({"xyz": 1}, "xyz", "there is no such key"),
        ({"proxy": "eu"}, "proxy", "is not available in this version"),
        ({"either": 3}, "either", "must be a string or a table, not an integer"),
        ({"either": {"size": 1}}, "either.id", "missing"),
        ({"either": {"id": "a", "sise": 1}}, "either.sise", "there is no such key; did you mean 'size'?"),
        ({"table": ["a"]}, "table", "must be a table of strings, not an array"),
        ({"table": {"a": 1}}, "table", "must be a table of strings, not a table"),
    ],
)
def test_a_wrong_value_is_told_in_words(raw: dict[str, Any], path: str, message: str) -> None:
    """Each wrong value has its path and what would be right, without the value itself unless it is one of a list."""
    assert [(path, message)] == [w for w in convert(Outer, raw)[1] if w[0] == path]


def test_a_value_of_either_kind_may_be_text() -> None:
    """What can be a text or a table is the text where it is one."""
    assert "plain" == convert(Outer, {"either": "plain"})[0].either


def test_all_problems_are_found_and_the_rest_is_kept() -> None:
    """Several problems are found at once; what is right arrives and what is wrong is its default."""
    made, wrong = convert(Outer, {"ratio": "x", "on": True, "items": [{"id": 1}, 7, {"id": "c"}], "inner": {}})
    expected = Outer(on=True, inner=Inner(id=""), items=(Inner(id=""), Inner(id=""), Inner(id="c")))
    assert expected == made
    assert ["ratio", "inner.id", "items[0].id", "items[1]"] == [path for path, _ in wrong]
