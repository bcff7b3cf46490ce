"""Chat Completions asked of Bedrock: the request, the answer, the event stream, the errors."""

from __future__ import annotations

import base64
import struct
import zlib
from urllib.parse import unquote

import msgspec
import pytest

from llmgw_domain import Provider

CLAUDE = "anthropic.claude-sonnet-4-5-20250929-v1:0"
EPHEMERAL = {"type": "ephemeral"}
SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}}
COUNTS = {"inputTokens": 12, "cacheReadInputTokens": 1000, "cacheWriteInputTokens": 200, "outputTokens": 50}


@pytest.fixture
def claude(crossing):
    """One of Anthropic's models at Bedrock."""
    return crossing("chat", Provider.BEDROCK, CLAUDE)


@pytest.fixture
def nova(crossing):
    """One of Amazon's own."""
    return crossing("chat", Provider.BEDROCK, "amazon.nova-pro-v1:0")


def user(content):
    return [{"role": "user", "content": content}]


def text(words, **more):
    return {"type": "text", "text": words, **more}


def function(name="f", **more):
    return {"type": "function", "function": {"name": name, "parameters": SCHEMA, **more}}


def call(id="call_1", arguments='{"a":1}'):
    return {"id": id, "type": "function", "function": {"name": "f", "arguments": arguments}}


def result(call_id="call_1", content="rain"):
    return {"role": "tool", "tool_call_id": call_id, "content": content}


def kinds(blocks):
    return [next(iter(block)) for block in blocks]


def frame(kind, payload, message="event"):
    """One frame of an AWS event stream."""
    names = {":message-type": message, ":event-type" if message == "event" else ":exception-type": kind}
    headers = b""
    for name, value in {**names, ":content-type": "application/json"}.items():
        headers += bytes([len(name)]) + name.encode() + b"\x07" + struct.pack(">H", len(value)) + value.encode()
    body = msgspec.json.encode(payload)
    prelude = struct.pack(">II", len(headers) + len(body) + 16, len(headers))
    unsealed = prelude + struct.pack(">I", zlib.crc32(prelude)) + headers + body
    return unsealed + struct.pack(">I", zlib.crc32(unsealed))


def start(index=0, **tool):
    return frame("contentBlockStart", {"contentBlockIndex": index, "start": {"toolUse": tool}})


def delta(payload, index=0):
    return frame("contentBlockDelta", {"contentBlockIndex": index, "delta": payload})


def stop(index=0):
    return frame("contentBlockStop", {"contentBlockIndex": index})


BEGIN = frame("messageStart", {"role": "assistant"})
METADATA = frame("metadata", {"usage": COUNTS, "metrics": {"latencyMs": 1}})


def end(reason="end_turn"):
    return frame("messageStop", {"stopReason": reason})


def answer(*content, reason="end_turn", **more):
    """A whole answer of Bedrock's."""
    return {"output": {"message": {"role": "assistant", "content": list(content)}}, "stopReason": reason, **more}


def message(crossing, *content):
    return crossing.answered(answer(*content))["choices"][0]["message"]


def deltas(chunks):
    return [c["choices"][0]["delta"] for c in chunks if c != "[DONE]" and c["choices"]]


def said(chunks, field):
    return "".join(d.get(field) or "" for d in deltas(chunks))


def finish(chunks):
    found = [c["choices"][0]["finish_reason"] for c in chunks if c != "[DONE]" and c["choices"]]
    return [reason for reason in found if reason]


# --- the request ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", [CLAUDE, "arn:aws:bedrock:eu-west-1:1:application-inference-profile/abc"])
def test_c01_a05_the_path_names_the_model(crossing, model):
    """As one segment, whatever is in it; the body names none."""
    for stream, verb in ((False, "converse"), (True, "converse-stream")):
        rendered = crossing("chat", Provider.BEDROCK, model).rendered(stream=stream)
        head, segment, last = rendered.path.lstrip("/").split("/")
        assert ("model", model, verb) == (head, unquote(segment), last)
        assert not {"model", "modelId", "stream"} & msgspec.json.decode(rendered.body).keys()


def test_c02_settings(nova):
    """They are the inference's own; the tier is one of Bedrock's."""
    sent = nova.sent(temperature=0.5, top_p=0.9, max_tokens=9, max_completion_tokens=7, stop="END")
    assert {"temperature": 0.5, "topP": 0.9, "maxTokens": 7, "stopSequences": ["END"]} == sent["inferenceConfig"]
    assert {"type": "priority"} == nova.sent(service_tier="priority")["serviceTier"]


def test_c03_system_text(claude):
    """A block a part, and a cache point behind a marked one."""
    lead = [{"role": "system", "content": [text("one", cache_control=EPHEMERAL), text("two")]}]
    sent = claude.sent(messages=[*lead, {"role": "developer", "content": "three"}, *user("Hi")])["system"]
    assert ["text", "cachePoint", "text", "text"] == kinds(sent)


def test_c04_what_a_user_says(claude):
    """Text and parts are blocks, with a cache point behind a marked one."""
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    assert [{"text": "Hi"}] == claude.sent()["messages"][0]["content"]
    parts = [text("Look", cache_control=EPHEMERAL), image]
    assert ["text", "cachePoint", "image"] == kinds(claude.sent(messages=user(parts))["messages"][0]["content"])


def test_c05_images(claude):
    """Four formats, inline; other types, addresses and bad data are refused."""
    for kind in ("png", "jpeg", "gif", "webp"):
        part = {"type": "image_url", "image_url": {"url": f"data:image/{kind};base64,AAAA"}}
        image = claude.sent(messages=user([part]))["messages"][0]["content"][0]["image"]
        assert {"format": kind, "source": {"bytes": "AAAA"}} == image
    for url in ("data:image/bmp;base64,AAAA", "https://x.test/a.png", "data:image/png;base64,A!"):
        assert 400 == claude.refused(messages=user([{"type": "image_url", "image_url": {"url": url}}])).status


def test_c06_what_an_assistant_said(claude):
    """Text and refusal, then calls; thinking stands before them if it is signed by the model's maker."""
    signed = {"type": "thinking", "thinking": "Hm.", "signature": "EqQBCgIYAhIkMDEyMzQ1Njc4OWFiY2RlZg=="}
    turn = {"role": "assistant", "content": [signed, text("a")], "refusal": "b", "tool_calls": [call()]}
    blocks = claude.sent(messages=[*user("Hi"), turn, result()], tools=[function()])["messages"][1]["content"]
    assert ["text", "text", "toolUse"] == [k for k in kinds(blocks) if k != "reasoningContent"]
    assert {"toolUseId": "call_1", "name": "f", "input": {"a": 1}} == blocks[-1]["toolUse"]


def test_c07_an_empty_answer_is_left_out(claude):
    """Bedrock refuses empty content."""
    for nothing in (None, ""):
        messages = [*user("Hi"), {"role": "assistant", "content": nothing}, *user("Go")]
        assert ["user"] == [m["role"] for m in claude.sent(messages=messages)["messages"]]


def test_c08_results_share_one_user_message(claude):
    """In the order of the calls."""
    turn = {"role": "assistant", "tool_calls": [call(), call("call_2")]}
    messages = [*user("Hi"), turn, result("call_2", "b"), result("call_1", "a")]
    sent = claude.sent(messages=messages, tools=[function()])["messages"]
    assert ["user", "assistant", "user"] == [m["role"] for m in sent]
    results = [b["toolResult"] for b in sent[2]["content"]]
    assert [("call_1", [{"text": "a"}]), ("call_2", [{"text": "b"}])] == [
        (r["toolUseId"], r["content"]) for r in results
    ]


def test_c09_calls_that_are_not_well_made(claude):
    """Without an id it is refused; what the model wrote is kept even if it is no JSON, and named."""
    assert 400 == claude.refused(messages=[*user("Hi"), {"role": "assistant", "tool_calls": [call("")]}]).status
    turn = {"role": "assistant", "tool_calls": [call(arguments="{oops")]}
    rendered = claude.rendered(messages=[*user("Hi"), turn, result()], tools=[function()])
    block = msgspec.json.decode(rendered.body)["messages"][1]["content"][0]
    assert ({"__raw_arguments": "{oops"}, True) == (block["toolUse"]["input"], bool(rendered.lossy))


def test_c10_tools(claude):
    """An empty description is left out; a cache point stands behind a marked tool."""
    sent = claude.sent(tools=[function(description="", cache_control=EPHEMERAL), function("g", description="d")])
    tools = sent["toolConfig"]["tools"]
    assert ["toolSpec", "cachePoint", "toolSpec"] == kinds(tools)
    assert {"name": "f", "inputSchema": {"json": SCHEMA}} == tools[0]["toolSpec"]
    assert "d" == tools[2]["toolSpec"]["description"]


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ("auto", {"auto": {}}),
        ("required", {"any": {}}),
        ({"type": "function", "function": {"name": "f"}}, {"tool": {"name": "f"}}),
    ],
)
def test_c11_tool_choice(claude, choice, expected):
    """Each choice but none has its counterpart; others are refused."""
    assert expected == claude.sent(tools=[function()], tool_choice=choice)["toolConfig"]["toolChoice"]
    assert "tool_choice" == claude.refused(tools=[function()], tool_choice="f").param


def test_c11_no_tool_may_be_called(claude):
    """The tools are left out, unless the history holds calls, which Bedrock refuses without them."""
    assert "toolConfig" not in claude.sent(tools=[function()], tool_choice="none")
    messages = [*user("Hi"), {"role": "assistant", "tool_calls": [call()]}, result()]
    rendered = claude.rendered(messages=messages, tools=[function()], tool_choice="none")
    assert "toolChoice" not in msgspec.json.decode(rendered.body)["toolConfig"]
    assert ("tool_choice",) == rendered.lossy


def test_c12_thinking(claude):
    """It goes to the model's own fields, in the form that the model has."""
    sent = claude.sent(thinking={"type": "enabled", "budget_tokens": 4000}, max_tokens=9000)
    assert {"type": "enabled", "budget_tokens": 4000} == sent["additionalModelRequestFields"]["thinking"]
    assert 2048 == claude.sent(reasoning_effort="low")["additionalModelRequestFields"]["thinking"]["budget_tokens"]
    assert "additionalModelRequestFields" not in claude.sent()


# --- the answer -------------------------------------------------------------------------------------------------------


def test_c13_the_answer_s_envelope(claude):
    """Id, time and model are the gateway's and the client's own; there is one choice."""
    got = claude.answered(answer({"text": "Hi"}))
    assert ("chatcmpl-r1", 7, "asked", 1) == (got["id"], got["created"], got["model"], len(got["choices"]))


def test_c14_blocks(claude):
    """All texts are joined, calls have JSON text, reasoning keeps its signature, hidden reasoning is kept."""
    reasoning = {"reasoningContent": {"reasoningText": {"text": "Hm.", "signature": "c2ln"}}}
    hidden = {"reasoningContent": {"redactedContent": "b3BhcXVl"}}
    use = {"toolUse": {"toolUseId": "t1", "name": "f", "input": {"a": 1}}}
    got = message(claude, reasoning, hidden, {"text": "a"}, {"text": "b"}, use)
    assert ("ab", "Hm.", '{"a":1}') == (
        got["content"],
        got["reasoning_content"],
        got["tool_calls"][0]["function"]["arguments"],
    )
    details = msgspec.json.encode(got)
    assert b"c2ln" in details
    assert b"b3BhcXVl" in details
    alone = message(claude, {"reasoningContent": {"reasoningText": {"text": "", "signature": "c2ln"}}}, {"text": "a"})
    assert not alone.get("reasoning_content")


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("tool_use", "tool_calls"),
        ("content_filtered", "content_filter"),
        ("guardrail_intervened", "content_filter"),
        ("brand_new", "stop"),
    ],
)
def test_c15_stop_reasons(claude, reason, expected):
    """Each is the nearest of OpenAI's."""
    assert expected == claude.answered(answer({"text": "Hi"}, reason=reason))["choices"][0]["finish_reason"]


@pytest.mark.parametrize("body", [{"stopReason": "end_turn"}, {"output": None}, b"<html>", b"null"])
def test_c16_an_answer_without_output_is_a_failure(claude, body):
    """It is never shown as an empty success."""
    assert 502 == claude.answered(body).status


def test_c17_usage(claude):
    """Cached and written tokens are input too, and the total is the sum."""
    got = claude.answered(answer({"text": "Hi"}, usage=COUNTS))["usage"]
    assert (1212, 50, 1262) == (got["prompt_tokens"], got["completion_tokens"], got["total_tokens"])
    assert {"cached_tokens": 1000, "cache_write_tokens": 200} == got["prompt_tokens_details"]


# --- the stream -------------------------------------------------------------------------------------------------------


def test_c18_frames_are_read_across_reads(claude):
    """Cut at every byte, they say the same."""
    whole = BEGIN + delta({"text": "Grüße"}) + stop() + end() + METADATA
    expected = claude.streamed(whole)
    assert ("Grüße", expected) == (
        said(expected, "content"),
        claude.streamed(*(whole[i : i + 1] for i in range(len(whole)))),
    )


def test_c19_text_and_calls(claude):
    """The role first, then text, then calls: id and name, then fragments of the arguments."""
    use = {"toolUseId": "t1", "name": "f"}
    chunks = claude.streamed(
        BEGIN,
        delta({"text": "Hi"}),
        stop(),
        start(1, **use),
        delta({"toolUse": {"input": '{"a"'}}, 1),
        delta({"toolUse": {"input": ":1}"}}, 1),
        stop(1),
        start(2, **{**use, "toolUseId": "t2"}),
        stop(2),
        end("tool_use"),
        METADATA,
    )
    assert ({"role": "assistant", "content": ""}, "Hi") == (deltas(chunks)[0], said(chunks, "content"))
    made = [c for d in deltas(chunks) for c in d.get("tool_calls", [])]
    assert [(0, "t1"), (1, "t2")] == [(c["index"], c["id"]) for c in made if "id" in c]
    assert '{"a":1}' == "".join(c["function"]["arguments"] for c in made if c["index"] == 0)


def test_c20_reasoning(claude):
    """Text is reasoning; its signature and what is hidden are kept for the next turn."""
    hidden = base64.b64encode(b"opaque").decode()
    chunks = claude.streamed(
        BEGIN,
        delta({"reasoningContent": {"text": "Hm."}}),
        delta({"reasoningContent": {"signature": "c2ln"}}),
        stop(),
        delta({"reasoningContent": {"redactedContent": hidden}}, 1),
        stop(1),
        delta({"text": "Hi"}, 2),
        stop(2),
        end(),
        METADATA,
    )
    assert ("Hm.", "Hi") == (said(chunks, "reasoning_content"), said(chunks, "content"))
    kept = msgspec.json.encode(deltas(chunks))
    assert b"c2ln" in kept
    assert hidden.encode() in kept


def test_c21_the_end(claude):
    """The finish, then the usage that came behind it, then the mark; unknown events write nothing."""
    events = (BEGIN, delta({"text": "Hi"}), stop(), end())
    chunks = claude.streamed(*events, frame("brandNew", {"x": 1}), METADATA)
    assert (["stop"], [], "[DONE]") == (finish(chunks), chunks[-2]["choices"], chunks[-1])
    assert 1262 == chunks[-2]["usage"]["total_tokens"]


def test_c21_a_stream_that_is_cut(claude):
    """Without its last event an answer has not ended, and an exception frame ends it as broken."""
    assert ["error"] == finish(claude.streamed(BEGIN, delta({"text": "Hi"})))
    broken = frame("throttlingException", {"message": "slow down"}, "exception")
    assert ["error"] == finish(claude.streamed(BEGIN, delta({"text": "Hi"}), broken))


def test_c22_the_client_s_media_type(claude):
    """It is the client's dialect's, whatever Bedrock's own is."""
    assert claude.client.content_type(stream=True).startswith("text/event-stream")


def test_c23_errors(claude):
    """The header names the error, up to its colon; the message is the body's, or the whole body."""
    name = "ValidationException:http://internal.amazon.com/coral/x/"
    status, got = claude.faulted(400, b'{"message":"too odd"}', {"x-amzn-errortype": name})
    assert (400, "too odd", "invalid_request_error") == (status, got["error"]["message"], got["error"]["type"])
    throttled = claude.faulted(429, b'{"message":"slow"}', {"x-amzn-errortype": "ThrottlingException:http://x/"})
    assert (429, "rate_limit_error") == (throttled[0], throttled[1]["error"]["type"])
    assert "<html>" == claude.faulted(400, b"<html>")[1]["error"]["message"]
