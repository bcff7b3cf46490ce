"""Answers for clients: the stream's grammar, the whole message, and the endings."""

import itertools
from typing import Any

import msgspec
import pytest
from anthropic.types import Message, RawMessageStreamEvent
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from llmgw_domain import Usage
from llmgw_domain.errors import Overloaded, UpstreamTruncated
from llmgw_domain.stream import (
    Answer,
    Cited,
    Finished,
    FinishReason,
    MediaMade,
    OpaqueMade,
    Opened,
    RefusalDelta,
    StreamEvent,
    TextDelta,
    ThinkingDelta,
    ThinkingRedacted,
    ThinkingSigned,
    ToolDelta,
    ToolOpened,
    UsageReported,
)
from llmgw_protocols.dialect import EncodeContext, Encoder
from llmgw_protocols.messages import MESSAGES

STREAM_EVENT: TypeAdapter[Any] = TypeAdapter(RawMessageStreamEvent)
USAGE = Usage(uncached_input=12, cache_read=1000, cache_write_5m=150, cache_write_1h=50, output=50, reasoning=30)
USAGE_FIELDS = {
    "input_tokens": 12,
    "cache_creation_input_tokens": 200,
    "cache_read_input_tokens": 1000,
    "output_tokens": 50,
    "output_tokens_details": {"thinking_tokens": 30},
}
DONE = Finished(FinishReason.STOP)
RICH: list[StreamEvent] = [
    Opened("up", "other"),
    ThinkingDelta("Hm"),
    ThinkingSigned("sig"),
    ThinkingRedacted("xyz"),
    TextDelta("Grüße "),
    TextDelta('"👋"\n'),
    Cited("https://a.example"),
    MediaMade("image/png", "aa"),
    OpaqueMade("google", "x", msgspec.Raw(b"{}")),
    ToolOpened(0, "call_0", "weather"),
    ToolDelta(0, '{"city":'),
    ToolOpened(1, "call_1", "time"),
    ToolDelta(1, '{"tz":'),
    ToolDelta(0, '"Rome"}'),
    ToolDelta(1, '"CET"}'),
    TextDelta("other choice", choice=1),
    UsageReported(USAGE),
    Finished(FinishReason.TOOL_CALLS),
]


def _encoder() -> Encoder:
    return MESSAGES.encoder(EncodeContext(model="sim/claude", request_id="r1", created=5))


def _frames(data: bytes) -> list[dict[str, Any]]:
    found = []
    for frame in data.decode().removesuffix("\n\n").split("\n\n"):
        name, text = frame.split("\n")
        event = msgspec.json.decode(text.removeprefix("data: "))
        assert name == f"event: {event['type']}"
        found.append(event)
    return found


def _stream(*events: StreamEvent) -> list[dict[str, Any]]:
    """The frames of an answer but for its head, checked by the SDK's own types."""
    encoder = _encoder()
    frames = _frames(encoder.emit(events) + encoder.end())
    for frame in frames:
        if frame["type"] != "ping":
            STREAM_EVENT.validate_python(frame)
    assert [f["type"] for f in frames[:2]] == ["message_start", "ping"]
    return frames[2:]


def _start(index: int, **block: object) -> dict[str, object]:
    return {"type": "content_block_start", "index": index, "content_block": block}


def _delta(index: int, kind: str, **fields: object) -> dict[str, object]:
    return {"type": "content_block_delta", "index": index, "delta": {"type": kind, **fields}}


def _stop(index: int) -> dict[str, object]:
    return {"type": "content_block_stop", "index": index}


def test_rich_stream() -> None:
    """Blocks open and close in turn; interleaved calls come one after the other; the rest has no form here."""
    assert [
        _start(0, type="thinking", thinking="", signature=""),
        _delta(0, "thinking_delta", thinking="Hm"),
        _delta(0, "signature_delta", signature="sig"),
        _stop(0),
        _start(1, type="redacted_thinking", data="xyz"),
        _stop(1),
        _start(2, type="text", text=""),
        _delta(2, "text_delta", text="Grüße "),
        _delta(2, "text_delta", text='"👋"\n'),
        _stop(2),
        _start(3, type="tool_use", id="call_0", name="weather", input={}),
        _delta(3, "input_json_delta", partial_json='{"city":'),
        _delta(3, "input_json_delta", partial_json='"Rome"}'),
        _stop(3),
        _start(4, type="tool_use", id="call_1", name="time", input={}),
        _delta(4, "input_json_delta", partial_json='{"tz":"CET"}'),
        _stop(4),
        {
            "type": "message_delta",
            "delta": {"stop_reason": "tool_use", "stop_sequence": None, "stop_details": None},
            "usage": USAGE_FIELDS,
        },
        {"type": "message_stop"},
    ] == _stream(*RICH)


def test_head() -> None:
    """The head has our id, the client's name of the model, and the prompt's counts where they are known in time."""
    (head, _) = _frames(_encoder().emit([Opened("up", "other"), UsageReported(USAGE)]))
    message = head["message"]
    assert (
        message["id"],
        message["model"],
        message["usage"]["input_tokens"],
        message["usage"]["output_tokens"],
        message["stop_reason"],
    ) == ("msg_r1", "sim/claude", 12, 0, None)


def test_empty_answer() -> None:
    """An answer without content has no blocks, and still a head and an ending."""
    assert [f["type"] for f in _stream(DONE)] == ["message_delta", "message_stop"]


@given(st.lists(st.integers(0, len(RICH)), max_size=6))
def test_batches(cuts: list[int]) -> None:
    """How events are batched changes nothing but when they are written."""
    edges = [0, *sorted(cuts), len(RICH)]
    encoder, whole = _encoder(), _encoder()
    pieces = [encoder.emit(RICH[a:b]) for a, b in itertools.pairwise(edges)]
    assert whole.emit(RICH[:1]) + whole.emit(RICH[1:]) + whole.end() == b"".join(pieces) + encoder.end()


def test_unsigned_thinking() -> None:
    """Thinking that nobody signed ends with an empty signature."""
    frames = _stream(ThinkingDelta("Hm"), TextDelta("Hi"), DONE)
    assert _delta(0, "signature_delta", signature="") == frames[2]


@pytest.mark.parametrize("family", ["google", "openai"])
def test_reasoning_of_another_family(family: str) -> None:
    """Only Anthropic's own signatures are written: a foreign one is empty, and opens no block of its own."""
    signed, hidden = ThinkingSigned("s", family=family), ThinkingRedacted("x", family=family)
    events = [ThinkingDelta("Hm"), signed, TextDelta("Hi"), signed, hidden, DONE]
    frames = _stream(*events)
    assert [f["content_block"]["type"] for f in frames if f["type"] == "content_block_start"] == ["thinking", "text"]
    assert _delta(0, "signature_delta", signature="") == frames[2]
    content = msgspec.json.decode(_encoder().body(Answer.fold(events)))["content"]
    assert content == [{"type": "thinking", "thinking": "Hm", "signature": ""}, {"type": "text", "text": "Hi"}]


def test_text_between_calls() -> None:
    """Text behind a call closes it, and a later call opens a block of its own."""
    frames = _stream(ToolOpened(0, "a", "f"), ToolDelta(0, "{}"), TextDelta("x"), ToolOpened(1, "b", "g"), DONE)
    kinds = [f["content_block"]["type"] for f in frames if f["type"] == "content_block_start"]
    assert kinds == ["tool_use", "text", "tool_use"]


def test_late_arguments() -> None:
    """Arguments for a call whose block is closed can't be told, so the answer does not end well."""
    encoder = _encoder()
    encoder.emit([ToolOpened(0, "a", "f"), TextDelta("x"), ToolDelta(0, "{}"), DONE])
    assert _frames(encoder.end())[-1]["type"] == "error"


def test_custom_call() -> None:
    """Free text of a custom call becomes the one string of an object, escaped, in the stream and in the body."""
    events: list[StreamEvent] = [
        ToolOpened(0, "a", "f", custom=True),
        ToolDelta(0, 'say "'),
        ToolDelta(0, 'hi"\n'),
        Finished(FinishReason.TOOL_CALLS),
    ]
    pieces = [f["delta"]["partial_json"] for f in _stream(*events) if f["type"] == "content_block_delta"]
    whole = msgspec.json.decode(_encoder().body(Answer.fold(events)))["content"][0]["input"]
    assert ({"input": 'say "hi"\n'}, whole) == (msgspec.json.decode("".join(pieces)), {"input": 'say "hi"\n'})


def test_missing_id() -> None:
    """A call without an id gets one."""
    assert _stream(ToolOpened(0, "", "f"), DONE)[0]["content_block"]["id"] == "toolu_r1_0"


@pytest.mark.parametrize(
    ("events", "reason", "sequence"),
    [
        ([DONE], "end_turn", None),
        ([Finished(FinishReason.STOP, stop_sequence="E")], "stop_sequence", "E"),
        ([ToolOpened(0, "a", "f"), Finished(FinishReason.STOP, stop_sequence="E")], "tool_use", None),
        ([Finished(FinishReason.LENGTH)], "max_tokens", None),
        ([ToolOpened(0, "a", "f"), DONE], "tool_use", None),
        ([ToolOpened(0, "a", "f"), Finished(FinishReason.LENGTH)], "max_tokens", None),
        ([Finished(FinishReason.CONTENT_FILTER)], "refusal", None),
        ([RefusalDelta("No."), DONE], "refusal", None),
    ],
)
def test_stop_reason(events: list[StreamEvent], reason: str, sequence: str | None) -> None:
    """Stream and body name the same stop reason."""
    streamed = _stream(*events)[-2]["delta"]
    whole = msgspec.json.decode(_encoder().body(Answer.fold(events)))
    assert [(reason, sequence)] * 2 == [(d["stop_reason"], d["stop_sequence"]) for d in (streamed, whole)]


def test_refusal() -> None:
    """A refusal's text is told as text, and its explanation as the details of the stop."""
    frames = _stream(RefusalDelta("I can't."), Finished(FinishReason.CONTENT_FILTER, detail="Policy."))
    assert (
        _delta(0, "text_delta", text="I can't."),
        {"type": "refusal", "category": None, "explanation": "Policy."},
    ) == (frames[1], frames[-2]["delta"]["stop_details"])


@pytest.mark.parametrize("before", [0, 1, 3, 6, 12, len(RICH)])
def test_fail(before: int) -> None:
    """A broken stream ends in an error event of Anthropic's form, wherever it broke, without a finish."""
    encoder = _encoder()
    encoder.emit(RICH[:before])
    assert [
        {
            "type": "error",
            "error": {"type": "api_error", "message": UpstreamTruncated.default_message()},
            "request_id": "r1",
        }
    ] == _frames(encoder.fail(UpstreamTruncated()))


def test_fail_passed_through() -> None:
    """In a pass-through the ending is the same, and a good end adds nothing."""
    encoder = _encoder()
    encoder.observe(RICH[:5])
    assert (encoder.end_mark(), _frames(encoder.fail(Overloaded()))[0]["error"]["type"]) == (b"", "overloaded_error")


def test_body() -> None:
    """A whole answer has its blocks in order, arguments as objects, and all counts."""
    body = msgspec.json.decode(_encoder().body(Answer.fold(RICH)))
    Message.model_validate(body)
    assert body == {
        "id": "msg_r1",
        "type": "message",
        "role": "assistant",
        "model": "sim/claude",
        "content": [
            {"type": "thinking", "thinking": "Hm", "signature": "sig"},
            {"type": "redacted_thinking", "data": "xyz"},
            {"type": "text", "text": 'Grüße "👋"\n'},
            {"type": "tool_use", "id": "call_0", "name": "weather", "input": {"city": "Rome"}},
            {"type": "tool_use", "id": "call_1", "name": "time", "input": {"tz": "CET"}},
        ],
        "stop_reason": "tool_use",
        "stop_sequence": None,
        "stop_details": None,
        "usage": {
            **USAGE_FIELDS,
            "cache_creation": {"ephemeral_5m_input_tokens": 150, "ephemeral_1h_input_tokens": 50},
        },
    }


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [("", {}), ('{"a": 1}', {"a": 1}), ("[1]", {"value": [1]}), ('{"a":', {"__raw_arguments": '{"a":'})],
)
def test_arguments(arguments: str, expected: object) -> None:
    """Arguments are an object in a body, whatever the model wrote."""
    events = [ToolOpened(0, "a", "f"), ToolDelta(0, arguments), Finished(FinishReason.TOOL_CALLS)]
    assert expected == msgspec.json.decode(_encoder().body(Answer.fold(events)))["content"][0]["input"]


def test_body_without_choice() -> None:
    """An answer without choices is an empty message."""
    body = msgspec.json.decode(_encoder().body(Answer()))
    Message.model_validate(body)
    assert (body["content"], body["stop_reason"], body["usage"]["output_tokens"]) == ([], "end_turn", 0)


_text = st.text(st.characters(exclude_categories=("Cs",)), max_size=5)
_event = st.one_of(
    st.builds(TextDelta, _text),
    st.builds(ThinkingDelta, _text),
    st.builds(ThinkingSigned, _text),
    st.builds(ThinkingRedacted, _text),
    st.builds(RefusalDelta, _text),
)


@given(st.lists(_event, max_size=10))
def test_round_trip(events: list[StreamEvent]) -> None:
    """What is encoded decodes to the same texts and thinking."""
    encoder, decoder = _encoder(), MESSAGES.decoder()
    data = encoder.emit(events) + encoder.emit([DONE]) + encoder.end()
    back = Answer.fold(e for frame in decoder.feed(data) for e in frame.events)
    sent = Answer.fold([*events, DONE])
    (a, b) = (sent.choices[0], back.choices[0])
    assert (a.text + a.refusal != "", a.thinking, True) == (b.text != "", b.thinking, decoder.complete)
