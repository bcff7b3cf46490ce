"""The server's log: one file that it appends to, and the part before.

The server holds the file itself, so it keeps writing when its owner is gone and is heard by whoever comes next. So the
file stays in place: what is in it is copied away, then cut off. What the server writes between the two is lost.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import BinaryIO, Final

from llmgw_postgres.embedded._home import open_private

TAIL_BYTES: Final = 4000
"""How much of the log goes into a message."""


def open_log(path: Path) -> BinaryIO:
    """The log for a child to append to, for its owner's eyes only. Raises OSError."""
    return os.fdopen(open_private(path, os.O_WRONLY | os.O_APPEND), "ab")


def bound(path: Path, limit: int) -> None:
    """Begin again once the log has more than `limit` bytes; the part before is in `NAME.1`. Never raises."""
    try:
        if path.stat().st_size > limit:
            shutil.copyfile(path, path.with_name(f"{path.name}.1"))
            os.truncate(path, 0)
    except OSError:
        try:  # on a full disk the old part has to go: a log must not be what fills it
            path.with_name(f"{path.name}.1").unlink(missing_ok=True)
        except OSError:
            pass


def size(path: Path) -> int:
    """How long the log is now; 0 if there is none."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def tail(path: Path, since: int = 0) -> str:
    """The last lines that were written after the first `since` bytes, as text."""
    try:
        with path.open("rb") as file:
            end = file.seek(0, os.SEEK_END)
            file.seek(max(min(since, end), end - TAIL_BYTES))
            return file.read().decode(errors="replace").strip()
    except OSError:
        return ""
