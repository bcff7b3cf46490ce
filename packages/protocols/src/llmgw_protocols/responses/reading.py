"""Reading raw values of a request with a refusal that names the field's path in OpenAI's way: `input[2].content[0]`."""

from __future__ import annotations

from functools import cache
from typing import Any

import msgspec
from msgspec import Raw

from llmgw_domain.errors import InvalidField, InvalidJson
from llmgw_protocols.chat.envelope import complaint, place


@cache
def _decoder(kind: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(kind)


def read(raw: Raw | bytes, kind: Any, at: str) -> Any:
    """The value as `kind`. Raises `InvalidField` with the path, `InvalidJson`."""
    try:
        return _decoder(kind).decode(raw)
    except msgspec.ValidationError as error:
        where = (at + place(error)).removeprefix(".")
        raise InvalidField(f"Invalid value for {where!r}: {complaint(error)}.", param=where or None) from None
    except RecursionError:
        raise InvalidJson("The body is nested too deeply.") from None
    except msgspec.DecodeError as error:
        raise InvalidJson(f"The body is not valid JSON: {error}.") from None
