"""The model lists, in the shape of each provider."""

from __future__ import annotations

from typing import Any

from llmgw_simulator.wire import Refusal

_CREATED = 1_790_000_000
_DATE = "2026-09-21T00:00:00Z"
_METHODS = ["generateContent", "streamGenerateContent"]


def openai_models(models: tuple[str, ...], wanted: str | None) -> dict[str, Any]:
    """The list, or the one model that is wanted. Raises `Refusal` if there is none of that name."""
    if wanted is not None:
        return _openai(_found(models, wanted, f"The model '{wanted}' does not exist", code="model_not_found"))
    return {"object": "list", "data": [_openai(model) for model in models]}


def anthropic_models(models: tuple[str, ...], wanted: str | None) -> dict[str, Any]:
    """The list, or the one model that is wanted. Raises `Refusal` if there is none of that name."""
    if wanted is not None:
        return _anthropic(_found(models, wanted, f"model: {wanted}"))
    data = [_anthropic(model) for model in models]
    return {"data": data, "has_more": False, "first_id": models[0], "last_id": models[-1]}


def gemini_models(models: tuple[str, ...], wanted: str | None) -> dict[str, Any]:
    """The list, or the one model that is wanted. Raises `Refusal` if there is none of that name."""
    if wanted is not None:
        return _gemini(_found(models, wanted, f"Model is not found: models/{wanted} for api version v1beta"))
    return {"models": [_gemini(model) for model in models]}


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
        "max_input_tokens": 200_000,
        "max_tokens": 64_000,
    }


def _gemini(model: str) -> dict[str, Any]:
    return {
        "name": f"models/{model}",
        "version": "001",
        "displayName": model,
        "inputTokenLimit": 1_048_576,
        "outputTokenLimit": 65_536,
        "supportedGenerationMethods": _METHODS,
    }
