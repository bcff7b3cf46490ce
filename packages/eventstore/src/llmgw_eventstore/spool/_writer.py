"""The writing end of a spool: one process appends, and what `append` has returned from survives that process.

`append` and `level` are for the event loop: a write into the page cache, no flush. `sync` flushes and may take as long
as the disk does, so its caller runs it in a thread, every 100 ms or so; it may run while the loop appends. A power
failure costs what was appended since the last `sync`, a crash of the process costs nothing.

A segment is closed when it is full or old. Every opening begins a new one: what a crash has left at the end of the last
is read around, never written over.

Bounds: the segments together stay below `max_bytes`, of which the last `reserve_bytes` are for appends that say
`urgent`: the end of what has begun. So a gateway that takes no new requests because its spool is full can still settle
those that it has. The reserve exists on the disk too, as a file that is given up when the disk is full.
"""

from __future__ import annotations

import errno
import fcntl
import os
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from llmgw_eventstore.spool._folder import (
    BALLAST,
    LOCK,
    MARK,
    NO_ROOM,
    SpoolCursor,
    SpoolError,
    load_mark,
    remove_segment,
    save_mark,
    segment_path,
    segment_sizes,
    sync_folder,
)
from llmgw_eventstore.spool._frames import (
    HEADER_BYTES,
    MAX_PAYLOAD,
    pack_frames,
    pack_header,
    packed_bytes,
    settled_end,
)

_CLOSED_SEGMENTS = 8
"""So many closed segments may wait for a flush before `append` does it itself: a bound on open files, not a rhythm."""


class SpoolHeld(SpoolError):
    """Another process writes to this spool."""


class SpoolFull(SpoolError):
    """There is no room left, in the spool's own bound or on the disk. Nothing of the batch was written.

    Take in no more until the spool is drained or the disk has room.
    """


class Level(msgspec.Struct, frozen=True):
    """How full a spool is. `used` and `room` are in bytes; `low` is the alarm that little room is left."""

    used: int
    room: int
    low: bool


class Spool:
    """The one writer of a folder. Open it with `Spool.open`, close it with `close` or `with`."""

    def __init__(
        self,
        folder: Path,
        lock: int,
        *,
        segment_bytes: int,
        max_bytes: int,
        reserve_bytes: int,
        max_age: float,
        clock: Callable[[], float],
    ) -> None:
        self.folder = folder
        self._lock = lock
        self._segment_bytes = segment_bytes
        self._max_bytes = max_bytes
        self._reserve_bytes = reserve_bytes
        self._max_age = max_age
        self._clock = clock
        self._file = -1
        self._number = 0
        self._offset = 0
        self._begun = 0.0
        self._used = 0
        """Bytes in all segments, as far as is known: what the reader has removed since is found out when it matters."""
        self._closed: list[int] = []
        """Descriptors of full segments that wait for their flush."""
        self._folder_changed = True
        self._synced = (0, 0)
        self._syncing = threading.Lock()
        self._swapping = threading.Lock()
        """Held for moments only, around what both `append` and `sync` change."""

    @classmethod
    def open(
        cls,
        folder: str | os.PathLike[str],
        *,
        segment_bytes: int = 16 << 20,
        max_bytes: int = 1 << 30,
        reserve_bytes: int | None = None,
        max_age: float = 300.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> Self:
        """Take the folder for this process, and begin a segment behind what is there.

        `max_age` is in seconds; `reserve_bytes` is 8 MiB, or a sixteenth of a small spool, unless given. Raises
        `SpoolHeld` if another process has the folder, `SpoolFull` if there is no room to begin, OSError if the folder
        can't be written.
        """
        if segment_bytes > max_bytes // 2:
            raise ValueError(f"segment_bytes is {segment_bytes}: it must be at most half of max_bytes ({max_bytes})")
        path = Path(folder)
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        spool = cls(
            path,
            _take_lock(path),
            segment_bytes=segment_bytes,
            max_bytes=max_bytes,
            reserve_bytes=min(8 << 20, max_bytes // 16) if reserve_bytes is None else reserve_bytes,
            max_age=max_age,
            clock=clock,
        )
        try:
            spool._resume()
        except BaseException:
            spool.close()
            raise
        return spool

    @property
    def segment(self) -> int:
        """The number of the segment that was last written to. What must outlive the older ones is written again when
        it changes."""
        return self._number

    @property
    def dirty(self) -> bool:
        """Whether anything was appended since the last `sync` began."""
        return (self._number, self._offset) != self._synced

    # --- appending ---------------------------------------------------------------------------------------------------

    def append(self, payloads: Sequence[bytes], *, urgent: bool = False) -> None:
        """Write a batch. When this returns it outlives the process, after the next `sync` it outlives the power.

        `urgent` may use the reserve: it is for what ends something that was begun. Raises `SpoolFull`, and then nothing
        of the batch is there; ValueError for a payload above 64 MiB.
        """
        size = packed_bytes(payloads)
        if size > MAX_PAYLOAD and max(map(len, payloads)) > MAX_PAYLOAD:
            raise ValueError(f"a payload is longer than {MAX_PAYLOAD} bytes")
        if self._is_over(size):
            self._pressed(lambda: self._begin(self._number + 1, self._offset), urgent)
        if self._used + size > self._bound(urgent):
            self._make_room(size, urgent)
        if self._offset == HEADER_BYTES:
            self._begun = self._clock()
        frames = pack_frames(payloads, self._number, self._offset)
        self._pressed(lambda: self._write(frames), urgent)
        self._offset += size
        self._used += size

    def _is_over(self, size: int) -> bool:
        """Whether the segment is too full for `size` bytes more, or too old. One without frames is neither."""
        return self._offset > HEADER_BYTES and (
            self._offset + size > self._segment_bytes or self._clock() - self._begun > self._max_age
        )

    def _write(self, data: bytes) -> None:
        """Write all of it at the segment's end, or nothing: what was written of it is cut off again."""
        try:
            done = os.pwrite(self._file, data, self._offset)
            while done < len(data):
                # A short write is how a disk says that it is nearly full; the next one raises the reason.
                done += os.pwrite(self._file, data[done:], self._offset + done)
        except OSError:
            os.ftruncate(self._file, self._offset)
            raise

    def _pressed(self, attempt: Callable[[], None], urgent: bool) -> None:
        """Make an attempt; on a full disk give up what is drained, then for what is urgent the ballast, and repeat."""
        while True:
            try:
                return attempt()
            except OSError as error:
                if error.errno not in NO_ROOM:
                    raise
                # A file that may not grow (EFBIG) gains nothing from other files' room.
                spare = error.errno != errno.EFBIG and (self._drop_drained() or (urgent and self._drop_ballast()))
                if not spare:
                    raise SpoolFull(f"{self.folder}: {error.strerror}; free the disk, or drain the spool") from error

    def _begin(self, number: int, previous_end: int) -> None:
        """Begin segment `number`. It gets its name once its header is written, so readers meet no half header."""
        path = segment_path(self.folder, number)
        fresh = path.with_suffix(".new")
        file = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            os.pwrite(file, pack_header(number, previous_end), 0)
            fresh.rename(path)
        except BaseException:
            os.close(file)
            raise
        with self._swapping:
            if self._file >= 0:
                self._closed.append(self._file)
            self._file = file
            self._folder_changed = True
        self._number, self._offset = number, HEADER_BYTES
        self._used += HEADER_BYTES
        if len(self._closed) > _CLOSED_SEGMENTS:
            self.sync()

    # --- room --------------------------------------------------------------------------------------------------------

    def level(self) -> Level:
        """How full the spool is, and whether that is alarming: less room than an eighth of the bound, here or on the
        disk. Segments that are drained do not count: they go when their room is needed."""
        drained = self._drained()
        sizes = segment_sizes(self.folder)
        kept = sum(sizes[number] for number in drained if number in sizes)
        self._used = sum(sizes.values())
        disk = os.statvfs(self.folder)
        room = min(self._bound(False) - self._used + kept, disk.f_bavail * disk.f_frsize + kept)
        return Level(self._used - kept, max(0, room), room < self._max_bytes // 8)

    def _bound(self, urgent: bool) -> int:
        return self._max_bytes if urgent else self._max_bytes - self._reserve_bytes

    def _make_room(self, size: int, urgent: bool) -> None:
        """Drop drained segments until `size` bytes fit below the bound; raises `SpoolFull` if they never do."""
        self._used = sum(segment_sizes(self.folder).values())
        while self._used + size > self._bound(urgent):
            if not self._drop_drained():
                raise SpoolFull(
                    f"{self.folder} holds {self._used} bytes that are not drained, its bound is {self._bound(urgent)}: "
                    "see why the store takes nothing, or raise the bound"
                )

    def _drained(self) -> list[int]:
        """The segments that are drained, oldest first; the one that is written to is never among them."""
        passed = min(load_mark(self.folder).segment, self._number)
        return [number for number in segment_sizes(self.folder) if number < passed]

    def _drop_drained(self) -> bool:
        """Remove the oldest drained segment; False if there is none."""
        drained = self._drained()
        if not drained:
            return False
        remove_segment(self.folder, drained[0])
        self._used = sum(segment_sizes(self.folder).values())
        return True

    def _drop_ballast(self) -> bool:
        ballast = self.folder / BALLAST
        if not ballast.exists():
            return False
        ballast.unlink(missing_ok=True)
        return True

    def _take_ballast(self) -> None:
        """Occupy the reserve on the disk, as far as there is room for it."""
        ballast = self.folder / BALLAST
        if not self._reserve_bytes or ballast.exists():
            return
        file = os.open(ballast, os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            os.posix_fallocate(file, 0, self._reserve_bytes)
        except OSError:
            ballast.unlink(missing_ok=True)
        finally:
            os.close(file)

    # --- opening, flushing, closing ----------------------------------------------------------------------------------

    def sync(self) -> None:
        """Flush all that was appended before this call. Blocks for as long as the disk takes; safe beside `append`.

        Raises OSError if the disk fails: what was appended since the last `sync` may then be lost with the power, and
        repeating the call does not mend it.
        """
        with self._syncing:
            with self._swapping:
                closed, self._closed = self._closed, []
                current, changed, self._folder_changed = self._file, self._folder_changed, False
                self._synced = (self._number, self._offset)
            try:
                if changed:
                    sync_folder(self.folder)
                for file in closed:
                    os.fdatasync(file)
                if current >= 0:
                    os.fdatasync(current)
            finally:
                for file in closed:
                    os.close(file)
            self._take_ballast()

    def close(self) -> None:
        """Flush, and leave the folder to others. Repeating it changes nothing."""
        try:
            self.sync()
        finally:
            file, self._file = self._file, -1
            lock, self._lock = self._lock, -1
            for descriptor in (file, lock):
                if descriptor >= 0:
                    os.close(descriptor)

    def _resume(self) -> None:
        """Begin a segment behind what a former writer left, and say in it where that ended."""
        sizes = segment_sizes(self.folder)
        self._used = sum(sizes.values())
        last = max(sizes, default=0)
        end = settled_end(segment_path(self.folder, last).read_bytes(), last) if sizes else 0
        number = max(last, load_mark(self.folder).segment) + 1
        self._pressed(lambda: self._begin(number, end), urgent=True)
        if not (self.folder / MARK).exists():
            # So that it has its room on the disk from now on, and a full disk does not keep it from moving.
            self._pressed(lambda: save_mark(self.folder, SpoolCursor()), urgent=True)
        self._take_ballast()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Spool {self.folder.name} segment={self._number} offset={self._offset} used={self._used}>"


def _take_lock(folder: Path) -> int:
    """Hold the folder's lock; it is given back by closing it, or by the end of the process, however it ends."""
    lock = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.read(lock, 20).decode("ascii", "replace").strip()
        os.close(lock)
        raise SpoolHeld(f"{folder} is held by process {holder or 'unknown'}") from None
    os.truncate(lock, 0)
    os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
    return lock
