import anthropic
import pytest

from llmgw_simulator import Simulator
from llmgw_simulator.dialects.messages_thinking import MAGIC, check_thinking, realm
from llmgw_simulator.opaque import sign
from llmgw_simulator.wire import Refusal

USER = {"role": "user", "content": "Hello"}
CALL = {"type": "tool_use", "id": "a", "name": "f", "input": {}}
RESULT = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a"}]}
ENABLED = {"thinking": {"type": "enabled", "budget_tokens": 1024}}


def thought(text="hm", signed="hm", owner="claude"):
    return {"type": "thinking", "thinking": text, "signature": sign(signed, "n", owner)}


def check(*content, model="claude-sonnet-4-5", last=RESULT, **more):
    messages = [USER, {"role": "assistant", "content": list(content)}, last]
    check_thinking({"model": model, "messages": messages, **more})


def refused(*content, **more):
    with pytest.raises(Refusal) as caught:
        check(*content, **more)
    return caught.value.message


def test_a_signature_holds_for_its_text_and_provider():
    """Changed, moved or another's is refused at its place."""
    check(thought(), CALL, **ENABLED)
    for block in (thought("hm."), thought(owner="gemini"), thought(owner="")):
        assert "messages.1.content.0: Invalid `signature` in `thinking` block" == refused(block, CALL)


def test_the_newest_models_take_their_own_only():
    """The others take each other's."""
    assert ["claude", "claude", "claude-opus-5-5"] == [
        realm(model) for model in ("claude-opus-4-5", "sim/claude", "us.anthropic.claude-opus-5-5-v1:0")
    ]
    check(thought(owner="claude-opus-5-5"), CALL, model="claude-opus-5-5")
    assert "Invalid `signature`" in refused(thought(), CALL, model="claude-opus-5-5")


def test_a_tool_loop_keeps_its_thinking():
    """Where thinking is by budget: the block that led to the calls may not be missing."""
    message = refused({"type": "text", "text": "x"}, CALL, **ENABLED)
    assert message.startswith(
        "messages.1.content.0.type: Expected `thinking` or `redacted_thinking`, but found `text`."
    )
    check(CALL)
    check(CALL, thinking={"type": "adaptive"})
    check({"type": "text", "text": "x"}, last=USER, **ENABLED)


def test_encrypted_thinking_must_be_what_was_sent():
    """Nobody can make it."""
    check({"type": "redacted_thinking", "data": sign("", "n", "claude/redacted")}, CALL, **ENABLED)
    assert "Invalid `data`" in refused({"type": "redacted_thinking", "data": sign("", "n", "claude")}, CALL)


async def test_the_magic_text_encrypts_thinking():
    """In both forms, and it comes back."""
    async with (
        Simulator().serve() as running,
        anthropic.AsyncAnthropic(api_key="key-1", base_url=running.base_url) as client,
    ):
        tools = [{"name": "f", "input_schema": {"type": "object"}}]
        request = {"model": "sim/claude", "max_tokens": 4000, "tools": tools, **ENABLED}
        messages = [{"role": "user", "content": MAGIC}]
        whole = await client.messages.create(messages=messages, **request)
        async with client.messages.stream(messages=messages, **request) as stream:
            assert whole.content == (await stream.get_final_message()).content
        assert ["redacted_thinking", "tool_use"] == [block.type for block in whole.content]
        results = [{"type": "tool_result", "tool_use_id": whole.content[1].id, "content": "x"}]
        messages += [{"role": "assistant", "content": whole.content}, {"role": "user", "content": results}]
        assert await client.messages.create(messages=messages, **request)
