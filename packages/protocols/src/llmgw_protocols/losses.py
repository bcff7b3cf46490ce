"""What a rendered request could not say: each once, under the name that the client's own dialect has for the field.

Fields go in by OpenAI's names, because renderers work on the canonical request, which has these. A place below a field
is written behind a dot (`messages.name`).
"""

from __future__ import annotations

import re

from llmgw_domain.errors import UnsupportedField

# Names of unknown fields are the client's text and end up in a header.
_ODD = re.compile(r"[^A-Za-z0-9_.\[\]-]")
_LONGEST = 80

_NAMES = {
    "anthropic": {
        "parallel_tool_calls": "tool_choice.disable_parallel_tool_use",
        "reasoning_effort": "thinking",
        "response_format": "output_config.format",
        "stop": "stop_sequences",
        "user": "metadata.user_id",
    },
    "responses": {
        "logprobs": "include",
        "max_tokens": "max_output_tokens",
        "messages": "input",
        "reasoning_effort": "reasoning.effort",
        "response_format": "text.format",
        "verbosity": "text.verbosity",
    },
    "google": {
        "frequency_penalty": "frequencyPenalty",
        "logprobs": "responseLogprobs",
        "max_tokens": "maxOutputTokens",
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


class Losses:
    """Names of lost fields, in the order of their loss. `client` is the client's dialect, or else its family."""

    def __init__(self, client: str) -> None:
        self._names = _NAMES.get(client, {})
        self._lost: dict[str, None] = {}

    def add(self, field: str) -> None:
        self._lost[_ODD.sub("?", self.name(field))[:_LONGEST]] = None

    def name(self, field: str) -> str:
        """The client's name for a field."""
        head, dot, rest = field.partition(".")
        return self._names.get(head, head) + dot + rest

    def names(self) -> tuple[str, ...]:
        return tuple(self._lost)

    def unsupported(self, field: str, why: str) -> UnsupportedField:
        """The refusal of a field that may not be dropped."""
        return UnsupportedField.named(self.name(field), why)


def bare_name(field: str, family: str) -> str:
    """A foreign field's name without what varies: Google's come in two spellings, some with a path before them."""
    return field.rpartition(".")[2].replace("_", "").lower() if family == "google" else field
