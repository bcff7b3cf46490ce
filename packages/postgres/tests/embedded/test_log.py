"""The server's log is bounded while the server keeps its file open."""

from __future__ import annotations

import os
import stat

import pytest

from llmgw_postgres.embedded._log import TAIL_BYTES, bound, open_log, size, tail


def test_a_long_log_begins_again_in_the_same_file(tmp_path):
    """What was written goes to NAME.1, what the open file's holder writes next is at the beginning of the same one."""
    path = tmp_path / "server.log"
    with open_log(path) as log:
        for line in (b"first\n", b"second\n"):
            log.write(line * 100)
            log.flush()
            bound(path, 500)
        assert 0 == size(path)
        log.write(b"third\n")
        log.flush()
    assert b"third\n" == path.read_bytes()
    assert b"second\n" * 100 == (tmp_path / "server.log.1").read_bytes()


def test_a_short_log_is_left_alone(tmp_path):
    """A log within its limit stays whole, and only its owner may read it."""
    path = tmp_path / "server.log"
    with open_log(path) as log:
        log.write(b"line\n")
    bound(path, 500)
    assert [path] == list(tmp_path.iterdir())
    assert 0o600 == stat.S_IMODE(path.stat().st_mode)


def test_a_log_is_not_written_through_a_link(tmp_path):
    """Somebody who can write in the folder can't have another file appended to."""
    victim = tmp_path / "victim"
    victim.write_text("")
    os.symlink(victim, tmp_path / "server.log")
    with pytest.raises(OSError, match="symbolic links"):
        open_log(tmp_path / "server.log")
    assert "" == victim.read_text()


def test_the_end_of_a_log_is_what_came_since(tmp_path):
    """A message shows what was said since a start, and no more than fits; a log that isn't there says nothing."""
    path = tmp_path / "server.log"
    assert ("", 0) == (tail(path), size(path))
    path.write_text("before\n")
    since = size(path)
    with path.open("a") as log:
        log.write("after\n")
    assert "after" == tail(path, since)
    path.write_text("begun again\n")
    assert "begun again" in tail(path, 0)
    path.write_text("x" * 3 * TAIL_BYTES)
    assert TAIL_BYTES == len(tail(path, since))
