"""Token counts from and to Anthropic's fields."""

import pytest

from llmgw_domain import Usage
from llmgw_protocols.messages._wire import CacheCreation, OutputDetails, WireUsage
from llmgw_protocols.messages.usage import UsageTally, delta_fields, message_fields


def test_input_excludes_cache() -> None:
    """Input, read and written tokens add up to the prompt; thinking is inside of the output."""
    usage = UsageTally().update(
        WireUsage(12, 50, 1000, 200, output_tokens_details=OutputDetails(30), cache_creation=None)
    )
    assert (
        usage.input,
        usage.cache_read,
        usage.cache_write,
        usage.output,
        usage.reasoning,
        usage.total,
    ) == (1212, 1000, 200, 50, 30, 1262)


@pytest.mark.parametrize(
    ("usage", "split"),
    [
        (WireUsage(cache_creation_input_tokens=200), (200, 0)),
        (WireUsage(cache_creation_input_tokens=200, cache_creation=CacheCreation(50, 150)), (50, 150)),
        (WireUsage(cache_creation=CacheCreation(50, 150)), (50, 150)),
        (WireUsage(cache_creation_input_tokens=100, cache_creation=CacheCreation(50, 150)), (0, 100)),
    ],
)
def test_split(usage: WireUsage, split: tuple[int, int]) -> None:
    """What was written is split by lifetime as far as that is told, and the total counts."""
    seen = UsageTally().update(usage)
    assert split == (seen.cache_write_5m, seen.cache_write_1h)


def test_cumulative() -> None:
    """A later event replaces what it names, and nothing is counted twice."""
    tally = UsageTally()
    tally.update(WireUsage(12, 1, 1000, 200, CacheCreation(50, 150)))
    expected = Usage(uncached_input=12, cache_read=1000, cache_write_5m=50, cache_write_1h=150, output=9)
    assert expected == tally.update(WireUsage(12, 9, 1000, 200))


def test_unknown() -> None:
    """An answer without usage reports zeros, since clients require the fields."""
    expected = {
        "input_tokens": 0,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
        "output_tokens": 0,
    }
    assert (expected, expected) == (delta_fields(None), message_fields(None))
