"""The identity of a data folder, and its one owner."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from llmgw_gateway.data_dir import UnusableDataDir
from llmgw_gateway.node import IDENTITY_FILE, LOCK_FILE, Node, owned


def test_a_node_keeps_its_id_and_counts_its_starts(tmp_path: Path) -> None:
    """The first start makes an id; each later one has it again, with the next epoch."""
    folder = tmp_path / "data"
    with owned(folder, lambda size: b"\x01" * size) as first:
        pass
    with owned(folder) as second:
        pass
    assert [Node("n-0101010101", 1), Node("n-0101010101", 2)] == [first, second]
    assert 0o700 == folder.stat().st_mode & 0o777
    assert 0o600 == (folder / IDENTITY_FILE).stat().st_mode & 0o777


def test_a_second_owner_is_told_who_the_first_is(tmp_path: Path) -> None:
    """It names the process and what to do, and leaves the folder as it was."""
    with owned(tmp_path):
        before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
        said = rf"in use by another gateway \(process {os.getpid()}\).*--data-dir"
        with pytest.raises(UnusableDataDir, match=said), owned(tmp_path):
            pass
        assert before == {path.name: path.read_bytes() for path in tmp_path.iterdir()}


def test_the_lock_ends_with_its_process(tmp_path: Path) -> None:
    """A gateway that was killed leaves nothing that keeps the next one out."""
    code = f"""
import os, pathlib
from llmgw_gateway.node import owned
with owned(pathlib.Path({str(tmp_path)!r})):
    os.kill(os.getpid(), 9)
"""
    killed = subprocess.run([sys.executable, "-c", code])
    assert -9 == killed.returncode
    with owned(tmp_path) as node:
        assert 2 == node.epoch


def test_a_damaged_identity_is_not_replaced(tmp_path: Path) -> None:
    """A new id would make a stranger of the node; that is for a person to decide."""
    (tmp_path / IDENTITY_FILE).write_text("{")
    with pytest.raises(UnusableDataDir, match="is damaged"), owned(tmp_path):
        pass
    assert "{" == (tmp_path / IDENTITY_FILE).read_text()


def test_a_folder_that_can_not_be_made_is_named(tmp_path: Path) -> None:
    """A file stands in its place."""
    (tmp_path / "data").write_text("")
    with pytest.raises(UnusableDataDir, match=r"data folder .*/data can't be used"), owned(tmp_path / "data"):
        pass
    assert not (tmp_path / LOCK_FILE).exists()
