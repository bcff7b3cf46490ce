"""State that merges without a coordinator: clocks, records with tombstones, counters, and the machine that repairs.

Every change is a delta; any set of deltas, applied in any order and any number of times, gives the same state. Nothing
here reads a clock, draws a number or does I/O: time is an argument, and messages are values that somebody else carries.
"""

from llmgw_crdt.clock import Clock, Stamp, hlc_at, seconds_of
from llmgw_crdt.delta import Delta
from llmgw_crdt.dump import Tombstone
from llmgw_crdt.records import Record, RecordMap
from llmgw_crdt.vector import Vector

__all__ = ["Clock", "Delta", "Record", "RecordMap", "Stamp", "Tombstone", "Vector", "hlc_at", "seconds_of"]
