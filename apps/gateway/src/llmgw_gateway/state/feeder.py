"""From the spools to the database: every process writes to files of its own, and this brings them on.

One task a spool reads on from its mark, sends what it finds, and moves the mark only when the database has it. What was
sent and not marked is sent again, which changes nothing there: events are known by their ids, records by their places.
While the database is away the files grow and nothing else happens; `Spool` bounds them.

Frames that can't be read (a later release wrote them, or a defect did), and events that the database will never take,
are set aside in a file beside the spool, with an alarm, and hold up nothing.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from pathlib import Path

import msgspec

from llmgw_domain import Event
from llmgw_eventstore import KINDS, ClockOff, EventStore, Log, StoreAway, StoreError, Unreadable, decode, encode
from llmgw_eventstore.spool import SpoolCursor, SpoolReader
from llmgw_relay import keep
from llmgw_relay.keep import Change, KeptStore

_BATCH_BYTES = 1 << 20
_IDLE_SECONDS = 0.1
"""Between looks at a spool that had nothing new."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 5.0
_LOOK_SECONDS = 1.0
"""Between looks for spools of processes that are new."""
SET_ASIDE = "unreadable"

_log = logging.getLogger(__name__)


class Batch(msgspec.Struct, frozen=True):
    """What some frames of a spool hold, by where it goes."""

    state: list[Event]
    facts: list[Event]
    kept: list[Change]
    unreadable: list[bytes]


def sorted_out(frames: Sequence[bytes]) -> Batch:
    """Frames by where they go, each in the order of the spool."""
    batch = Batch([], [], [], [])
    for frame in frames:
        try:
            if keep.is_change(frame):
                batch.kept.append(keep.decode(frame))
                continue
            event = decode(frame)
        except Unreadable:
            batch.unreadable.append(frame)
            continue
        (batch.state if KINDS.log_of(event.kind) == "state" else batch.facts).append(event)
    return batch


class Feeder:
    """Feeds `store` and `kept` from every spool below `folder`, each in a folder of its own."""

    def __init__(self, folder: Path, store: EventStore, kept: KeptStore, *, keep_seconds: float) -> None:
        self._folder = folder
        self._store = store
        self._kept = kept
        self._keep_seconds = keep_seconds
        self._readers: dict[str, SpoolReader] = {}
        self.away: str | None = None
        """Why the database takes nothing now; None while it does."""
        self.clock_off: str | None = None
        """Why the database refuses this node's changes: its clock is ahead. None while it takes them."""
        self.lsn: str | None = None
        """Where in the database's write-ahead log the last change of the state is (`Appended.lsn`)."""

    async def run(self) -> None:
        """Feeds until it is cancelled."""
        fed: set[str] = set()
        async with asyncio.TaskGroup() as tasks:
            while True:
                for name in self._spools() - fed:
                    tasks.create_task(self._feed(self._reader(name)))
                    fed.add(name)
                await asyncio.sleep(_LOOK_SECONDS)

    async def drained(self, seconds: float) -> bool:
        """Waits until every spool is empty, at most `seconds`; whether they are. The feeding is `run`'s."""
        try:
            async with asyncio.timeout(seconds):
                while await asyncio.to_thread(self.backlog):  # noqa: ASYNC110 - other processes write the files
                    await asyncio.sleep(_IDLE_SECONDS / 2)
        except TimeoutError:
            return False
        return True

    async def brought(self, name: str, seconds: float) -> bool:
        """Waits until the spool `name` is empty, at most `seconds`; whether it is."""
        reader = self._reader(name)
        try:
            async with asyncio.timeout(seconds):
                while await asyncio.to_thread(reader.backlog):  # noqa: ASYNC110 - the feeding is another task's
                    await asyncio.sleep(_IDLE_SECONDS / 4)
        except TimeoutError:
            return False
        return True

    def backlog(self) -> int:
        """Bytes that the database does not have yet, in all spools. Blocks for a moment."""
        return sum(self._reader(name).backlog() for name in self._spools())

    def rewind(self) -> None:
        """Offers again all that the spools have kept: the database has lost its newest events."""
        for name in self._spools():
            self._reader(name).rewind()

    def _spools(self) -> set[str]:
        return {path.name for path in self._folder.iterdir() if path.is_dir()} if self._folder.is_dir() else set()

    def _reader(self, name: str) -> SpoolReader:
        if name not in self._readers:
            self._readers[name] = SpoolReader(self._folder / name, keep_seconds=self._keep_seconds)
        return self._readers[name]

    async def _feed(self, reader: SpoolReader) -> None:
        pause = _FIRST_PAUSE
        while True:
            try:
                moved = await self._step(reader)
            except (StoreAway, ClockOff) as error:
                self._trouble(error)
                await asyncio.sleep(pause)
                pause = min(pause * 2, _LONGEST_PAUSE)
                continue
            pause = _FIRST_PAUSE
            if not moved:
                await asyncio.sleep(_IDLE_SECONDS)

    async def _step(self, reader: SpoolReader) -> bool:
        """Brings one batch on; whether there was one. Raises `StoreAway`, `ClockOff`."""
        start = await asyncio.to_thread(lambda: reader.marked)
        batch, behind = await asyncio.to_thread(_read, reader, start)
        refused = await self._append("state", batch.state) + await self._append("fact", batch.facts)
        if batch.kept:
            await self._kept.apply(batch.kept)
        if batch.unreadable or refused:
            await asyncio.to_thread(_set_aside, reader.folder, [*batch.unreadable, *map(encode, refused)])
        if self.away is not None and (batch.state or batch.facts or batch.kept):
            self.away = None
            _log.warning("the database takes events again")
        # A mark that has not moved is set all the same: it is what removes segments whose time is over.
        await asyncio.to_thread(reader.mark, behind)
        return behind != start

    async def _append(self, log: Log, events: Sequence[Event]) -> list[Event]:
        """Brings events on; those that the database will never take, so that the others need not wait for them."""
        if not events:
            return []
        try:
            done = await self._store.append(log, events)
        except (StoreAway, ClockOff):
            raise
        except StoreError as error:
            if len(events) > 1:
                return [lost for event in events for lost in await self._append(log, [event])]
            _log.error("the database refuses an event", extra={"event_id": events[0].id, "reason": str(error)})
            return [*events]
        if log == "state":
            self.lsn, self.clock_off = done.lsn or self.lsn, None
        return []

    def _trouble(self, error: Exception) -> None:
        if isinstance(error, ClockOff):
            self.clock_off = str(error)
        if self.away is None:
            _log.error("the database takes no events; they wait in the spool", extra={"reason": str(error)})
        self.away = str(error)

    def __repr__(self) -> str:
        return f"<Feeder of {len(self._readers)} spools{' (database away)' if self.away else ''}>"


def _read(reader: SpoolReader, start: SpoolCursor) -> tuple[Batch, SpoolCursor]:
    frames, behind = reader.read(start, _BATCH_BYTES)
    return sorted_out(frames), behind


def _set_aside(folder: Path, frames: Sequence[bytes]) -> None:
    """Keeps what can't be read, one frame a line in hexadecimal."""
    with (folder / SET_ASIDE).open("a") as file:
        file.writelines(f"{frame.hex()}\n" for frame in frames)
    _log.error(
        "frames of the spool can't be read, and were set aside",
        extra={"frames": len(frames), "file": str(folder / SET_ASIDE)},
    )
