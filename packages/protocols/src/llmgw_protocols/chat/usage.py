"""Token counts of Chat Completions: the many forms of them, read; one form, written."""

from __future__ import annotations

from typing import Any

import msgspec

from llmgw_domain import Usage


class PromptDetails(msgspec.Struct, frozen=True, gc=False):
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None


class CompletionDetails(msgspec.Struct, frozen=True, gc=False):
    reasoning_tokens: int | None = None


class WireUsage(msgspec.Struct, frozen=True, gc=False):
    """`prompt_cache_hit_tokens` is DeepSeek's name, `cached_tokens` Moonshot's, `num_cached_tokens` Mistral's."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    total_tokens: int | None = None
    prompt_tokens_details: PromptDetails | None = None
    completion_tokens_details: CompletionDetails | None = None
    prompt_cache_hit_tokens: int | None = None
    cached_tokens: int | None = None
    num_cached_tokens: int | None = None
    cache_creation_input_tokens: int | None = None


def read(wire: WireUsage) -> Usage:
    """The canonical usage. Where the total is more than its parts, the rest is reasoning that was not counted (xAI)."""
    prompt, completion = max(0, wire.prompt_tokens or 0), max(0, wire.completion_tokens or 0)
    reasoning = wire.completion_tokens_details.reasoning_tokens if wire.completion_tokens_details else None
    beyond = (wire.total_tokens or 0) - prompt - completion
    if beyond > 0:
        completion += beyond
        reasoning = reasoning or beyond
    details = wire.prompt_tokens_details or PromptDetails()
    cached = details.cached_tokens or wire.prompt_cache_hit_tokens or wire.cached_tokens or wire.num_cached_tokens
    written = details.cache_write_tokens or wire.cache_creation_input_tokens
    return Usage.of_input(
        input=prompt, output=completion, cached=max(0, cached or 0), written=max(0, written or 0), reasoning=reasoning
    )


def write(usage: Usage) -> dict[str, Any]:
    """The `usage` object: `prompt_tokens` counts cached ones too, `completion_tokens` counts reasoning too."""
    details = {"cached_tokens": usage.cache_read}
    if usage.cache_write > 0:
        details["cache_write_tokens"] = usage.cache_write
    body: dict[str, Any] = {
        "prompt_tokens": usage.input,
        "completion_tokens": usage.output,
        "total_tokens": usage.total,
        "prompt_tokens_details": details,
    }
    if usage.reasoning is not None:
        body["completion_tokens_details"] = {"reasoning_tokens": usage.reasoning}
    return body
