"""Whatever a provider sends, a decoder gives events or a failure: it never raises, grows or slows down.

The loops run over all dialects that there are, so a new one is held to the same the day it is registered. What stands
in for real streams is small and made up; hypothesis breaks it.
"""

from __future__ import annotations

import itertools
import time
import tracemalloc
from functools import cache
from typing import get_args

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmgw_domain import Provider
from llmgw_domain.errors import GatewayError
from llmgw_domain.models import Api
from llmgw_domain.stream import Answer, Failed
from llmgw_protocols import TargetFacts, WireRequest, dialect_for, dialects
from llmgw_protocols.eventstream import pack
from llmgw_protocols.sse import MAX_FRAME

MEGABYTE = 1024 * 1024
CLAUDE = "anthropic.claude-sonnet-5-v1:0"


@cache
def _upstreams():
    """Every dialect that a provider may be asked in, by name."""
    found = {dialect.name: dialect for dialect in dialects()}
    for provider, api in itertools.product(Provider, get_args(Api)):
        dialect = dialect_for(TargetFacts(provider=provider, model=CLAUDE), api)
        found[dialect.name] = dialect
    return found


UPSTREAMS = sorted(_upstreams())
FORMS = [(name, form) for name in UPSTREAMS for form in ("sse", "array") if form == "sse" or name == "gemini"]


def frames(*events):
    """Events as frames of server-sent events; bytes are frames already."""
    return [e if isinstance(e, bytes) else b"data: " + msgspec.json.encode(e) + b"\n\n" for e in events]


def chunk(delta, **more):
    return {"id": "c", "created": 1, "choices": [{"index": 0, "delta": delta, **more}]}


def block(index, **block):
    return {"type": "content_block_start", "index": index, "content_block": block}


def delta(index, kind, **fields):
    return {"type": "content_block_delta", "index": index, "delta": {"type": kind, **fields}}


def item(kind, **fields):
    return {"type": f"response.{kind}", "sequence_number": 1, "output_index": 0, **fields}


def part(candidate=None, **part):
    return {"candidates": [{"content": {"role": "model", "parts": [part]}, "index": 0, **(candidate or {})}]}


WEB = {"groundingChunks": [{"web": {"uri": "u"}}]}
SUPPORTS = [{"segment": {"startIndex": 0, "endIndex": 9}, "groundingChunkIndices": [0, 7]}]
SEEDS = {
    "chat": frames(
        chunk({"role": "assistant", "content": "Grüße"}),
        chunk({"reasoning": "Hm", "reasoning_details": [{"type": "x", "text": "Hm", "signature": "c2ln"}]}),
        chunk({"tool_calls": [{"index": 0, "id": "t", "function": {"name": "f", "arguments": "{"}}]}),
        chunk({"content": [{"type": "text", "text": "a"}]}, finish_reason="stop"),
        {"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 9}},
        {"error": {"message": "down", "code": 502}},
        b": waiting\n\n",
        b"data: [DONE]\r\n\r\n",
    ),
    "messages": frames(
        {"type": "message_start", "message": {"id": "m", "model": "c", "usage": {"input_tokens": 1}}},
        block(0, type="text", text=""),
        block(1, type="tool_use", id="t", name="f", input={}),
        delta(0, "text_delta", text="Grüße"),
        delta(1, "input_json_delta", partial_json="{"),
        delta(0, "signature_delta", signature="c2ln"),
        {"type": "content_block_stop", "index": 1},
        {"type": "message_delta", "delta": {"stop_reason": "refusal"}, "usage": {"output_tokens": 3}},
        {"type": "error", "error": {"type": "overloaded_error", "message": "busy"}},
        b'event: message_stop\ndata: {"type":"message_stop"}\n\n',
    ),
    "responses": frames(
        item("created", response={"id": "resp_1", "model": "m", "created_at": 1}),
        item("output_item.added", item={"type": "function_call", "id": "fc", "call_id": "t", "name": "f"}),
        item("function_call_arguments.delta", item_id="fc", delta="{"),
        item("output_item.added", output_index=1, item={"type": "message", "id": "m1", "content": []}),
        item("output_text.delta", output_index=1, content_index=0, item_id="m1", delta="Grüße"),
        item("reasoning_summary_text.delta", output_index=2, summary_index=0, delta="Hm"),
        item("output_item.done", item={"type": "reasoning", "id": "rs", "summary": [], "encrypted_content": "c2ln"}),
        item("completed", response={"status": "completed", "output": [], "usage": {"input_tokens": 1}}),
        item("failed", response={"error": {"code": "server_error", "message": "down"}}),
    ),
    "gemini": frames(
        part(text="Grüße"),
        part(text="Hm", thought=True, thoughtSignature="c2ln"),
        part(functionCall={"name": "f", "args": {"a": 1}}),
        part({"finishReason": "STOP"}, executableCode={"code": "1"}),
        part({"groundingMetadata": {**WEB, "groundingSupports": SUPPORTS}}, text="a"),
        {"usageMetadata": {"promptTokenCount": 1}, "createTime": "2026-01-01T00:00:00Z"},
        {"promptFeedback": {"blockReason": "SAFETY"}},
        b'{"error":{"code":503,"message":"down","status":"UNAVAILABLE"}}\n\n',
        b'[{"candidates":[{"content":{"parts":[{"text":"\\"]"}]}}]}\n,\r\n{"candidates":[{"finishReason":"STOP"}]}\n]',
    ),
}
CONVERSE = {
    "messageStart": {"role": "assistant"},
    "contentBlockStart": {"contentBlockIndex": 1, "start": {"toolUse": {"toolUseId": "t", "name": "f"}}},
    "contentBlockDelta": {"contentBlockIndex": 0, "delta": {"text": "Grüße"}},
    "contentBlockDelta ": {"contentBlockIndex": 1, "delta": {"toolUse": {"input": "{"}}},
    "contentBlockDelta  ": {"contentBlockIndex": 2, "delta": {"reasoningContent": {"text": "a", "signature": "b"}}},
    "contentBlockDelta   ": {"contentBlockIndex": 3, "delta": {"reasoningContent": {"redactedContent": "c2ln"}}},
    "contentBlockStop": {"contentBlockIndex": 1},
    "messageStop": {"stopReason": "tool_use"},
    "metadata": {"usage": {"inputTokens": 1, "outputTokens": 2}},
    "throttlingException": {"message": "slow down"},
    "brandNew": {"a": [1]},
}
"""Payloads by the kind of their event; spaces only tell several of a kind apart."""
CONVERSE_BODY = msgspec.json.encode(
    {
        "output": {"message": {"content": [{"text": "a"}, {"toolUse": {"toolUseId": "t", "name": "f", "input": {}}}]}},
        "stopReason": "tool_use",
        "usage": {"inputTokens": 1, "outputTokens": 2},
    }
)
OTHER = [seed for seeds in SEEDS.values() for seed in seeds]

odd = st.sampled_from(
    [
        b"null",
        b"{}",
        b"[]",
        b"-1",
        b"1e400",
        b'""',
        b'"\\ud800"',
        b"\xff",
        b"9" * 40,
        b"[[[[",
        b"NaN",
        b'{"a":',
        b"true",
    ]
)


@st.composite
def damaged(draw, text):
    """A piece of JSON or a frame: as it is, cut, with noise in it, with a value replaced, or with other line ends."""
    at = draw(st.integers(0, len(text)))
    match draw(st.sampled_from(["whole", "cut", "noise", "value", "value", "ends"])):
        case "cut":
            return text[:at]
        case "noise":
            return text[:at] + draw(st.binary(max_size=8)) + text[at:]
        case "value" if starts := [i + 1 for i, byte in enumerate(text) if byte in b":["]:
            start = draw(st.sampled_from(starts))
            end = min(i for i in (text.find(b",", start), text.find(b"}", start), len(text)) if i >= start)
            return text[:start] + draw(odd) + text[end:]
        case "ends":
            return text.replace(b"\n", draw(st.sampled_from([b"\r\n", b"\r", b""])))
    return text


@st.composite
def broken(draw, seeds):
    """A stream of known frames in any order, some of them damaged."""
    chosen = draw(st.lists(st.sampled_from(seeds), max_size=12))
    return b"".join(draw(damaged(frame)) for frame in chosen)


def packed(kind, payload):
    """One frame of an AWS event stream."""
    kind = kind.strip()
    message = "exception" if kind.endswith("Exception") else "event"
    return pack({":message-type": message, f":{message}-type": kind}, payload)


@st.composite
def broken_events(draw):
    """Frames with good sums around damaged payloads, and sometimes a damaged frame."""
    kinds = draw(st.lists(st.sampled_from(list(CONVERSE)), max_size=8))
    frames = [packed(kind, draw(damaged(msgspec.json.encode(CONVERSE[kind])))) for kind in kinds]
    return draw(damaged(b"".join(frames))) if draw(st.integers(0, 3)) == 0 else b"".join(frames)


def bytes_for(name):
    """Damaged streams of the dialect, of the others, and plain noise."""
    own = broken_events() if name == "converse" else broken(SEEDS.get(name, OTHER))
    return st.one_of(own, own, broken(OTHER), st.binary(max_size=200))


def pieces(data, cuts):
    ends = sorted({min(cut, len(data)) for cut in cuts} | {len(data)})
    return [data[a:b] for a, b in zip([0, *ends], ends, strict=False)]


def events_of(decoder, reads):
    return [e for read in reads for f in decoder.feed(read) for e in f.events] + [
        e for f in decoder.finish() for e in f.events
    ]


def without_failures(events):
    """The events before the first failure: why exactly it failed may depend on what came in one read."""
    failed = next((i for i, e in enumerate(events) if isinstance(e, Failed)), None)
    return (events if failed is None else events[:failed], failed is not None)


@pytest.mark.parametrize(("name", "form"), FORMS)
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_a_decoder_bears_any_bytes(name, form, data):
    """Cut anywhere, a stream gives the same events, at most one failure, and no success behind it."""
    stream = data.draw(bytes_for(name))
    cuts = data.draw(st.lists(st.integers(0, max(1, len(stream))), max_size=6))
    whole, cut = (_upstreams()[name].decoder(form=form) for _ in range(2))
    events, other = events_of(whole, [stream]), events_of(cut, pieces(stream, cuts))
    assert without_failures(events) == without_failures(other)
    failures = [e for e in events if isinstance(e, Failed)]
    assert len(failures) <= 1
    assert all(isinstance(e.error, GatewayError) for e in failures)
    assert not (failures and whole.complete)
    Answer.fold(events)


@pytest.mark.parametrize("name", UPSTREAMS)
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_a_decoder_bears_any_body(name, data):
    """A body is an answer with an end, or a failure."""
    stream = data.draw(bytes_for(name))
    body = data.draw(st.sampled_from([stream, stream.split(b"data: ")[-1].strip()]))
    if name == "converse" and data.draw(st.booleans()):
        body = data.draw(damaged(CONVERSE_BODY))
    answer = Answer.fold(_upstreams()[name].decoder().whole(body))
    assert answer.complete or answer.error is not None


@pytest.mark.parametrize("name", UPSTREAMS)
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_a_refusal_bears_any_body(name, data):
    """A provider's error is one of ours, whatever its body holds."""
    body = data.draw(bytes_for(name))
    status = data.draw(st.sampled_from([400, 401, 404, 418, 429, 500, 503, 529, 599]))
    upstream = _upstreams()[name]
    assert isinstance(upstream.fault(status, {"retry-after": "x"}, body), GatewayError)
    upstream.owns_error(body)


SCHEMA = {"type": "object", "properties": {"a": {"type": "string", "enum": ["x"]}}, "allOf": [{"minItems": 1}]}
REQUESTS = {
    "chat": {
        "model": "m",
        "messages": [
            {"role": "system", "content": "Be kind."},
            {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]},
            {"role": "assistant", "tool_calls": [{"id": "t", "function": {"name": "f", "arguments": "{}"}}]},
            {"role": "tool", "tool_call_id": "t", "content": "ok"},
        ],
        "tools": [{"type": "function", "function": {"name": "f", "parameters": SCHEMA, "strict": True}}],
        "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA}},
        "reasoning_effort": "low",
        "extra_body": {"google": {"thinking_config": {"thinking_budget": 1}}},
    },
    "messages": {
        "model": "m",
        "max_tokens": 9,
        "system": [{"type": "text", "text": "s", "cache_control": {"type": "ephemeral", "ttl": "1h"}}],
        "messages": [
            {"role": "user", "content": [{"type": "document", "source": {"type": "url", "url": "https://x/a.pdf"}}]},
            {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "f", "input": {"a": 1}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "ok"}]},
        ],
        "tools": [{"name": "f", "input_schema": SCHEMA}],
        "thinking": {"type": "enabled", "budget_tokens": 2000},
        "output_config": {"format": {"type": "json_schema", "schema": SCHEMA}},
    },
    "completions": {"model": "m", "prompt": ["Hi"], "suffix": "x", "stop": ["a"], "logprobs": 2, "max_tokens": 9},
    "responses": {
        "model": "m",
        "instructions": "Be kind.",
        "input": [
            {"role": "user", "content": [{"type": "input_text", "text": "Hi"}]},
            {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "c2ln"},
            {"type": "function_call", "call_id": "t", "name": "f", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "t", "output": "ok"},
        ],
        "tools": [{"type": "function", "name": "f", "parameters": SCHEMA, "strict": True}],
        "text": {"format": {"type": "json_schema", "name": "n", "schema": SCHEMA}},
        "reasoning": {"effort": "low"},
    },
    "gemini": {
        "contents": [
            {"role": "user", "parts": [{"text": "Hi"}, {"inlineData": {"mimeType": "image/png", "data": "AAAA"}}]},
            {"role": "model", "parts": [{"functionCall": {"name": "f", "args": {"a": 1}}}]},
            {"role": "user", "parts": [{"functionResponse": {"name": "f", "response": {"output": "ok"}}}]},
        ],
        "tools": [{"functionDeclarations": [{"name": "f", "parameters": {"type": "OBJECT", "nullable": True}}]}],
        "generationConfig": {"temperature": 1, "stopSequences": ["x"], "thinkingConfig": {"thinkingBudget": 1}},
    },
}


def refusals(dialect, body):
    """Why a request can't be read, or can't be written for a provider."""
    try:
        request = dialect.parse(dialect.envelope(WireRequest(body=body, path_model="m")))
    except GatewayError as error:
        return [error]
    found = []
    for upstream in _upstreams().values():
        try:
            upstream.render(request, TargetFacts(provider=Provider.OPENAI, model="m"))
        except GatewayError as error:
            found.append(error)
    return found


@pytest.mark.parametrize("dialect", dialects(), ids=repr)
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_a_request_is_read_or_refused(dialect, data):
    """A client's damaged request is a 4xx in its own dialect's envelope, for every provider, and nothing else."""
    body = data.draw(damaged(msgspec.json.encode(REQUESTS[dialect.name])))
    for error in refusals(dialect, body):
        assert 400 <= error.status < 500
        assert isinstance(msgspec.json.decode(dialect.error_body(error, "r")), dict)


@pytest.mark.parametrize(("name", "form"), FORMS)
@pytest.mark.parametrize("opening", [b"", b"data: ", b'[{"a":"', b'data: {"choices":[{"delta":{"content":"'], ids=repr)
def test_a_stream_without_a_delimiter_stays_bounded(name, form, opening):
    """Ten megabytes of one frame cost a small multiple of themselves at most, or the decoder gives up."""
    filler = b"x" * 65536
    decoder = _upstreams()[name].decoder(form=form)
    tracemalloc.start()
    try:
        decoder.feed(opening)
        for _ in range(160):
            decoder.feed(filler)
        decoder.finish()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 50 * MEGABYTE


@pytest.mark.parametrize(("name", "form"), FORMS)
def test_a_frame_over_the_bound_is_a_failure(name, form):
    """It is told once, what was kept is let go, and what follows is not kept either."""
    decoder = _upstreams()[name].decoder(form=form)
    reads = [b'[{"a":"' if form == "array" else b"data: ", *[b"x" * MEGABYTE] * (2 * MAX_FRAME // MEGABYTE)]
    seen = [e for read in reads for f in decoder.feed(read) for e in f.events]
    seen += [e for f in decoder.finish() for e in f.events]
    assert [Failed] == [type(e) for e in seen]
    assert not decoder.complete


GROWING = {
    "chat": (b"", SEEDS["chat"][0]),
    "messages": (SEEDS["messages"][0] + SEEDS["messages"][1], SEEDS["messages"][3]),
    "gemini": (b"", SEEDS["gemini"][0]),
    "converse": (b"", packed("contentBlockDelta", msgspec.json.encode(CONVERSE["contentBlockDelta"]))),
}


def cost(decoder_of, reads):
    """The least processor time of a few runs, in seconds."""
    best = float("inf")
    for _ in range(3):
        decoder = decoder_of()
        began = time.process_time()
        for read in reads:
            decoder.feed(read)
        best = min(best, time.process_time() - began)
    return best


@pytest.mark.parametrize(("name", "form"), FORMS)
@pytest.mark.parametrize("shape", ["many frames", "one frame in small reads", "frames in one read"])
def test_time_grows_with_the_input_alone(name, form, shape):
    """Eight times the input costs about eight times the time, not sixty-four."""

    def reads(times):
        if shape == "one frame in small reads" and name == "converse":
            whole = packed("contentBlockDelta", b'{"a":"' + b"x" * (512 * 400 * times) + b'"}')
            return [whole[i : i + 512] for i in range(0, len(whole), 512)]
        if shape == "one frame in small reads":
            opening = b'[{"a":"' if form == "array" else b'data: {"a":"'
            return [opening] + [b"x" * 512] * (400 * times)
        head, frame = GROWING.get(name, (b"", OTHER[0]))
        if form == "array":
            head, frame = b"[", frame[6:].strip() + b","
        if shape == "frames in one read":
            return [head + frame * (150 * times)]
        return [head] + [frame] * (150 * times)

    def decoder():
        return _upstreams()[name].decoder(form=form)

    small, large = cost(decoder, reads(1)), cost(decoder, reads(8))
    assert large < 24 * max(small, 0.0005)
