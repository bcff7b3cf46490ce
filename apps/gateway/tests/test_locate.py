from __future__ import annotations

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmgw_gateway.locate import Lines

TEXT = '''\
# a [comment] with = and "quotes

[server]   # the process
data_bind = "127.0.0.1:8080"
text = """
[not.a.table]
key = 1 \\""" still
"""
raw = \'\'\'
[[nor]]
this = 1\'\'\'

[[accounts]]
id = "a#b"

[[accounts]]
"id" = 'b'
dotted.key = 1979-05-27 07:32:00
[accounts.deadlines]
gap_seconds = 5

[[models]]
name = "m"
targets = [
    { pool = "x", model = "y" },  # {
    # { pool = "none" },
    { pool = "z", model = "w" },
]

[[models]]
name = "n"
[[models.targets]]
pool = "x"
[[models.targets]]
pool = "y"
'''


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("server", 3),
        ("server.data_bind", 4),
        ("server.text", 5),
        ("server.raw", 9),
        ("accounts", 13),
        ("accounts[0]", 13),
        ("accounts[0].id", 14),
        ("accounts[1]", 16),
        ("accounts[1].id", 17),
        ("accounts[1].dotted.key", 18),
        ("accounts[1].deadlines", 19),
        ("accounts[1].deadlines.gap_seconds", 20),
        ("models[0].targets", 24),
        ("models[0].targets[0].model", 25),
        ("models[0].targets[1].pool", 27),
        ("models[0].targets[1].model", 27),
        ("models[1].name", 31),
        ("models[1].targets[0].pool", 33),
        ("models[1].targets[1]", 34),
        ("models[1].targets[1].pool", 35),
    ],
)
def test_a_path_is_found_on_its_line(path: str, line: int) -> None:
    """Tables, arrays of tables, inline forms, dotted keys and texts of several lines are all walked rightly."""
    assert tomllib.loads(TEXT)
    assert line == Lines.of(TEXT).find(path)


@pytest.mark.parametrize(
    ("path", "line"),
    [("accounts[0].pool", 13), ("accounts[7].pool", 13), ("models[0].targets[1].priority", 27), ("nothing.here", None)],
)
def test_what_is_not_there_is_found_at_what_is_around_it(path: str, line: int | None) -> None:
    """A missing key is told at the nearest table around it, and at no line where there is none."""
    assert line == Lines.of(TEXT).find(path)


def test_windows_line_ends_count_once() -> None:
    """A file with CR LF has the same line numbers."""
    assert 35 == Lines.of(TEXT.replace("\n", "\r\n")).find("models[1].targets[1].pool")


@given(st.text(alphabet="ab[]{}\"'=.,#\n \\1", max_size=60))
def test_any_text_comes_to_an_end(text: str) -> None:
    """Even on text that is not TOML the walk ends and raises nothing."""
    assert isinstance(Lines.of(text), Lines)
