"""Shapes of AWS requests, and what its servers say about a body that does not have them.

AWS checks twice. A value of the wrong JSON type is a `SerializationException`; then all constraints are checked and
told together in one `ValidationException`, whose paths count from 1 and call an element `member`. Which members exist
is part of the first check: the simulator refuses unknown ones, so that a misspelt field is not silently without effect.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NoReturn

import msgspec

from llmgw_simulator.dialects._checks import is_integer
from llmgw_simulator.opaque import decoded
from llmgw_simulator.wire import Refusal

Path = tuple[str | int, ...]


class Text(msgspec.Struct, frozen=True):
    """A string; `enum` lists its values, `pattern` must fit all of it, `least` and `most` bound its length."""

    least: int = 0
    most: int | None = None
    pattern: str = ""
    enum: tuple[str, ...] = ()


class Number(msgspec.Struct, frozen=True):
    """A number with inclusive bounds; `whole` excludes fractions."""

    least: float | None = None
    most: float | None = None
    whole: bool = False


class Flag(msgspec.Struct, frozen=True):
    """A boolean."""


class Blob(msgspec.Struct, frozen=True):
    """Bytes in base64, of which there must be at least `least`."""

    least: int = 0


class Document(msgspec.Struct, frozen=True):
    """Any JSON."""


class Many(msgspec.Struct, frozen=True):
    """A list of `member`."""

    member: Shape
    least: int = 0
    most: int | None = None


class Pairs(msgspec.Struct, frozen=True):
    """A map from texts to `value`."""

    key: Text
    value: Shape
    least: int = 0
    most: int | None = None


class Fields(msgspec.Struct, frozen=True):
    """A structure. A `union` is one of which exactly one member is set, known by its name in messages."""

    members: dict[str, Shape]
    required: tuple[str, ...] = ()
    union: str = ""


Shape = Text | Number | Flag | Blob | Document | Many | Pairs | Fields


def dotted(path: Path) -> str:
    """A path as Bedrock writes it in its own messages: `messages.0.content`."""
    return ".".join(str(step) for step in path)


def invalid(message: str) -> NoReturn:
    """Refuse with a `ValidationException`."""
    raise Refusal(400, message, kind="ValidationException")


def check(shape: Shape, value: Any, path: Path = ()) -> None:
    """Check `value` as AWS does. Raises `Refusal`."""
    _check_types(shape, value, path)
    found = list(_violations(shape, value, path))
    if found:
        plural = "error" if len(found) == 1 else "errors"
        invalid(f"{len(found)} validation {plural} detected: {'; '.join(found)}")
    _check_unions(shape, value, path)


def _unserializable(message: str) -> NoReturn:
    raise Refusal(400, message, kind="SerializationException")


def _token(value: Any) -> str:
    """How AWS's JSON parser calls a value that it did not want."""
    if isinstance(value, dict):
        return "Start of structure or map found where not expected."
    if isinstance(value, list):
        return "Start of list found where not expected"
    names = {True: "TRUE_VALUE", False: "FALSE_VALUE"}
    return names[value] if isinstance(value, bool) else "STRING_VALUE" if isinstance(value, str) else "NUMBER_VALUE"


def _expect(value: Any, is_right: bool, wanted: str) -> None:
    if not is_right:
        found = _token(value)
        _unserializable(found if found.startswith("Start") else f"{found} can not be converted to {wanted}")


def _check_types(shape: Shape, value: Any, path: Path) -> None:
    match shape:
        case Text():
            _expect(value, isinstance(value, str), "a String")
        case Number(whole=whole):
            is_number = is_integer(value) or (isinstance(value, float) and not whole)
            _expect(value, is_number, "an Integer" if whole else "a Float")
        case Flag():
            _expect(value, isinstance(value, bool), "a Boolean")
        case Blob():
            _expect(value, isinstance(value, str), "a Blob")
            if decoded(value) is None:
                _unserializable(f"Unable to parse the base64 value at {dotted(path)}")
        case Many(member=member):
            if not isinstance(value, list):
                _unserializable("Expected list or null")
            for index, item in enumerate(value):
                _check_types(member, item, (*path, index))
        case Pairs(value=inner):
            _expect_object(value)
            for key, item in value.items():
                _check_types(inner, item, (*path, key))
        case Fields():
            _check_members(shape, value, path)
        case Document():
            pass


def _expect_object(value: Any) -> None:
    if not isinstance(value, dict):
        _unserializable("Expected structure or null" if not isinstance(value, list) else _token(value))


def _check_members(shape: Fields, value: Any, path: Path) -> None:
    _expect_object(value)
    for name, item in value.items():
        if name not in shape.members:
            where = "".join(f"/{step}" for step in path)
            invalid(
                f"Malformed input request: #{where}: extraneous key [{name}] is not permitted, please reformat your "
                "input and try again."
            )
        if item is not None:
            _check_types(shape.members[name], item, (*path, name))


def _violations(shape: Shape, value: Any, path: Path) -> Iterator[str]:
    """Each constraint that `value`, whose types are right, does not satisfy."""
    why: str | None = None
    match shape:
        case Text():
            why = _text_violation(shape, value)
        case Number(least=least, most=most):
            if least is not None and value < least:
                why = f"Member must have value greater than or equal to {least:g}"
            elif most is not None and value > most:
                why = f"Member must have value less than or equal to {most:g}"
        case Blob(least=least):
            if len(decoded(value) or b"") < least:
                why = f"Member must have length greater than or equal to {least}"
        case Many() | Pairs():
            why = _length_violation(len(value), shape.least, shape.most)
    if why is not None:
        yield _violation(value, path, why)
    for inner, item, step in _inside(shape, value):
        yield from _violations(inner, item, (*path, *step))
    if isinstance(shape, Fields):
        for name in shape.required:
            if value.get(name) is None:
                yield _violation(None, (*path, name), "Member must not be null")


def _text_violation(shape: Text, value: str) -> str | None:
    if shape.enum and value not in shape.enum:
        return f"Member must satisfy enum value set: [{', '.join(shape.enum)}]"
    if shape.pattern and not re.fullmatch(shape.pattern, value):
        return f"Member must satisfy regular expression pattern: {shape.pattern}"
    return _length_violation(len(value), shape.least, shape.most)


def _length_violation(length: int, least: int, most: int | None) -> str | None:
    if length < least:
        return f"Member must have length greater than or equal to {least}"
    if most is not None and length > most:
        return f"Member must have length less than or equal to {most}"
    return None


def _violation(value: Any, path: Path, why: str) -> str:
    shown = "null" if value is None else f"'{value}'" if isinstance(value, str | int | float) else "'[...]'"
    where = ".".join(f"{step + 1}.member" if isinstance(step, int) else step for step in path)
    return f"Value {shown} at '{where}' failed to satisfy constraint: {why}"


def _inside(shape: Shape, value: Any) -> Iterator[tuple[Shape, Any, Path]]:
    """The members of a value with their shapes and the step that leads to them."""
    match shape:
        case Many(member=member):
            for index, item in enumerate(value):
                yield member, item, (index,)
        case Pairs(key=key, value=inner):
            for name, item in value.items():
                yield key, name, (name,)
                yield inner, item, (name,)
        case Fields(members=members):
            for name, item in value.items():
                if item is not None:
                    yield members[name], item, (name,)
        case _:
            return


def _check_unions(shape: Shape, value: Any, path: Path) -> None:
    if isinstance(shape, Fields) and shape.union:
        given = [name for name, item in value.items() if item is not None]
        if len(given) != 1:
            keys = ", ".join(shape.members)
            invalid(f"{shape.union} object at {dotted(path)} must set one of the following keys: {keys}.")
    for inner, item, step in _inside(shape, value):
        _check_unions(inner, item, (*path, *step))
