"""The log of events: what a store of it promises, how an event is written down, and the spool that comes first.

A store appends batches and reads them back in one order that every reader sees. Projections fold that order into
tables, and can be rebuilt from it at will. The spool is the one part that does I/O: it writes an event to a local file
before anything is acknowledged, so that a store that is away loses nothing.
"""

from llmgw_eventstore.codec import KINDS, Kind, Kinds, Unreadable, decode, encode
from llmgw_eventstore.store import (
    Appended,
    ClockOff,
    Cursor,
    EventStore,
    Log,
    Page,
    StoreAway,
    Stored,
    StoreError,
    TimelineChanged,
)

__all__ = [
    "KINDS",
    "Appended",
    "ClockOff",
    "Cursor",
    "EventStore",
    "Kind",
    "Kinds",
    "Log",
    "Page",
    "StoreAway",
    "StoreError",
    "Stored",
    "TimelineChanged",
    "Unreadable",
    "decode",
    "encode",
]
