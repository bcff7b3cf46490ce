"""Small questions about untyped JSON that all dialects ask."""

from __future__ import annotations

import re
from typing import Any, TypeGuard

import msgspec

from llmgw_simulator.ask import Media
from llmgw_simulator.opaque import decoded

_DATA_URL = re.compile(r"data:([^;,]*)(?:;[^;,]+)*;base64,")


def is_object(value: Any) -> TypeGuard[dict[str, Any]]:
    """Whether it is a JSON object."""
    return isinstance(value, dict)


def is_objects(value: Any) -> TypeGuard[list[dict[str, Any]]]:
    """Whether it is an array of JSON objects."""
    return isinstance(value, list) and all(isinstance(item, dict) for item in value)


def is_integer(value: Any) -> TypeGuard[int]:
    """Whether it is a whole number; JSON's true is none."""
    return isinstance(value, int) and not isinstance(value, bool)


def is_texts(value: Any) -> TypeGuard[list[str]]:
    """Whether it is an array of strings."""
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def json_object(body: bytes) -> dict[str, Any] | None:
    """The body as a JSON object, or None."""
    try:
        found = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return found if isinstance(found, dict) else None


FREE_TEXT: dict[str, Any] = {"type": "object", "properties": {"input": {"type": "string"}}, "required": ["input"]}
"""What the arguments of a custom tool are made from: such a tool takes a text instead of JSON."""


def free_text(arguments: str) -> str:
    """The text in arguments that follow `FREE_TEXT`; what the token limit cut is given as it is."""
    try:
        found = msgspec.json.decode(arguments)
    except msgspec.DecodeError:
        return arguments
    return str(found.get("input", "")) if isinstance(found, dict) else arguments


def kind_of(media_type: str) -> str:
    """`image`, `audio`, `video` or `document`."""
    family = media_type.partition("/")[0]
    return family if family in ("image", "audio", "video") else "document"


def inline(media_type: str, data: Any, *, lenient: bool = False) -> Media | None:
    """An attachment from base64, or None if that is not what `data` is."""
    raw = decoded(data, lenient=lenient) if isinstance(data, str) else None
    if raw is None:
        return None
    return msgspec.convert({"kind": kind_of(media_type), "media_type": media_type, "size": len(raw)}, Media)


def data_url(url: str) -> Media | None:
    """An attachment from a data URL, or None."""
    found = _DATA_URL.match(url)
    return inline(found.group(1), url[found.end() :]) if found else None
