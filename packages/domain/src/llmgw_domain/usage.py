"""Token counts, normalised once at the edge, whatever the provider's own arithmetic is."""

from __future__ import annotations

from typing import Literal

import msgspec

Provenance = Literal["reported", "estimated"]


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """Tokens of one answer. The five input and output kinds are disjoint, so a cost is a sum over them.

    `reasoning` is the part of `output` that was thinking; None where the provider does not say.
    """

    uncached_input: int = 0
    cache_read: int = 0
    cache_write_5m: int = 0
    cache_write_1h: int = 0
    output: int = 0
    reasoning: int | None = None
    provenance: Provenance = "reported"

    @property
    def cache_write(self) -> int:
        return self.cache_write_5m + self.cache_write_1h

    @property
    def input(self) -> int:
        """All input tokens, cached or not, as OpenAI counts `prompt_tokens`."""
        return self.uncached_input + self.cache_read + self.cache_write

    @property
    def total(self) -> int:
        return self.input + self.output

    def __add__(self, other: Usage) -> Usage:
        """What two requests used together; an estimate in one makes the sum an estimate."""
        reasoning = [usage.reasoning for usage in (self, other) if usage.reasoning is not None]
        return Usage(
            uncached_input=self.uncached_input + other.uncached_input,
            cache_read=self.cache_read + other.cache_read,
            cache_write_5m=self.cache_write_5m + other.cache_write_5m,
            cache_write_1h=self.cache_write_1h + other.cache_write_1h,
            output=self.output + other.output,
            reasoning=sum(reasoning) if reasoning else None,
            provenance=self.provenance if self.provenance == "estimated" else other.provenance,
        )

    @classmethod
    def of_input(
        cls, *, input: int, output: int, cached: int = 0, written: int = 0, reasoning: int | None = None
    ) -> Usage:
        """From counts whose input includes the cached part (OpenAI, Gemini).

        Counts that contradict each other (a cached part larger than the input) are kept as far as they can be:
        nothing becomes negative.
        """
        return cls(
            uncached_input=max(0, input - cached - written),
            cache_read=cached,
            cache_write_5m=written,
            output=output,
            reasoning=reasoning,
        )
