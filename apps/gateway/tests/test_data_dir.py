from __future__ import annotations

import stat
from pathlib import Path

import pytest

from llmgw_gateway.data_dir import create_once, default_data_dir, open_data_dir, replace


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"XDG_DATA_HOME": "/xdg", "HOME": "/home/a"}, "/xdg/llmgw"),
        ({"HOME": "/home/a"}, "/home/a/.local/share/llmgw"),
        ({"XDG_DATA_HOME": "relative", "HOME": "/home/a"}, "/home/a/.local/share/llmgw"),
    ],
)
def test_the_folder_is_where_the_desktop_specification_says(environ: dict[str, str], expected: str) -> None:
    """The data folder follows XDG_DATA_HOME where that is absolute, else the home folder."""
    assert Path(expected) == default_data_dir(environ)


def test_the_folder_is_private(tmp_path: Path) -> None:
    """A new data folder is its owner's alone; one that is there is used as it is."""
    open_data_dir(tmp_path / "a" / "b")
    open_data_dir(tmp_path / "a" / "b")
    assert 0o700 == stat.S_IMODE((tmp_path / "a" / "b").stat().st_mode)


def test_a_file_is_made_once(tmp_path: Path) -> None:
    """The first text stays, readable by its owner only, and no draft is left behind."""
    path = tmp_path / "key"
    assert (True, False) == (create_once(path, "one"), create_once(path, "two"))
    assert ("one", 0o600) == (path.read_text(), stat.S_IMODE(path.stat().st_mode))
    assert [path] == list(tmp_path.iterdir())


def test_a_replaced_file_is_whole_and_private(tmp_path):
    """The new content is in its place, with no draft left, and only its owner reads it."""
    path = tmp_path / "file"
    for content in (b"one", b"two"):
        replace(path, content)
        assert content == path.read_bytes()
    assert 0o600 == path.stat().st_mode & 0o777
    assert [path] == list(tmp_path.iterdir())
