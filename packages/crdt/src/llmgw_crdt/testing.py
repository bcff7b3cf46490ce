"""What a set of deltas means, in as few lines as it can be said: the reference that replicas are compared with."""

from __future__ import annotations

from collections.abc import Iterable

from llmgw_crdt.clock import Stamp
from llmgw_crdt.delta import Delta
from llmgw_crdt.dump import Key
from llmgw_crdt.records import RecordMap

Meaning = dict[Key, tuple[Stamp, dict[str, tuple[Stamp, object]]]]
"""{(kind, id): (incarnation, {field: (stamp, value)})} of what is live."""


def meaning_of(deltas: Iterable[Delta]) -> Meaning:
    """The live records of a set of deltas: of each id the latest incarnation that is later than every deleted one, with
    the latest write of each field among those of that incarnation. It looks at all of them at once, and keeps nothing.
    """
    by_key: dict[Key, list[Delta]] = {}
    for delta in deltas:
        by_key.setdefault((delta.kind, delta.id), []).append(delta)
    meaning: Meaning = {}
    for key, group in by_key.items():
        latest = max(delta.incarnation for delta in group)
        if any(delta.deleted and delta.incarnation == latest for delta in group):
            continue
        written = sorted((d for d in group if d.incarnation == latest), key=lambda d: d.stamp)
        meaning[key] = latest, {name: (d.stamp, value) for d in written for name, value in d.fields.items()}
    return meaning


def shown_by(records: RecordMap) -> Meaning:
    """The live records of a replica, in the same form."""
    return {
        (record.kind, record.id): (
            record.incarnation,
            {name: (record.stamps[name], value) for name, value in record.fields.items()},
        )
        for kind in records.kinds()
        for record in records.records(kind)
    }
