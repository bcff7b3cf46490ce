"""Standard input, output and error, which may be closed, or be pipes that nobody reads any more.

A gateway serves on without them: what can't be said is lost, and neither ends the process nor changes its exit code.
"""

from __future__ import annotations

import os
import sys
from typing import TextIO

_STANDARD = (0, 1, 2)


def open_missing() -> None:
    """Puts the null device where a standard stream is closed.

    Otherwise the next socket would get its number, and whatever some library prints would go to a client.
    """
    while (descriptor := os.open(os.devnull, os.O_RDWR)) in _STANDARD:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)
    sys.stdin = sys.stdin or os.fdopen(0, closefd=False)
    sys.stdout = sys.stdout or os.fdopen(1, "w", closefd=False)
    sys.stderr = sys.stderr or os.fdopen(2, "w", closefd=False)


def say(text: str) -> None:
    """Writes to standard output, at once. Never raises OSError."""
    _write(sys.stdout, text)


def complain(text: str) -> None:
    """The same to standard error."""
    _write(sys.stderr, text)


def finish() -> None:
    """Writes out what is left. What can't be written is dropped here: the interpreter would try once more at its end,
    and turn the failure into an exit code of its own.
    """
    for stream in (sys.stdout, sys.stderr):
        _write(stream, "")


def _write(stream: TextIO, text: str) -> None:
    try:
        stream.write(text)
        stream.flush()
    except OSError:
        _silence(stream)


def _silence(stream: TextIO) -> None:
    null = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(null, stream.fileno())
    finally:
        os.close(null)
