"""What a rendered request could not say: each once, under the name that the client used for it."""

from __future__ import annotations

import re

from llmgw_domain.errors import UnsupportedField

# Names of unknown fields are the client's text and end up in a header.
_ODD = re.compile(r"[^A-Za-z0-9_.\[\]-]")

_NAMES = {
    "anthropic": {
        "stop": "stop_sequences",
        "response_format": "output_config.format",
        "reasoning_effort": "thinking",
        "parallel_tool_calls": "tool_choice.disable_parallel_tool_use",
        "user": "metadata.user_id",
    },
    "google": {
        "messages": "contents",
        "response_format": "generationConfig.responseMimeType",
        "reasoning_effort": "generationConfig.thinkingConfig",
        "service_tier": "serviceTier",
    },
}


class Losses:
    """Names of lost fields, in the order of their loss. Fields go in by OpenAI's names and come out by the client's."""

    def __init__(self, family: str) -> None:
        self._names = _NAMES.get(family, {})
        self._lost: dict[str, None] = {}

    def add(self, field: str) -> None:
        self._lost[_ODD.sub("?", self.name(field))[:80]] = None

    def name(self, field: str) -> str:
        """The client's name for a field."""
        return self._names.get(field, field)

    def refusal(self, field: str, why: str) -> UnsupportedField:
        """The refusal of a field that may not be dropped."""
        return UnsupportedField.named(self.name(field), why)

    def names(self) -> tuple[str, ...]:
        return tuple(self._lost)
