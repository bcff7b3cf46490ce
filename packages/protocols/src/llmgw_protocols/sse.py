"""Server-sent events: cutting a byte stream into frames, and writing frames.

The cutter keeps each frame's exact bytes, so that a pass-through can forward them. It follows the WHATWG rules (lines
end in LF, CRLF or CR; lines that begin with a colon are comments; several `data` lines join with LF; one space after
the colon is dropped; a byte order mark at the start is skipped) and is lenient where providers are: `data:` without
the space, and a last frame without its blank line.
"""

from __future__ import annotations

import re

import msgspec

MAX_FRAME = 32 * 1024 * 1024
"""The largest frame that is kept, in bytes: an inline image of a few megabytes fits, a runaway stream does not."""

# Two line ends in a row. The first may not be the CR of a CRLF alone, or every CRLF would be a blank line.
_BLANK_LINE = re.compile(rb"(?:\r\n|\n|\r(?!\n))(?:\r\n|\n|\r)")
_LINES = re.compile(rb"\r\n|\n|\r")
_MARK = b"\xef\xbb\xbf"


class SseFrame(msgspec.Struct, frozen=True):
    """`raw` is the frame with its delimiter; `data` is None for a frame of comments only."""

    raw: bytes
    event: bytes | None
    data: bytes | None

    @property
    def said(self) -> bytes | None:
        """The data, or the frame itself where it is bare JSON: some servers answer a stream request, or fail, so."""
        return self.raw.strip() if self.data is None and self.raw.lstrip()[:1] == b"{" else self.data


class FrameTooLarge(Exception):
    """A frame grew over its bound."""


class SseCutter:
    """Cuts a stream into frames; the result does not depend on where the reads were split."""

    def __init__(self, max_frame: int = MAX_FRAME) -> None:
        # A bytearray, because a frame of megabytes comes in thousands of reads and may not be copied at each of them.
        self._rest = bytearray()
        self._scanned = 0
        self._max = max_frame
        self._overrun = False

    def feed(self, data: bytes) -> list[SseFrame]:
        """The frames that are now complete. Raises `FrameTooLarge`, once: there are no frames behind that one."""
        if self._overrun:
            return []
        if not self._rest:
            frames, start = self._cut(data, 0)
            self._rest = bytearray(data[start:]) if start < len(data) else self._rest
        else:
            self._rest += data
            frames, start = self._cut(self._rest, self._scanned)
            del self._rest[:start]
        # A delimiter is at most four bytes long, so all but the last three are known to hold none.
        self._scanned = max(0, len(self._rest) - 3)
        self._check(len(self._rest))
        return frames

    def finish(self) -> list[SseFrame]:
        """The last frame, if the stream ended without the blank line behind it."""
        rest, self._rest, self._scanned = bytes(self._rest), bytearray(), 0
        return [_frame(rest)] if rest.strip() else []

    def _cut(self, rest: bytes | bytearray, at: int) -> tuple[list[SseFrame], int]:
        frames: list[SseFrame] = []
        start = 0
        size = len(rest)
        while match := _BLANK_LINE.search(rest, at):
            end = match.end()
            # A CR at the very end may be half of a CRLF: wait for the next byte, or the frame would end one early.
            if end == size and rest[-1] == 0x0D:
                break
            self._check(end - start)
            frames.append(_frame(bytes(rest[start:end])))
            start = at = end
        return frames, start

    def _check(self, size: int) -> None:
        if size > self._max:
            self._overrun, self._rest = True, bytearray()
            raise FrameTooLarge(f"a frame is larger than {self._max} bytes")


def _frame(raw: bytes) -> SseFrame:
    # Nearly every frame is one line of data: it is taken without splitting.
    if raw.startswith(b"data: ") and raw.find(b"\n") == len(raw) - 2 and b"\r" not in raw:
        return SseFrame(raw, None, raw[6:-2])
    event: bytes | None = None
    data: bytes | None = None
    for line in _LINES.split(raw.removeprefix(_MARK)):
        if line.startswith(b"data:"):
            value = line[6:] if line[5:6] == b" " else line[5:]
            data = value if data is None else data + b"\n" + value
        elif line.startswith(b"event:"):
            event = line[6:].strip()
    return SseFrame(raw, event, data)


def is_whole(frame: SseFrame) -> bool:
    """Whether a frame without its delimiter came to its end, with JSON or `[DONE]`: what a cut left of one is none."""
    data = (frame.data or b"").strip() or frame.raw.strip()
    if data == b"[DONE]":
        return True
    try:
        msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True


def delimited(frame: SseFrame) -> SseFrame:
    """The frame with its blank line, or what is written behind it would become a part of it."""
    return msgspec.structs.replace(frame, raw=frame.raw.rstrip(b"\r\n") + b"\n\n")


def write(data: bytes, event: bytes | None = None) -> bytes:
    """One frame with one line of data."""
    if event is None:
        return b"data: " + data + b"\n\n"
    return b"event: " + event + b"\ndata: " + data + b"\n\n"
