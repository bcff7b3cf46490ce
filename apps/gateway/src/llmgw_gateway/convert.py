"""Plain values of a TOML document into structs, with every problem instead of the first one.

`msgspec.convert` stops at the first problem and words it for programmers, so the structs are walked here and only the
single values are left to it. What is wrong is replaced by its default, so that the rest can still be checked.
"""

from __future__ import annotations

import difflib
import functools
import types
import typing
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any, Literal, TypeVar, Union

import msgspec

Wrong = tuple[str, str]
"""A path and what is wrong there."""

S = TypeVar("S", bound=msgspec.Struct)

# Keys that this version has not; a bare "no such key" would look like a typing error.
_LATER_KEYS = {"proxy", "ca", "tls"}


def convert(struct: type[S], raw: object, path: str = "") -> tuple[S, list[Wrong]]:
    """The struct, and what was wrong. Wrong or missing values are its defaults, or the empty text where it has none."""
    if not isinstance(raw, dict):
        made, _ = convert(struct, {}, path)
        return made, [(path, f"must be a table, not {kind_of(raw)}")]
    fields = fields_of(struct)
    wrong = [(join(path, key), _unknown(key, fields)) for key in raw if key not in fields]
    values: dict[str, Any] = {}
    for name, field in fields.items():
        if name in raw:
            value, problems = _value(field.type, raw[name], join(path, name))
            wrong += problems
            if not problems or isinstance(value, (msgspec.Struct, tuple)):
                values[name] = value
        elif field.required:
            wrong.append((join(path, name), "missing"))
        if name not in values and field.required:
            values[name] = ""
    return struct(**values), wrong


@functools.cache
def fields_of(struct: type[msgspec.Struct]) -> Mapping[str, msgspec.structs.FieldInfo]:
    """A struct's fields by name. Evaluating their annotations takes longer than all else here, so it is done once."""
    return {f.name: f for f in msgspec.structs.fields(struct)}


def join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def items_of(kind: Any) -> type[msgspec.Struct] | None:
    """The struct that an array of tables holds, or None where `kind` is anything else."""
    arguments = typing.get_args(kind)
    if typing.get_origin(kind) is tuple and is_struct(arguments[0]):
        return typing.cast("type[msgspec.Struct]", arguments[0])
    return None


def is_struct(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


def struct_of(kind: Any) -> type[msgspec.Struct] | None:
    """The struct that a value of this kind is, or may be where it has a choice."""
    found = [choice for choice in _choices(kind) if is_struct(choice)]
    return found[0] if found else None


def takes_text(kind: Any) -> bool:
    """Whether a value of this kind is written as plain text."""
    return any(_is_text(choice) for choice in _choices(kind))


def near(name: str, names: Iterable[str]) -> str:
    """The nearest of these names, as a question to add to a message; empty if none is near."""
    found = difflib.get_close_matches(name, list(names), n=1)
    return f"; did you mean {found[0]!r}?" if found else ""


def kind_of(value: object) -> str:
    """What a TOML value is, in words. Never the value: it may be a secret in the wrong place."""
    if isinstance(value, bool):
        return "a boolean"
    kinds = {str: "a string", int: "an integer", float: "a number", dict: "a table", list: "an array"}
    return kinds.get(type(value), "a date or time")


# --- values -----------------------------------------------------------------------------------------------------------


def _value(kind: Any, raw: object, path: str) -> tuple[Any, list[Wrong]]:
    struct = struct_of(kind)
    if struct is not None and (is_struct(kind) or isinstance(raw, dict)):
        return convert(struct, raw, path)
    item = items_of(kind)
    if item is not None:
        return _tables(item, raw, path)
    try:
        return msgspec.convert(raw, kind), []
    except msgspec.ValidationError:
        return None, [(path, _complaint(kind, raw))]


def _tables(item: type[msgspec.Struct], raw: object, path: str) -> tuple[tuple[msgspec.Struct, ...], list[Wrong]]:
    if not isinstance(raw, list):
        return (), [(path, f"must be an array of tables, not {kind_of(raw)}")]
    made: list[msgspec.Struct] = []
    wrong: list[Wrong] = []
    for index, entry in enumerate(raw):
        struct, problems = convert(item, entry, f"{path}[{index}]")
        made.append(struct)
        wrong += problems
    return tuple(made), wrong


def _unknown(key: str, names: Iterable[str]) -> str:
    if key in _LATER_KEYS:
        return "is not available in this version"
    return f"there is no such key{near(key, names)}"


def _complaint(kind: Any, raw: object) -> str:
    wanted = " or ".join(dict.fromkeys(_described(choice) for choice in _choices(kind)))
    listed = any(_listed(choice) for choice in _choices(kind))
    return (
        f"must be {wanted}, not {raw!r}" if listed and isinstance(raw, str) else f"must be {wanted}, not {kind_of(raw)}"
    )


def _choices(kind: Any) -> list[Any]:
    """The kinds of a union without None, which a TOML document can't say."""
    if typing.get_origin(kind) in (Union, types.UnionType):
        return [choice for choice in typing.get_args(kind) if choice is not type(None)]
    return [kind]


def _listed(kind: Any) -> list[str]:
    if typing.get_origin(kind) is Literal:
        return [str(value) for value in typing.get_args(kind)]
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return [member.value for member in kind]
    return []


def _described(kind: Any) -> str:
    listed = _listed(kind)
    if listed:
        return "one of " + ", ".join(map(repr, listed))
    if is_struct(kind):
        return "a table"
    if typing.get_origin(kind) is tuple:
        return "an array of strings"
    if typing.get_origin(kind) is dict:
        return "a table of strings"
    return {str: "a string", int: "an integer", float: "a number", bool: "true or false"}[kind]


def _is_text(kind: Any) -> bool:
    return kind is str or bool(_listed(kind))
