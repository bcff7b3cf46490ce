"""Records that merge: which life of each record counts, and what its fields are.

A record's identity is its id and its *incarnation*, the stamp of its creation. One entry is kept for an id:

- a live record: fields, each with the stamp of its last write; the later wins, of equal times the greater node id;
- or a tombstone: this incarnation was deleted, and wins over any write of the same incarnation, whatever its time.

The entry with the later incarnation wins wholly over one with an earlier incarnation. So what an id has of earlier
lives is dead for good: a late delta of one never resurrects it. Two nodes that create an id at the same time make two
incarnations; the later stamp stays, with its own fields only, and nothing is mixed in from the other. (Mixing would
publish a record that no one wrote. The deltas in the log still say what the earlier one held.) Deleting the earlier of
the two, by a node that has not seen the later, does not touch the later one.

A delta may come before the one that created its incarnation. It is applied all the same, so a record may lack fields
for a while; who compiles records must be able to bear that.

**The floor.** A tombstone can't be kept for ever, and a dead incarnation must stay dead without it. `floor` says for
each author: every incarnation that it created up to this moment has been received here, so that one that is not live
here is dead. Whatever refers to such an incarnation is void. The floor travels with a dump and kills there what is dead
here; that is what a tombstone would have done. `collect` says when it may be raised.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from llmgw_crdt.clock import Stamp, hlc_at
from llmgw_crdt.delta import Delta
from llmgw_crdt.digest import DIGEST_BYTES, MODULUS, canonical, record_number
from llmgw_crdt.dump import (
    FORMAT,
    Dump,
    Key,
    Life,
    Tombstone,
    Written,
    parse_dump,
    record_as_json,
    tombstone_as_json,
    written_by_stamp,
)
from llmgw_crdt.vector import Vector, floor_of


@dataclass(frozen=True, slots=True)
class Record:
    """One live record as it is now. It never changes: a merge makes a new one. Do not write to its mappings."""

    kind: str
    id: str
    incarnation: Stamp
    fields: Mapping[str, object]
    stamps: Mapping[str, Stamp]

    @property
    def version(self) -> Stamp:
        """The largest stamp in it: two replicas with the same version of a record hold the same record, once they have
        heard of the same deltas."""
        return max(self.stamps.values(), default=self.incarnation)

    def __repr__(self) -> str:
        # Names alone: values may be credentials.
        return f"<Record {self.kind}/{self.id}#{self.incarnation} of {', '.join(self.fields) or 'nothing'}>"


class _Numbers(dict[Key, int]):
    """Numbers by record. A class of its own, so that it grows old: the collector forgets a plain dict of what it does
    not walk, and takes it for a new one with the next key, all of which is then walked.
    """

    __slots__ = ()


class RecordMap:
    """All records of one replica. Any set of deltas and dumps, in any order and number, gives the same records."""

    __slots__ = ("_dead", "_floor", "_live", "_numbers", "_seen", "_stale", "_sum", "_vector", "node")

    def __init__(self, node: str) -> None:
        self.node = node
        self._live: dict[str, dict[str, Record]] = {}
        self._dead: dict[Key, Tombstone] = {}
        self._vector = Vector()
        self._floor: dict[str, int] = {}
        self._seen: dict[str, int] = {}  # the largest reading of each author that was mentioned here, gaps or not
        self._sum = 0
        self._numbers = _Numbers()  # what each record has added to the sum
        self._stale: set[Key] = set()  # records whose number is not up to date: counted when the digest is asked for

    # Reading

    def get(self, kind: str, id: str) -> Record | None:
        return self._live.get(kind, {}).get(id)

    def records(self, kind: str) -> Iterator[Record]:
        """The live records of a kind, in no order. Not to be read on after a change."""
        return iter(self._live.get(kind, {}).values())

    def kinds(self) -> list[str]:
        """The kinds that have live records, sorted."""
        return sorted(kind for kind, records in self._live.items() if records)

    def tombstone(self, kind: str, id: str) -> Tombstone | None:
        """What is still known of a deletion, until it is collected."""
        return self._dead.get((kind, id))

    @property
    def tombstones(self) -> int:
        return len(self._dead)

    @property
    def vector(self) -> dict[str, int]:
        """What of each author has arrived here without a gap: {node: hlc}."""
        return self._vector.as_dict()

    @property
    def floor(self) -> dict[str, int]:
        """Up to where an incarnation of each author is dead unless it is live here: {node: hlc}."""
        return dict(self._floor)

    @property
    def horizon(self) -> int:
        """The largest reading that was ever mentioned here. A clock that starts from it is above everything."""
        return max(self._seen.values(), default=0)

    def has(self, delta: Delta) -> bool:
        """Whether a delta has arrived here, and everything that its author made before it."""
        return self._vector.covers(delta.node, delta.hlc)

    def digest(self) -> str:
        """What is live here, as 32 hex digits: equal on two nodes if and (but for chance) only if their records are.
        It costs what changed since it was asked for last.
        """
        for key in self._stale:
            record, old = self.get(*key), self._numbers.pop(key, 0)
            new = record_number(*key, record.incarnation, record.fields, record.stamps) if record else 0
            if record:
                self._numbers[key] = new
            self._sum = (self._sum + new - old) % MODULUS
        self._stale.clear()
        return f"{self._sum:0{DIGEST_BYTES * 2}x}"

    # Writing

    def write(self, hlc: int, kind: str, id: str, fields: Mapping[str, object]) -> Delta:
        """Set fields of the live record, or create a new incarnation with them, and give the delta that says so.

        `hlc` is a reading of this node's clock. Where it is not above all that is known here (the clock was not told),
        the delta is stamped one above that instead: what an operator writes now must win over what is there. Raises
        ValueError for a kind or id that a subject can't express.
        """
        if not kind or "/" in kind or not id:
            raise ValueError(f"a record has a kind without slashes and an id, not {kind!r} and {id!r}")
        stamp = (max(hlc, self.horizon + 1), self.node)
        live = self.get(kind, id)
        previous = {name: live.stamps[name] for name in fields if name in live.stamps} if live else {}
        return self._author(stamp, kind, id, live.incarnation if live else stamp, dict(fields), previous, False)

    def delete(self, hlc: int, kind: str, id: str) -> Delta | None:
        """Bury the live record; None if there is none. `hlc` as for `write`."""
        live = self.get(kind, id)
        if live is None:
            return None
        stamp = (max(hlc, self.horizon + 1), self.node)
        return self._author(stamp, kind, id, live.incarnation, {}, dict(live.stamps), True)

    def _author(
        self,
        stamp: Stamp,
        kind: str,
        id: str,
        incarnation: Stamp,
        fields: Mapping[str, object],
        previous: Mapping[str, Stamp],
        deleted: bool,
    ) -> Delta:
        # Tied to what is here without a gap: a link that this node has lost must not hold up everybody's vector.
        after = self._vector.get(self.node)
        delta = Delta(self.node, stamp[0], after, kind, id, incarnation, fields, previous, deleted)
        self.apply(delta)
        return delta

    # Merging

    def apply(self, delta: Delta) -> bool:
        """Merge one delta, whoever made it. Whether the record is any different now."""
        self._mention(delta.node, delta.hlc)
        self._mention(delta.incarnation[1], delta.incarnation[0])
        self._vector.advance(delta.node, delta.after, delta.hlc)
        key, incarnation = (delta.kind, delta.id), delta.incarnation
        if delta.deleted:
            return self._bury(key, Tombstone(incarnation, delta.stamp))
        return not self._is_dead(key, incarnation) and self._set(key, incarnation, ((delta.stamp, delta.fields),))

    def dump(self) -> dict[str, object]:
        """The whole state as JSON values, tombstones and floor with it."""
        records = {(record.kind, record.id): _life(record) for kind in self._live.values() for record in kind.values()}
        return Dump(self._vector.as_dict(), self._floor, self._seen, records, self._dead).as_json()

    def dump_in_slices(self, size: int) -> Iterator[tuple[str, object]]:
        """What `dump` gives at this call, as names and values; `records` and `tombstones` come as often as it takes,
        with at most `size` entries each time. So an event loop can serve between two of them, and changes may be made.
        """
        head = {"format": FORMAT, "vector": self.vector, "floor": self.floor, "seen": dict(self._seen)}
        # Records and tombstones are replaced and never changed, so that lists of them are the state as it is now.
        records = [record for kind in self._live.values() for record in kind.values()]
        return _slices(head, records, list(self._dead.items()), size)

    def merge(self, dump: Mapping[str, object]) -> set[Key]:
        """Merge another replica's whole state. Which records are any different now. Raises ValueError as `parse_dump`.

        It is as if all deltas that the other has received had been applied here, those of records that it has
        collected with them: what its floor covers and it does not have is dead.
        """
        other = parse_dump(dump)
        killed = {key for key in self._covered_by(other.floor) if key not in other.records}
        changed = set(killed)
        for key, life in other.records.items():
            mine = self.get(*key)
            dead_there = mine and mine.incarnation != life.incarnation and is_under(other.floor, mine.incarnation)
            dead_here = self._is_dead(key, life.incarnation)
            if dead_there and dead_here:
                killed.add(key)
            if not dead_here and self._set(key, life.incarnation, life.written):
                changed.add(key)
        for key in killed:
            self._remove(key)
        changed.update(key for key, grave in other.tombstones.items() if self._bury(key, grave))
        for node, hlc in (*other.floor.items(), *other.seen.items()):
            self._mention(node, hlc)
        self._floor = joined(self._floor, other.floor)
        self._vector.merge(other.vector)
        return changed | killed

    def _is_dead(self, key: Key, incarnation: Stamp) -> bool:
        """Whether this incarnation is known to be dead: buried, outlived by a later one, or under the floor."""
        live = self.get(*key)
        if live is not None and live.incarnation >= incarnation:
            return live.incarnation > incarnation
        grave = self._dead.get(key)
        return (grave is not None and grave.incarnation >= incarnation) or is_under(self._floor, incarnation)

    def _set(self, key: Key, incarnation: Stamp, written: Written) -> bool:
        """Merge writes into an incarnation that is not dead. Whether anything came of it."""
        live = self.get(*key)
        if live is None or live.incarnation < incarnation:
            fields: dict[str, object] = {}
            stamps: dict[str, Stamp] = {}
            changed = True
        else:
            fields, stamps = dict(live.fields), dict(live.stamps)
            changed = False
        for stamp, values in written:
            for name, value in values.items():
                old = stamps.get(name)
                if old is None or stamp > old or (stamp == old and is_greater(value, fields[name])):
                    fields[name], stamps[name] = value, stamp
                    changed = True
        if changed:
            self._live.setdefault(key[0], {})[key[1]] = Record(*key, incarnation, fields, stamps)
            self._dead.pop(key, None)
            self._stale.add(key)
        return changed

    def _bury(self, key: Key, grave: Tombstone) -> bool:
        """Note that an incarnation, and all before it, is dead. Whether a live record went with it."""
        live = self.get(*key)
        if live is not None and live.incarnation > grave.incarnation:
            return False
        known = self._dead.get(key)
        # Under the floor, and not what lives here: it was dead already, and its tombstone may have been collected.
        if live is None and known is None and is_under(self._floor, grave.incarnation):
            return False
        if known is None or known < grave:
            self._dead[key] = grave
        return self._remove(key)

    def _remove(self, key: Key) -> bool:
        removed = self._live.get(key[0], {}).pop(key[1], None)
        if removed:
            self._stale.add(key)
        return removed is not None

    def _covered_by(self, floor: Mapping[str, int]) -> list[Key]:
        return [
            (record.kind, record.id)
            for records in self._live.values()
            for record in records.values()
            if is_under(floor, record.incarnation)
        ]

    def _mention(self, node: str, hlc: int) -> None:
        if hlc > self._seen.get(node, 0):
            self._seen[node] = hlc

    # Collecting

    def collect(self, agreed: Iterable[Mapping[str, int]], now: float, retention: float) -> int:
        """Drop tombstones that are older than `retention` seconds, and raise the floor in their place. How many went.

        `agreed` holds, for each other node that may still write or answer (not for retired ones), a vector at which its
        records and these were found to be the same; an empty one for a node of which nothing is known holds up
        everything. A replica that is fed by one source alone gives none.

        Let `all` be what every such vector and this one cover. A tombstone of a deletion at d goes if `all` covers, of
        each author ever mentioned here, everything up to d that was mentioned. Then:

        - every node has the deletion, so its clock is above d, and it makes no more incarnations below the buried one;
        - what it had made before, of this id, is below d, has been received here, and lies under the floor = `all`;
        - so do the buried incarnation itself and those that it outlived.

        Hence no delta that any of these nodes ever made or can make, in whatever order and number it comes, finds an
        incarnation that the tombstone would have refused and the floor does not. What a retired or unknown node made
        and nobody received is not under the floor: it was never deleted, and it is taken, not lost.
        """
        everywhere = floor_of([self._vector.as_dict(), *agreed])
        behind = [everywhere.get(node, 0) for node, hlc in self._seen.items() if everywhere.get(node, 0) < hlc]
        limit = min([hlc_at(now - retention), *behind])
        gone = [key for key, grave in self._dead.items() if grave.stamp[0] <= limit]
        if gone:
            self._floor = joined(self._floor, everywhere)
            for key in gone:
                del self._dead[key]
        return len(gone)

    def __repr__(self) -> str:
        counts = ", ".join(f"{len(records)} {kind}" for kind, records in sorted(self._live.items()) if records)
        return f"<RecordMap {self.node}: {counts or 'empty'}, {len(self._dead)} tombstones>"


def _slices(
    head: Mapping[str, object], records: Sequence[Record], graves: Sequence[tuple[Key, Tombstone]], size: int
) -> Iterator[tuple[str, object]]:
    yield from head.items()
    for start in range(0, len(records), size):
        yield "records", [record_as_json((each.kind, each.id), _life(each)) for each in records[start : start + size]]
    for start in range(0, len(graves), size):
        yield "tombstones", [tombstone_as_json(*each) for each in graves[start : start + size]]


def _life(record: Record) -> Life:
    return Life(record.incarnation, written_by_stamp(record.fields, record.stamps))


def is_under(floor: Mapping[str, int], incarnation: Stamp) -> bool:
    hlc, node = incarnation
    return hlc <= floor.get(node, 0)


def is_greater(value: object, other: object) -> bool:
    return value is not other and canonical(value) > canonical(other)


def joined(one: Mapping[str, int], other: Mapping[str, int]) -> dict[str, int]:
    """The larger reading of each author."""
    return {**one, **{node: hlc for node, hlc in other.items() if hlc > one.get(node, 0)}}
