"""The control process's state: begun from the disk, kept in step with the log, and written back to the disk.

The log in PostgreSQL is the truth that nodes share. This node's replica is what it has read of it, with its own
changes, which are in its journal before they count. Both merge, so it matters to nobody in which order they arrive, nor
how often. While the database is away commands go on: they are in the journal, and reach the log from there.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import msgspec

from llmgw_control import Replica
from llmgw_crdt import Clock
from llmgw_domain import Event
from llmgw_eventstore import KINDS, Cursor, EventStore, StoreAway, TimelineChanged, Unreadable, decode
from llmgw_eventstore.spool import SpoolCursor, SpoolReader
from llmgw_gateway.state import snapshot
from llmgw_gateway.state.served import Served
from llmgw_relay import keep

_PAGE = 1000
_WAIT_SECONDS = 30.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 5.0
_SAVE_SECONDS = 2.0
"""Between two snapshots. What is newer is in the journal, or in the log."""

_SLICE = 50
"""Records of a dump that are turned into JSON before others get their turn: well under a millisecond's work."""

_SNAPSHOT = "state"
_SNAPSHOT_EVENTS = 5000
"""Read since the log's last snapshot, before this node writes the next: what a new node reads at most beside it."""

_log = logging.getLogger(__name__)

Spread = Callable[[Sequence[Event]], Awaitable[None]]


class Steward:
    """Keeps `replica` in step. `spread` brings what the log had of others to the workers; `lost` is called when the
    database turns out to have lost events, and this node's spools are to be offered again.
    """

    def __init__(
        self,
        data_dir: Path,
        replica: Replica,
        served: Served,
        clock: Clock,
        *,
        wall: Callable[[], float],
        spread: Spread,
        lost: Callable[[], None],
    ) -> None:
        self._data_dir = data_dir
        self._replica = replica
        self._served = served
        self._clock = clock
        self._wall = wall
        self._spread = spread
        self._lost = lost
        self._cursor = Cursor()
        self._saved = ""
        self._skipped = False
        self._since = 0
        self.caught_up = asyncio.Event()
        """Set once the log has been read to its end."""

    @property
    def cursor(self) -> Cursor:
        """How far the log has been read."""
        return self._cursor

    def begin(self, journal: Path) -> None:
        """Loads the snapshot, and over it the changes of this node that are in its journal. Blocks."""
        found = snapshot.load(self._data_dir)
        if found is not None:
            cursor, dump = found
            try:
                self._served.take(self._replica.load(dump))
                self._cursor = cursor
            except ValueError as error:
                _log.error(
                    "the state's snapshot is damaged; the database's log has it all", extra={"reason": str(error)}
                )
        events = list(journaled(journal))
        self._served.take(self._replica.apply(events))
        # What this node writes now must come after all that it knows of, whatever its own clock says.
        self._clock.observe(self._replica.map.horizon, self._wall())
        # The first digest counts every record, later ones those that changed: nobody is served yet.
        self._replica.map.digest()

    async def follow(self, store: EventStore) -> None:
        """Reads the log, and goes on reading it, until it is cancelled."""
        pause = _FIRST_PAUSE
        while True:
            try:
                await self._skip(store)
                await self._read(store)
                await store.wait("state", self._cursor, _WAIT_SECONDS)
                pause = _FIRST_PAUSE
            except StoreAway:
                await asyncio.sleep(pause)
                pause = min(pause * 2, _LONGEST_PAUSE)
            except TimelineChanged as changed:
                _log.warning("the database is on another timeline: its log is read again", extra={"why": str(changed)})
                self._cursor = Cursor()
                self._lost()

    async def keep_snapshots(self) -> None:
        """Writes what has changed to the disk now and then, until it is cancelled."""
        while True:
            await asyncio.sleep(_SAVE_SECONDS)
            await self.save()

    async def save(self) -> None:
        """Writes a snapshot if anything has changed since the last one."""
        mark = f"{self._replica.map.digest()} {self._cursor}"
        if mark == self._saved:
            return
        cursor, dump = self._cursor, await self._dumped()
        try:
            await asyncio.to_thread(snapshot.save, self._data_dir, cursor, dump)
        except OSError as error:
            _log.error("the state's snapshot can't be written", extra={"reason": error.strerror})
            return
        self._saved = mark

    async def _dumped(self) -> bytes:
        """The replica as it is at this call, as JSON. Others run in between."""
        encoding = snapshot.Encoding()
        for name, value in self._replica.dump_in_slices(_SLICE):
            encoding.add(name, value)
            await asyncio.sleep(0)
        return encoding.body()

    async def _skip(self, store: EventStore) -> None:
        """A node that is new begins with what another one has made of the log, instead of with its first event."""
        if self._skipped:
            return
        found = await store.load_snapshot(_SNAPSHOT) if self._cursor == Cursor() else None
        self._skipped = True
        if found is not None:
            cursor, dump = found
            try:
                self._served.take(self._replica.load(msgspec.json.decode(dump)))
            except ValueError as error:
                _log.error("the log's snapshot can't be read; the log can", extra={"why": str(error)})
                return
            self._cursor = cursor

    async def _read(self, store: EventStore) -> None:
        while True:
            page = await store.read("state", self._cursor, _PAGE)
            self._cursor = page.cursor
            if not page.events:
                self.caught_up.set()
                return
            await self._merge([stored.event for stored in page.events])
            self._since += len(page.events)
            if self._since >= _SNAPSHOT_EVENTS:
                await store.save_snapshot(_SNAPSHOT, self._cursor, await self._dumped())
                self._since = 0

    async def _merge(self, events: list[Event]) -> None:
        before = self._replica.map.digest()
        for event in events:
            self._clock.observe(event.hlc, self._wall())
        changed = self._replica.apply(events)
        self._served.take(changed)
        if self._replica.map.digest() != before:
            await self._spread(events)

    def __repr__(self) -> str:
        return f"<Steward at {self._cursor.position}: {self._replica!r}>"


def journaled(folder: Path) -> list[Event]:
    """This node's state events that are in its journal still, drained or not."""
    events: list[Event] = []
    if not folder.is_dir():
        return events
    reader, cursor = SpoolReader(folder), SpoolCursor()
    while True:
        frames, behind = reader.read(cursor)
        if not frames and behind == cursor:
            return events
        cursor = behind
        events += filter(None, map(_state_event, frames))


def _state_event(frame: bytes) -> Event | None:
    if keep.is_change(frame):
        return None
    try:
        event = decode(frame)
    except Unreadable:
        return None  # The feeder sets it aside, and says so.
    return event if KINDS.log_of(event.kind) == "state" else None
