"""The whole state as one JSON value: what a snapshot stores, and a node gets that has been away for too long.

    {"format": 1, "vector": {node: hlc}, "floor": {node: hlc}, "seen": {node: hlc},
     "records": [[kind, id, [hlc, node], [[hlc, node, {field: value}], ...]], ...],
     "tombstones": [[kind, id, [hlc, node], [hlc, node]], ...]}

A record's second stamp list groups its fields by the write that set them: most fields come from one write. A tombstone
has the stamp of the incarnation that it buries, and that of the deletion.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from llmgw_crdt.clock import Stamp
from llmgw_crdt.delta import parse_stamp

FORMAT = 1

Key = tuple[str, str]
"""(kind, id)."""

Written = tuple[tuple[Stamp, Mapping[str, object]], ...]
"""Fields, grouped by the write that set them."""


class Tombstone(NamedTuple):
    """A deleted incarnation and the stamp of its deletion. Of two, the larger covers the other."""

    incarnation: Stamp
    stamp: Stamp


class Life(NamedTuple):
    """A live record as a dump holds it."""

    incarnation: Stamp
    written: Written


@dataclass(frozen=True, slots=True)
class Dump:
    """A dump that has been read: its shape is right."""

    vector: Mapping[str, int]
    floor: Mapping[str, int]
    seen: Mapping[str, int]
    records: Mapping[Key, Life]
    tombstones: Mapping[Key, Tombstone]

    def as_json(self) -> dict[str, object]:
        return {
            "format": FORMAT,
            "vector": dict(self.vector),
            "floor": dict(self.floor),
            "seen": dict(self.seen),
            "records": [record_as_json(key, life) for key, life in self.records.items()],
            "tombstones": [tombstone_as_json(key, grave) for key, grave in self.tombstones.items()],
        }


def record_as_json(key: Key, life: Life) -> list[object]:
    return [*key, list(life.incarnation), [[*stamp, dict(fields)] for stamp, fields in life.written]]


def tombstone_as_json(key: Key, grave: Tombstone) -> list[object]:
    return [*key, list(grave.incarnation), list(grave.stamp)]


def parse_dump(value: Mapping[str, object]) -> Dump:
    """Read a dump. Raises ValueError if it is none, or one of a later release."""
    body: Mapping[str, Any] = value
    if body.get("format") != FORMAT:
        raise ValueError(f"a dump of format {body.get('format')!r}: this release reads format {FORMAT}, upgrade it")
    try:
        return Dump(
            vector=_readings(body["vector"]),
            floor=_readings(body["floor"]),
            seen=_readings(body["seen"]),
            records={
                (str(kind), str(name)): Life(parse_stamp(born), tuple((parse_stamp((h, n)), f) for h, n, f in written))
                for kind, name, born, written in body["records"]
            },
            tombstones={
                (str(kind), str(name)): Tombstone(parse_stamp(born), parse_stamp(stamp))
                for kind, name, born, stamp in body["tombstones"]
            },
        )
    except (KeyError, TypeError, ValueError) as wrong:
        raise ValueError(f"not a dump of records: {wrong!r}") from None


def horizon_of(dump: Mapping[str, object]) -> int:
    """The largest reading that a dump mentions, without reading all of it. Raises ValueError if it is no dump."""
    seen = dump.get("seen")
    if not isinstance(seen, Mapping):
        raise ValueError("not a dump of records: it does not say what it has seen")
    return max(_readings(seen).values(), default=0)


def written_by_stamp(fields: Mapping[str, object], stamps: Mapping[str, Stamp]) -> Written:
    """Fields grouped by their stamps, the earliest write first, so that equal records give equal dumps."""
    groups: dict[Stamp, dict[str, object]] = {}
    for name, value in fields.items():
        groups.setdefault(stamps[name], {})[name] = value
    return tuple(sorted(groups.items(), key=_first))


def _first(group: tuple[Stamp, Mapping[str, object]]) -> Stamp:
    return group[0]


def _readings(value: Mapping[Any, Any]) -> dict[str, int]:
    readings = dict(value)
    for node, hlc in readings.items():
        parse_stamp((hlc, node))
    return readings
