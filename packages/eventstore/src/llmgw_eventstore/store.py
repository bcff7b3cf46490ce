"""The port of the log: what a store promises to those who append to it and to those who read it.

There are two logs, `state` and `fact`; an event's kind says which is its own (`codec.Kinds.log_of`). Each is one
sequence. An append is one transaction, and positions are given in the order in which transactions become visible, so a
reader that has gone past a position never finds something new before it. That makes a reader's whole memory one
`Cursor`.

What is appended twice is there once: an event is known by its id within its log, and the first form of it stays. So
writers repeat freely whatever they are not sure of, which is what lets a spool be drained, offered again, and drained
once more.

A store may lose its newest events when a standby takes over that had not heard of them. Its timeline then changes, old
cursors mean nothing any more, and `TimelineChanged` says so: readers begin again from a checkpoint that they trust or
from the beginning, writers offer again what they kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol

import msgspec

from llmgw_domain import Event

Log = Literal["state", "fact"]


class Cursor(msgspec.Struct, frozen=True, order=True):
    """How far a reader is: behind the event at `position` of that timeline.

    Positions begin at 1 and may have gaps. Position 0 is the beginning on every timeline, so `Cursor()` reads any store
    from its first event.
    """

    timeline: int = 0
    position: int = 0


class Stored(msgspec.Struct, frozen=True):
    """An event and its place in its log."""

    position: int
    event: Event


class Page(msgspec.Struct, frozen=True):
    """Consecutive events in the order of their positions; `cursor` is behind the last of them.

    A page without events has the position that was asked for: everything up to the log's end has been read.
    """

    events: tuple[Stored, ...]
    cursor: Cursor


class Appended(msgspec.Struct, frozen=True):
    """What became of a batch.

    `cursor` is at or behind every event of the batch, the repeated ones too: a reader that got there has seen them all.
    `fresh` counts those that were not there before. `lsn` is the place in PostgreSQL's write-ahead log that a replica
    must have replayed to show them; None where there is no such thing.
    """

    cursor: Cursor
    fresh: int
    lsn: str | None = None


class StoreError(Exception):
    """The store did not do what it was asked."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or (type(self).__doc__ or "").split("\n\n")[0].strip())


class StoreAway(StoreError):
    """The store can't be reached; nothing is known of what was being done. Repeat it later: repeating is harmless."""


class ClockOff(StoreError):
    """A state event lies too far ahead of the store's clock; nothing of its batch was stored.

    Last-writer-wins would let it win over everything for as long as it is ahead. Set the clock of `node`, then write
    again; `ahead` is in seconds.
    """

    def __init__(self, event: Event, ahead: float) -> None:
        super().__init__(
            f"event {event.id} of node {event.node} is {ahead:.0f} s ahead of the store's clock: "
            "nothing of its batch was stored; set that node's clock"
        )
        self.node = event.node
        self.ahead = ahead


class TimelineChanged(StoreError):
    """The store is on another timeline than the cursor: events behind it may have been lost, and positions reused.

    Read again from a trusted checkpoint or from the beginning, and offer again what the spools have kept. `timeline` is
    the store's.
    """

    def __init__(self, timeline: int, asked: int) -> None:
        super().__init__(
            f"the store is on timeline {timeline}, the cursor is of {asked}: read again from the beginning or from a "
            "trusted checkpoint, and offer again what the spools have kept"
        )
        self.timeline = timeline


class EventStore(Protocol):
    """The log. Every method raises `StoreAway` when the store can't be reached. All times are in seconds."""

    async def append(self, log: Log, events: Sequence[Event]) -> Appended:
        """Store a batch in one transaction, in the order given; what is there already is left as it is.

        Only state events are held against the store's clock; `ClockOff` then refuses the whole batch.
        """
        ...

    async def read(self, log: Log, after: Cursor, limit: int) -> Page:
        """Up to `limit` events (at least 1) behind `after`; raises `TimelineChanged` if that is another timeline."""
        ...

    async def wait(self, log: Log, after: Cursor, timeout: float) -> bool:
        """Return True as soon as there may be something to read behind `after`, False when `timeout` has passed.

        On a changed timeline it returns True, and `read` says why.
        """
        ...

    async def save_snapshot(self, name: str, cursor: Cursor, body: bytes) -> None:
        """Keep what a reader has made of the log up to `cursor`, in place of the snapshot of that name."""
        ...

    async def load_snapshot(self, name: str) -> tuple[Cursor, bytes] | None:
        """The snapshot of that name as it was last saved. Whether its timeline still holds, `read` tells."""
        ...
