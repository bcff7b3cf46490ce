"""State that merges without a coordinator: clocks, records with tombstones, counters, and the machine that repairs.

Every change is a delta; any set of deltas, applied in any order and any number of times, gives the same state. Nothing
here reads a clock, draws a number or does I/O: time is an argument, and messages are values that somebody else carries.
"""
