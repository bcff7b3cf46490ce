"""The hybrid logical clock: time that never runs backwards and never falls behind what was heard.

A reading is one integer of 64 bits: milliseconds since 1970 (48 bits) above a counter (16 bits), so readings of all
nodes compare as numbers, fit PostgreSQL's bigint, and still say when (Kulkarni et al., "Logical Physical Clocks",
2014).
Where more than 65,536 readings fall into one millisecond the counter runs over into the milliseconds: the clock is a
little ahead then, and still unique.

The clock believes all that it is told. Who feeds it a stamp from the future has looked at it before: the log's append
refuses such stamps, and `Sync` defers them.
"""

from __future__ import annotations

from typing import TypeAlias

Stamp: TypeAlias = tuple[int, str]
"""When and by whom: (hlc, node). Ordered as tuples are: the later wins, and of equal readings the greater node id."""

COUNTER_BITS = 16


def hlc_at(seconds: float) -> int:
    """The first reading of a moment, in seconds since 1970 (negative moments count as 0)."""
    return max(0, int(seconds * 1000)) << COUNTER_BITS


def seconds_of(hlc: int) -> float:
    """The moment of a reading, in seconds since 1970, to the millisecond."""
    return (hlc >> COUNTER_BITS) / 1000


class Clock:
    """One node's clock. `last` is the largest reading given or heard: restore it from what the node has stored."""

    __slots__ = ("last", "node")

    def __init__(self, node: str, last: int = 0) -> None:
        self.node = node
        self.last = last

    def tick(self, now: float) -> int:
        """A new reading, above all that was given or heard before. `now` is the wall clock, in seconds since 1970."""
        self.last = max(self.last + 1, hlc_at(now))
        return self.last

    def observe(self, hlc: int, now: float) -> float:
        """Hear somebody else's reading, so that the next one is above it. Gives by how many seconds it is ahead of
        `now`; negative: behind.
        """
        self.last = max(self.last, hlc)
        return seconds_of(hlc) - now

    def __repr__(self) -> str:
        return f"<Clock {self.node} at {seconds_of(self.last):.3f}+{self.last & ((1 << COUNTER_BITS) - 1)}>"
