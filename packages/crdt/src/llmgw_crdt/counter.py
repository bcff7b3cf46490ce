"""A sum to which every node adds without asking: what is consumed of a limit, over all nodes.

Each node writes its own share only: what it added (`plus`) and took back (`minus`), both growing. Of two states of one
share the larger numbers are the newer, so shares can be sent whole, doubled, late and out of order. To begin anew (a
limit's window is over, a node has restarted and remembers nothing) a share gets a later *epoch*, with zeros: a share of
an earlier epoch that comes late is left out, where a plain PN-counter would take its larger numbers for newer ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Share:
    """What one node has added and taken back since its epoch began. A delta and a state at once."""

    node: str
    epoch: int
    plus: int
    minus: int

    @property
    def value(self) -> int:
        return self.plus - self.minus

    def join(self, other: Share) -> Share:
        """The newer of two states of the same node's share."""
        if self.epoch != other.epoch:
            return max(self, other, key=_epoch)
        return Share(self.node, self.epoch, max(self.plus, other.plus), max(self.minus, other.minus))


class PNCounter:
    """One counter as one node sees it. `epoch` must be above all that this node has used: a clock's reading is."""

    __slots__ = ("_shares", "node")

    def __init__(self, node: str, epoch: int) -> None:
        self.node = node
        self._shares: dict[str, Share] = {node: Share(node, epoch, 0, 0)}

    @property
    def value(self) -> int:
        return sum(share.value for share in self._shares.values())

    @property
    def shares(self) -> Mapping[str, Share]:
        """The state, by node: to be sent to who knows nothing yet."""
        return dict(self._shares)

    def add(self, amount: int) -> Share:
        """Add to this node's share; a negative amount takes back. Gives what the others must hear."""
        mine = self._shares[self.node]
        mine = Share(self.node, mine.epoch, mine.plus + max(amount, 0), mine.minus + max(-amount, 0))
        self._shares[self.node] = mine
        return mine

    def reset(self, epoch: int, node: str | None = None) -> Share:
        """Begin a node's share anew with zeros: this node's, or that of one which is gone for good. Gives what the
        others must hear; the node itself goes on in the new epoch once it hears of it. Raises ValueError for an epoch
        that is not above the share's.
        """
        node = node or self.node
        known = self._shares.get(node)
        if known and epoch <= known.epoch:
            raise ValueError(f"the share of {node} is in epoch {known.epoch}: a new one is above it, not {epoch}")
        self._shares[node] = fresh = Share(node, epoch, 0, 0)
        return fresh

    def merge(self, shares: Iterable[Share]) -> bool:
        """Take in other nodes' shares, in any order and number. Whether anything is different now."""
        changed = False
        for share in shares:
            known = self._shares.get(share.node)
            joined = known.join(share) if known else share
            if joined != known:
                self._shares[share.node] = joined
                changed = True
        return changed

    def __repr__(self) -> str:
        return f"<PNCounter {self.node}: {self.value} of {len(self._shares)} nodes>"


def _epoch(share: Share) -> int:
    return share.epoch
