"""Token counts between Anthropic's fields and `Usage`.

Anthropic's `input_tokens` leaves out what was read from and written to the cache; thinking is inside `output_tokens`.
Counts of a stream are cumulative: a field that comes again replaces the one before, and one that does not stays.
"""

from __future__ import annotations

from typing import Any

from llmgw_domain import Usage
from llmgw_protocols.messages._wire import WireUsage


class UsageTally:
    """The counts of one answer so far."""

    __slots__ = ("_read", "_reasoning", "_uncached", "_write_1h", "_write_5m", "_written", "output")

    def __init__(self) -> None:
        self._uncached = 0
        self._read = 0
        self._written: int | None = None
        self._write_5m = 0
        self._write_1h = 0
        self.output = 0
        self._reasoning: int | None = None

    def update(self, usage: WireUsage) -> Usage:
        """Takes newer counts and gives the usage so far. Missing and negative counts change nothing."""
        self._uncached = _newer(usage.input_tokens, self._uncached)
        self._read = _newer(usage.cache_read_input_tokens, self._read)
        self.output = _newer(usage.output_tokens, self.output)
        if _is_count(usage.cache_creation_input_tokens):
            self._written = usage.cache_creation_input_tokens
        if split := usage.cache_creation:
            self._write_5m = _newer(split.ephemeral_5m_input_tokens, self._write_5m)
            self._write_1h = _newer(split.ephemeral_1h_input_tokens, self._write_1h)
        if usage.output_tokens_details and _is_count(usage.output_tokens_details.thinking_tokens):
            self._reasoning = usage.output_tokens_details.thinking_tokens
        return self._usage()

    def _usage(self) -> Usage:
        short, long = self._write_5m, self._write_1h
        if self._written is not None:
            # The total is authoritative: later events repeat it without the split.
            long = min(long, self._written)
            short = self._written - long
        return Usage(
            uncached_input=self._uncached,
            cache_read=self._read,
            cache_write_5m=short,
            cache_write_1h=long,
            output=self.output,
            reasoning=self._reasoning,
        )


def _is_count(value: int | None) -> bool:
    return value is not None and value >= 0


def _newer(value: int | None, old: int) -> int:
    return value if value is not None and value >= 0 else old


def delta_fields(usage: Usage | None) -> dict[str, Any]:
    """The `usage` of a `message_delta`."""
    usage = usage or Usage()
    fields: dict[str, Any] = {
        "input_tokens": usage.uncached_input,
        "cache_creation_input_tokens": usage.cache_write,
        "cache_read_input_tokens": usage.cache_read,
        "output_tokens": usage.output,
    }
    if usage.reasoning is not None:
        fields["output_tokens_details"] = {"thinking_tokens": usage.reasoning}
    return fields


def message_fields(usage: Usage | None) -> dict[str, Any]:
    """The `usage` of a message: as a delta's, with the split of what was written to the cache."""
    fields = delta_fields(usage)
    if usage is not None and usage.cache_write:
        fields["cache_creation"] = {
            "ephemeral_5m_input_tokens": usage.cache_write_5m,
            "ephemeral_1h_input_tokens": usage.cache_write_1h,
        }
    return fields
