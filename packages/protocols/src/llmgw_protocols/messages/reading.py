"""Typed reading of pieces of a client's request, with errors that say where a value is wrong and what it should be."""

from __future__ import annotations

import functools
import re
from typing import Any

import msgspec

from llmgw_domain.errors import InvalidField

_INDEX = re.compile(r"\[(\d+)\]")
_PLACE = re.compile(r" - at `\$(?P<path>[^`]*)`$")


@functools.cache
def _decoder(kind: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(kind)


def read(raw: msgspec.Raw | bytes, kind: Any, path: str) -> Any:
    """The value of `raw` as `kind`. Raises `InvalidField` with the dotted path of what is wrong."""
    try:
        return _decoder(kind).decode(raw)
    except msgspec.ValidationError as error:
        raise _invalid(str(error), path) from None
    except RecursionError:
        raise InvalidField(f"{path}: nested too deeply.", param=path) from None


def _invalid(text: str, path: str) -> InvalidField:
    match = _PLACE.search(text)
    inner = _INDEX.sub(r".\1", match["path"].replace("[...]", "")) if match else ""
    where = (path + inner).strip(".")
    what = text[: match.start()] if match else text
    return InvalidField(f"{where}: {what[:1].lower()}{what[1:]}.", param=where)


def is_null(raw: msgspec.Raw) -> bool:
    return bytes(raw).strip() == b"null"
