"""Splitting the top level of a JSON body into names and raw values, and putting it together again.

A pass-through must not re-serialise what it does not understand: numbers would be re-read, keys re-ordered, escapes
rewritten. So only the top level is looked at; every value stays the client's own bytes. A duplicate name is refused,
since two parsers would disagree on which value counts.
"""

from __future__ import annotations

import re

import msgspec

from llmgw_domain.errors import InvalidJson

_NAME = re.compile(rb'[\s,]*("(?:[^"\\]|\\.)*")\s*:\s*')
_END = re.compile(rb"\s*\}")
_decode = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_text = msgspec.json.Decoder(str).decode


def split(body: bytes) -> dict[str, msgspec.Raw]:
    """Names and raw values of a JSON object, in order.

    Raises `InvalidJson` for invalid UTF-8 or JSON, another value than an object, a duplicate name, or deep nesting.
    """
    try:
        body.decode()
    except UnicodeDecodeError as error:
        raise InvalidJson(f"The body is not valid UTF-8 at byte {error.start}.") from None
    try:
        fields = _decode(body)
    except RecursionError:
        raise InvalidJson("The body is nested too deeply.") from None
    except msgspec.ValidationError:
        raise InvalidJson("The body must be a JSON object.") from None
    except msgspec.DecodeError as error:
        raise InvalidJson(f"The body is not valid JSON: {error}.") from None
    _refuse_duplicates(body, fields)
    return fields


def _refuse_duplicates(body: bytes, fields: dict[str, msgspec.Raw]) -> None:
    # The decoder keeps the last value of a name. Walking the names in order and comparing each value's bytes with
    # what stands in the body finds any earlier one, at the speed of memcmp and without parsing the values again.
    at = body.index(b"{") + 1
    seen = 0
    while match := _NAME.match(body, at):
        name = _text(match[1])
        value = bytes(fields[name])
        if not body.startswith(value, match.end()):
            raise InvalidJson(f"The name {name!r} stands twice in the body.", param=name)
        at = match.end() + len(value)
        seen += 1
    # `{"a":12,"a":1}`: the last value is a prefix of the first, so the walk stops inside the first one.
    if seen != len(fields) or not _END.match(body, at):
        raise InvalidJson("A name stands twice in the body.")


def join(fields: dict[str, bytes]) -> bytes:
    """A JSON object of names and raw values, in order."""
    return b"{" + b",".join(msgspec.json.encode(k) + b":" + v for k, v in fields.items()) + b"}"


def is_json(body: bytes) -> bool:
    """Whether a body is one JSON value from its first byte to its last."""
    try:
        msgspec.json.decode(body, type=msgspec.Raw)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True
