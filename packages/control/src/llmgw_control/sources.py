"""Records as they count on this node, and how they change: what the replica gives and the compiler takes.

A `Source` is one record with where it comes from. Those of the log are fields by name, as their deltas brought them, so
their types are not known to be right: `read` finds out, field by field, and names everything that is wrong.
"""

from __future__ import annotations

import difflib
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

_PLACE = re.compile(r" - at `\$(.*)`$", re.DOTALL)


class Source:
    """A record that counts. `version` changes whenever anything of it does; `shadows` is set for one of the file that
    hides one of the log.
    """

    __slots__ = ("_read", "fields", "id", "kind", "origin", "shadows", "version")

    def __init__(
        self,
        kind: str,
        id: str,
        origin: Literal["log", "file"],
        version: str,
        fields: Mapping[str, Any] | None = None,
        record: Record | None = None,
        shadows: bool = False,
    ) -> None:
        """Either `fields`, of the log, or a `record`, of the file, whose types were checked there."""
        self.kind = kind
        self.id = id
        self.origin = origin
        self.version = version
        self.shadows = shadows
        self.fields = _fields_of(record, kind) if record is not None else fields or {}
        self._read: tuple[Record | None, tuple[Reason, ...]] | None = None if record is None else (record, ())

    @property
    def ref(self) -> Ref:
        return self.kind, self.id

    def read(self) -> tuple[Record | None, tuple[Reason, ...]]:
        """The record, or every reason why its fields make none."""
        if self._read is None:
            report = Report()
            self._read = read(report, self.kind, self.id, self.fields), tuple(report.reasons)
        return self._read

    @property
    def record(self) -> Record | None:
        return self.read()[0]

    def __repr__(self) -> str:
        return f"<Source {self.kind}/{self.id} {self.origin} {self.version}>"


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
    values = read_fields(report, kind, fields)
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


def _fields_of(record: Record, kind: str) -> dict[str, Any]:
    id_field = ID_FIELDS[kind]
    return {name: getattr(record, name) for name in record.__struct_fields__ if name != id_field}
