import pytest

from llmgw_simulator.breakpoints import FIVE_MINUTES, HOUR
from llmgw_simulator.dialects.messages_cache import blocks_of
from llmgw_simulator.dialects.messages_request import parse_messages
from llmgw_simulator.engine import prompt_tokens
from llmgw_simulator.wire import Refusal

MARK = {"type": "ephemeral"}
TOOL = {"name": "weather", "description": "Tells it.", "input_schema": {"type": "object"}}
BODY = {
    "tools": [TOOL],
    "system": [{"type": "text", "text": "Be brief."}],
    "messages": [
        {"role": "user", "content": "What is the weather?"},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {}}]},
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "toolu_1", "content": [{"type": "text", "text": "Rain."}]},
                {"type": "text", "text": "So?"},
            ],
        },
    ],
}


def marked(life=None, where=-1):
    """The body with a breakpoint on one block of the last message."""
    last = BODY["messages"][-1]
    blocks = [dict(block) for block in last["content"]]
    blocks[where]["cache_control"] = MARK if life is None else {**MARK, "ttl": life}
    return {**BODY, "messages": [*BODY["messages"][:-1], {**last, "content": blocks}]}


def test_blocks_come_in_the_order_of_the_cache():
    """Tools, system, messages; a text is one block."""
    texts = [block.text for block in blocks_of(BODY)]
    assert 6 == len(texts)
    for text, part in zip(texts, (b"Tells it", b"Be brief", b"What is", b"tool_use", b"Rain", b"So?"), strict=True):
        assert part in text


def test_their_tokens_are_the_prompts():
    """Added up, those that the usage counts."""
    parsed = parse_messages({"model": "claude", "max_tokens": 100, **BODY}, "2023-06-01", "")
    assert prompt_tokens(parsed.ask) == sum(block.tokens for block in parsed.blocks)


def test_a_breakpoint_is_of_its_block_and_no_part_of_the_text():
    """So a prompt whose breakpoints have moved on begins like the one before."""
    blocks = blocks_of(marked())
    assert [None] * 5 + [FIVE_MINUTES] == [block.life for block in blocks]
    assert [block.text for block in blocks_of(BODY)] == [block.text for block in blocks]
    assert HOUR == blocks_of(marked("1h", where=0))[4].life


def test_one_at_the_top_is_on_the_last_block():
    """As Anthropic's automatic caching has it."""
    assert [None] * 5 + [HOUR] == [block.life for block in blocks_of({**BODY, "cache_control": {**MARK, "ttl": "1h"}})]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({**BODY, "tools": [{**TOOL, "name": f"t{at}", "cache_control": MARK} for at in range(5)]}, "maximum of 4"),
        (marked("2h"), "Input should be '5m' or '1h'"),
        ({**BODY, "system": [{"type": "text", "text": "a", "cache_control": {"type": "always"}}]}, "system.0"),
        (
            {"messages": [{"role": "user", "content": [{"type": "thinking", "thinking": "x", "cache_control": MARK}]}]},
            "Extra inputs",
        ),
    ],
)
def test_wrong_breakpoints_are_refused(body, message):
    """In the provider's words."""
    with pytest.raises(Refusal, match=message):
        blocks_of(body)
