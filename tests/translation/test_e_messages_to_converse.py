"""Anthropic Messages asked of Bedrock, mostly of Anthropic's own models there."""

from __future__ import annotations

import base64

import msgspec
import pytest

from llmgw_domain import Provider
from llmgw_protocols.eventstream import pack

EPHEMERAL = {"type": "ephemeral"}
IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}}
USE = {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"a": 1}}
TOOL = {"name": "f", "input_schema": {"type": "object", "properties": {}}}
SIGNATURE = "EqQBCgIYAhIkMDEyMzQ1Njc4OWFiY2RlZg=="
COUNTS = {"inputTokens": 12, "cacheReadInputTokens": 1000, "cacheWriteInputTokens": 200, "outputTokens": 50}


@pytest.fixture
def claude(crossing):
    return crossing("messages", Provider.BEDROCK, "anthropic.claude-sonnet-4-5-20250929-v1:0")


def user(content):
    return {"role": "user", "content": content}


def assistant(*blocks):
    return {"role": "assistant", "content": list(blocks)}


def text(words, **more):
    return {"type": "text", "text": words, **more}


def result(id="toolu_1", content="rain", **more):
    return {"type": "tool_result", "tool_use_id": id, "content": content, **more}


def kinds(blocks):
    return [next(iter(block)) for block in blocks]


def frame(kind, payload):
    """One frame of an AWS event stream."""
    return pack({":message-type": "event", ":event-type": kind}, msgspec.json.encode(payload))


def answer(*content, reason="end_turn"):
    message = {"role": "assistant", "content": list(content)}
    return {"output": {"message": message}, "stopReason": reason, "usage": COUNTS}


def test_e01_system_text(claude):
    """The top-level prompt comes first and keeps its cache marks; asked twice, the same is sent."""
    system = [text("one", cache_control=EPHEMERAL), text("two")]
    messages = [{"role": "system", "content": "three"}, user("Hi")]
    sent = claude.sent(system=system, messages=messages)
    assert ["text", "cachePoint", "text", "text"] == kinds(sent["system"])
    assert sent == claude.sent(system=system, messages=messages)


def test_e02_results_stand_together(claude):
    """All results of an answer's calls share the message behind it."""
    messages = [user("Hi"), assistant(USE, {**USE, "id": "toolu_2"}), user([result()]), user([result("toolu_2")])]
    sent = claude.sent(messages=messages, tools=[TOOL])["messages"]
    assert ["user", "assistant", "user"] == [m["role"] for m in sent]
    assert ["toolu_1", "toolu_2"] == [b["toolResult"]["toolUseId"] for b in sent[2]["content"]]


def test_e03_images(claude):
    """Four inline formats; an image at an address is refused, since Bedrock fetches none."""
    sent = claude.sent(messages=[user([IMAGE])])["messages"][0]["content"]
    assert [{"image": {"format": "png", "source": {"bytes": "AAAA"}}}] == sent
    url = {"type": "image", "source": {"type": "url", "url": "https://x.test/a.png"}}
    bmp = {"type": "image", "source": {**IMAGE["source"], "media_type": "image/bmp"}}
    assert [400, 400] == [claude.refused(messages=[user([block])]).status for block in (url, bmp)]


def test_e04_results(claude):
    """The error flag is a status; texts and pictures are kept."""
    messages = [user("Hi"), assistant(USE), user([result(content=[text("a"), IMAGE], is_error=True)])]
    sent = claude.sent(messages=messages, tools=[TOOL])["messages"][2]["content"][0]["toolResult"]
    assert ("error", ["text", "image"]) == (sent["status"], kinds(sent["content"]))


def test_e05_cache_points(claude):
    """One behind each marked block, in all places that may hold a mark."""
    mark = {"cache_control": EPHEMERAL}
    messages = [user([text("a", **mark)]), assistant({**USE, **mark}), user([result(**mark)])]
    sent = claude.sent(messages=messages, tools=[{**TOOL, **mark}])
    assert ["toolSpec", "cachePoint"] == kinds(sent["toolConfig"]["tools"])
    expected = [["text", "cachePoint"], ["toolUse", "cachePoint"], ["toolResult", "cachePoint"]]
    assert expected == [kinds(m["content"]) for m in sent["messages"]]
    assert ["text", "cachePoint"] == kinds(claude.sent(system=[text("s", **mark)])["system"])


def test_e06_model_s_own_fields(claude, crossing):
    """Sampling by rank and thinking are the model's own fields, adaptive thinking too."""
    assert 5 == claude.sent(top_k=5)["additionalModelRequestFields"]["top_k"]
    thinking = {"type": "enabled", "budget_tokens": 2000}
    sent = claude.sent(thinking=thinking, max_tokens=9000)
    assert thinking == sent["additionalModelRequestFields"]["thinking"]
    adaptive = crossing("messages", Provider.BEDROCK, "anthropic.claude-sonnet-5-v1:0").sent(
        thinking={"type": "adaptive"}
    )
    assert "adaptive" == adaptive["additionalModelRequestFields"]["thinking"]["type"]


def test_e07_tool_choice(claude):
    """Each choice but none has its counterpart; with none the tools are left out, so that none can be called."""
    for choice, expected in (
        ({"type": "auto"}, {"auto": {}}),
        ({"type": "any"}, {"any": {}}),
        ({"type": "tool", "name": "f"}, {"tool": {"name": "f"}}),
    ):
        assert expected == claude.sent(tools=[TOOL], tool_choice=choice)["toolConfig"]["toolChoice"]
    assert "toolConfig" not in claude.sent(tools=[TOOL], tool_choice={"type": "none"})


def test_e08_thinking_there_and_back(claude):
    """Signed and hidden thinking are Bedrock's reasoning content, whose bytes are Anthropic's text."""
    own = [
        {"type": "thinking", "thinking": "Hm.", "signature": SIGNATURE},
        {"type": "redacted_thinking", "data": SIGNATURE},
    ]
    sent = claude.sent(messages=[user("Hi"), assistant(*own, text("Yes.")), user("Go")])["messages"][1]["content"]
    reasoning = [
        {"reasoningContent": {"reasoningText": {"text": "Hm.", "signature": SIGNATURE}}},
        {"reasoningContent": {"redactedContent": base64.b64encode(SIGNATURE.encode()).decode()}},
    ]
    assert [*reasoning, {"text": "Yes."}] == sent
    assert own == claude.answered(answer(*reasoning, {"text": "Yes."}))["content"][:2]


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("end_turn", "end_turn"),
        ("max_tokens", "max_tokens"),
        ("tool_use", "tool_use"),
        ("content_filtered", "refusal"),
        ("guardrail_intervened", "refusal"),
        ("brand_new", "end_turn"),
    ],
)
def test_e09_stop_reasons(claude, reason, expected):
    """Anthropic's own stay; what a filter stopped is a refusal."""
    content = [{"toolUse": {"toolUseId": "t", "name": "f", "input": {}}}] if reason == "tool_use" else [{"text": "a"}]
    assert expected == claude.answered(answer(*content, reason=reason))["stop_reason"]


def test_e10_usage(claude):
    """The cache's counts are Anthropic's own; the id is the gateway's."""
    got = claude.answered(answer({"text": "Hi"}))
    counts = ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens", "output_tokens")
    assert ([12, 1000, 200, 50], "msg_r1") == ([got["usage"][name] for name in counts], got["id"])


def test_e11_a_stream(claude):
    """Text opens its block with its first delta, and the usage that comes last is told in the ending."""
    events = claude.streamed(
        frame("messageStart", {"role": "assistant"}),
        frame("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "Hi"}}),
        frame("contentBlockStop", {"contentBlockIndex": 0}),
        frame("messageStop", {"stopReason": "end_turn"}),
        frame("metadata", {"usage": COUNTS}),
    )
    expected = ["message_start", "content_block_start", "content_block_delta", "content_block_stop"]
    assert [*expected, "message_delta", "message_stop"] == [e["type"] for e in events if e["type"] != "ping"]
    assert 50 == events[-2]["usage"]["output_tokens"]


@pytest.mark.parametrize(
    ("status", "name", "kind"),
    [
        (400, "ValidationException", "invalid_request_error"),
        (429, "ThrottlingException", "rate_limit_error"),
        (500, "InternalServerException", "api_error"),
        (503, "ServiceUnavailableException", "overloaded_error"),
    ],
)
def test_e12_errors(claude, status, name, kind):
    """Anthropic's envelope and types; the message is Bedrock's where it is about the request."""
    _, got = claude.faulted(status, b'{"message":"too odd"}', {"x-amzn-errortype": name})
    assert ("error", kind) == (got["type"], got["error"]["type"])
    assert (got["error"]["message"] == "too odd") == (status == 400)
