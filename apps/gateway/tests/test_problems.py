from __future__ import annotations

import pytest

from llmgw_gateway.locate import Lines
from llmgw_gateway.problems import ConfigError, Origins, Problem


@pytest.mark.parametrize(
    ("problem", "expected"),
    [
        (Problem(source="g.toml", line=12, path="a[0].b", message="wrong"), "g.toml:12: a[0].b: wrong"),
        (Problem(source="GATEWAY_A", path="a", message="wrong"), "GATEWAY_A: a: wrong"),
        (Problem(source="g.toml", message="wrong", hint="try this"), "g.toml: wrong (try this)"),
    ],
)
def test_a_problem_is_one_line(problem: Problem, expected: str) -> None:
    """File, line, path and message stand in the form that editors can jump to."""
    assert expected == str(problem)


def test_the_place_is_the_nearest_one() -> None:
    """A problem is told at the variable that gave the value, else at the nearest line of the file."""
    origins = Origins(
        file="g.toml",
        lines=Lines.of("[[a]]\nb = 1\nc = 2\n"),
        names={"a[0].b": "GATEWAY_A__0__B", "a[1]": "GATEWAY_A__1__B"},
    )
    places = [
        (p.source, p.line) for p in (origins.problem(path, "") for path in ("a[0].b", "a[0].c", "a[0].d", "a[1].c"))
    ]
    assert [("GATEWAY_A__0__B", None), ("g.toml", 3), ("g.toml", 1), ("GATEWAY_A__1__B", None)] == places


def test_an_error_lists_all_its_problems() -> None:
    """The text of a refused configuration has a line for each problem."""
    error = ConfigError([Problem(source="g.toml", message="one"), Problem(source="g.toml", message="two")])
    assert "g.toml: one\ng.toml: two" == str(error)
