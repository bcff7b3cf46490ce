"""Token counts of the Responses API, read."""

from __future__ import annotations

import msgspec

from llmgw_domain import Usage


class InputDetails(msgspec.Struct, frozen=True, gc=False):
    """OpenAI writes caches for half an hour or for twelve; the long kind is priced as the canonical `1h`."""

    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    cache_write_tokens_details: CacheWrites | None = None


class CacheWrites(msgspec.Struct, frozen=True, gc=False):
    ttl_12h_tokens: int | None = None


class OutputDetails(msgspec.Struct, frozen=True, gc=False):
    reasoning_tokens: int | None = None


class WireUsage(msgspec.Struct, frozen=True, gc=False):
    """`input_tokens` counts cached and written ones too, `output_tokens` counts reasoning too, xAI's as well."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    total_tokens: int | None = None
    input_tokens_details: InputDetails | None = None
    output_tokens_details: OutputDetails | None = None


def read(wire: WireUsage) -> Usage:
    """The canonical usage. Absent and null counts are none; a total above its parts is reasoning left uncounted."""
    taken, made = max(0, wire.input_tokens or 0), max(0, wire.output_tokens or 0)
    reasoning = wire.output_tokens_details.reasoning_tokens if wire.output_tokens_details else None
    beyond = (wire.total_tokens or 0) - taken - made
    if beyond > 0:
        made += beyond
        reasoning = reasoning or beyond
    details = wire.input_tokens_details or InputDetails()
    written = max(0, details.cache_write_tokens or 0)
    usage = Usage.of_input(
        input=taken, output=made, cached=max(0, details.cached_tokens or 0), written=written, reasoning=reasoning
    )
    long = details.cache_write_tokens_details.ttl_12h_tokens if details.cache_write_tokens_details else None
    if not long or not written:
        return usage
    long = min(max(0, long), written)
    return msgspec.structs.replace(usage, cache_write_5m=written - long, cache_write_1h=long)
