import pytest

from llmgw_simulator.breakpoints import FIVE_MINUTES, HOUR
from llmgw_simulator.dialects.converse_cache import converse_blocks
from llmgw_simulator.dialects.converse_request import parse_converse
from llmgw_simulator.engine import prompt_tokens
from llmgw_simulator.wire import Refusal

POINT = {"cachePoint": {"type": "default"}}
BODY = {
    "toolConfig": {"tools": [{"toolSpec": {"name": "weather", "inputSchema": {"json": {"type": "object"}}}}]},
    "system": [{"text": "Be brief."}, POINT],
    "messages": [
        {
            "role": "user",
            "content": [{"text": "What is the weather?"}, {"cachePoint": {"type": "default", "ttl": "1h"}}],
        }
    ],
}


def test_a_cache_point_is_of_the_block_before_it():
    """Five minutes unless it says an hour; the points are no blocks themselves."""
    blocks = converse_blocks(BODY)
    assert [None, FIVE_MINUTES, HOUR] == [block.life for block in blocks]
    assert all(b"cachePoint" not in block.text for block in blocks)


def test_a_point_before_all_blocks_caches_nothing():
    """There is nothing yet."""
    assert [None] == [block.life for block in converse_blocks({"system": [POINT, {"text": "a"}]})]


def test_too_many_points_are_refused():
    """More than four."""
    with pytest.raises(Refusal, match="exceeds the maximum of 4"):
        converse_blocks({"system": [{"text": "a"}, *[POINT] * 5]})


def test_their_tokens_are_the_prompts():
    """Added up, those that the usage counts."""
    parsed = parse_converse(BODY, "eu.anthropic.claude-sonnet-4-5-v1:0", stream=False)
    assert prompt_tokens(parsed.ask) == sum(block.tokens for block in parsed.blocks)
