"""What lies in a spool's folder: segments by number, and the mark of how far they are drained.

The writer and the reader are two processes that share nothing but this folder. The writer alone makes segments; both
may remove those that the mark has passed, the reader when their time is over, the writer when it needs their room.
When a segment was drained stands in its time of modification, which costs no room on a disk that has none.
"""

from __future__ import annotations

import errno
import os
import struct
from pathlib import Path
from zlib import crc32

import msgspec

from llmgw_eventstore.spool._frames import HEADER_BYTES, MAGIC, parse_header

SUFFIX = ".spool"
LOCK = "lock"
MARK = "mark"
BALLAST = "ballast"

NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
"""What a system says when a file can't grow."""

_MARK = struct.Struct("<QQI")
"""Segment, offset, and the checksum of the two."""


class SpoolError(Exception):
    """The spool can't do what was asked."""


class LaterFormat(SpoolError):
    """A segment was written by a later release, whose format this one can't read: drain it with that release."""


class SpoolCursor(msgspec.Struct, frozen=True, order=True):
    """A place in a spool: behind `offset` bytes of segment number `segment`. `SpoolCursor()` is its beginning."""

    segment: int = 0
    offset: int = 0


def segment_path(folder: Path, number: int) -> Path:
    return folder / f"{number:012d}{SUFFIX}"


def segment_sizes(folder: Path) -> dict[int, int]:
    """The sizes of the segments in bytes, by number, in order."""
    found: dict[int, int] = {}
    with os.scandir(folder) as entries:
        for entry in entries:
            number = entry.name.removesuffix(SUFFIX)
            if entry.name.endswith(SUFFIX) and number.isdecimal():
                try:
                    found[int(number)] = entry.stat().st_size
                except FileNotFoundError:
                    pass  # the other process has just removed it
    return dict(sorted(found.items()))


def segment_numbers(folder: Path) -> list[int]:
    """The numbers of the segments, in order."""
    names = (name.removesuffix(SUFFIX) for name in os.listdir(folder) if name.endswith(SUFFIX))
    return sorted(int(name) for name in names if name.isdecimal())


def previous_end(folder: Path, number: int) -> int | None:
    """Where segment `number` says that its predecessor ended; None if its header can't be read."""
    try:
        with segment_path(folder, number).open("rb") as file:
            header = parse_header(file.read(HEADER_BYTES))
    except FileNotFoundError:
        return None
    if header is None:
        return None
    magic, _, end = header
    if magic != MAGIC:
        raise LaterFormat(f"{segment_path(folder, number)} has the format {magic!r}, this release reads {MAGIC!r}")
    return end


def load_mark(folder: Path) -> SpoolCursor:
    """How far a spool is drained: the beginning where that is not known, for draining twice is harmless."""
    try:
        data = (folder / MARK).read_bytes()
    except FileNotFoundError:
        return SpoolCursor()
    if len(data) != _MARK.size:
        return SpoolCursor()
    segment, offset, checksum = _MARK.unpack(data)
    return SpoolCursor(segment, offset) if checksum == crc32(data[:16]) else SpoolCursor()


def save_mark(folder: Path, cursor: SpoolCursor) -> None:
    """Replace the mark, in its place: a full disk must not keep anyone from saying that there is something to remove.

    It is not flushed: what a power failure loses of it is only drained once more.
    """
    data = struct.pack("<QQ", cursor.segment, cursor.offset)
    file = os.open(folder / MARK, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        os.pwrite(file, data + struct.pack("<I", crc32(data)), 0)
    finally:
        os.close(file)


def remove_segment(folder: Path, number: int) -> None:
    segment_path(folder, number).unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder outlive a power failure."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
