"""An answer of one provider on its way through a client of another dialect and back in the next turn.

What proves a provider's reasoning must come back to it or be left out whole: half of it is refused.
"""

from typing import Any

import msgspec
import pytest

from llmgw_domain import Provider
from llmgw_domain.stream import Answer
from llmgw_protocols import Dialect, EncodeContext, TargetFacts, WireRequest, dialect_named
from llmgw_protocols.gemini.render_turns import UNSIGNED

CHAT, MESSAGES, GEMINI = dialect_named("chat"), dialect_named("messages"), dialect_named("gemini")
SIGNATURE = "RXhhbXBsZXNpZ25hdHVyZTAwMDA="

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
ANTHROPICS = {
    "type": "message",
    "role": "assistant",
    "content": [
        {"type": "thinking", "thinking": "Hm.", "signature": SIGNATURE},
        {"type": "redacted_thinking", "data": "hidden"},
        {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"a": 1}},
    ],
    "stop_reason": "tool_use",
}


def answered(client: Dialect, upstream: Dialect, answer: Any) -> Any:
    """The body that a client gets."""
    encoder = client.encoder(EncodeContext(model="m", request_id="r", created=1))
    folded = Answer.fold(upstream.decoder().whole(msgspec.json.encode(answer)))
    return msgspec.json.decode(encoder.body(folded))


def next_turn(client: Dialect, body: Any) -> WireRequest:
    """The client's next request, in which the answer stands as it was received, with a result for each call."""
    if client is CHAT:
        message = body["choices"][0]["message"]
        results = [{"role": "tool", "tool_call_id": c["id"], "content": "ok"} for c in message["tool_calls"]]
        request = {"messages": [{"role": "user", "content": "Hi"}, message, *results]}
    elif client is MESSAGES:
        calls = [b["id"] for b in body["content"] if b["type"] == "tool_use"]
        results = [{"type": "tool_result", "tool_use_id": id_, "content": "ok"} for id_ in calls]
        turns = [("user", "Hi"), ("assistant", body["content"]), ("user", results)]
        request = {"max_tokens": 9, "messages": [{"role": r, "content": c} for r, c in turns]}
    else:
        content = body["candidates"][0]["content"]
        calls = [p["functionCall"] for p in content["parts"] if "functionCall" in p]
        results = [
            {"functionResponse": {"id": c["id"], "name": c["name"], "response": {"result": "ok"}}} for c in calls
        ]
        request = {
            "contents": [{"role": "user", "parts": [{"text": "Hi"}]}, content, {"role": "user", "parts": results}]
        }
    return WireRequest(body=msgspec.json.encode({"model": "m", **request}), path_model="m")


def sent(client: Dialect, upstream: Dialect, provider: Provider, model: str, answer: Any) -> Any:
    """What the provider is sent in the next turn."""
    wire = next_turn(client, answered(client, upstream, answer))
    request = client.parse(client.envelope(wire))
    return msgspec.json.decode(upstream.render(request, TargetFacts(provider=provider, model=model)).body)


@pytest.mark.parametrize(("client", "expected"), [(CHAT, SIGNATURE), (MESSAGES, UNSIGNED)])
def test_googles_calls_come_back_signed(client: Dialect, expected: str) -> None:
    """Google demands a signature on the first call: its own where the client's dialect keeps it, else the stand-in."""
    body = sent(client, GEMINI, Provider.GOOGLE, "gemini-3-pro", GOOGLES)
    calls = [p for p in body["contents"][1]["parts"] if "functionCall" in p]
    assert [expected, None] == [call.get("thoughtSignature") for call in calls]


def test_googles_thinking_is_unsigned_for_anthropics_clients() -> None:
    """A signature of Google's would be refused as a forged one of Anthropic's."""
    content = answered(MESSAGES, GEMINI, GOOGLES)["content"]
    assert {"type": "thinking", "thinking": "Hm.", "signature": ""} == content[0]
    assert SIGNATURE not in msgspec.json.encode(content).decode()


def test_anthropics_thinking_comes_back_through_chat() -> None:
    """Signed and hidden thinking stands before the call again, unaltered."""
    body = sent(CHAT, MESSAGES, Provider.ANTHROPIC, "claude-sonnet-4-5", ANTHROPICS)
    assert ANTHROPICS["content"] == body["messages"][1]["content"]


def test_anthropics_thinking_does_not_come_back_through_gemini() -> None:
    """Google's clients can't hold it, so it is left out whole, and no signature reaches the client."""
    client = answered(GEMINI, MESSAGES, ANTHROPICS)
    assert SIGNATURE not in msgspec.json.encode(client).decode()
    body = sent(GEMINI, MESSAGES, Provider.ANTHROPIC, "claude-sonnet-4-5", ANTHROPICS)
    assert ["tool_use"] == [block["type"] for block in body["messages"][1]["content"]]


def test_hidden_thinking_needs_no_details() -> None:
    """Clients that keep `thinking_blocks` alone keep hidden thinking too: no other family has such blocks."""
    body = answered(CHAT, MESSAGES, ANTHROPICS)
    del body["choices"][0]["message"]["reasoning_details"]
    request = CHAT.parse(CHAT.envelope(next_turn(CHAT, body)))
    made = MESSAGES.render(request, TargetFacts(provider=Provider.ANTHROPIC, model="claude-sonnet-4-5"))
    assert {"type": "redacted_thinking", "data": "hidden"} in msgspec.json.decode(made.body)["messages"][1]["content"]
