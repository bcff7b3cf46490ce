"""The lists of models in the three shapes that SDKs read: OpenAI's, Anthropic's and Gemini's, and their entries.

The gateway's names are its operator's: when such a model was made, or what it is called in public, nobody says. Where a
shape demands a date, it is the epoch, as Anthropic writes an unknown one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from llmgw_domain import Model
from llmgw_domain.errors import InvalidField, UnknownModel

OWNER = "llmgw"
_EPOCH = "1970-01-01T00:00:00Z"
_METHODS = ("generateContent", "streamGenerateContent", "countTokens")
_ANTHROPIC_PAGE, _GEMINI_PAGE, _LARGEST_PAGE = 20, 50, 1000


def listing(dialect: str, models: Sequence[Model], query: Mapping[str, str]) -> bytes:
    """The list, or one page of it. Raises `InvalidField` for a page that makes no sense."""
    shown: Any
    match dialect:
        case "messages":
            shown = _anthropic_page(models, query)
        case "gemini":
            shown = _gemini_page(models, query)
        case _:
            shown = {"object": "list", "data": [_openai(m) for m in models]}
    return msgspec.json.encode(shown)


def entry(dialect: str, models: Sequence[Model], name: str) -> bytes:
    """One model. Raises `UnknownModel` if the name is not in the list."""
    found = next((m for m in models if m.name == name), None)
    if found is None:
        raise UnknownModel.named(name, [m.name for m in models][:3])
    write = {"messages": _anthropic, "gemini": _gemini}.get(dialect, _openai)
    return msgspec.json.encode(write(found))


# --- OpenAI -----------------------------------------------------------------------------------------------------------


def _openai(model: Model) -> dict[str, Any]:
    return {"id": model.name, "object": "model", "created": 0, "owned_by": OWNER}


# --- Anthropic --------------------------------------------------------------------------------------------------------


def _anthropic(model: Model) -> dict[str, Any]:
    return {
        "type": "model",
        "id": model.name,
        "display_name": model.name,
        "created_at": _EPOCH,
        "lifecycle": "active",
        "max_tokens": model.max_output_tokens,
    }


def _anthropic_page(models: Sequence[Model], query: Mapping[str, str]) -> dict[str, Any]:
    """A page by cursor: the names after `after_id`, or the last ones before `before_id`."""
    size = _page_size(query.get("limit"), "limit", _ANTHROPIC_PAGE)
    names = [m.name for m in models]
    if before := query.get("before_id"):
        end = _position(names, before, "before_id")
        start = max(0, end - size)
        more = start > 0
    else:
        after = query.get("after_id")
        start = _position(names, after, "after_id") + 1 if after else 0
        end = min(len(names), start + size)
        more = end < len(names)
    page = models[start:end]
    return {
        "data": [_anthropic(m) for m in page],
        "has_more": more,
        "first_id": page[0].name if page else None,
        "last_id": page[-1].name if page else None,
    }


# --- Gemini -----------------------------------------------------------------------------------------------------------


def _gemini(model: Model) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "name": f"models/{model.name}",
        "displayName": model.name,
        "supportedGenerationMethods": _METHODS,
    }
    if model.max_output_tokens is not None:
        shown["outputTokenLimit"] = model.max_output_tokens
    return shown


def _gemini_page(models: Sequence[Model], query: Mapping[str, str]) -> dict[str, Any]:
    """A page by token, which is the name that the next page begins with."""
    size = _page_size(query.get("pageSize") or query.get("page_size"), "pageSize", _GEMINI_PAGE)
    token = query.get("pageToken") or query.get("page_token")
    start = _position([m.name for m in models], token, "pageToken") if token else 0
    page: dict[str, Any] = {"models": [_gemini(m) for m in models[start : start + size]]}
    if start + size < len(models):
        page["nextPageToken"] = models[start + size].name
    return page


# --- pages ------------------------------------------------------------------------------------------------------------


def _page_size(given: str | None, field: str, default: int) -> int:
    if not given:
        return default
    if not (given.isascii() and given.isdigit() and 1 <= int(given[:9]) <= _LARGEST_PAGE):
        raise InvalidField(f"{field}: must be a number from 1 to {_LARGEST_PAGE}.", param=field)
    return int(given)


def _position(names: Sequence[str], name: str, field: str) -> int:
    try:
        return names.index(name)
    except ValueError:
        raise InvalidField(f"{field}: there is no model {name[:200]!r} in the list.", param=field) from None
