from __future__ import annotations

from pathlib import Path

import pytest

from llmgw_gateway.documents import parsed, text_of
from llmgw_gateway.problems import Unreadable


def test_a_document_is_read() -> None:
    """Text becomes tables; a byte order mark is passed over."""
    path = Path("a.toml")
    path.write_bytes(b"\xef\xbb\xbfa = 1\n")
    assert {"a": 1} == parsed(text_of(path), path)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"[server\n", "a.toml:1: is not valid TOML: "),
        (b'a = 1\nb = """', "a.toml:2: is not valid TOML: "),
        (b"# fine\n# \xff\n", "a.toml:2: is not valid UTF-8"),
        (b"a = " + b"[" * 100_000, "a.toml: is nested too deeply"),
        (None, "a.toml: can't be read: No such file or directory"),
    ],
)
def test_what_can_not_be_read_is_told_with_its_line(content: bytes | None, expected: str) -> None:
    """As far as there is one."""
    path = Path("a.toml")
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(Unreadable) as caught:
        parsed(text_of(path), path)
    assert expected == str(caught.value)[: len(expected)]


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
