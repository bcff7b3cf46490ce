"""The state on the disk."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from llmgw_eventstore import Cursor
from llmgw_gateway.state import snapshot


def test_what_was_saved_is_loaded(tmp_path: Path) -> None:
    """The replica's dump and the place in the log; the file is its owner's alone."""
    snapshot.save(tmp_path, Cursor(7, 42), '{"records":[1,"é"]}'.encode())
    assert (Cursor(7, 42), {"records": [1, "é"]}) == snapshot.load(tmp_path)
    assert 0o600 == (tmp_path / snapshot.FILE).stat().st_mode & 0o777


def test_there_may_be_none(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A first start has no snapshot, and says nothing of it."""
    assert snapshot.load(tmp_path) is None
    assert not caplog.records


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"format":2,"dump":{}}', b"\xff"])
def test_one_that_can_not_be_read_is_as_none(tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture) -> None:
    """It is said, and the log has it all."""
    (tmp_path / snapshot.FILE).write_bytes(content)
    assert snapshot.load(tmp_path) is None
    assert "can't be read" in caplog.text


def test_slices_make_one_dump() -> None:
    """The lists are put together, and stand there if nothing came for them."""
    encoding = snapshot.Encoding()
    for name, value in (("format", 1), ("records", [[1], [2]]), ("records", []), ("records", [[3]])):
        encoding.add(name, value)
    assert {"format": 1, "records": [[1], [2], [3]], "tombstones": []} == msgspec.json.decode(encoding.body())
