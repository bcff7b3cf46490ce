"""Streams that the provider cuts, at every event boundary and inside events, for every pair of dialects.

Whatever happens upstream, the client sees the ending of its own dialect that says "error", or an HTTP error if nothing
was sent yet; never a normal finish, never a silent end.
"""

from __future__ import annotations

import random
import re
from typing import Any
from urllib.parse import quote

import msgspec
import pytest
from yarl import URL

DIALECTS = ("chat", "responses", "completions", "messages", "gemini")
MODELS = {
    "chat": "chat/sim-gpt",
    "responses": "responses/gpt-4.1",
    "completions": "openai/gpt-3.5-turbo-instruct",
    "messages": "sim/claude",
    "gemini": "sim/gemini",
    "bedrock": "bedrock/anthropic.claude-sonnet-4-5-20250929-v1:0",
}
"""By what its provider speaks."""
PAIRS = [(inbound, upstream) for inbound in DIALECTS for upstream in MODELS if upstream != "completions"]
PAIRS.append(("completions", "completions"))
SAME = [(dialect, dialect) for dialect in DIALECTS]
TOOL_SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}


def ask(dialect: str, model: str, tools: bool) -> tuple[str, dict[str, Any]]:
    """Path and body of a stream in a dialect, that calls a tool or talks."""
    text = "Tell me all"
    if dialect == "chat":
        body: dict[str, Any] = {"model": model, "stream": True, "messages": [{"role": "user", "content": text}]}
        body["stream_options"] = {"include_usage": True}
        if tools:
            body["tools"] = [{"type": "function", "function": {"name": "look", "parameters": TOOL_SCHEMA}}]
        return "/v1/chat/completions", body
    if dialect == "completions":
        usage = {"include_usage": True}
        return "/v1/completions", {
            "model": model,
            "stream": True,
            "prompt": text,
            "max_tokens": 500,
            "stream_options": usage,
        }
    if dialect == "responses":
        body = {"model": model, "stream": True, "input": text}
        if tools:
            body["tools"] = [{"type": "function", "name": "look", "parameters": TOOL_SCHEMA}]
        return "/v1/responses", body
    if dialect == "messages":
        body = {"model": model, "stream": True, "max_tokens": 1000, "messages": [{"role": "user", "content": text}]}
        if tools:
            body["tools"] = [{"name": "look", "input_schema": TOOL_SCHEMA}]
        return "/v1/messages", body
    body = {"contents": [{"role": "user", "parts": [{"text": text}]}]}
    if tools:
        body["tools"] = [{"functionDeclarations": [{"name": "look", "parametersJsonSchema": TOOL_SCHEMA}]}]
    return f"/v1beta/models/{model}:streamGenerateContent?alt=sse", body


def frames(raw: bytes) -> list[Any]:
    """The data of each frame; every byte must belong to a whole frame."""
    found = []
    for frame in raw.decode().replace("\r\n", "\n").split("\n\n"):
        if not frame.strip():
            continue
        data = "\n".join(line[6:] for line in frame.split("\n") if line.startswith("data: "))
        found.append(data if data == "[DONE]" else msgspec.json.decode(data))
    assert raw.endswith((b"\n\n", b"\r\n\r\n"))
    return found


def assert_chat_error(raw: bytes) -> None:
    events = frames(raw)
    assert events[-1] == "[DONE]"
    chunks = events[:-1]
    finishes = [c["finish_reason"] for e in chunks for c in e["choices"] if c.get("finish_reason")]
    assert finishes == ["error"]
    told = next(e["gateway_error"] for e in chunks if "gateway_error" in e)
    assert sorted(told) == ["bytes_received", "code", "message", "type", "upstream_status"]
    assert len({e["id"] for e in chunks}) == 1


def assert_responses_error(raw: bytes) -> None:
    events = frames(raw)
    assert list(range(len(events))) == [e["sequence_number"] for e in events]
    last = events[-1]
    assert ("response.failed", "failed") == (last["type"], last["response"]["status"])
    assert sorted(last["response"]["error"]) == ["code", "message"]
    assert {events[0]["response"]["id"]} == {e["response"]["id"] for e in events if "response" in e}
    assert "response.completed" not in [e["type"] for e in events]


def assert_messages_error(raw: bytes) -> None:
    events = frames(raw)
    assert events[-1]["type"] == "error"
    assert events[-1]["error"]["message"]
    assert "message_stop" not in [e["type"] for e in events]
    assert b"event: error\n" in raw


def assert_gemini_error(raw: bytes) -> None:
    events = frames(raw)
    assert sorted(events[-1]["error"]) == ["code", "message", "status"]
    assert not any(c.get("finishReason") for e in events for c in e.get("candidates", []))


ENDINGS = {
    "chat": assert_chat_error,
    "completions": assert_chat_error,
    "responses": assert_responses_error,
    "messages": assert_messages_error,
    "gemini": assert_gemini_error,
}


async def get(stack: Any, path: str, body: Any, **headers: str) -> tuple[int, bytes]:
    given = {"x-api-key": stack.key, **headers}
    async with stack.http.post(stack.base + path, json=body, headers=given) as response:
        return response.status, await response.read()


async def cut(stack: Any, path: str, body: Any, fault: dict[str, Any], **headers: str) -> tuple[int, bytes]:
    await stack.sim("DELETE", "faults")
    await stack.sim("POST", "faults", json={"times": None, "fault": fault})
    return await get(stack, path, body, **headers)


MARKS = {
    "chat": b'"finish_reason":"',
    "responses": b"response.completed",
    "completions": b'"finish_reason":"',
    "messages": b'"type":"message_delta"',
    "gemini": b'"finishReason"',
    "bedrock": b"messageStop",
}
"""What the event that ends a stream has, and none before it."""


def ends_of_events(raw: bytes, upstream: str) -> list[int]:
    """Where each event of a provider's stream ends."""
    if upstream == "bedrock":
        ends = [0]
        while ends[-1] < len(raw):
            ends.append(ends[-1] + int.from_bytes(raw[ends[-1] : ends[-1] + 4]))
        return ends[1:]
    return [found.end() for found in re.finditer(rb"\r?\n\r?\n", raw)]


async def events_and_bytes(stack: Any, inbound: str, upstream: str, tools: bool) -> tuple[int, int]:
    """How many events, and bytes of whole events, the provider's stream has before the one that ends it.

    The provider is asked again for what the gateway asked it, since its answer depends on the request.
    """
    path, body = ask(inbound, MODELS[upstream], tools)
    await stack.sim("DELETE", "faults")
    assert (await get(stack, path, body))[0] == 200
    asked = (await stack.upstream_saw())[-1]
    headers = {"authorization": "Bearer sk", "x-goog-api-key": "sk", "anthropic-version": "2023-06-01"}
    url = URL(stack.simulator.base_url + quote(asked["path"]), encoded=True)
    async with stack.http.post(url, json=asked["body"], params=asked.get("query"), headers=headers) as response:
        raw = await response.read()
    before = [end for end in ends_of_events(raw, upstream) if end <= raw.index(MARKS[upstream])]
    return len(before), before[-1]


@pytest.fixture
async def pair(request, open_clouds):
    """A stack, the client's dialect, and the provider's."""
    engine, inbound, upstream = request.param
    async with open_clouds(engine=engine) as stack:
        yield stack, inbound, upstream


ALL = [("hypercorn", *pair) for pair in PAIRS] + [("uvicorn", *pair) for pair in SAME]
"""The engines write the same bytes by other ways, so the pass-throughs are enough for the second one."""
each_pair = pytest.mark.parametrize("pair", ALL, ids="-".join, indirect=True)


@each_pair
async def test_no_cut_is_shown_as_success(pair):
    """A stream cut at every event boundary and at random bytes, by a clean end and by a reset, ends as an error."""
    await cut_everywhere(*pair, tools=False)


@each_pair
async def test_no_cut_inside_a_tool_call_is_shown_as_success(pair):
    """Half a call's arguments are no call."""
    if "completions" not in pair:
        await cut_everywhere(*pair, tools=True)


async def cut_everywhere(stack: Any, inbound: str, upstream: str, tools: bool) -> None:
    """Cuts one stream in all those ways."""
    events, size = await events_and_bytes(stack, inbound, upstream, tools)
    path, body = ask(inbound, MODELS[upstream], tools)
    chance = random.Random(f"{inbound}{upstream}{tools}")
    places = [("events", n) for n in range(events + 1)] + [("bytes", chance.randrange(1, size)) for _ in range(12)]
    outcomes = {"status": 0, "told": 0}
    for unit, n in places:
        for kind in ("eof", "reset"):
            status, raw = await cut(stack, path, body, {f"{kind}_{unit}": n})
            if status == 200:
                ENDINGS[inbound](raw)
            else:
                assert status == 502
            outcomes["told" if status == 200 else "status"] += 1
    assert outcomes["told"] > 0
    await stack.settle()
    stack.assert_nothing_left()


@each_pair
async def test_other_breaks_are_told_too(pair):
    """Broken JSON, the provider's own error event, and a chunked body without its end are errors to the client."""
    clouds, inbound, upstream = pair
    path, body = ask(inbound, MODELS[upstream], False)
    events, size = await events_and_bytes(clouds, inbound, upstream, False)
    for fault in ("malformed_events", "error_events", "fin_bytes"):
        # At a pace, so that the gateway has sent what came before the break.
        at = {fault: events if fault != "fin_bytes" else size, "tps": 400}
        status, raw = await cut(clouds, path, body, at)
        assert status == 200, fault
        ENDINGS[inbound](raw)


async def test_the_three_forms_of_a_broken_chat_stream(clouds):
    """`x-gw-stream-errors`: finish marks the choice, raise adds the error object, strict has only that object."""
    path, body = ask("chat", MODELS["chat"], False)
    events, _ = await events_and_bytes(clouds, "chat", "chat", False)
    seen = {}
    for form in ("finish", "raise", "strict"):
        _, raw = await cut(clouds, path, body, {"eof_events": events}, **{"x-gw-stream-errors": form})
        seen[form] = (b'"finish_reason":"error"' in raw, b'"error":{' in raw, raw.endswith(b"data: [DONE]\n\n"))
    assert seen == {"finish": (True, False, True), "raise": (True, True, True), "strict": (False, True, True)}


@each_pair
async def test_a_cut_body_is_an_error_status(pair):
    """An answer that is no stream and is cut is a 502, since nothing was sent yet."""
    clouds, inbound, upstream = pair
    path, body = ask(inbound, MODELS[upstream], False)
    body.pop("stream", None)
    body.pop("stream_options", None)
    path = path.replace(":streamGenerateContent?alt=sse", ":generateContent")
    for fault in ({"reset_bytes": 30}, {"eof_bytes": 30}, {"fin_bytes": 30}, {"reset_bytes": 0}):
        status, raw = await cut(clouds, path, body, fault)
        assert status == 502, raw
        assert msgspec.json.decode(raw)["error"]["message"]
