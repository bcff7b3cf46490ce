"""What a provider says of its own models, which outranks what is known of them by their names."""

from __future__ import annotations

import msgspec


class Advertised(msgspec.Struct, frozen=True, kw_only=True):
    """One model, in its provider's own terms. None, or an empty text, where the provider does not say it."""

    max_output_tokens: int | None = None
    """The most tokens of an answer, thinking included."""
    max_input_tokens: int | None = None
    thinks: bool | None = None
    thinking_types: frozenset[str] | None = None
    """The values of `thinking.type` that Anthropic's API takes: `adaptive`, `enabled`, `disabled`, `between_tools`."""
    efforts: tuple[str, ...] | None = None
    """The efforts that it takes, lowest first; empty where it takes none."""
    structured: bool | None = None
    """Output under a JSON Schema, and strict tools."""
    lifecycle: str = ""
    """Anthropic's word for it: `active`, `deprecated`, `retired`."""
    retires_at: str = ""
    """The day, or the moment, from which on it is no longer served, as the provider writes it."""

    @property
    def is_leaving(self) -> bool:
        """Whether its end is announced or past. A date alone announces nothing where the provider says `active`."""
        return self.lifecycle in ("deprecated", "retired") or (not self.lifecycle and bool(self.retires_at))
