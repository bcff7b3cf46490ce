"""What a rendered request could not say, under the names that the client used; and the fields of other dialects.

A field without a canonical place is passed, dropped because it changes nothing in the answer, reported as lost, or
refused because an answer without it would be another answer.
"""

from __future__ import annotations

import re
from typing import Any

from msgspec import Raw

from llmgw_domain import Provider
from llmgw_domain.chat import ChatRequest
from llmgw_domain.errors import UnsupportedField

# Names of unknown fields are the client's text and end up in a header.
_ODD = re.compile(r"[^A-Za-z0-9_.-]")

_NAMES = {
    "anthropic": {
        "messages": "messages",
        "reasoning_effort": "thinking",
        "response_format": "output_config.format",
        "stop": "stop_sequences",
        "user": "metadata.user_id",
    },
    "google": {
        "frequency_penalty": "frequencyPenalty",
        "logprobs": "responseLogprobs",
        "messages": "contents",
        "n": "candidateCount",
        "presence_penalty": "presencePenalty",
        "reasoning_effort": "thinkingConfig",
        "response_format": "responseJsonSchema",
        "service_tier": "serviceTier",
        "stop": "stopSequences",
        "tool_choice": "toolConfig",
        "top_k": "topK",
        "top_logprobs": "logprobs",
        "top_p": "topP",
    },
}

_SILENT = {
    "anthropic": frozenset(("metadata", "cache_control", "citations", "anthropic_version", "betas", "stream")),
    "google": frozenset(("safetysettings", "labels", "store")),
}
_REFUSED = {
    "anthropic": {
        "mcp_servers": "Only Anthropic calls MCP servers itself; leave it out.",
        "thread": "Threads are kept by Anthropic alone; send the whole conversation.",
        "compaction": "Compaction is done by Anthropic alone; leave it out.",
    },
    "google": {
        "cachedcontent": "The model's provider does not have this cached content; send it in the request.",
    },
}
_MEDIA = (b'"audio"', b'"image"', b'"video"')
_EMPTY = (b"null", b"{}", b"[]", b'""', b"false")
_OPENAI_ONLY_SILENT = frozenset(("metadata", "store", "prompt_cache_options", "prompt_cache_retention"))
_OPENAI_ONLY = frozenset(("prediction", "verbosity", "moderation"))


class Losses:
    """Names of lost fields, each once, in the order of their loss. Fields go in by OpenAI's names."""

    def __init__(self, family: str) -> None:
        self._names = _NAMES.get(family, {})
        self._lost: dict[str, None] = {}

    def add(self, field: str) -> None:
        self._lost[_ODD.sub("?", self.client_name(field))[:80]] = None

    def names(self) -> tuple[str, ...]:
        return tuple(self._lost)

    def client_name(self, field: str) -> str:
        return self._names.get(field, field)

    def unsupported(self, field: str, why: str) -> UnsupportedField:
        """The refusal of a field that may not be dropped."""
        return UnsupportedField.named(self.client_name(field), why)


def carry_over(request: ChatRequest, provider: Provider, losses: Losses) -> dict[str, Any]:
    """The extra fields that the target takes; the others are dropped or reported. Raises `UnsupportedField`."""
    carried: dict[str, Any] = {}
    for name, raw in request.extras.items():
        if bytes(raw) in _EMPTY:
            continue
        if request.family == "openai":
            _own(name, raw, provider, carried, losses)
        else:
            _foreign(name, raw, request.family, provider, carried, losses)
    return carried


def _own(name: str, raw: Raw, provider: Provider, carried: dict[str, Any], losses: Losses) -> None:
    if provider is Provider.OPENAI or name not in _OPENAI_ONLY_SILENT | _OPENAI_ONLY:
        carried[name] = raw
    elif name in _OPENAI_ONLY:
        losses.add(name)


def _foreign(name: str, raw: Raw, family: str, provider: Provider, carried: dict[str, Any], losses: Losses) -> None:
    key = _key(name, family)
    if key in _SILENT.get(family, ()):
        return
    if why := _REFUSED.get(family, {}).get(key):
        raise UnsupportedField.named(name, why)
    if key == "responsemodalities":
        if any(kind in bytes(raw).lower() for kind in _MEDIA):
            raise UnsupportedField.named(name, "The model's provider answers in text only.")
        return
    if key == "speed" and bytes(raw) == b'"fast"' and provider is Provider.OPENAI:
        carried["service_tier"] = "fast"
        return
    losses.add(name)


def _key(name: str, family: str) -> str:
    # Google's names come in two spellings and, within `generationConfig`, with a path before them.
    return name.rpartition(".")[2].replace("_", "").lower() if family == "google" else name
