"""Token counts of the Responses API."""

import msgspec
import pytest

from llmgw_domain import Usage
from llmgw_protocols.responses.usage import WireUsage, read


def usage(text: str) -> Usage:
    return read(msgspec.json.decode(text, type=WireUsage))


def test_input_holds_the_cached_and_the_written_part() -> None:
    """What was read from or written to a cache is taken out of the input, so that the kinds are disjoint."""
    said = usage(
        '{"input_tokens":100,"input_tokens_details":{"cached_tokens":60,"cache_write_tokens":30},'
        '"output_tokens":9,"output_tokens_details":{"reasoning_tokens":4},"total_tokens":109}'
    )
    assert said == Usage(uncached_input=10, cache_read=60, cache_write_5m=30, output=9, reasoning=4)


@pytest.mark.parametrize(
    "details",
    ["", ',"input_tokens_details":null,"output_tokens_details":null', ',"input_tokens_details":{"cached_tokens":null}'],
)
def test_details_may_be_absent_or_null(details: str) -> None:
    """Servers leave details out, or send null for them."""
    assert usage(f'{{"input_tokens":3,"output_tokens":2{details}}}') == Usage(uncached_input=3, output=2)


def test_all_may_be_null() -> None:
    """Usage that says nothing counts nothing."""
    assert usage('{"input_tokens":null,"output_tokens":null}') == Usage()


def test_long_cache_writes_are_the_long_kind() -> None:
    """OpenAI's twelve hours are the canonical hour, its half an hour the five minutes."""
    said = usage(
        '{"input_tokens":50,"output_tokens":1,"input_tokens_details":{"cache_write_tokens":40,'
        '"cache_write_tokens_details":{"ttl_30m_tokens":30,"ttl_12h_tokens":10}}}'
    )
    assert (said.cache_write_5m, said.cache_write_1h, said.uncached_input) == (30, 10, 10)


def test_a_total_above_its_parts_is_uncounted_reasoning() -> None:
    """Where reasoning stands outside of the output, the total tells it."""
    said = usage('{"input_tokens":10,"output_tokens":5,"total_tokens":22}')
    assert (said.output, said.reasoning) == (12, 7)


def test_nothing_is_negative() -> None:
    """Counts below zero are none."""
    assert usage('{"input_tokens":-5,"output_tokens":-1,"input_tokens_details":{"cached_tokens":-2}}') == Usage()


def test_long_cache_writes_are_a_part_of_all() -> None:
    """Counts that contradict each other are kept as far as they can be."""
    said = usage(
        '{"input_tokens":50,"output_tokens":1,"input_tokens_details":{"cache_write_tokens":40,'
        '"cache_write_tokens_details":{"ttl_12h_tokens":99}}}'
    )
    assert (said.cache_write_5m, said.cache_write_1h) == (0, 40)
