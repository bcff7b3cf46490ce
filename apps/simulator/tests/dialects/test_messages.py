import anthropic
import msgspec
import pytest
from anthropic.types import Message, RawMessageStreamEvent
from pydantic import TypeAdapter

from llmgw_simulator import Simulator
from llmgw_simulator.dialects.messages import Messages
from llmgw_simulator.dialects.messages_request import parse_messages
from llmgw_simulator.engine import decide
from llmgw_simulator.testing import KEYS, incoming_of, request_of
from llmgw_simulator.wire import Refusal

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOLS = [{"name": name, "input_schema": SCHEMA} for name in ("weather", "news")]
THINK = {"type": "enabled", "budget_tokens": 1024}
EVENT = TypeAdapter(RawMessageStreamEvent)
MESSAGES = Messages()


def both(**more):
    """The whole answer, and the events of the stream without pings."""
    parsed = parse_messages(request_of("messages", more.pop("text", "Hello"), **more)[1], "2026-10-21", "")
    answers = decide(parsed.ask, 0)
    frames = [frame.data.decode().split("\n") for frame in MESSAGES.frames(parsed, answers)]
    events = [msgspec.json.decode(data.removeprefix("data: ")) for _, data, *_ in frames]
    assert [f"event: {event['type']}" for event in events] == [name for name, *_ in frames]
    assert any(event["type"] == "ping" for event in events)
    return msgspec.json.decode(MESSAGES.whole(parsed, answers)), [e for e in events if e["type"] != "ping"]


def folded(events):
    """The content that the deltas of a stream add up to."""
    content = []
    for event in events:
        if event["type"] == "content_block_start":
            content.append(dict(event["content_block"]) | {"json": ""})
        elif event["type"] == "content_block_delta":
            delta, block = event["delta"], content[event["index"]]
            for source, target in (("text", "text"), ("thinking", "thinking"), ("signature", "signature")):
                if source in delta:
                    block[target] += delta[source]
            block["json"] += delta.get("partial_json", "")
    for block in content:
        text = block.pop("json")
        if text:
            block["input"] = msgspec.json.decode(text)
    return content


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"tools": TOOLS, "text": "parallel"},
        {"max_tokens": 3},
        {"thinking": THINK},
        {"thinking": THINK | {"display": "omitted"}},
        {"thinking": {"type": "adaptive"}, "tools": TOOLS},
        {"stop_sequences": ["said"]},
        {"max_tokens": 0},
    ],
)
def test_answers_are_what_the_sdk_expects(more):
    """Whole and streamed, with the same content, stop and usage in both."""
    whole, events = both(**more)
    Message.model_validate(whole, strict=True)
    for event in events:
        EVENT.validate_python(event, strict=True)
    assert (events[0]["type"], events[-1]["type"]) == ("message_start", "message_stop")
    assert whole["content"] == folded(events)
    assert (whole["id"], whole["stop_reason"]) == (events[0]["message"]["id"], events[-2]["delta"]["stop_reason"])
    assert whole["usage"]["output_tokens"] == events[-2]["usage"]["output_tokens"]


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({}, ("end_turn", None)),
        ({"tools": TOOLS}, ("tool_use", None)),
        ({"max_tokens": 2}, ("max_tokens", None)),
        ({"stop_sequences": ["Hello"]}, ("stop_sequence", "Hello")),
    ],
)
def test_the_stop_reason_is_told(more, expected):
    """And which sequence it was."""
    whole = both(**more)[0]
    assert expected == (whole["stop_reason"], whole["stop_sequence"])


def test_thinking_is_counted_and_signed():
    """Shown or not, and all of it takes its time."""
    whole = both(thinking=THINK)[0]
    assert ["thinking", "text"] == [block["type"] for block in whole["content"]]
    assert 0 < whole["usage"]["output_tokens_details"]["thinking_tokens"] < whole["usage"]["output_tokens"]
    hidden = request_of("messages", "Hello", thinking={"type": "adaptive", "display": "omitted"})[1]
    parsed = parse_messages(hidden, "2026-10-21", "")
    answers = decide(parsed.ask, 0)
    assert answers.tokens == sum(frame.tokens for frame in MESSAGES.frames(parsed, answers))


def test_a_cut_call_is_partial_in_the_stream_and_empty_in_the_whole():
    """Half of a JSON object can only be streamed."""
    parsed = parse_messages(request_of("messages", "x", tools=TOOLS, max_tokens=2)[1], "2026-10-21", "")
    answers = decide(parsed.ask, 0)
    assert {} == msgspec.json.decode(MESSAGES.whole(parsed, answers))["content"][0]["input"]
    assert any(b'"partial_json":"{' in frame.data for frame in MESSAGES.frames(parsed, answers))


def test_key_and_version_are_needed():
    """401 without a key or with an unknown one, 400 without a version."""
    body = request_of("messages", "Hello")[1]
    for headers, status in (({}, 401), ({"x-api-key": "bad"}, 401)):
        with pytest.raises(Refusal) as caught:
            MESSAGES.authenticate(incoming_of("/v1/messages", body, headers))
        assert status == caught.value.status
    with pytest.raises(Refusal, match="anthropic-version: header is required"):
        MESSAGES.parse(incoming_of("/v1/messages", body, {"x-api-key": "k"}))
    assert "k" == MESSAGES.credential(incoming_of("/", None, {"authorization": "Bearer k"}))


def test_errors_have_the_envelope():
    """With the request's id, and the limits of a 429."""
    reply = MESSAGES.refuse(MESSAGES.canned(429), incoming_of("/", None, KEYS["messages"]))
    body = msgspec.json.decode(reply.body)
    assert ("error", "rate_limit_error", reply.headers["request-id"]) == (
        body["type"],
        body["error"]["type"],
        body["request_id"],
    )
    assert ("2", "0") == (reply.headers["retry-after"], reply.headers["anthropic-ratelimit-requests-remaining"])
    assert "2001-09-09T01:46:42Z" == reply.headers["anthropic-ratelimit-requests-reset"]
    assert (
        "overloaded_error"
        == msgspec.json.decode(MESSAGES.refuse(MESSAGES.canned(529), incoming_of("/")).body)["error"]["type"]
    )


async def test_the_official_sdk_completes_a_tool_loop_with_thinking():
    """Streamed calls, results beside signed thinking, text; and errors as the SDK's own."""
    async with (
        Simulator().serve() as running,
        anthropic.AsyncAnthropic(api_key="k", base_url=running.base_url, max_retries=0) as sdk,
    ):
        messages = [{"role": "user", "content": "parallel"}]
        asked = {"model": "claude", "max_tokens": 3000, "tools": TOOLS, "thinking": THINK}
        async with sdk.messages.stream(messages=messages, **asked) as stream:
            first = await stream.get_final_message()
        calls = [block for block in first.content if block.type == "tool_use"]
        results = [{"type": "tool_result", "tool_use_id": call.id, "content": f"{call.name} is fine"} for call in calls]
        messages += [{"role": "assistant", "content": first.content}, {"role": "user", "content": results}]
        second = await sdk.messages.create(messages=messages, **asked)
        assert second.content[-1].text.startswith("The tools said: weather is fine; news is fine.")
        with pytest.raises(anthropic.NotFoundError, match="missing-model"):
            await sdk.messages.create(messages=messages[:1], max_tokens=5, model="missing-model")
        headers = {"x-sim-fault": "error-events=2"}
        async with sdk.messages.stream(messages=messages[:1], extra_headers=headers, **asked) as stream:
            with pytest.raises(anthropic.APIStatusError, match="Overloaded"):
                await stream.get_final_message()
