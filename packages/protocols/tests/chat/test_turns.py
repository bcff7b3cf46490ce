"""Messages of a client, read into turns."""

from typing import Any

import msgspec
import pytest

from llmgw_domain.chat import (
    CacheMark,
    Image,
    Inline,
    Origin,
    RedactedThinking,
    Refusal,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
    Turn,
)
from llmgw_domain.errors import InvalidField, UnsupportedField
from llmgw_protocols.chat import CHAT
from llmgw_protocols.dialect import WireRequest


def turns(*messages: dict[str, Any]) -> tuple[Turn, ...]:
    body = msgspec.json.encode({"model": "m", "messages": messages})
    return CHAT.parse(CHAT.envelope(WireRequest(body=body))).turns


def call(id_: str, **more: Any) -> dict[str, Any]:
    return {"id": id_, "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}, **more}


def test_roles() -> None:
    """Each role becomes a turn of its own; empty content is no block."""
    assert (
        Turn("system", (Text("s"),)),
        Turn("developer", (Text("d"), Text("e"))),
        Turn("user", (Text("u"),), "bob"),
        Turn("assistant", (Text("a"), Refusal("no"))),
        Turn("user", ()),
    ) == turns(
        {"role": "system", "content": "s"},
        {"role": "developer", "content": [{"type": "text", "text": "d"}, {"type": "text", "text": "e"}]},
        {"role": "user", "content": "u", "name": "bob"},
        {"role": "assistant", "content": "a", "refusal": "no"},
        {"role": "user", "content": ""},
    )


def test_a_tool_round() -> None:
    """Calls follow the text, results of neighbouring tool messages share a user turn and know their tool's name."""
    assert (
        Turn("assistant", (ToolCall("1", "f", '{"a": 1}'), ToolCall("2", "f", '{"a": 1}'))),
        Turn("user", (ToolResult("2", (Text("two"),), name="f"), ToolResult("1", (), name="f"))),
        Turn("user", (Text("go on"),)),
    ) == turns(
        {"role": "assistant", "content": None, "tool_calls": [call("1"), call("2")]},
        {"role": "tool", "tool_call_id": "2", "content": [{"type": "text", "text": "two"}]},
        {"role": "tool", "tool_call_id": "1", "content": ""},
        {"role": "user", "content": "go on"},
    )


def test_a_result_can_hold_an_image() -> None:
    """Images in results are an extension that clients use; a mark on a part is the result's."""
    part = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}, "cache_control": {"ttl": "5m"}}
    (turn,) = turns({"role": "tool", "tool_call_id": "1", "content": [part]})
    assert (ToolResult("1", (Image(Inline("image/png", "AAAA")),), cache=CacheMark("5m")),) == turn.content


def test_legacy_functions() -> None:
    """`function_call` and role `function` become a call and its result with an id of ours."""
    assert (
        Turn("assistant", (ToolCall("call_fn_1", "f", "{}"),)),
        Turn("user", (ToolResult("call_fn_1", (Text("r"),), name="f"),)),
    ) == turns(
        {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": "{}"}},
        {"role": "function", "name": "f", "content": "r"},
    )


@pytest.mark.parametrize(
    ("wire", "expected"),
    [
        (call("1"), ToolCall("1", "f", '{"a": 1}')),
        (call("1", extra_content={"google": {"thought_signature": "s"}}), ToolCall("1", "f", '{"a": 1}', "s")),
        (call("1", provider_specific_fields={"thought_signature": "s"}), ToolCall("1", "f", '{"a": 1}', "s")),
        (call("1__thought__c2ln"), ToolCall("1", "f", '{"a": 1}', "c2ln")),
        ({"id": "1", "function": {"name": "f", "arguments": {"a": 1}}}, ToolCall("1", "f", '{"a":1}')),
        ({"id": "1", "function": {"name": "f"}}, ToolCall("1", "f", "")),
        ({"id": "1", "type": "custom", "custom": {"name": "c", "input": "x"}}, ToolCall("1", "c", "x", custom=True)),
    ],
)
def test_calls(wire: dict[str, Any], expected: ToolCall) -> None:
    """Signatures are found wherever clients keep them; arguments may come as an object."""
    (turn,) = turns({"role": "assistant", "tool_calls": [wire]})
    assert (expected,) == turn.content


def test_a_signed_id_finds_its_result() -> None:
    """A signature that travelled within an id is cut off the result's id as well."""
    _, result = turns(
        {"role": "assistant", "tool_calls": [call("1__thought__c2ln")]},
        {"role": "tool", "tool_call_id": "1__thought__c2ln", "content": "r"},
    )
    assert (ToolResult("1", (Text("r"),), name="f"),) == result.content


CLAUDE = "anthropic-claude-v1"


@pytest.mark.parametrize(
    ("wire", "expected"),
    [
        ({"reasoning_content": "t"}, [Thinking("t")]),
        ({"reasoning": "t"}, [Thinking("t")]),
        (
            {
                "reasoning_content": "t",
                "thinking_blocks": [
                    {"type": "thinking", "thinking": "t", "signature": "s"},
                    {"type": "redacted_thinking", "data": "d"},
                ],
            },
            [Thinking("t", "s"), RedactedThinking("d", Origin("anthropic"))],
        ),
        (
            {
                "thinking_blocks": [{"type": "thinking", "thinking": "t", "signature": "s"}],
                "reasoning_details": [{"type": "reasoning.text", "text": "t", "signature": "s", "format": CLAUDE}],
            },
            [Thinking("t", "s", Origin("anthropic"))],
        ),
        (
            {
                "reasoning_details": [
                    {"type": "reasoning.text", "text": "a", "index": 0, "format": CLAUDE},
                    {"type": "reasoning.text", "text": "b", "index": 0, "format": CLAUDE},
                    {"type": "reasoning.text", "signature": "s", "index": 0, "format": CLAUDE},
                    {"type": "reasoning.encrypted", "data": "d", "format": "openai-responses-v1"},
                    {"type": "reasoning.summary", "summary": "c", "index": 2},
                ]
            },
            [Thinking("ab", "s", Origin("anthropic")), RedactedThinking("d", Origin("openai")), Thinking("c")],
        ),
    ],
)
def test_thinking_comes_first(wire: dict[str, Any], expected: list[Any]) -> None:
    """Reasoning is read from each form that clients send back, pieces of one block as one, before the text."""
    (turn,) = turns({"role": "assistant", "content": "x", **wire})
    assert (*expected, Text("x")) == turn.content


def test_mistral_thinking_parts() -> None:
    """Thinking within a list of content parts is read as thinking."""
    part = {"type": "thinking", "thinking": [{"type": "text", "text": "t"}]}
    (turn,) = turns({"role": "assistant", "content": [part, {"type": "text", "text": "x"}]})
    assert (Thinking("t"), Text("x")) == turn.content


@pytest.mark.parametrize(
    ("mark", "expected"),
    [
        ({"cache_control": {"type": "ephemeral"}}, CacheMark()),
        ({"cache_control": {"type": "ephemeral", "ttl": "1h"}}, CacheMark("1h")),
        ({"prompt_cache_breakpoint": {"mode": "explicit", "ttl": "30m"}}, CacheMark("5m")),
        ({"prompt_cache_breakpoint": {"mode": "explicit", "ttl": "12h"}}, CacheMark("1h")),
    ],
)
def test_cache_marks(mark: dict[str, Any], expected: CacheMark) -> None:
    """A mark on a message is one on its last part; both ways of writing it are read."""
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    marked, own, system = turns(
        {"role": "user", "content": parts, **mark},
        {"role": "user", "content": [{**parts[0], **mark}, parts[1]]},
        {"role": "system", "content": "a", **mark},
    )
    assert (Text("a"), Text("b", expected)) == marked.content
    assert (Text("a", expected), Text("b")) == own.content
    assert (Text("a", expected),) == system.content


@pytest.mark.parametrize(
    ("message", "param"),
    [
        ({"role": "robot"}, "messages[0].role"),
        ({"role": "user", "content": 5}, "messages[0].content"),
        ({"role": "user", "content": [5]}, "messages[0].content[0]"),
        ({"role": "user", "content": [{"type": "hologram"}]}, "messages[0].content[0].type"),
        ({"role": "user", "content": [{"type": "text"}]}, "messages[0].content[0].text"),
        ({"role": "system", "content": [{"type": "refusal", "refusal": "x"}]}, "messages[0].content[0]"),
        ({"role": "tool", "content": "x"}, "messages[0].tool_call_id"),
        (
            {"role": "tool", "tool_call_id": "1", "content": [{"type": "refusal", "refusal": "x"}]},
            "messages[0].content[0]",
        ),
        ({"role": "assistant", "tool_calls": [{"id": "", "function": {"name": "f"}}]}, "messages[0].tool_calls[0].id"),
        ({"role": "assistant", "tool_calls": [{"id": "1"}]}, "messages[0].tool_calls[0]"),
        (
            {"role": "assistant", "tool_calls": [{"id": "1", "function": {"name": "f", "arguments": 1}}]},
            "messages[0].tool_calls[0].function.arguments",
        ),
    ],
)
def test_wrong_messages_are_named(message: dict[str, Any], param: str) -> None:
    """A message that can't be read is refused with the path of what is wrong."""
    with pytest.raises(InvalidField) as caught:
        turns(message)
    assert param == caught.value.param


def test_stored_audio_is_refused() -> None:
    """Audio that OpenAI holds means nothing to another provider."""
    with pytest.raises(UnsupportedField) as caught:
        turns({"role": "assistant", "audio": {"id": "a"}})
    assert caught.value.param == "messages[0].audio"
