"""Keeps replicas the same over links that lose, double and reorder, and knows who is there. It does no I/O.

Whoever owns the links calls it with the time and what arrived, sends what it returns, and may drop any of that:

- `publish` pushes deltas at once to peers that are there;
- each message says what its sender has, so each one is a chance to repair: who has more sends the deltas of its
  backlog, or its whole state where that does not reach back, one batch for each acknowledgement;
- at equal vectors the digests are compared. Equal ones prove that both have the same: that vector is *agreed* with the
  peer, and tombstones are collected by what is agreed with all. Different ones (an author that lost its last delta and
  wrote another) are mended by exchanging the whole state;
- `tick` sends heartbeats, so whatever was lost is noticed at the next one at the latest.

Every node talks to every other. A peer is told by its silence: alive, suspect, dead, and after the retention retired. A
retired one no longer holds up collection. What it had when it left may refer to what is collected, so when it returns
it first gets the whole state with the floor, which kills what died meanwhile, and its deltas are left alone until it
has that.

Deltas from too far in the future are deferred: applied now, they would win over all that is written until then. They
are not in the vector, so those that do not fit into memory are sent again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from llmgw_crdt.backlog import Backlog
from llmgw_crdt.clock import hlc_at, seconds_of
from llmgw_crdt.delta import Delta
from llmgw_crdt.dump import Key, horizon_of
from llmgw_crdt.messages import Beat, Deltas, Hello, Message, Status, Whole
from llmgw_crdt.records import RecordMap
from llmgw_crdt.vector import lacking

Liveness: TypeAlias = Literal["alive", "suspect", "dead", "retired"]
Sends: TypeAlias = tuple[tuple[str, Message], ...]
"""To whom, and what."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncConfig:
    """Times in seconds."""

    heartbeat: float = 1.0
    suspect_after: float = 3.0
    dead_after: float = 10.0
    retention: float = 7 * 86400.0
    """How long a tombstone is kept at least, and after what silence a node is retired."""
    collect_every: float = 60.0
    resend_after: float = 1.0
    """How long an acknowledgement is waited for before the same is sent again."""
    ahead: float = 60.0
    """How far ahead of this node's clock a delta may be."""
    backlog: int = 10_000
    """How many deltas are kept for peers."""
    batch: int = 500
    """How many deltas go into one message."""
    deferred: int = 256
    """How many deltas from the future are kept for each peer."""


@dataclass(frozen=True, slots=True)
class Step:
    """What a call has led to: messages to send, deltas that were not here before, records that are different now
    (those of `fresh` among them), tombstones that went."""

    sends: Sends = ()
    fresh: tuple[Delta, ...] = ()
    changed: frozenset[Key] = frozenset()
    collected: int = 0


@dataclass(frozen=True, slots=True)
class PeerView:
    """A peer as an operator sees it. `silent` in seconds; `ahead`: by how many seconds its deferred deltas are too
    early; `same`: whether its records were found the same at its last word."""

    node: str
    liveness: Liveness
    silent: float
    ahead: float
    same: bool


@dataclass(slots=True)
class _Peer:
    heard: float
    vector: Mapping[str, int] = field(default_factory=dict)
    agreed: Mapping[str, int] = field(default_factory=dict)
    same: bool = False
    returning: bool = False
    sent_at: float = float("-inf")
    sent_for: Mapping[str, int] | None = None
    """The peer's vector that was last answered with deltas or the whole state."""
    beat_at: float = float("-inf")
    deferred: dict[tuple[str, int], Delta] = field(default_factory=dict)


class Sync:
    """One node's side of the talk with all others. It owns no clock and no link; `records` may be written by others.

    `heard` is what `heard` of the last run gave (node: seconds since 1970). Nodes that `records` know and it does not
    count as heard now: a restart does not retire anyone.
    """

    def __init__(
        self, records: RecordMap, now: float, config: SyncConfig | None = None, heard: Mapping[str, float] | None = None
    ) -> None:
        self.records = records
        self.config = config or SyncConfig()
        self._backlog = Backlog(self.config.backlog)
        self._peers: dict[str, _Peer] = {}
        self._collected_at = now
        for node in {*records.vector, *(heard or {})} - {records.node}:
            self._peers[node] = _Peer((heard or {}).get(node, now))

    # What the links say

    def connected(self, node: str, now: float) -> Step:
        """A link to a node is open (again): greet it. Being able to connect is no sign of life of its state."""
        self.expect(node, now)
        return Step(((node, Hello(self._status())),))

    def expect(self, node: str, now: float) -> None:
        """Know of a node that has not said anything yet: it holds up collection until it has, or is retired."""
        if node != self.records.node and node not in self._peers:
            self._peers[node] = _Peer(now)

    def publish(self, deltas: Iterable[Delta], now: float) -> Step:
        """Push deltas that this node has made, or heard from elsewhere than a peer, to the peers that are there. They
        are applied if they were not."""
        fresh = tuple(delta for delta in deltas if self._backlog.add(delta))
        changed = frozenset((d.kind, d.id) for d in fresh if self.records.apply(d))
        if not fresh:
            return Step()
        # What is too much for one message is left to repair, which goes by acknowledgements.
        message = Deltas(self._status(), fresh[: self.config.batch])
        sends: list[tuple[str, Message]] = []
        for node, peer in self._peers.items():
            if now - peer.heard <= self.config.dead_after and not peer.returning:
                peer.sent_at, peer.sent_for = now, peer.vector
                sends.append((node, message))
        return Step(tuple(sends), fresh, changed)

    def receive(self, message: Message, now: float) -> Step:
        """A message has arrived. Raises ValueError if it can't be: from this node itself, or a dump that is none."""
        status = message.status
        if status.node == self.records.node:
            raise ValueError(
                f"another node calls itself {status.node} too: give one of the two a data folder of its own"
            )
        self.expect(status.node, now)
        peer = self._peers[status.node]
        peer.returning = (peer.returning or self._is_retired(peer, now)) and not covers(
            status.floor, self.records.floor
        )
        peer.heard, peer.vector = now, status.vector
        if not covers(status.vector, peer.agreed):
            # It has lost what it had (a restored backup): what was agreed with it is void.
            peer.agreed = {}
        fresh: tuple[Delta, ...] = ()
        changed: frozenset[Key] = frozenset()
        if isinstance(message, Deltas) and not peer.returning:
            fresh, changed = self._take(peer, message.deltas, now)
        elif isinstance(message, Whole):
            changed = self._take_whole(message, now)
        answer = self._answer(peer, message, now)
        return Step(((status.node, answer),) if answer else (), fresh, changed)

    def tick(self, now: float) -> Step:
        """Time has passed: heartbeats, deferred deltas whose time has come, collection. Call it every second or so."""
        fresh: tuple[Delta, ...] = ()
        changed: frozenset[Key] = frozenset()
        for peer in self._peers.values():
            due = [d for d in peer.deferred.values() if not self._is_ahead(d.hlc, now)]
            for delta in due:
                del peer.deferred[delta.stamp[1], delta.hlc]
            more, different = self._take(peer, due, now)
            fresh, changed = fresh + more, changed | different
        collected = self._collect(now)
        due_beats = [node for node, peer in self._peers.items() if now - peer.beat_at >= self.config.heartbeat]
        beat = Beat(self._status())
        for node in due_beats:
            self._peers[node].beat_at = now
        return Step(tuple((node, beat) for node in due_beats), fresh, changed, collected)

    # What an operator asks

    def liveness(self, node: str, now: float) -> Liveness:
        """What a node's silence says of it. Raises KeyError for one that was never heard of."""
        silent = now - self._peers[node].heard
        if silent > self.config.retention:
            return "retired"
        if silent > self.config.dead_after:
            return "dead"
        return "suspect" if silent > self.config.suspect_after else "alive"

    def peers(self, now: float) -> list[PeerView]:
        """All nodes that were ever heard of, by name."""
        return [
            PeerView(
                node,
                self.liveness(node, now),
                max(0.0, now - peer.heard),
                max((seconds_of(d.hlc) - now for d in peer.deferred.values()), default=0.0),
                peer.same,
            )
            for node, peer in sorted(self._peers.items())
        ]

    @property
    def heard(self) -> dict[str, float]:
        """When each node was last heard, in seconds since 1970: to be stored, and given to the next run."""
        return {node: peer.heard for node, peer in self._peers.items()}

    def _status(self) -> Status:
        records = self.records
        return Status(records.node, records.vector, records.digest(), records.floor)

    # Taking

    def _take(self, peer: _Peer, deltas: Iterable[Delta], now: float) -> tuple[tuple[Delta, ...], frozenset[Key]]:
        fresh, changed = [], set()
        for delta in deltas:
            if self._is_ahead(delta.hlc, now):
                if len(peer.deferred) < self.config.deferred:
                    peer.deferred[delta.node, delta.hlc] = delta
                continue
            known = self.records.has(delta)
            if self.records.apply(delta):
                changed.add((delta.kind, delta.id))
            if not known and self._backlog.add(delta):
                fresh.append(delta)
        return tuple(fresh), frozenset(changed)

    def _take_whole(self, message: Whole, now: float) -> frozenset[Key]:
        if self._is_ahead(horizon_of(message.dump), now):
            return frozenset()
        return frozenset(self.records.merge(message.dump))

    def _is_ahead(self, hlc: int, now: float) -> bool:
        """Whether a reading is too far in the future. One below what is here already changes nothing for the worse."""
        return hlc > hlc_at(now + self.config.ahead) and hlc > self.records.horizon

    # Answering

    def _answer(self, peer: _Peer, message: Message, now: float) -> Message | None:
        """What a peer is sent on its message: what it lacks, else an acknowledgement. A heartbeat needs none: what this
        node lacks itself, it says with its own heartbeats.
        """
        mine, status = self.records.vector, message.status
        repair: Message | None = None
        peer.same = False
        if peer.returning or lacking(mine, status.vector):
            repair = self._repair(peer, status, now)
        elif mine == status.vector:
            repair = self._compare(peer, status, now)
        if repair or isinstance(message, Beat):
            return repair
        return Beat(self._status())

    def _repair(self, peer: _Peer, status: Status, now: float) -> Message | None:
        """What this node has more, or its whole state; not twice for one vector before there was time to answer."""
        if peer.sent_for == status.vector and now - peer.sent_at < self.config.resend_after:
            return None
        peer.sent_at, peer.sent_for = now, status.vector
        deltas = self._backlog.between(status.vector, self.records.vector, self.config.batch)
        if deltas is None or peer.returning:
            return Whole(self._status(), self.records.dump())
        return Deltas(self._status(), tuple(deltas))

    def _compare(self, peer: _Peer, status: Status, now: float) -> Message | None:
        """At equal vectors: agree, or mend a difference that vectors do not show."""
        peer.same = self.records.digest() == status.digest
        if peer.same:
            peer.agreed = status.vector
            return None
        if now - peer.sent_at < self.config.resend_after:
            return None
        peer.sent_at, peer.sent_for = now, status.vector
        return Whole(self._status(), self.records.dump())

    # Collecting

    def _is_retired(self, peer: _Peer, now: float) -> bool:
        return now - peer.heard > self.config.retention

    def _collect(self, now: float) -> int:
        if now - self._collected_at < self.config.collect_every:
            return 0
        self._collected_at = now
        agreed = [peer.agreed for peer in self._peers.values() if not self._is_retired(peer, now)]
        return self.records.collect(agreed, now, self.config.retention)

    def __repr__(self) -> str:
        return f"<Sync {self.records.node}: {len(self._peers)} peers, {self._backlog}>"


def covers(one: Mapping[str, int], other: Mapping[str, int]) -> bool:
    """Whether the first reaches at least as far as the second, for every author."""
    return not lacking(other, one)
