"""JSON as it is taken from operators: an object, and nothing in it that two readers could read in two ways.

msgspec already refuses what is no JSON (NaN, comments, lone surrogates, text behind the value). It keeps the last of
two equal names, though, as most readers do; and a name that stands twice in a change is a mistake that nobody would
see.
"""

from __future__ import annotations

import re

import msgspec

from llmgw_domain.errors import InvalidJson

_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|[{}\[\]:,]')


def parse_object(body: bytes) -> dict[str, object]:
    """The object that `body` holds. Raises `InvalidJson`, also for a name that stands twice at any depth."""
    if not body:
        raise InvalidJson("The body is empty; send a JSON object.")
    try:
        value = msgspec.json.decode(body)
    except UnicodeDecodeError:
        raise InvalidJson("The body is not UTF-8, as JSON must be.") from None
    except RecursionError:
        raise InvalidJson("The body is nested too deeply.") from None
    except msgspec.DecodeError as error:
        raise InvalidJson(f"The body is not valid JSON: {error}") from None
    if not isinstance(value, dict):
        raise InvalidJson("The body must be a JSON object.")
    twice = _name_that_stands_twice(body)
    if twice is not None:
        raise InvalidJson(f"The name {twice[:100]!r} stands twice in one object.", param=twice[:100])
    return value


def _name_that_stands_twice(body: bytes) -> str | None:
    """The first such name of a valid JSON text. Names are compared as they read, not as they are escaped."""
    open_objects: list[set[str] | None] = []
    text = b""
    for token in _TOKEN.findall(body):
        if token == b"{":
            open_objects.append(set())
        elif token == b"[":
            open_objects.append(None)
        elif token in (b"}", b"]"):
            open_objects.pop()
        elif token == b":":
            names = open_objects[-1]
            assert names is not None
            name: str = msgspec.json.decode(text)
            if name in names:
                return name
            names.add(name)
        text = token
    return None
