"""What a rendered request could not say: collected once each, under the names that the client used."""

from __future__ import annotations

import re

from llmgw_domain.errors import UnsupportedField

# Names of unknown fields are the client's text and end up in a header.
_ODD = re.compile(r"[^A-Za-z0-9_.-]")

_GOOGLE = {
    "messages": "contents",
    "temperature": "temperature",
    "top_p": "topP",
    "top_k": "topK",
    "frequency_penalty": "frequencyPenalty",
    "presence_penalty": "presencePenalty",
    "logprobs": "responseLogprobs",
    "top_logprobs": "logprobs",
    "n": "candidateCount",
    "stop": "stopSequences",
    "tool_choice": "toolConfig",
    "response_format": "responseJsonSchema",
    "reasoning_effort": "thinkingConfig",
    "service_tier": "serviceTier",
}
_ANTHROPIC = {"stop": "stop_sequences", "response_format": "output_config.format", "reasoning_effort": "thinking"}
_NAMES = {"google": _GOOGLE, "anthropic": _ANTHROPIC}


class Losses:
    """Names of lost fields, in the order of their loss. Fields go by OpenAI's names and come out by the client's."""

    def __init__(self, family: str) -> None:
        self._names = _NAMES.get(family, {})
        self._lost: dict[str, None] = {}

    def add(self, field: str) -> None:
        self._lost[_ODD.sub("?", self._client_name(field))[:80]] = None

    def unsupported(self, field: str, why: str) -> UnsupportedField:
        """The refusal of a field that may not be dropped."""
        return UnsupportedField.named(self._client_name(field), why)

    def names(self) -> tuple[str, ...]:
        return tuple(self._lost)

    def _client_name(self, field: str) -> str:
        head, dot, rest = field.partition(".")
        return self._names.get(head, head) + dot + rest
