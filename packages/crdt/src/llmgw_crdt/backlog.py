"""The last deltas, so that a peer which lacks a few is sent those instead of the whole state.

It answers only what it can prove: what it gives for an author goes from where the peer is to where this node is, link
by link. A delta that was dropped, or that never came by here, makes it say that it does not reach back.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections import deque
from collections.abc import Mapping

from llmgw_crdt.delta import Delta
from llmgw_crdt.vector import lacking


class Backlog:
    """At most `limit` deltas of all authors; the one that came first goes first."""

    __slots__ = ("_arrived", "_chains", "limit")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._arrived: deque[Delta] = deque()
        self._chains: dict[str, list[Delta]] = {}

    def add(self, delta: Delta) -> bool:
        """Keep a delta. Whether it was not here already."""
        chain = self._chains.setdefault(delta.node, [])
        at = bisect_right(chain, delta.hlc, key=_hlc)
        if at and chain[at - 1].hlc == delta.hlc:
            return False
        insort(chain, delta, key=_hlc)
        self._arrived.append(delta)
        if len(self._arrived) > self.limit:
            self._drop(self._arrived.popleft())
        return True

    def between(self, theirs: Mapping[str, int], mine: Mapping[str, int], limit: int) -> list[Delta] | None:
        """What takes a peer from its vector to this one, at most `limit` deltas, in an order that it can take without
        a gap. None: the backlog does not reach back that far.
        """
        found: list[Delta] = []
        for node, reached in sorted(lacking(mine, theirs).items()):
            links = self._links(node, reached, mine[node])
            if links is None:
                return None
            found += links
        return found[:limit]

    def _links(self, node: str, reached: int, goal: int) -> list[Delta] | None:
        chain = self._chains.get(node, [])
        links = []
        for delta in chain[bisect_right(chain, reached, key=_hlc) : bisect_right(chain, goal, key=_hlc)]:
            if delta.after > reached:
                return None
            links.append(delta)
            reached = delta.hlc
        return links if reached == goal else None

    def _drop(self, delta: Delta) -> None:
        chain = self._chains[delta.node]
        del chain[bisect_right(chain, delta.hlc, key=_hlc) - 1]
        if not chain:
            del self._chains[delta.node]

    def __len__(self) -> int:
        return len(self._arrived)

    def __repr__(self) -> str:
        return f"<Backlog {len(self)} of {self.limit} deltas by {len(self._chains)} nodes>"


def _hlc(delta: Delta) -> int:
    return delta.hlc
