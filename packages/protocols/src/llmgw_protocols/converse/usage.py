"""Token counts of Converse as `Usage`.

Bedrock's `inputTokens` leaves out what was read from and written to the cache, as Anthropic's does; it tells no
reasoning apart. `cacheDetails` splits what was written by how long it is kept.
"""

from __future__ import annotations

from llmgw_domain import Usage
from llmgw_protocols.converse._wire import WireUsage


def usage_of(counts: WireUsage) -> Usage:
    """Normalised usage; missing and negative counts are zero."""
    written = _count(counts.cache_write_input_tokens)
    long = min(written, sum(_count(d.input_tokens) for d in counts.cache_details or () if d.ttl == "1h"))
    return Usage(
        uncached_input=_count(counts.input_tokens),
        cache_read=_count(counts.cache_read_input_tokens),
        cache_write_5m=written - long,
        cache_write_1h=long,
        output=_count(counts.output_tokens),
    )


def _count(value: int | None) -> int:
    return max(0, value or 0)
