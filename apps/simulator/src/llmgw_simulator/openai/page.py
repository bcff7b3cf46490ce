"""Lists of objects, page by page, and other small things that the resources share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from llmgw_simulator.dialects.chat_messages import invalid
from llmgw_simulator.wire import Product, Refusal


def as_json(value: Any, tokens: int = 0) -> Product:
    """A JSON answer."""
    return Product(headers={"content-type": "application/json"}, body=msgspec.json.encode(value), tokens=tokens)


def sse(value: Mapping[str, Any]) -> bytes:
    """One event without a name."""
    return b"data: " + msgspec.json.encode(value) + b"\n\n"


def page_of(found: list[dict[str, Any]], query: Mapping[str, str], usual: int, most: int) -> dict[str, Any]:
    """The page that `limit`, `order` and `after` ask for; `found` is in the order of creation. Raises `Refusal`."""
    limit = _limit(query.get("limit"), usual, most)
    order = query.get("order", "desc")
    if order not in ("asc", "desc"):
        invalid(f"Invalid value: '{order}'. Supported values are: 'asc' and 'desc'.", "order", "invalid_value")
    rows = found if order == "asc" else found[::-1]
    after = query.get("after")
    if after is not None:
        places = [index for index, row in enumerate(rows) if row["id"] == after]
        if not places:
            raise Refusal(404, f"No such object: {after}", param="after")
        rows = rows[places[0] + 1 :]
    data = rows[:limit]
    ends = {"first_id": data[0]["id"] if data else None, "last_id": data[-1]["id"] if data else None}
    return {"object": "list", "data": data, **ends, "has_more": len(rows) > limit}


def _limit(given: str | None, usual: int, most: int) -> int:
    if given is None:
        return usual
    if not given.isascii() or not given.lstrip("-").isdigit():
        invalid(f"Invalid type for 'limit': expected an integer, but got '{given}' instead.", "limit", "invalid_type")
    limit = int(given)
    if limit < 1:
        message = f"Invalid 'limit': integer below minimum value. Expected a value >= 1, but got {limit} instead."
        invalid(message, "limit", "integer_below_min_value")
    if limit > most:
        message = f"Invalid 'limit': integer above maximum value. Expected a value <= {most}, but got {limit} instead."
        invalid(message, "limit", "integer_above_max_value")
    return limit
