"""Token counts of Converse."""

from llmgw_domain import Usage
from llmgw_protocols.converse._wire import CacheDetail, WireUsage
from llmgw_protocols.converse.usage import usage_of


def test_input_leaves_the_cache_out() -> None:
    """The prompt is what was not cached, what was read and what was written, which is split by its time to live."""
    details = [CacheDetail(ttl="5m", input_tokens=150), CacheDetail(ttl="1h", input_tokens=50)]
    counts = WireUsage(
        input_tokens=12,
        output_tokens=50,
        cache_read_input_tokens=1000,
        cache_write_input_tokens=200,
        cache_details=details,
    )
    usage = usage_of(counts)
    assert Usage(uncached_input=12, cache_read=1000, cache_write_5m=150, cache_write_1h=50, output=50) == usage
    assert (1212, 1262) == (usage.input, usage.total)


def test_what_is_missing_is_nothing() -> None:
    """Counts that are missing, negative or contradict their split make no nonsense."""
    assert Usage(output=3) == usage_of(WireUsage(input_tokens=-1, output_tokens=3))
    split = [CacheDetail(ttl="1h", input_tokens=9)]
    assert Usage(cache_write_1h=5) == usage_of(WireUsage(cache_write_input_tokens=5, cache_details=split))
