"""An answer of another provider on its way through a Responses client and back in the next turn."""

from typing import Any

import msgspec

from llmgw_domain import Provider
from llmgw_domain.stream import Answer
from llmgw_protocols import Dialect, EncodeContext, TargetFacts, WireRequest, dialect_named
from llmgw_protocols.customs import Unwrapper
from llmgw_protocols.responses import sealed
from llmgw_protocols.responses.encode import ResponsesEncoder
from llmgw_protocols.responses.envelope import envelope, passthrough
from llmgw_protocols.responses.parse import parse

SIGNATURE = "RXhhbXBsZXNpZ25hdHVyZTAwMDA="
ANTHROPICS = {
    "type": "message",
    "role": "assistant",
    "content": [
        {"type": "thinking", "thinking": "Hm.", "signature": SIGNATURE},
        {"type": "redacted_thinking", "data": "hidden"},
        {"type": "text", "text": "Let me see."},
        {"type": "tool_use", "id": "toolu_1", "name": "git__log", "input": {"a": 1}},
        {"type": "tool_use", "id": "toolu_2", "name": "patch", "input": {"input": "x"}},
    ],
    "stop_reason": "tool_use",
}
GOOGLES = {
    "candidates": [
        {
            "content": {
                "role": "model",
                "parts": [
                    {"text": "Hm.", "thought": True},
                    {"functionCall": {"name": "f", "args": {"a": 1}}, "thoughtSignature": SIGNATURE},
                    {"functionCall": {"name": "g", "args": {}}},
                ],
            },
            "finishReason": "STOP",
        }
    ]
}
TOOLS = [
    {"type": "namespace", "name": "git", "description": "Git.", "tools": [{"type": "function", "name": "log"}]},
    {"type": "custom", "name": "patch"},
]


def next_turn(upstream: Dialect, answer: Any) -> WireRequest:
    """The client's next request: the output as it was received, with a result for each call."""
    asked = {"model": "m", "tools": TOOLS}
    first = envelope(WireRequest(body=msgspec.json.encode({**asked, "input": "Hi"})))
    encoder = ResponsesEncoder(EncodeContext(model="m", request_id="r", created=1, request=first))
    events = Unwrapper(frozenset(["patch"])).events(upstream.decoder().whole(msgspec.json.encode(answer)))
    folded = Answer.fold(events)
    output = msgspec.json.decode(encoder.body(folded))["output"]
    results = [
        {"type": item["type"] + "_output", "call_id": item["call_id"], "output": "ok"}
        for item in output
        if "call_id" in item
    ]
    items = [{"role": "user", "content": "Hi"}, *output, *results]
    return WireRequest(body=msgspec.json.encode({**asked, "input": items}))


def sent(upstream: Dialect, provider: Provider, model: str, answer: Any) -> Any:
    """What the provider is sent in the next turn."""
    request = parse(envelope(next_turn(upstream, answer)))
    return msgspec.json.decode(upstream.render(request, TargetFacts(provider=provider, model=model)).body)


def test_anthropics_turn_comes_back_unaltered() -> None:
    """Signed and hidden thinking, text, a call in a namespace and one of a custom tool."""
    body = sent(dialect_named("messages"), Provider.ANTHROPIC, "claude-sonnet-4-5", ANTHROPICS)
    assert ANTHROPICS["content"] == body["messages"][1]["content"]


def test_googles_calls_come_back_signed() -> None:
    """Google demands a signature on the first call."""
    body = sent(dialect_named("gemini"), Provider.GOOGLE, "gemini-3-pro", GOOGLES)
    calls = [part for part in body["contents"][1]["parts"] if "functionCall" in part]
    assert [SIGNATURE, None] == [call.get("thoughtSignature") for call in calls]


def test_openai_gets_no_other_familys_reasoning() -> None:
    """A conversation may go on at OpenAI after another provider's turn."""
    wire = next_turn(dialect_named("messages"), ANTHROPICS)
    body = passthrough(envelope(wire), TargetFacts(provider=Provider.OPENAI, model="m")).body
    assert sealed.PREFIX.encode() not in body
    kinds = [item.get("type") for item in msgspec.json.decode(body)["input"]]
    assert [
        None,
        "message",
        "function_call",
        "custom_tool_call",
        "function_call_output",
        "custom_tool_call_output",
    ] == kinds
