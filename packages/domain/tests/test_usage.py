from hypothesis import given
from hypothesis import strategies as st

from llmgw_domain import Usage

counts = st.integers(0, 10**9)


def test_kinds_are_disjoint_and_sum_to_openais_counts():
    """Anthropic's example: 12 uncached, 1000 read, 200 written, 50 out are 1212 in and 1262 in total."""
    usage = Usage(uncached_input=12, cache_read=1000, cache_write_5m=150, cache_write_1h=50, output=50, reasoning=30)
    assert (usage.input, usage.cache_write, usage.total) == (1212, 200, 1262)


@given(counts, counts, counts, counts)
def test_counts_that_include_the_cache_are_taken_apart(uncached, cached, written, output):
    """From an input that includes cached and written tokens the same input comes back."""
    usage = Usage.of_input(input=uncached + cached + written, output=output, cached=cached, written=written)
    assert (usage.uncached_input, usage.input) == (uncached, uncached + cached + written)


@given(counts, counts, counts)
def test_contradicting_counts_never_become_negative(input, cached, written):
    """A cached part that is larger than the input is kept, and nothing is below zero."""
    usage = Usage.of_input(input=input, output=0, cached=cached, written=written)
    assert usage.uncached_input >= 0
    assert usage.cache_read == cached


def test_the_usage_of_two_requests_is_a_sum():
    """Kind by kind; reasoning that one of them does not tell is left out, and an estimate stays one."""
    first = Usage(uncached_input=1, cache_read=2, cache_write_5m=3, cache_write_1h=4, output=5, reasoning=1)
    second = Usage(uncached_input=10, output=50, provenance="estimated")
    expected = Usage(
        uncached_input=11,
        cache_read=2,
        cache_write_5m=3,
        cache_write_1h=4,
        output=55,
        reasoning=1,
        provenance="estimated",
    )
    assert (expected, expected) == (first + second, second + first)
    assert (Usage() + Usage()).reasoning is None
