"""From what is asked of a record to what is written down of it, in a draft: every rule that needs no compiler.

A field that is given is checked by itself, so that all that is wrong is told at once, and a record that was broken
elsewhere can still be mended, or switched off, one field at a time.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from llmgw_control import _checks as checks
from llmgw_control import _concealing as concealing
from llmgw_control import _texts as texts
from llmgw_control._report import Report
from llmgw_control.records import ID_FIELDS, STRUCTS, TokenRecord
from llmgw_control.refusal import Conflict, FromFile, Outdated, Reason, Refused, UnknownRecord
from llmgw_control.replica import Draft, Replica
from llmgw_control.sources import BORN, SHAPE, read, read_fields
from llmgw_control.views import Proposal
from llmgw_crdt import Record as Held

_REASON = "disabled_reason"
_SWITCHES = {"account": ("enabled", "drain"), "key": ("enabled",), "token": ("enabled",)}


class Made(NamedTuple):
    """A new record's id, and the text of a new key or token."""

    id: str
    secret: str | None


class Commands:
    """Writes commands into drafts. Each raises what it is refused with, and has then written nothing."""

    def __init__(self, replica: Replica, seal: concealing.Seal, rand: texts.Rand) -> None:
        self._replica = replica
        self._seal = seal
        self._rand = rand

    def create(self, draft: Draft, kind: str, id: str | None, fields: Mapping[str, Any]) -> Made:
        """Raises `Conflict`, `FromFile`, `Refused`."""
        report = Report()
        given = _plain(report, fields)
        name = self._name(report, kind, id, given)
        self._free(draft, kind, name)
        secret = self._with_text(report, kind, given)
        sealed = concealing.sealed(report, kind, given, {}, self._seal)
        sealed = {name: _default(kind, name) if value is None else value for name, value in sealed.items()}
        read(report, kind, name, {**sealed, BORN: SHAPE})
        _refuse_reason(report, sealed, enabled=sealed.get("enabled", True))
        _refuse(report)
        draft.write(kind, name, {**sealed, BORN: SHAPE})
        return Made(name, secret)

    def patch(self, draft: Draft, kind: str, id: str, fields: Mapping[str, Any], expected: str | None) -> None:
        """As RFC 7396 has it: null puts a field back to its default, objects are merged. Raises `FromFile`, `Outdated`,
        `Refused`, `UnknownRecord`.
        """
        held = self._of_log(draft, kind, id, expected)
        report = Report()
        given = _plain(report, fields)
        if given.pop(ID_FIELDS[kind], id) != id:
            report.at(ID_FIELDS[kind]).add("is the record's name and can't be changed: make a new record")
        given = concealing.sealed(report, kind, given, held.fields, self._seal)
        _refuse_texts(report, kind, given, held)
        wanted = {name: _merged(kind, name, held.fields.get(name), value) for name, value in given.items()}
        read_fields(report, kind, wanted)
        _refuse_reason(report, wanted, enabled=wanted.get("enabled", held.fields.get("enabled", True)))
        _refuse(report)
        changed = {name: v for name, v in wanted.items() if name not in held.fields or held.fields[name] != v}
        if changed:
            changed |= _with_reason(kind, changed, wanted.get(_REASON))
            draft.write(kind, id, changed)
            self._keep_an_owner(draft, kind)

    def delete(self, draft: Draft, kind: str, id: str, expected: str | None) -> None:
        """Raises `FromFile`, `Outdated`, `Refused`, `UnknownRecord`."""
        self._of_log(draft, kind, id, expected)
        if (kind, id) == ("policy", "default"):
            why = (
                "can't be deleted: its keys would get the built-in policy, which allows every model; change it instead"
            )
            raise Refused([Reason("", why)])
        draft.delete(kind, id)
        self._keep_an_owner(draft, kind)

    def switch(self, draft: Draft, kind: str, id: str, reason: str | None = None, **wanted: bool | None) -> None:
        """Works on records of the file too; `reason` goes with `enabled=False`. Raises `Refused`, `UnknownRecord`."""
        source = draft.get(kind, id)
        if source is None:
            raise UnknownRecord.named(kind, id)
        asked = {name: value for name, value in wanted.items() if value is not None}
        for name in asked.keys() - set(_SWITCHES.get(kind, ())):
            raise Refused([Reason(name, f"a {kind} has no such switch")])
        _refuse_unasked(kind, reason, asked)
        changed: dict[str, Any] = {
            name: value for name, value in asked.items() if source.fields.get(name, name == "enabled") != value
        }
        if not changed:
            return
        changed |= _with_reason(kind, changed, reason)
        if source.origin == "log":
            draft.write(kind, id, changed)
            self._keep_an_owner(draft, kind)
        else:
            about = f"{kind}:{id}"
            draft.write("switch", about, changed if draft.held("switch", about) else {**changed, BORN: SHAPE})

    def propose(self, draft: Draft, change: Proposal) -> None:
        """The command that a dry run asks for."""
        match change.action:
            case "create":
                self.create(draft, change.kind, change.id, change.fields)
            case "patch":
                self.patch(draft, change.kind, change.id, change.fields, None)
            case "delete":
                self.delete(draft, change.kind, change.id, None)

    # --- a record that is meant ---------------------------------------------------------------------------------------

    def _of_log(self, draft: Draft, kind: str, id: str, expected: str | None) -> Held:
        if self._replica.is_of_file(kind, id):
            raise FromFile.of(kind, id, self._replica.file)
        held, source = draft.held(kind, id), draft.get(kind, id)
        if held is None or source is None:
            raise UnknownRecord.named(kind, id)
        if expected is not None and expected != source.version:
            raise Outdated.of(kind, id, source.version)
        return held

    def _free(self, draft: Draft, kind: str, id: str) -> None:
        if self._replica.is_of_file(kind, id):
            raise FromFile.of(kind, id, self._replica.file)
        if draft.held(kind, id) is not None:
            raise Conflict.named(kind, id)

    def _name(self, report: Report, kind: str, id: str | None, given: dict[str, Any]) -> str:
        """The new record's id, which may stand in its fields as well, or be left to us where it says nothing."""
        field = ID_FIELDS[kind]
        named = given.pop(field, None)
        name = named if id is None else id
        if name is None and kind in ("key", "token", "price"):
            name = texts.new_id(kind, self._rand)
        if not isinstance(name, str) or not name:
            report.at(field).add("missing: say what the record is called")
            _refuse(report)
        if named is not None and named != name:
            report.at(field).add("differs from the id that was given for the record")
        return str(name)

    def _with_text(self, report: Report, kind: str, given: dict[str, Any]) -> str | None:
        """The text of a new key or token, whose hash it adds; None where a key comes with a hash of its own."""
        if kind not in ("key", "token"):
            return None
        _refuse_value(report, kind, given)
        if kind == "key" and given.get("hash") is not None:
            return None
        if given.get("hash") is not None:
            report.at("hash").add("a token's text is made here; leave it out")
        text = texts.new_text(texts.KEY_PREFIX if kind == "key" else texts.TOKEN_PREFIX, self._rand)
        given["hash"] = texts.hash_of(text)
        return text

    def _keep_an_owner(self, draft: Draft, kind: str) -> None:
        if kind == "token" and self._has_owner(self._replica.get) and not self._has_owner(draft.get):
            raise Refused([Reason("", "it is the last owner's token: make another one first")])

    def _has_owner(self, get: Any) -> bool:
        tokens = (source.record for each in self._replica.ids("token") if (source := get("token", each)) is not None)
        return any(isinstance(token, TokenRecord) and token.enabled and token.role == "owner" for token in tokens)


def _refuse(report: Report) -> None:
    if report.reasons:
        raise Refused(report.reasons)


def _refuse_value(report: Report, kind: str, given: dict[str, Any]) -> None:
    if kind == "key" and given.pop("value", None) is not None:
        report.at("value").add("a key's text is not taken: leave it out and one is made, or give its hash")


def _refuse_texts(report: Report, kind: str, given: dict[str, Any], held: Held) -> None:
    _refuse_value(report, kind, given)
    if kind == "token" and given.get("hash", held.fields.get("hash")) != held.fields.get("hash"):
        report.at("hash").add("a token's text can't be changed: make a new token")


def _with_reason(kind: str, changed: Mapping[str, Any], reason: Any) -> dict[str, Any]:
    """Whoever enables or disables an account says in the same write why, or that there is no reason: so that of two who
    do it at once the later one's reason comes with his switch.
    """
    return {_REASON: reason} if kind == "account" and "enabled" in changed else {}


def _refuse_reason(report: Report, given: Mapping[str, Any], *, enabled: Any) -> None:
    if given.get(_REASON) is not None and enabled is not False:
        report.at(_REASON).add("says why an account is disabled, and this one is not")


def _refuse_unasked(kind: str, reason: str | None, asked: Mapping[str, bool]) -> None:
    if reason is None:
        return
    report = Report()
    if kind != "account" or asked.get("enabled") is not False:
        report.at("reason").add("says why an account is disabled: it goes with nothing else")
    checks.reason(report.at("reason"), reason)
    _refuse(report)


def _plain(report: Report, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Fields as JSON has them, which is how the log will give them back."""
    try:
        made = msgspec.json.decode(msgspec.json.encode(fields), type=dict[str, Any])
    except (TypeError, ValueError, OverflowError):
        report.add("the fields must be JSON values, their numbers no longer than 64 bits")
        raise Refused(report.reasons) from None
    if BORN in made:
        report.at(BORN).add("there is no such field")
        del made[BORN]
    return made


def _merged(kind: str, name: str, old: Any, given: Any) -> Any:
    if given is None:
        return _default(kind, name)
    if isinstance(given, dict) and isinstance(old, Mapping):
        merged = {**old, **given}
        return {each: value for each, value in merged.items() if value is not None}
    return given


def _default(kind: str, name: str) -> Any:
    """What a field is that is not given; null where it must be given, which its type then refuses."""
    for field in msgspec.structs.fields(STRUCTS[kind]):
        if field.name == name and field.default is not msgspec.NODEFAULT:
            return msgspec.to_builtins(field.default)
    return None
