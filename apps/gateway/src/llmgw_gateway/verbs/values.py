"""Values of the command line into values of a record's fields.

What is text stays text. Lists are `a,b,c`, tables `name=value,name=value`; both may be written as TOML or JSON instead,
as they stand in the configuration file. A secret is never an argument, because arguments are seen by every process of
the machine and kept by shells: it is a reference (`env:NAME`, `file:PATH`, `sealed:...`), or `-` to be read from
standard input.
"""

from __future__ import annotations

import re
import tomllib
import typing
from collections.abc import Callable
from typing import Any

import msgspec

from llmgw_gateway.convert import items_of, struct_of, takes_text
from llmgw_gateway.verbs.client import Wrong

SECRETS = frozenset({"credential", "access_key_id", "secret_access_key", "session_token", "value", "proxy", "ca"})
"""Fields that hold a secret or a reference to one."""

_REFERENCE = re.compile(r"(env|file|sealed|builtin):.+|default|https?://[^@]*")
_STANDARD_INPUT = "-"

Ask = Callable[[str], str]
"""Reads a secret from standard input, or asks a person for it; the argument says what for."""


def parse(name: str, kind: Any, text: str, ask: Ask) -> object:
    """The value of the field `name`, which is of this kind. Raises `Wrong`."""
    if name in SECRETS and not _is_table(kind, text):
        return _secret(name, text, ask)
    item, struct = items_of(kind), struct_of(kind)
    if text[:1] in ("[", "{") and (item or struct or not takes_text(kind)):
        return _checked(name, kind, _document(name, text))
    if item is not None:
        return [_table(name, item, text, ask)]
    if struct is not None:
        return _table(name, struct, text, ask) if "=" in text or not takes_text(kind) else text
    if _origin(kind) is tuple:
        return [part.strip() for part in text.split(",") if part.strip()]
    if _origin(kind) is dict:
        return dict(_pairs(name, text))
    return text if takes_text(kind) else _single(name, kind, text)


def described(kind: Any) -> str:
    """What to put into a help text in place of a value."""
    item, struct = items_of(kind), struct_of(kind)
    if item is not None or struct is not None:
        names = [f.encode_name for f in msgspec.structs.fields(item or typing.cast("type[msgspec.Struct]", struct))]
        return ",".join(f"{name}=..." for name in names[:2])
    if _origin(kind) is tuple:
        return "A,B"
    if _origin(kind) is dict:
        return "NAME=VALUE,..."
    return {bool: "true|false", int: "N", float: "X"}.get(_choice(kind), "TEXT")


def repeats(kind: Any) -> bool:
    """Whether the option may stand several times, each adding to the list."""
    return items_of(kind) is not None or _origin(kind) is tuple


# --- kinds ------------------------------------------------------------------------------------------------------------


def _choice(kind: Any) -> Any:
    """The kind without None."""
    choices = [choice for choice in typing.get_args(kind) if choice is not type(None)]
    return choices[0] if choices and type(None) in typing.get_args(kind) else kind


def _origin(kind: Any) -> Any:
    return typing.get_origin(_choice(kind))


def _is_table(kind: Any, text: str) -> bool:
    """Whether a value is written as the struct that its field takes beside a text."""
    struct = struct_of(kind)
    if struct is None:
        return False
    names = [field.encode_name for field in msgspec.structs.fields(struct)]
    return text.startswith("{") or text.partition("=")[0].strip() in names


# --- values -----------------------------------------------------------------------------------------------------------


def _secret(name: str, text: str, ask: Ask) -> str:
    if text == _STANDARD_INPUT:
        secret = ask(name)
        if not secret:
            raise Wrong(f"{name}: standard input is empty")
        return secret
    if not _REFERENCE.fullmatch(text):
        raise Wrong(
            f"{name}: a secret can't be given as an argument, where other processes see it. Give a reference (env:NAME "
            f"or file:PATH, as the gateway sees them, or sealed:...), or --{name.replace('_', '-')} - and the secret "
            "on standard input"
        )
    return text


def _table(name: str, struct: type[msgspec.Struct], text: str, ask: Ask) -> dict[str, object]:
    kinds = {field.encode_name: field.type for field in msgspec.structs.fields(struct)}
    values: dict[str, object] = {}
    for key, value in _pairs(name, text):
        if key not in kinds:
            raise Wrong(f"{name}: there is no {key!r}; it takes {', '.join(kinds)}")
        values[key] = parse(key, kinds[key], value, ask)
    return values


def _pairs(name: str, text: str) -> list[tuple[str, str]]:
    pairs = [part.partition("=") for part in text.split(",")]
    if not all(key.strip() and equals for key, equals, _ in pairs):
        raise Wrong(f"{name}: must be name=value,name=value, or a TOML or JSON value, not {text!r}")
    return [(key.strip(), value.strip()) for key, _, value in pairs]


def _document(name: str, text: str) -> object:
    """A value that is written as in the configuration file, or as JSON."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        pass
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        raise Wrong(f"{name}: is neither a TOML nor a JSON value") from None


def _checked(name: str, kind: Any, value: object) -> object:
    """The value, if no secret stands in it in the clear."""
    for key, part in _named_texts(name, value):
        if key in SECRETS:
            _secret(key, part, _refuse_to_ask)
    return value


def _named_texts(name: str, value: object) -> list[tuple[str, str]]:
    if isinstance(value, dict):
        return [pair for key, part in value.items() for pair in _named_texts(key, part)]
    if isinstance(value, list):
        return [pair for part in value for pair in _named_texts(name, part)]
    return [(name, value)] if isinstance(value, str) else []


def _refuse_to_ask(name: str) -> str:
    raise Wrong(f"{name}: write the table as name=value,... to read a part of it from standard input")


def _single(name: str, kind: Any, text: str) -> object:
    wanted = _choice(kind)
    try:
        return msgspec.convert(text.lower() if wanted is bool else text, wanted, strict=False)
    except msgspec.ValidationError:
        raise Wrong(f"{name}: must be {described(kind)}, not {text!r}") from None
