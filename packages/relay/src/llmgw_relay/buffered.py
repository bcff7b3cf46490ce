"""The durable form of `Keep`: changes go to a journal first, are known here at once, and reach the store in time.

A worker's journal is its spool and its store the link to the control process; the control process has the changes of
its workers (`note`) and its own, and PostgreSQL as its store. Both hold the latest changes in a buffer, so that what
was put a moment ago is found before the store has it, and while the store is away.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from llmgw_eventstore.spool import SpoolError
from llmgw_relay.keep import Change, Drop, Found, Place, Put, Sought, Touch, encode, latest
from llmgw_relay.memory_kept import MemoryKept
from llmgw_relay.patience import BoundedLook


class Stamps(Protocol):
    """A hybrid logical clock, as `llmgw_crdt.Clock` is one. `now` is in Unix seconds."""

    def tick(self, now: float) -> int:
        """A stamp above every one that was given before."""
        ...


class Looks(Protocol):
    """The reading half of a store. Raises `StoreAway`."""

    async def find(self, sought: Sought) -> Found: ...


class BufferedKeep:
    """Keeps through a journal and looks at a store.

    `journal` takes a frame (see `llmgw_relay.keep`) durably before it returns, and raises `OSError` or `SpoolError`
    where it can't; then the change is known here alone, and counted in `unjournaled`. `writer` names this process.
    `buffer` bounds the latest changes, in bytes. A store that does not answer within `patience` seconds is not asked
    again for `pause` seconds: without a store a call must not wait for it, one after the other. A worker has more
    patience than its control process, which answers with what it knows when its own is at an end.
    """

    def __init__(
        self,
        store: Looks,
        journal: Callable[[bytes], object],
        *,
        writer: str,
        stamps: Stamps,
        clock: Callable[[], float],
        wall: Callable[[], float],
        buffer: int = 64 * 1024 * 1024,
        patience: float = 1.0,
        pause: float = 5.0,
    ) -> None:
        self._store = BoundedLook(store.find, clock, patience=patience, pause=pause)
        self._journal = journal
        self._writer = writer
        self._stamps = stamps
        self._wall = wall
        self._buffer = MemoryKept(wall, limit=buffer)
        self._last = 0
        """The largest stamp that was given or seen."""
        self.unjournaled = 0

    @property
    def away(self) -> bool:
        """Whether the store did not answer lately."""
        return self._store.away

    # --- writing ----------------------------------------------------------------------------------------------------

    def put(self, kind: str, tenant: str, id: str, body: bytes, ttl: float) -> None:
        expires, stamp = self._wall() + ttl, self._stamp()
        self._write(Put(kind=kind, tenant=tenant, id=id, expires=expires, stamp=stamp, writer=self._writer, body=body))

    def touch(self, kind: str, tenant: str, id: str, ttl: float) -> None:
        self._write(Touch(kind=kind, tenant=tenant, id=id, expires=self._wall() + ttl))

    def drop(self, kind: str, tenant: str, id: str, ttl: float) -> None:
        expires, stamp = self._wall() + ttl, self._stamp()
        self._write(Drop(kind=kind, tenant=tenant, id=id, expires=expires, stamp=stamp, writer=self._writer))

    def note(self, change: Change) -> None:
        """A change that another process of this node has in its journal: it is known here before the store has it."""
        self._buffer.take(change)

    def _stamp(self) -> int:
        # What was seen is not told to the clock, which may be the state's: a stamp of the future would have it refused.
        self._last = max(self._stamps.tick(self._wall()), self._last + 1)
        return self._last

    def _write(self, change: Change) -> None:
        self._buffer.take(change)
        try:
            self._journal(encode(change))
        except (OSError, SpoolError):
            # A call is not failed for what would be kept of it; a full disk turns calls away where they begin.
            self.unjournaled += 1

    # --- reading ----------------------------------------------------------------------------------------------------

    async def find(self, sought: Sought) -> Found:
        far = await self._store.ask(sought)
        near = self._buffer.look(sought)
        if far is None:
            return Found(tuple(near), complete=False)
        known = latest((*far.changes, *near))
        if sought.ids is None:
            known, far = await self._without_dropped(known, far)
        # So that a drop of what was just seen is later than it, whatever the clock of its writer says.
        self._last = max(self._last, *(change.stamp for change in known.values()), 0)
        ordered = sorted(known.values(), key=lambda change: change.version, reverse=True)
        return Found(tuple(ordered[: sought.limit]), far.complete)

    async def _without_dropped(
        self, known: dict[Place, Put | Drop], far: Found
    ) -> tuple[dict[Place, Put | Drop], Found]:
        """A list has no tombstones, so those of what only the buffer knows are asked for."""
        listed = {change.place for change in far.changes}
        only_here = [place for place in known if place not in listed]
        if not only_here:
            return known, far
        kinds, tenants, ids = (tuple(dict.fromkeys(part)) for part in zip(*only_here, strict=True))
        asked = await self._store.ask(Sought(kinds=kinds, tenant=tenants[0], ids=ids))
        if asked is None:
            return known, Found(far.changes, complete=False)
        known = latest((*known.values(), *asked.changes))
        return {place: change for place, change in known.items() if isinstance(change, Put)}, far

    async def close(self) -> None:
        """Waits for the looks that were given up, before their store is closed."""
        await self._store.close()

    def __repr__(self) -> str:
        return f"<BufferedKeep {self._writer} {self._buffer!r}{' away' if self.away else ''}>"
