"""The model lists, in the shape of each provider."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from llmgw_simulator.claude_models import capabilities, line
from llmgw_simulator.wire import Refusal

_CREATED = 1_790_000_000
_NO_QUERY: Mapping[str, str] = MappingProxyType({})
_DATE = "2026-09-21T00:00:00Z"
_METHODS = ["generateContent", "streamGenerateContent", "countTokens"]
_EMBEDDING_METHODS = ["embedContent", "batchEmbedContents", "countTokens"]


def openai_models(models: tuple[str, ...], wanted: str | None) -> dict[str, Any]:
    """The list, or the one model that is wanted. Raises `Refusal` if there is none of that name."""
    if wanted is not None:
        return _openai(_found(models, wanted, f"The model '{wanted}' does not exist", code="model_not_found"))
    return {"object": "list", "data": [_openai(model) for model in models]}


def anthropic_models(
    models: tuple[str, ...], wanted: str | None, query: Mapping[str, str] = _NO_QUERY
) -> dict[str, Any]:
    """A page of the list, or the one model that is wanted. Raises `Refusal` if there is none of that name."""
    if wanted is not None:
        return _anthropic(_found(models, wanted, f"model: {wanted}"))
    limit = _whole(query.get("limit", "20"), "limit", 1, 1000)
    start, end = 0, len(models)
    if after := query.get("after_id"):
        start = models.index(_found(models, after, f"after_id: {after} not found")) + 1
    if before := query.get("before_id"):
        end = models.index(_found(models, before, f"before_id: {before} not found"))
        start = max(start, end - limit)
    page = models[start:end][:limit]
    more = start > 0 if query.get("before_id") else start + len(page) < end
    first, last = (page[0], page[-1]) if page else (None, None)
    return {"data": [_anthropic(model) for model in page], "has_more": more, "first_id": first, "last_id": last}


def gemini_models(models: tuple[str, ...], wanted: str | None, query: Mapping[str, str] = _NO_QUERY) -> dict[str, Any]:
    """A page of the list, or the one model that is wanted. Raises `Refusal` if there is none of that name."""
    if wanted is not None:
        return _gemini(_found(models, wanted, f"Model is not found: models/{wanted} for api version v1beta"))
    size = _whole(query.get("pageSize", "50"), "page_size", 1, 1000)
    start = _page_start(query.get("pageToken", ""))
    page: dict[str, Any] = {"models": [_gemini(model) for model in models[start : start + size]]}
    return page | ({"nextPageToken": f"page-{start + size}"} if start + size < len(models) else {})


def _page_start(token: str) -> int:
    if not token:
        return 0
    start = token.removeprefix("page-")
    if not start.isdecimal():
        raise Refusal(400, "page_token is invalid")
    return int(start)


def _whole(text: str, name: str, least: int, most: int) -> int:
    if not text.isdecimal() or not least <= int(text) <= most:
        raise Refusal(400, f"{name}: Input should be an integer from {least} to {most}")
    return int(text)


def _found(models: tuple[str, ...], wanted: str, message: str, code: str | None = None) -> str:
    if wanted not in models:
        raise Refusal(404, message, code=code)
    return wanted


def _openai(model: str) -> dict[str, Any]:
    return {"id": model, "object": "model", "created": _CREATED, "owned_by": "simulator"}


def _anthropic(model: str) -> dict[str, Any]:
    return {
        "type": "model",
        "id": model,
        "display_name": model,
        "created_at": _DATE,
        "deprecated_at": None,
        "retires_at": None,
        "lifecycle": "active",
        "line": line(model),
        "max_input_tokens": 200_000,
        "max_tokens": 64_000,
        "capabilities": capabilities(model),
    }


def _gemini(model: str) -> dict[str, Any]:
    return {
        "name": f"models/{model}",
        "version": "001",
        "displayName": model,
        "inputTokenLimit": 1_048_576,
        "outputTokenLimit": 65_536,
        "supportedGenerationMethods": _EMBEDDING_METHODS if "embedding" in model else _METHODS,
        "temperature": 1,
        "topP": 0.95,
        "topK": 64,
        "maxTemperature": 2,
        "thinking": "embedding" not in model,
    }
