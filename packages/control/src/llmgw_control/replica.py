"""This node's copy of the state: the records of the log, with the node's own file laid over them.

The log's part is a `RecordMap`: any events, in any order and number, give the same records. The file's part is an
overlay that is never written to the log: **a record of the file hides one of the log that has its kind and id**, on
this node alone, since who runs the node wrote the file and expects it to hold. What an operator switches of it (enable,
drain) is in the log, as a record of the kind `switch` whose id is `KIND:ID`, and stands above the file.

Nothing here judges a record: what is broken is held like the rest, and left to the compiler's quarantine.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import msgspec

from llmgw_control.records import (
    SECRET_FIELDS,
    STRUCTS,
    AccountRecord,
    AwsKeysRecord,
    KeyRecord,
    Record,
    Records,
    SwitchRecord,
)
from llmgw_control.sources import Changed, Ref, Source
from llmgw_crdt import Clock, Delta, RecordMap
from llmgw_crdt import Record as Held
from llmgw_domain import Event
from llmgw_domain.servers import Server

WRITTEN = "state.written"
DELETED = "state.deleted"

_REJECTED_LIMIT = 100

Holding = Callable[[str, str], Held | None]
"""The log's record of a kind and id."""

_body_of = msgspec.json.Decoder(dict[str, Any]).decode


class Replica:
    """The records that count on this node. `file` names the overlay's file; `rejected` are events that are no deltas,
    by their ids, with the reason: the log should hold none, and one that it holds must not stop all others.
    """

    def __init__(self, node: str) -> None:
        self.map = RecordMap(node)
        self.file = ""
        self.rejected: dict[str, str] = {}
        self._overlay: dict[Ref, Record] = {}
        self._servers: tuple[Server, ...] = ()

    # --- reading ------------------------------------------------------------------------------------------------------

    def get(self, kind: str, id: str) -> Source | None:
        """The record that counts."""
        return self.effective(kind, id, self.map.get)

    def ids(self, kind: str) -> set[str]:
        """Of every record of a kind that counts."""
        return {held.id for held in self.map.records(kind)} | {each for k, each in self._overlay if k == kind}

    def is_of_file(self, kind: str, id: str) -> bool:
        return (kind, id) in self._overlay

    def everything(self) -> Changed:
        """Every record that counts, as if it had just come: what a new compiler is fed."""
        changed = Changed()
        for kind in STRUCTS:
            if kind != "switch":
                for each in self.ids(kind):
                    changed.note((kind, each), None, self.get(kind, each))
        return changed

    def effective(self, kind: str, id: str, holding: Holding) -> Source | None:
        """The record that counts if the log holds what `holding` says."""
        held = holding(kind, id)
        record = self._overlay.get((kind, id))
        if record is not None:
            switch = holding("switch", f"{kind}:{id}")
            return Source.of_file(kind, id, _switched(record, switch), shadows=held is not None)
        return None if held is None else Source(kind, id, held.fields, (held.incarnation, held.stamps))

    # --- the log ------------------------------------------------------------------------------------------------------

    def apply(self, events: Iterable[Event]) -> Changed:
        """Merges events of the state log, whoever wrote them. What changed for this node, if anything."""
        changed = Changed()
        for event in events:
            if event.kind in (WRITTEN, DELETED):
                try:
                    delta = delta_of(event)
                except (ValueError, msgspec.DecodeError) as error:
                    self._reject(event, error)
                else:
                    self._merge(delta, changed)
        return changed

    def commit(self, deltas: Iterable[Delta]) -> Changed:
        """Merges this node's own deltas, which are in its journal."""
        changed = Changed()
        for delta in deltas:
            self._merge(delta, changed)
        return changed

    def load(self, dump: Mapping[str, object]) -> Changed:
        """Merges another replica's whole state, or this one's from a snapshot. Raises ValueError if it is none."""
        before = {(kind, held.id): held for kind in STRUCTS for held in self.map.records(kind)}
        changed = Changed()
        for ref in {target_of(*key) for key in self.map.merge(dump)}:
            if ref[0] in STRUCTS:
                changed.note(ref, self.effective(*ref, lambda *key: before.get(key)), self.get(*ref))
        return changed

    def dump(self) -> dict[str, object]:
        """The log's part, as JSON values."""
        return self.map.dump()

    def dump_in_slices(self, size: int) -> Iterator[tuple[str, object]]:
        """What `dump` gives at this call, in slices that an event loop can serve between (`RecordMap`)."""
        return self.map.dump_in_slices(size)

    # --- the file -----------------------------------------------------------------------------------------------------

    def overlay(self, records: Records, file: str) -> Changed:
        """Lays these records over the log's in place of those before. What changed.

        With it come all records, the log's too, that mean something else now though they say the same: those that
        refer to the environment or to files, where another secret may be, and accounts of servers that were changed.
        """
        laid, same_servers = overlay_of(records), records.servers == self._servers
        refs = {*self._overlay, *laid, *((kind, each) for kind in SECRET_FIELDS for each in self.ids(kind))}
        before = {ref: self.get(*ref) for ref in refs}
        old, self._overlay, self._servers, self.file = self._overlay, laid, records.servers, file
        changed = Changed()
        for ref, source in before.items():
            now = self.get(*ref)
            anew = now is not None and now.kind in SECRET_FIELDS and _means_another(now, same_servers)
            if anew or old.get(ref) != laid.get(ref):
                changed.note(ref, source, now)
        return changed

    def overlay_records(self) -> Iterator[tuple[Ref, Record]]:
        """The file's records as they stand there, by kind and id."""
        return iter(sorted(self._overlay.items(), key=lambda item: item[0]))

    def overlay_digest(self) -> str:
        """What two nodes compare to see that their files say the same. References count, what they lead to does not."""
        content = [(ref, record) for ref, record in self.overlay_records()]
        return hashlib.sha256(msgspec.json.encode(content, order="deterministic")).hexdigest()[:16]

    def __repr__(self) -> str:
        return f"<Replica {self.map!r}, {len(self._overlay)} of the file>"

    def _merge(self, delta: Delta, changed: Changed) -> None:
        ref = target_of(delta.kind, delta.id)
        if ref[0] not in STRUCTS:
            self.map.apply(delta)
            return
        before = self.get(*ref)
        if self.map.apply(delta):
            changed.note(ref, before, self.get(*ref))

    def _reject(self, event: Event, error: Exception) -> None:
        if len(self.rejected) < _REJECTED_LIMIT:
            self.rejected[event.id] = f"{event.kind} of {event.subject}: {error}"


class Draft:
    """Changes that are written down and not made: deltas as this node would write them, and what would then count."""

    def __init__(self, replica: Replica, clock: Clock, now: float) -> None:
        self.deltas: list[Delta] = []
        self._replica = replica
        self._clock = clock
        self._now = now
        self._records: dict[Ref, Held | None] = {}
        self._after = replica.map.vector.get(replica.map.node, 0)
        # What is written now has to win over all that is there, also over what this clock was never told of.
        clock.observe(replica.map.horizon, now)

    def write(self, kind: str, id: str, fields: Mapping[str, Any]) -> None:
        """Sets fields of a record; creates it if there is none."""
        live, stamp = self.held(kind, id), self._stamp()
        previous = {name: live.stamps[name] for name in fields if name in live.stamps} if live else {}
        incarnation = live.incarnation if live else stamp
        self._note(Delta(stamp[1], stamp[0], self._after, kind, id, incarnation, dict(fields), previous, False))
        old_fields, old_stamps = (live.fields, live.stamps) if live else ({}, {})
        self._records[kind, id] = Held(
            kind, id, incarnation, {**old_fields, **fields}, {**old_stamps, **dict.fromkeys(fields, stamp)}
        )

    def delete(self, kind: str, id: str) -> None:
        """Buries a record, if there is one."""
        live = self.held(kind, id)
        if live is not None:
            hlc, node = self._stamp()
            self._note(Delta(node, hlc, self._after, kind, id, live.incarnation, {}, dict(live.stamps), True))
            self._records[kind, id] = None

    def held(self, kind: str, id: str) -> Held | None:
        """The log's record as it would be."""
        return self._records[kind, id] if (kind, id) in self._records else self._replica.map.get(kind, id)

    def get(self, kind: str, id: str) -> Source | None:
        """The record that would count."""
        return self._replica.effective(kind, id, self.held)

    def changed(self) -> Changed:
        """What would change for this node."""
        changed = Changed()
        for ref in {target_of(*ref) for ref in self._records}:
            if ref[0] in STRUCTS:
                changed.note(ref, self._replica.get(*ref), self.get(*ref))
        return changed

    def _stamp(self) -> tuple[int, str]:
        return self._clock.tick(self._now), self._replica.map.node

    def _note(self, delta: Delta) -> None:
        self.deltas.append(delta)
        self._after = delta.hlc


def delta_of(event: Event) -> Delta:
    """The delta that a state event carries. Raises ValueError, or `msgspec.DecodeError`."""
    return Delta.parse(event.node, event.hlc, event.subject, event.kind == DELETED, _body_of(event.body))


def target_of(kind: str, id: str) -> Ref:
    """The record that a record of the log is about: a switch is about another one."""
    if kind == "switch":
        about, _, name = id.partition(":")
        return about, name
    return kind, id


def overlay_of(records: Records) -> dict[Ref, Record]:
    """The file's records by kind and id."""
    laid: dict[Ref, Record] = {("account", a.id): a for a in records.accounts}
    laid |= {("model", m.name): m for m in records.models}
    laid |= {("policy", p.id): p for p in records.policies}
    laid |= {("key", k.id or k.name or ""): k for k in records.keys}
    return laid


def _switched(record: Record, held: Held | None) -> Record:
    """The record as an operator switched it; a field of a switch that is none counts for nothing, but for the reason
    of one that is switched.
    """
    if held is None or not isinstance(record, AccountRecord | KeyRecord):
        return record
    wanted: dict[str, Any] = {
        name: held.fields[name]
        for name in SwitchRecord.__struct_fields__
        if name in record.__struct_fields__ and isinstance(held.fields.get(name), bool)
    }
    if "enabled" in wanted and isinstance(record, AccountRecord):
        reason = held.fields.get("disabled_reason")
        wanted["disabled_reason"] = reason if isinstance(reason, str) else None
    return msgspec.structs.replace(record, **wanted)


def _means_another(source: Source, same_servers: bool) -> bool:
    """Whether it may mean something else than before while it says the same."""
    if source.kind == "account" and source.fields.get("server") is not None and not same_servers:
        return True
    return any(_leads_outside(source.fields.get(name)) for name in SECRET_FIELDS[source.kind])


def _leads_outside(value: Any) -> bool:
    if isinstance(value, AwsKeysRecord):
        value = msgspec.to_builtins(value)
    if isinstance(value, Mapping):
        return any(_leads_outside(part) for part in value.values())
    return isinstance(value, str) and value.startswith(("env:", "file:"))
