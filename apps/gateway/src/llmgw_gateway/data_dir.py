"""The data folder: where it is, and private files in it that are written once and never replaced."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from pathlib import Path


class UnusableDataDir(Exception):
    """The data folder can't be made, read or written; the text names it and the reason."""


def default_data_dir(environ: Mapping[str, str]) -> Path:
    """`$XDG_DATA_HOME/llmgw`, or `~/.local/share/llmgw`. A relative XDG path is invalid and is passed over, as the XDG
    Base Directory Specification wants it.
    """
    xdg = Path(environ.get("XDG_DATA_HOME", ""))
    if xdg.is_absolute():
        return xdg / "llmgw"
    home = Path(environ["HOME"]) if environ.get("HOME") else Path.home()
    return home / ".local" / "share" / "llmgw"


def open_data_dir(path: Path) -> None:
    """Makes the folder, for its owner only, unless it is there. Raises OSError."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)


def create_once(path: Path, text: str) -> bool:
    """Writes a file that only its owner can read, whole or not at all; False if there is one already.

    The link is what makes it both atomic and exclusive: of two processes that start at once, one wins and the other
    reads the winner's file. Raises OSError.
    """
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.link(draft, path)
    except FileExistsError:
        return False
    finally:
        draft.unlink()
    return True


def replace(path: Path, content: bytes) -> None:
    """Writes a private file in place of an earlier one, so that a reader, or a crash, finds one of them whole.

    Raises OSError.
    """
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.rename(path)
        _sync_folder(path.parent)
    finally:
        draft.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    """A new name is in the folder, which has to reach the disk too (fsync(2), notes)."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
