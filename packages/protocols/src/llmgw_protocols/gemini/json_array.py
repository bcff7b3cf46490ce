"""Cutting a streamed JSON array, `[{...}\\n,\\r\\n{...}\\n]`, into its objects, whatever the reads are.

This is the form of a Gemini stream without `alt=sse`. Each frame keeps its exact bytes, with the bracket or comma
before its object, so that all frames together are the stream. A body that is one object instead of an array (an
error, mostly) is one frame. Only brackets and strings are followed; whether an object is valid is its reader's
affair.
"""

from __future__ import annotations

import re

import msgspec

from llmgw_protocols.sse import MAX_FRAME, FrameTooLarge

_MARK = re.compile(rb'["{}\[\]]')
_IN_STRING = re.compile(rb'["\\]')


class ArrayFrame(msgspec.Struct, frozen=True):
    """`data` is the object alone; None for the closing bracket and for what stands outside of objects."""

    raw: bytes
    data: bytes | None


class ArrayCutter:
    """Cuts a stream into frames; the result does not depend on where the reads were split."""

    def __init__(self, max_frame: int = MAX_FRAME) -> None:
        # A bytearray, because a frame of megabytes comes in thousands of reads and may not be copied at each of them.
        self._rest = bytearray()
        self._at = 0
        self._depth = 0
        self._in_string = False
        self._start: int | None = None
        self._max = max_frame
        self._overrun = False
        self.opened = False
        """The array's opening bracket was seen."""
        self.closed = False
        """The array's closing bracket was seen."""

    def feed(self, data: bytes) -> list[ArrayFrame]:
        """The frames that are now complete. Raises `FrameTooLarge`, once: there are no frames behind that one."""
        if self._overrun:
            return []
        self._rest += data
        frames: list[ArrayFrame] = []
        begin = 0
        while (end := self._next_end()) is not None:
            inner = None if self._start is None else bytes(self._rest[self._start : end])
            frames.append(ArrayFrame(bytes(self._rest[begin:end]), inner))
            begin, self._start = end, None
        self._drop(begin)
        if len(self._rest) > self._max:
            self._overrun, self._rest = True, bytearray()
            raise FrameTooLarge(f"a frame is larger than {self._max} bytes")
        return frames

    def _drop(self, count: int) -> None:
        """Lets go of bytes that stand in frames."""
        del self._rest[:count]
        self._at -= count
        if self._start is not None:
            self._start -= count

    def finish(self) -> list[ArrayFrame]:
        """White space behind the end; an unfinished object is no frame."""
        rest, self._rest, self._at = bytes(self._rest), bytearray(), 0
        return [ArrayFrame(rest, None)] if rest and not rest.strip() else []

    def _next_end(self) -> int | None:
        """Where the next frame ends in what is there, or None; scanning resumes where it stopped."""
        while True:
            if self._in_string and not self._skip_string():
                return None
            found = _MARK.search(self._rest, self._at)
            if found is None:
                self._at = len(self._rest)
                return None
            self._at = found.end()
            if self._take(found[0], found.start()):
                return self._at

    def _skip_string(self) -> bool:
        while found := _IN_STRING.search(self._rest, self._at):
            if found[0] == b'"':
                self._at, self._in_string = found.end(), False
                return True
            # The escaped character may not be here yet: stop before the backslash, so that both are read together.
            if found.end() == len(self._rest):
                self._at = found.start()
                return False
            self._at = found.end() + 1
        self._at = len(self._rest)
        return False

    def _take(self, mark: bytes, at: int) -> bool:
        """Follows one bracket or quote; whether it ends a frame."""
        if mark == b'"':
            self._in_string = True
            return False
        if mark in b"{[":
            return self._open(mark, at)
        self._depth -= 1
        base = 1 if self.opened else 0
        if self._depth < base and mark == b"]":
            self._depth, self.closed = 0, True
            return True
        self._depth = max(0, self._depth)
        return self._depth <= base and self._start is not None

    def _open(self, mark: bytes, at: int) -> bool:
        if mark == b"[" and self._depth == 0 and not self.opened:
            self.opened = True
        elif self._start is None and mark == b"{":
            self._start = at
        self._depth += 1
        return False
