"""What of each author has arrived without a gap.

The deltas of one author are a chain: each names its predecessor (`after`). A vector holds, for each author, the last
link up to which nothing is missing: it goes from p to `hlc` only where `after <= p < hlc`. A link that came too early
is remembered, and taken once the gap before it is filled. So a vector never claims what was not received.

There are no sequence numbers, since those would have to survive a power failure that the deltas themselves did not: an
author that forgot its last link ties the next one to an earlier link, and everybody's vector steps over it.
"""

from __future__ import annotations

from collections.abc import Mapping
from heapq import heappop, heappush

EARLY_LIMIT = 1024
"""Early links remembered for one author. More are forgotten: the vector does not claim them, so they come again."""


class Vector:
    """{author: hlc}, with the early links of each author. Compares and prints as the mapping that it is."""

    __slots__ = ("_early", "_reached")

    def __init__(self, reached: Mapping[str, int] | None = None) -> None:
        self._reached: dict[str, int] = dict(reached or {})
        self._early: dict[str, list[tuple[int, int]]] = {}

    def get(self, node: str) -> int:
        """How far an author's chain is here: 0 for nothing."""
        return self._reached.get(node, 0)

    def covers(self, node: str, hlc: int) -> bool:
        """Whether an author's delta has arrived, and everything before it."""
        return hlc <= self._reached.get(node, 0)

    def advance(self, node: str, after: int, hlc: int) -> bool:
        """Note that an author's delta arrived. Whether the vector moved."""
        reached = self._reached.get(node, 0)
        if hlc <= reached:
            return False
        if after > reached:
            self._remember(node, after, hlc)
            return False
        self._reached[node] = hlc
        if node in self._early:
            self._catch_up(node)
        return True

    def merge(self, other: Mapping[str, int]) -> None:
        """Claim what another vector claims: only right together with the whole state that it belongs to."""
        for node, hlc in other.items():
            if hlc > self._reached.get(node, 0):
                self._reached[node] = hlc
                if node in self._early:
                    self._catch_up(node)

    def early(self, node: str) -> int:
        """How many links of an author wait for a gap to be filled."""
        return len(self._early.get(node, ()))

    def as_dict(self) -> dict[str, int]:
        return dict(self._reached)

    def _remember(self, node: str, after: int, hlc: int) -> None:
        early = self._early.setdefault(node, [])
        if len(early) < EARLY_LIMIT and (after, hlc) not in early:
            heappush(early, (after, hlc))

    def _catch_up(self, node: str) -> None:
        early, reached = self._early[node], self._reached[node]
        while early and early[0][0] <= reached:
            reached = max(reached, heappop(early)[1])
        self._reached[node] = reached
        if not early:
            del self._early[node]

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Vector):
            return self._reached == other._reached
        return NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<Vector {self._reached}>"


def lacking(mine: Mapping[str, int], theirs: Mapping[str, int]) -> dict[str, int]:
    """The authors of whom they have less than I: {author: how far they are}."""
    return {node: theirs.get(node, 0) for node, hlc in mine.items() if hlc > theirs.get(node, 0)}


def floor_of(vectors: list[Mapping[str, int]]) -> dict[str, int]:
    """What all of these vectors claim: the least of each author."""
    first, *others = vectors
    return {node: min(hlc, *(v.get(node, 0) for v in others)) if others else hlc for node, hlc in first.items()}
