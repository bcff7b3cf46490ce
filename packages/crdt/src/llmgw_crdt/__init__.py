"""State that merges without a coordinator: clocks, records with tombstones, counters, and the machine that repairs.

Every change is a delta; any set of deltas, applied in any order and any number of times, gives the same state. Nothing
here reads a clock, draws a number or does I/O: time is an argument, and messages are values that somebody else carries.
`llmgw_crdt.messages` is a second door, for who carries them; `llmgw_crdt.testing` says what a set of deltas means.
"""

from llmgw_crdt.clock import Clock, Stamp, hlc_at, seconds_of
from llmgw_crdt.counter import PNCounter, Share
from llmgw_crdt.delta import Delta
from llmgw_crdt.dump import Tombstone
from llmgw_crdt.records import Record, RecordMap
from llmgw_crdt.sync import Step, Sync, SyncConfig
from llmgw_crdt.vector import Vector

__all__ = [
    "Clock",
    "Delta",
    "PNCounter",
    "Record",
    "RecordMap",
    "Share",
    "Stamp",
    "Step",
    "Sync",
    "SyncConfig",
    "Tombstone",
    "Vector",
    "hlc_at",
    "seconds_of",
]
