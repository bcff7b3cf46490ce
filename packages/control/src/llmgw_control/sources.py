"""Records as they count on this node, and how they change: what the replica gives and the compiler takes.

A `Source` is one record with where it comes from. Those of the log are fields by name, as their deltas brought them, so
their types are not known to be right: `read` finds out, field by field, and names everything that is wrong.
"""

from __future__ import annotations

import difflib
import hashlib
import re
from collections.abc import Iterator, Mapping
from enum import Enum
from typing import Any, Literal, NamedTuple, get_args, get_origin, get_type_hints

import msgspec

from llmgw_control._report import Report
from llmgw_control.records import ID_FIELDS, STRUCTS, Record
from llmgw_control.refusal import Reason

Ref = tuple[str, str]
"""A record's kind and id."""

BORN = "v"
"""The field that a record's creation alone writes, and every creation does: the version of the record's shape. A change
of a record can arrive before its creation; what is without this field is only a piece of a record, and a piece of a
policy may allow more than the whole."""

SHAPE = 1

_PLACE = re.compile(r" - at `\$(.*)`$", re.DOTALL)


class Source:
    """A record that counts on this node. It never changes; `shadows` is set for one of the file that hides one of the
    log.
    """

    __slots__ = ("_read", "_stamps", "fields", "id", "kind", "origin", "shadows")

    def __init__(self, kind: str, id: str, fields: Mapping[str, Any], stamps: object = None) -> None:
        """One of the log. `stamps` is anything that differs, as JSON, whenever the record does."""
        self.kind = kind
        self.id = id
        self.origin: Literal["log", "file"] = "log"
        self.fields = fields
        self.shadows = False
        self._stamps = stamps
        self._read: tuple[Record | None, tuple[Reason, ...]] | None = None

    @classmethod
    def of_file(cls, kind: str, id: str, record: Record, *, shadows: bool = False) -> Source:
        """One of the file, whose types were checked there."""
        id_field = ID_FIELDS[kind]
        fields = {name: getattr(record, name) for name in record.__struct_fields__ if name != id_field}
        made = cls(kind, id, fields, record)
        made.origin, made.shadows, made._read = "file", shadows, (record, ())
        return made

    @property
    def ref(self) -> Ref:
        return self.kind, self.id

    @property
    def version(self) -> str:
        """16 hex digits that change whenever anything of the record does."""
        return hashlib.sha256(msgspec.json.encode(self._stamps, order="deterministic")).hexdigest()[:16]

    def read(self) -> tuple[Record | None, tuple[Reason, ...]]:
        """The record, or every reason why its fields make none."""
        if self._read is None:
            report = Report()
            record = read(report, self.kind, self.id, self.fields)
            self._read = record, tuple(report.reasons)
        return self._read

    @property
    def record(self) -> Record | None:
        return self.read()[0]

    def __repr__(self) -> str:
        return f"<Source {self.kind}/{self.id} of the {self.origin}>"


class Change(NamedTuple):
    """A record as it was and as it is; None where there is none."""

    before: Source | None
    after: Source | None


class Changed:
    """What changed, by record: from what it was before all of it to what it is after all of it."""

    __slots__ = ("_changes",)

    def __init__(self) -> None:
        self._changes: dict[Ref, Change] = {}

    def note(self, ref: Ref, before: Source | None, after: Source | None) -> None:
        first = self._changes.get(ref)
        self._changes[ref] = Change(first.before if first else before, after)

    def add(self, later: Changed) -> None:
        """Takes in what changed after this."""
        for ref, change in later.items():
            self.note(ref, *change)

    def items(self) -> Iterator[tuple[Ref, Change]]:
        return iter(self._changes.items())

    def __len__(self) -> int:
        return len(self._changes)

    def __repr__(self) -> str:
        return f"<Changed {', '.join('/'.join(ref) for ref in self._changes) or 'nothing'}>"


# --- reading fields ---------------------------------------------------------------------------------------------------


class _Shape(NamedTuple):
    struct: type[Record]
    id_field: str
    types: dict[str, Any]
    required: tuple[str, ...]


def _shape(kind: str) -> _Shape:
    struct, id_field = STRUCTS[kind], ID_FIELDS[kind]
    hints = get_type_hints(struct)
    required = [f.name for f in msgspec.structs.fields(struct) if f.required and f.name != id_field]
    return _Shape(struct, id_field, {n: t for n, t in hints.items() if n != id_field}, tuple(required))


_SHAPES = {kind: _shape(kind) for kind in STRUCTS}


def read(report: Report, kind: str, id: str, fields: Mapping[str, Any]) -> Record | None:
    """The record of these fields; None, and every reason in the report, where they make none.

    A field that is not known is a reason too: one that a newer version wrote may take rights away, and passing over it
    would give them back.
    """
    shape = _SHAPES[kind]
    found = len(report.reasons)
    if fields.get(BORN) != SHAPE:
        report.add(
            f"was written by a newer version of the gateway (shape {fields[BORN]!r})"
            if BORN in fields
            else "was changed elsewhere, and its creation has not arrived here yet"
        )
    values = read_fields(report, kind, {name: value for name, value in fields.items() if name != BORN})
    for name in shape.required:
        if name not in fields:
            report.at(name).add("missing")
    if len(report.reasons) > found:
        return None
    return shape.struct(**{shape.id_field: id, **values})


def read_fields(report: Report, kind: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the fields whose types are right. No value is quoted: any of them may be a secret in a wrong place."""
    types = _SHAPES[kind].types
    values: dict[str, Any] = {}
    for name, value in fields.items():
        if name not in types:
            report.at(name).add(_no_such(kind, name))
            continue
        try:
            values[name] = msgspec.convert(value, types[name])
        except msgspec.ValidationError as error:
            _wrong(report.at(name), str(error), types[name])
    return values


def _wrong(report: Report, message: str, wanted: Any) -> None:
    place = _PLACE.search(message)
    text = message[: place.start()] if place else message
    if text.startswith("Invalid enum value"):
        choices = ", ".join(repr(choice) for choice in _choices(wanted))
        text = f"must be one of {choices}" if choices else "is none of the values that it can have"
    deeper = place[1] if place else ""
    at = Report(report.reasons, report.path + deeper) if deeper else report
    at.add(text[0].lower() + text[1:])


def _choices(wanted: Any) -> list[str]:
    if isinstance(wanted, type) and issubclass(wanted, Enum):
        return [str(member.value) for member in wanted]
    if get_origin(wanted) is Literal:
        return list(get_args(wanted))
    return [choice for part in get_args(wanted) for choice in _choices(part)]


def _no_such(kind: str, name: str) -> str:
    names = sorted(_SHAPES[kind].types)
    near = difflib.get_close_matches(name, names, n=1)
    return f"there is no such field{f'; did you mean {near[0]!r}?' if near else ''}; there are {', '.join(names)}"
