"""How answers look on a terminal: aligned columns for lists, a line a field for one record."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

Record = Mapping[str, Any]

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "account": ("id", "provider", "pool", "state", "max_concurrency", "origin"),
    "model": ("id", "targets", "state", "origin"),
    "key": ("id", "name", "tenant", "policy", "state", "origin"),
    "policy": ("id", "models", "endpoints", "state", "origin"),
    "price": ("id", "provider", "model", "effective_from", "prices", "state"),
    "token": ("id", "name", "role", "state"),
}
"""What a list of each kind shows; `get` and --json show the rest."""


def table(rows: Iterable[Record], columns: Sequence[str]) -> str:
    """Rows under the names of their columns, each as wide as its widest value."""
    lines = [[column.replace("_", " ").upper() for column in columns]]
    lines += [[shown(column, row) for column in columns] for row in rows]
    widths = [max(len(line[at]) for line in lines) for at in range(len(columns))]
    padded = ("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines)
    return "\n".join(line.rstrip() for line in padded)


def record(fields: Record) -> str:
    """One record, a field a line; what is empty is left out."""
    there = {name: value for name, value in fields.items() if value not in (None, "", [], {})}
    width = max(map(len, there), default=0)
    return "\n".join(f"{name.ljust(width)}  {shown(name, fields)}" for name in there)


def shown(column: str, row: Record) -> str:
    """A value as text, on one line, without anything that a terminal would obey."""
    value = state(row) if column == "state" and "state" not in row else row.get(column)
    return printable(_text(column, value))


def printable(text: str) -> str:
    """The text with what a terminal would obey written out."""
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text)


def state(row: Record) -> str:
    """What keeps a record from serving, or that nothing does."""
    if row.get("quarantined"):
        return "quarantined"
    if row.get("enabled") is False:
        reason = row.get("disabled_reason")
        return f"disabled: {reason}" if reason else "disabled"
    return "draining" if row.get("drain") else "ready"


def _text(column: str, value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(_part(column, part) for part in value) or "-"
    if isinstance(value, dict):
        return ", ".join(f"{name}={_text(name, part)}" for name, part in value.items() if part is not None) or "-"
    return str(value)


def _part(column: str, part: Any) -> str:
    if column == "targets" and isinstance(part, dict):
        tier = f" (priority {part['priority']})" if part.get("priority", 1) != 1 else ""
        return f"{part.get('pool')}/{part.get('model')}{tier}"
    if column == "fallbacks" and isinstance(part, dict):
        return f"{part.get('model')} ({', '.join(part.get('on', ()))})"
    if column == "quarantined" and isinstance(part, dict):
        return ": ".join(text for text in (part.get("path"), part.get("message")) if text)
    return _text("", part)


def as_json(value: object) -> str:
    """For programs, and for people who like it."""
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
