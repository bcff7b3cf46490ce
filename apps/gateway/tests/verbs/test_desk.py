from __future__ import annotations

import io
from pathlib import Path
from typing import Any, cast

import pytest

from llmgw_gateway.verbs.client import Wrong
from llmgw_gateway.verbs.desk import Desk

DESK = Desk(cast("Any", None), print)


def test_a_secret_is_read_without_its_last_newline(monkeypatch: pytest.MonkeyPatch) -> None:
    """As `echo` and password stores write it, on any system; what is inside stays."""
    read = []
    for text in ("sk-1\n", "sk-1\r\n", "sk-1", "two\nlines\n"):
        monkeypatch.setattr("sys.stdin", io.StringIO(text))
        read.append(DESK.ask("credential"))
    assert ["sk-1", "sk-1", "sk-1", "two\nlines"] == read


def test_a_person_is_asked_without_echo(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal, by the name of what is asked for."""

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr("sys.stdin", Terminal())
    monkeypatch.setattr("getpass.getpass", lambda prompt: f"typed at {prompt}")
    assert "typed at credential (not shown): " == DESK.ask("credential")


def test_files_and_standard_input_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`-` is standard input; what can't be read is named with the reason."""
    (tmp_path / "f").write_text("of the file")
    (tmp_path / "b").write_bytes(b"\xff")
    monkeypatch.setattr("sys.stdin", io.StringIO("of standard input"))
    assert ["of the file", "of standard input"] == [DESK.read(tmp_path / "f"), DESK.read(Path("-"))]
    for name, said in (("none", "No such file"), ("b", "not UTF-8")):
        with pytest.raises(Wrong, match=said):
            DESK.read(tmp_path / name)
