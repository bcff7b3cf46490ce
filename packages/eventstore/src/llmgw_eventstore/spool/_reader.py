"""The reading end of a spool: it follows the writer, in another process, and marks how far it is drained.

What can't be read is never passed over in silence. At the end of the segment that is being written it only means that
there is nothing more yet. Anywhere else it is a `Gap`: the reader goes on behind it, and calls its alarm.

A drained segment is kept for a while: should the store lose what it was given (a standby takes over that had not heard
of it), `rewind` makes everything that is kept undrained again.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from bisect import bisect_left
from collections.abc import Callable
from pathlib import Path

import msgspec

from llmgw_eventstore.spool._folder import (
    NO_ROOM,
    SpoolCursor,
    load_mark,
    previous_end,
    remove_segment,
    save_mark,
    segment_numbers,
    segment_path,
    segment_sizes,
)
from llmgw_eventstore.spool._frames import (
    FRAME_BYTES,
    HEADER_BYTES,
    claimed_end,
    find_frame,
    parse_frames,
    settled_end,
)

_log = logging.getLogger(__name__)


class Gap(msgspec.Struct, frozen=True):
    """A part of a spool that can't be read: `size` bytes at `offset` of a segment. What stood there is lost."""

    path: str
    offset: int
    size: int
    reason: str


def log_gap(gap: Gap) -> None:
    """The alarm unless there is another: an error in the log."""
    _log.error("spool: %s: %d bytes at %d are lost: %s", gap.path, gap.size, gap.offset, gap.reason)


class SpoolReader:
    """Reads a folder that one `Spool` writes to. Give it an `alarm` that is called with each `Gap`.

    `keep_seconds` is how long drained segments are kept: longer than a request may last, or what a process that dies
    left open is not found there. `wall` is a clock in seconds since 1970.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        *,
        keep_seconds: float = 900.0,
        alarm: Callable[[Gap], None] = log_gap,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.folder = Path(folder)
        self._keep_seconds = keep_seconds
        self._alarm = alarm
        self._wall = wall
        self._marking = threading.Lock()
        self._rewound: SpoolCursor | None = None
        """Where a rewind began, until someone reads from there: marks of what was read before it count no more."""

    def read(self, after: SpoolCursor, max_bytes: int = 1 << 20) -> tuple[list[bytes], SpoolCursor]:
        """The payloads behind `after`, about `max_bytes` of them and at least one if there is one, and the place behind
        them. No payloads: nothing more is there yet; the cursor may have moved on all the same.

        Raises `LaterFormat` at a segment of a later release.
        """
        if self._rewound is not None and after <= self._rewound:
            self._rewound = None
        payloads: list[bytes] = []
        while True:
            # The list comes first: what has a successor now is written to no more, so what is read of it is all of it.
            behind = self._step(segment_numbers(self.folder), after, max_bytes, payloads)
            if payloads or behind == after:
                return payloads, behind
            after = behind

    def _step(self, present: list[int], after: SpoolCursor, max_bytes: int, into: list[bytes]) -> SpoolCursor:
        """Read on from `after`, or get to the next place where there may be something to read."""
        index = bisect_left(present, after.segment)
        if index == len(present):
            return after
        number = present[index]
        if number > after.segment or after.offset < HEADER_BYTES:
            self._enter(number, after)
            return SpoolCursor(number, HEADER_BYTES)
        try:
            data = self._load(number, after.offset, max(max_bytes, FRAME_BYTES))
        except FileNotFoundError:
            return after  # drained, and removed since it was listed: the next list does not have it
        taken = parse_frames(data, number, after.offset, into)
        if taken or index + 1 == len(present):
            return SpoolCursor(number, after.offset + taken)
        return self._pass(number, present[index + 1], after.offset)

    def _enter(self, number: int, after: SpoolCursor) -> None:
        """Begin to read a segment: see that none before it is missing, and that this release can read it."""
        drained = load_mark(self.folder).segment
        for missing in range(max(after.segment, drained), number) if after.segment else ():
            self._alarm(Gap(str(segment_path(self.folder, missing)), 0, 0, "the segment is missing"))
        if previous_end(self.folder, number) is None:
            header = self._load(number, 0, HEADER_BYTES)
            # A power failure can leave a segment without its header, cut short or as zeros; anything else is damage.
            if len(header) >= HEADER_BYTES and any(header):
                self._lost(number, 0, HEADER_BYTES, "its header is damaged")

    def _load(self, number: int, offset: int, max_bytes: int) -> bytes:
        """About `max_bytes` from `offset` on, and more if a single frame takes more."""
        with segment_path(self.folder, number).open("rb", buffering=0) as file:
            data = os.pread(file.fileno(), max_bytes, offset)
            end = claimed_end(data, 0)
            if end is not None and end > max_bytes == len(data):
                data = os.pread(file.fileno(), end, offset)
        return data

    def _pass(self, number: int, successor: int, offset: int) -> SpoolCursor:
        """Go on behind the last readable frame of a closed segment: to its end, or over damage to the next frame."""
        whole = segment_path(self.folder, number).read_bytes()
        stated = previous_end(self.folder, successor) if successor == number + 1 else None
        end = settled_end(whole, number) if stated is None else stated
        if offset >= end:
            return SpoolCursor(number + 1)
        found = find_frame(whole, number, 0, offset)
        if found is not None:
            self._lost(number, offset, found - offset, "it is damaged; what follows is read")
            return SpoolCursor(number, found)
        reason = "the file is cut short" if len(whole) <= offset else "it is damaged up to the segment's end"
        self._lost(number, offset, end - offset, reason)
        return SpoolCursor(number + 1)

    def _lost(self, number: int, offset: int, size: int, reason: str) -> None:
        self._alarm(Gap(str(segment_path(self.folder, number)), offset, size, reason))

    def latest(self, most: int) -> SpoolCursor:
        """The beginning of the newest segments that have up to `most` bytes together, or of the newest alone."""
        first, total = 0, 0
        for number, size in reversed(segment_sizes(self.folder).items()):
            total += size
            if first and total > most:
                break
            first = number
        return SpoolCursor(first)

    # --- how far it is drained ---------------------------------------------------------------------------------------

    @property
    def marked(self) -> SpoolCursor:
        """How far the spool is drained: where to read on after a restart."""
        return load_mark(self.folder)

    def mark(self, cursor: SpoolCursor) -> None:
        """Everything before `cursor` is in the store. Removes the segments whose time is over; never goes back.

        What was read before a `rewind` and is marked after it is passed over, for the store may have lost it since.
        """
        with self._marking:
            if self._rewound is None:
                self._mark(cursor)

    def _mark(self, cursor: SpoolCursor) -> None:
        before, now = self.marked, self._wall()
        cursor = max(before, cursor)
        for number in segment_numbers(self.folder):
            if number >= cursor.segment:
                break
            path = segment_path(self.folder, number)
            try:
                drained = path.stat().st_mtime
                # Drained just now, or by a clock that has been set back since and must not keep it for ever.
                if number >= before.segment or drained > now:
                    os.utime(path, (now, now))
                elif now - drained >= self._keep_seconds:
                    path.unlink()
            except FileNotFoundError:
                pass  # the writer needed its room
        if cursor != before:
            self._save(cursor)

    def _save(self, cursor: SpoolCursor) -> None:
        try:
            save_mark(self.folder, cursor)
        except OSError as error:
            if error.errno not in NO_ROOM:
                raise
            # A full disk whose file system copies on write: nothing but the drained segments themselves can make room.
            for number in segment_numbers(self.folder):
                if number < cursor.segment:
                    remove_segment(self.folder, number)
            save_mark(self.folder, cursor)

    def rewind(self) -> SpoolCursor:
        """Make everything that is kept undrained again, and return where that begins. It holds over a restart."""
        with self._marking:
            kept = segment_numbers(self.folder)
            if not kept:
                return self.marked
            self._rewound = SpoolCursor(kept[0], HEADER_BYTES)
            save_mark(self.folder, self._rewound)
            return self._rewound

    def backlog(self) -> int:
        """Bytes that are not drained yet."""
        cursor = self.marked
        sizes = segment_sizes(self.folder)
        waiting = sum(size for number, size in sizes.items() if number >= cursor.segment)
        return max(0, waiting - (cursor.offset if cursor.segment in sizes else 0))

    def __repr__(self) -> str:
        return f"<SpoolReader {self.folder.name} drained to {self.marked.segment}:{self.marked.offset}>"
