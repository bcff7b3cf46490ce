"""The spool: events on the local disk before anything is acknowledged, so that nothing hangs on the store being there.

Each worker slot, and the control process, has a folder of its own. One process appends to it (`Spool`), held to be the
only one by a file lock; another follows (`SpoolReader`), feeds the store, and marks how far it got. The two share only
the files: either may be killed at any moment, and is none the worse for it.

What the writer has been told is written survives its process at once, and a power failure after the next `sync`, which
is called off the event loop every 100 ms: so a power failure costs at most that much. Everything is checksummed. What
a crash left half-written is recognised and read around; damage anywhere else is reported as a `Gap`, the frames behind
it are still read, and no damage ever makes an event that was not written.

The spool is bounded. When it or the disk is full, `append` raises `SpoolFull`: the caller takes in no more, which is
backpressure, and loses nothing. A reserve stays for what is already under way.

It knows nothing of events: payloads are bytes. It reads no clock but to age segments, and starts no thread.
"""

from llmgw_eventstore.spool._folder import LaterFormat, SpoolCursor, SpoolError
from llmgw_eventstore.spool._reader import Gap, SpoolReader, log_gap
from llmgw_eventstore.spool._writer import Level, Spool, SpoolFull, SpoolHeld

__all__ = [
    "Gap",
    "LaterFormat",
    "Level",
    "Spool",
    "SpoolCursor",
    "SpoolError",
    "SpoolFull",
    "SpoolHeld",
    "SpoolReader",
    "log_gap",
]
