"""Offsets in an answer's text: Gemini counts UTF-8 bytes, everybody else characters.

The text itself is not kept. What matters is where the width of the characters changes, and texts change script
seldom: a run a change is all that is remembered, and past `MAX_RUNS` of them offsets are given up rather than memory.
"""

from __future__ import annotations

from bisect import bisect_right
from itertools import groupby

MAX_RUNS = 20_000


def _width(char: str) -> int:
    point = ord(char)
    return 1 if point < 0x80 else 2 if point < 0x800 else 3 if point < 0x10000 else 4


class Offsets:
    """Turns byte offsets into character offsets and back, for a text that comes in pieces."""

    __slots__ = ("_byte_starts", "_char_starts", "_lost", "_widths", "bytes", "chars")

    def __init__(self) -> None:
        self.bytes = 0
        self.chars = 0
        self._byte_starts: list[int] = []
        self._char_starts: list[int] = []
        self._widths: list[int] = []
        self._lost = False

    def add(self, text: str) -> None:
        """Takes the next piece of the text."""
        if text.isascii():
            self._run(1, len(text))
            return
        for width, chars in groupby(text, _width):
            self._run(width, sum(1 for _ in chars))

    def char_at(self, offset: int) -> int | None:
        """The character that begins at or holds a byte; None outside of the text."""
        if self._lost or not 0 <= offset <= self.bytes:
            return None
        run = bisect_right(self._byte_starts, offset) - 1
        return 0 if run < 0 else self._char_starts[run] + (offset - self._byte_starts[run]) // self._widths[run]

    def byte_at(self, offset: int) -> int | None:
        """The byte at which a character begins; None outside of the text."""
        if self._lost or not 0 <= offset <= self.chars:
            return None
        run = bisect_right(self._char_starts, offset) - 1
        return 0 if run < 0 else self._byte_starts[run] + (offset - self._char_starts[run]) * self._widths[run]

    def _run(self, width: int, count: int) -> None:
        if count and not self._lost and (not self._widths or self._widths[-1] != width):
            self._lost = len(self._widths) >= MAX_RUNS
            self._byte_starts.append(self.bytes)
            self._char_starts.append(self.chars)
            self._widths.append(width)
        self.bytes += width * count
        self.chars += count
