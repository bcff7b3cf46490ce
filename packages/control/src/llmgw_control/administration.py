"""The commands of administrators: one function each, from what is asked to what is served.

A command is judged whole before anything happens: the role, the record's version, the types of its fields, and their
meaning by a trial compile, which refuses whatever would break something that is whole now. Then, in this order: its
events go to the journal, the replica merges them, the catalog is published. Where the journal can't take them nothing
has happened. Everything is synchronous, so that no reader sees a command half done.

Credentials given in plain are sealed first, before any of it; keys and tokens are kept as hashes.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping, Sequence
from heapq import nsmallest
from typing import Any

import msgspec

from llmgw_control import _concealing as concealing
from llmgw_control import _texts as texts
from llmgw_control._commands import Commands
from llmgw_control.compiler import Compiler
from llmgw_control.ports import ClockTrouble, Journal, Publish, Sealing
from llmgw_control.records import SECRET_FIELDS, AccountRecord, KeyRecord, TokenRecord
from llmgw_control.refusal import CannotSeal, Forbidden, NotWritable, Reason, Refused, UnknownRecord, Unrevealed
from llmgw_control.replica import DELETED, WRITTEN, Draft, Replica
from llmgw_control.sources import BORN, SHAPE, Ref, Source
from llmgw_control.views import (
    KINDS,
    PORTABLE_KINDS,
    SYSTEM,
    Actor,
    Committed,
    Diff,
    Difference,
    Portable,
    Proposal,
    View,
)
from llmgw_crdt import Clock, Delta
from llmgw_domain import Event, Secret, uuid7

_OPERATORS = frozenset({("create", "key"), ("patch", "key"), ("switch", "account"), ("switch", "key")})
"""What a role below owner may do."""


class Administration:
    """Reads and changes records. The `compiler` must have been fed what the `replica` holds."""

    def __init__(
        self,
        replica: Replica,
        compiler: Compiler,
        *,
        journal: Journal,
        clock: Clock,
        wall: Callable[[], float],
        rand: texts.Rand,
        sealing: Sealing,
        publish: Publish,
        clock_trouble: ClockTrouble = lambda: None,
    ) -> None:
        """`wall` is the time in seconds since 1970, `rand` gives that many bytes fit for secrets."""
        self._replica = replica
        self._compiler = compiler
        self._journal = journal
        self._clock = clock
        self._wall = wall
        self._rand = rand
        self._sealing = sealing
        self._publish = publish
        self._clock_trouble = clock_trouble
        self._commands = Commands(replica, lambda text: _sealed_by(self._sealing, text), rand)

    # --- reading ------------------------------------------------------------------------------------------------------

    def get(self, kind: str, id: str) -> View:
        """Raises `UnknownRecord`."""
        source = self._replica.get(_known(kind), id)
        if source is None:
            raise UnknownRecord.named(kind, id)
        return self._view(source)

    def list(self, kind: str, *, after: str | None = None, limit: int = 100) -> tuple[list[View], str | None]:
        """Records by id, those above `after`; and the id to go on after, None at the end."""
        _known(kind)
        found = nsmallest(limit + 1, (each for each in self._replica.ids(kind) if after is None or each > after))
        page = [self._view(source) for each in found[:limit] if (source := self._replica.get(kind, each)) is not None]
        return page, found[limit - 1] if len(found) > limit else None

    def quarantine(self) -> dict[Ref, tuple[Reason, ...]]:
        """Every record that is broken, with the reasons; their paths are inside of it."""
        return dict(sorted(self._compiler.reasons.items()))

    def actor_of(self, token: str) -> Actor | None:
        """Whose bearer token this is. A text that several tokens have is nobody's."""
        wanted = texts.hash_of(token)
        found = [
            held.id
            for held in self._replica.map.records("token")
            if isinstance(known := held.fields.get("hash"), str)
            and hmac.compare_digest(known.encode(), wanted.encode())
        ]
        source = self._replica.get("token", found[0]) if len(found) == 1 else None
        record = source.record if source else None
        if not isinstance(record, TokenRecord) or not record.enabled:
            return None
        return Actor(f"admin:{record.id}", record.role)

    # --- changing -----------------------------------------------------------------------------------------------------

    def create(
        self, kind: str, id: str | None, fields: Mapping[str, Any], actor: Actor, cause: str | None = None
    ) -> Committed:
        """Makes a record. `fields` are those of its kind's record; the id may stand among them, and is made up for a
        key, a token or a price without one. A key without a `hash` gets a text, a token always does.

        Raises `Conflict`, `Forbidden`, `FromFile`, `NotWritable`, `Refused`.
        """
        draft = self._draft("create", _known(kind), actor)
        made = self._commands.create(draft, kind, id, fields)
        return self._commit(draft, (kind, made.id), actor, cause, made.secret)

    def patch(
        self,
        kind: str,
        id: str,
        fields: Mapping[str, Any],
        actor: Actor,
        expected: str | None = None,
        cause: str | None = None,
    ) -> Committed:
        """Changes fields of a record (RFC 7396); `expected` is the version that it must still have.

        Raises `Forbidden`, `FromFile`, `NotWritable`, `Outdated`, `Refused`, `UnknownRecord`.
        """
        draft = self._draft("patch", _known(kind), actor)
        self._commands.patch(draft, kind, id, fields, expected)
        return self._commit(draft, (kind, id), actor, cause)

    def delete(
        self, kind: str, id: str, actor: Actor, expected: str | None = None, cause: str | None = None
    ) -> Committed:
        """Deletes a record for good: one that is made under its id later is another one.

        Refused while others need it: a policy that keys name, the last account of a pool that a model leads to, the
        last owner's token. Raises as `patch`.
        """
        draft = self._draft("delete", _known(kind), actor)
        self._commands.delete(draft, kind, id, expected)
        return self._commit(draft, (kind, id), actor, cause)

    def switch(
        self,
        kind: str,
        id: str,
        *,
        enabled: bool | None = None,
        drain: bool | None = None,
        reason: str | None = None,
        actor: Actor,
        cause: str | None = None,
    ) -> Committed:
        """Enables or disables an account, key or token, drains an account or ends that; None leaves it as it is.

        `reason` says to people why an account is disabled, in one line (`disabled by the gateway: credit spent`). It is
        the account's `disabled_reason` until it is enabled. One that is disabled already keeps the reason that it has.

        Also of records of the file. Raises `Forbidden`, `NotWritable`, `Refused`, `UnknownRecord`.
        """
        draft = self._draft("switch", _known(kind), actor)
        self._commands.switch(draft, kind, id, reason, enabled=enabled, drain=drain)
        return self._commit(draft, (kind, id), actor, cause)

    def try_out(self, changes: Sequence[Proposal]) -> Diff:
        """What these changes together would do. Nothing is done, nothing is written.

        Raises as the commands themselves, but for `Refused`, whose reasons are in what is given back.
        """
        draft, reasons = Draft(self._replica, self._clock, self._wall()), []
        for change in changes:
            try:
                self._commands.propose(draft, change)
            except Refused as refused:
                reasons += [_named((change.kind, change.id), reason) for reason in refused.reasons]
        changed = draft.changed()
        with self._compiler.trial(changed) as trial:
            return Diff(
                catalog=trial.catalog.version,
                differences=tuple(
                    Difference(kind=ref[0], id=ref[1], before=_shown(change.before), after=_shown(change.after))
                    for ref, change in sorted(changed.items(), key=lambda item: item[0])
                ),
                reasons=(*reasons, *(_named(*each) for each in trial.added)),
                cured=tuple(_named(*each) for each in trial.cured),
            )

    # --- upkeep -------------------------------------------------------------------------------------------------------

    def adopt_file(self, actor: Actor, cause: str | None = None) -> Committed:
        """Copies the records of the file that the log has none of into it, as they are switched now. They count once
        the file no longer has them. References stay references: each node must be able to follow them. A key given as
        a reference becomes the hash of its text.

        Raises `Forbidden`, `NotWritable`, `Refused`.
        """
        draft = self._draft("adopt", "file", actor)
        for ref, _ in self._replica.overlay_records():
            source = self._replica.get(*ref)
            if source is not None and draft.held(*ref) is None:
                fields = {name: v for name, v in msgspec.to_builtins(source.fields).items() if v is not None}
                if "value" in fields:
                    fields["hash"] = self._hash_of_value(ref, fields.pop("value"))
                draft.write(*ref, {**fields, BORN: SHAPE})
        return self._commit(draft, None, actor, cause)

    def exported(self) -> Sequence[Portable]:
        """Every record of the log as it stands there, secrets in their sealed form, in an order that can be imported.

        The secret that session ids are made with is not among them: a gateway makes its own.
        """
        return [
            Portable(kind=kind, id=held.id, fields={n: v for n, v in held.fields.items() if n != BORN})
            for kind in PORTABLE_KINDS
            for held in sorted(self._replica.map.records(kind), key=lambda record: record.id)
        ]

    def import_records(self, records: Sequence[Portable], actor: Actor, cause: str | None = None) -> Committed:
        """Writes exported records into the log: those that are not there are made, of the others the fields that differ
        are set. Nothing is deleted. What is sealed must open with a master key of this node.

        Raises `Forbidden`, `NotWritable`, `Refused`.
        """
        draft = self._draft("import", "state", actor)
        wrong = [Reason("kind", f"there is no kind {r.kind[:64]!r}") for r in records if r.kind not in PORTABLE_KINDS]
        if wrong:
            raise Refused(wrong)
        for record in records:
            held = draft.held(record.kind, record.id)
            if held is None:
                draft.write(record.kind, record.id, {**record.fields, BORN: SHAPE})
            elif differing := {n: v for n, v in record.fields.items() if held.fields.get(n) != v}:
                draft.write(record.kind, record.id, differing)
        return self._commit(draft, None, actor, cause)

    def reseal(self, old: Sealing, new: Sealing, actor: Actor, cause: str | None = None) -> Committed:
        """Seals anew, with `new`, whatever the log holds that is sealed with another key; `old` opens it.

        From then on this seals with `new`. The compiler's `reveal` must be able to open both. What is sealed in the
        meantime on other nodes with the old key needs another run. Raises `Forbidden`, `NotWritable`, `Unrevealed`.
        """
        draft = self._draft("reseal", "secret", actor)
        key_id = concealing.key_id_of(_sealed_by(new, ""))
        for kind, names in SECRET_FIELDS.items():
            for held in sorted(self._replica.map.records(kind), key=lambda record: record.id):
                fields = {
                    name: concealing.resealed(
                        held.fields[name],
                        key_id,
                        lambda text: old.reveal(text).reveal(),
                        lambda text: _sealed_by(new, text),
                    )
                    for name in names
                    if name in held.fields
                }
                changed = {name: value for name, value in fields.items() if value != held.fields[name]}
                if changed:
                    draft.write(kind, held.id, changed)
        committed = self._commit(draft, None, actor, cause)
        self._sealing = new
        return committed

    def session_secret(self) -> Secret:
        """The key that session ids are made with (HMAC): made once, kept sealed in the log, the same for every node.

        Raises `NotWritable` where it has to be made and can't be, `Unrevealed` where it can't be opened.
        """
        held = self._replica.map.get("secret", "session")
        if held is None:
            draft = self._draft("create", "secret", SYSTEM)
            sealed = _sealed_by(self._sealing, self._rand(32).hex())
            draft.write("secret", "session", {"value": sealed, BORN: SHAPE})
            self._commit(draft, None, SYSTEM, None)
            held = self._replica.map.get("secret", "session")
            assert held is not None
        return self._sealing.reveal(str(held.fields["value"]))

    def __repr__(self) -> str:
        return f"<Administration of {self._replica!r}>"

    # --- the steps of a command ---------------------------------------------------------------------------------------

    def _draft(self, command: str, kind: str, actor: Actor) -> Draft:
        """An empty draft, if this actor may give this command here and now."""
        if actor.role != "owner" and not (actor.role == "operator" and (command, kind) in _OPERATORS):
            raise Forbidden(f"The role {actor.role!r} may not {command} a {kind}.")
        trouble = self._clock_trouble()
        if trouble is not None:
            raise NotWritable(f"This node takes no changes: {trouble}.")
        return Draft(self._replica, self._clock, self._wall())

    def _hash_of_value(self, ref: Ref, reference: str) -> str:
        try:
            return texts.hash_of(self._sealing.reveal(reference).reveal())
        except Unrevealed as error:
            raise Refused([_named(ref, Reason("value", str(error)))]) from None

    def _commit(
        self, draft: Draft, ref: Ref | None, actor: Actor, cause: str | None, secret: str | None = None
    ) -> Committed:
        """Does what the draft says, if it breaks nothing. `ref` is the record that the command is about."""
        events = tuple(self._event(delta, actor, cause) for delta in draft.deltas)
        with self._compiler.trial(draft.changed()) as trial:
            if trial.added:
                raise Refused([reason if each == ref else _named(each, reason) for each, reason in trial.added])
            self._write(events)
            self._replica.commit(draft.deltas)
            trial.keep()
        if events:
            self._publish(trial.catalog)
        source = self._replica.get(*ref) if ref else None
        return Committed(
            view=self._view(source) if source else None, events=events, catalog=trial.catalog.version, secret=secret
        )

    def _write(self, events: Sequence[Event]) -> None:
        if events:
            try:
                self._journal(events)
            except Exception as error:
                # Whatever keeps the journal from it, nothing has happened yet and nothing may happen.
                raise NotWritable(f"The journal can't be written, so nothing was changed: {error}") from error

    def _event(self, delta: Delta, actor: Actor, cause: str | None) -> Event:
        tenant = self._tenant_of(delta)
        return Event(
            id=uuid7(self._wall(), int.from_bytes(self._rand(10), "big")),
            hlc=delta.hlc,
            node=delta.node,
            v=1,
            kind=DELETED if delta.deleted else WRITTEN,
            tenant=tenant,
            actor=actor.id,
            cause=cause,
            subject=delta.subject,
            body=msgspec.Raw(msgspec.json.encode(delta.body())),
        )

    def _tenant_of(self, delta: Delta) -> str:
        """A key's events are its tenant's."""
        if delta.kind != "key":
            return "default"
        held = self._replica.map.get("key", delta.id)
        return str(delta.fields.get("tenant") or (held and held.fields.get("tenant")) or "default")

    def _view(self, source: Source) -> View:
        record = source.record
        return View(
            kind=source.kind,
            id=source.id,
            origin=source.origin,
            version=source.version,
            fields=_shown(source) or {},
            enabled=record.enabled if isinstance(record, AccountRecord | KeyRecord | TokenRecord) else None,
            drain=record.drain if isinstance(record, AccountRecord) else None,
            quarantined=self._compiler.reasons.get(source.ref, ()),
            shadows=source.shadows,
        )


def _known(kind: str) -> str:
    if kind not in KINDS:
        raise UnknownRecord(f"There is no kind of record {kind[:64]!r}.")
    return kind


def _shown(source: Source | None) -> dict[str, Any] | None:
    """All of its fields; only those that it has where they make no record."""
    if source is None:
        return None
    return concealing.shown_record(source.kind, source.record, source.fields)


def _named(ref: Ref, reason: Reason) -> Reason:
    """A reason with the record that it is about."""
    return Reason(f"{ref[0]}/{ref[1]}{f': {reason.path}' if reason.path else ''}", reason.message)


def _sealed_by(sealing: Sealing, text: str) -> str:
    try:
        return sealing.seal(text)
    except CannotSeal as error:
        raise NotWritable(f"The secret can't be sealed, so nothing was changed: {error}") from None
