"""Every numbered behaviour is tested under its number, or answered on the decision page."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "decisions" / "0008-translation-choices.md"
CASES = tomllib.loads((HERE / "cases.toml").read_text())
NUMBERS = {f"{section}{n:02}" for section, count in CASES["count"].items() for n in range(1, count + 1)}


def by_number() -> dict[str, str]:
    """The numbers in the tests' names, and a docstring for each."""
    found: dict[str, str] = {}
    for file in HERE.glob("test_*.py"):
        for node in ast.parse(file.read_text()).body:
            if isinstance(node, ast.FunctionDef) and (match := re.match(r"test((?:_[a-g]\d\d)+)_", node.name)):
                found |= dict.fromkeys(match[1].upper().split("_")[1:], ast.get_docstring(node) or "")
    return found


def answered() -> set[str]:
    """The numbers that the decision page names."""
    return set(re.findall(r"\b[A-G]\d\d\b", PAGE.read_text()))


def test_every_number_is_tested_or_answered():
    """None is missing, and none is made up."""
    assert set() == NUMBERS - by_number().keys() - answered()
    assert set() == (by_number().keys() | answered()) - NUMBERS


def test_every_test_says_what_it_expects():
    """A number alone tells a reader nothing."""
    assert [] == [number for number, said in by_number().items() if len(said) < 20]


def test_what_is_doubtful_is_a_number_of_its_section():
    """The table of doubts names behaviours that exist."""
    doubtful = {f"{section}{n:02}" for section, numbers in CASES["doubtful"].items() for n in numbers}
    assert set() == doubtful - NUMBERS
