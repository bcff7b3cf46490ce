"""A Responses provider's answer as events: streams at every split, bodies, failures, and what nobody should send."""

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmgw_domain import Usage
from llmgw_domain.chat import RedactedThinking, Text, Thinking, ToolCall
from llmgw_domain.errors import BadRequest, ContentRefused, GatewayError, RateLimited, UpstreamFailed, UpstreamMalformed
from llmgw_domain.stream import Answer, Failed, Finished, FinishReason, Opened, StreamEvent, TextDelta, UsageReported
from llmgw_protocols.responses.decode import ResponsesDecoder

SUMMARY = [{"type": "summary_text", "text": "thought"}]
REASONING = {"type": "reasoning", "id": "rs_1", "summary": SUMMARY, "encrypted_content": "gAAA"}
PART = {"type": "output_text", "text": "Sure, \u00fc.", "annotations": []}
MESSAGE = {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [PART]}
CALL = {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "f", "arguments": '{"a":1}'}
USAGE = {"input_tokens": 9, "input_tokens_details": {"cached_tokens": 4}, "output_tokens": 3, "total_tokens": 12}
RESPONSE: dict[str, Any] = {
    "id": "resp_1",
    "object": "response",
    "created_at": 1700000000,
    "model": "gpt-5",
    "status": "completed",
    "output": [REASONING, MESSAGE, CALL],
    "usage": USAGE,
}
STARTED = {**RESPONSE, "status": "in_progress", "output": [], "usage": None}


def frame(type: str, **members: Any) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (type.encode(), msgspec.json.encode({"type": type, **members}))


FRAMES = [
    frame("response.created", response=STARTED),
    frame("response.output_item.added", output_index=0, item={**REASONING, "summary": []}),
    frame("response.reasoning_summary_text.delta", output_index=0, summary_index=0, delta="thou"),
    frame("response.reasoning_summary_text.delta", output_index=0, summary_index=0, delta="ght"),
    frame("response.reasoning_summary_text.done", output_index=0, summary_index=0, text="thought"),
    frame("response.output_item.done", output_index=0, item=REASONING),
    frame("response.output_item.added", output_index=1, item={**MESSAGE, "content": []}),
    frame("response.output_text.delta", output_index=1, content_index=0, delta="Sure, "),
    b": keep-alive\n\n",
    frame("response.output_text.delta", output_index=1, content_index=0, delta="\u00fc."),
    frame("response.output_text.done", output_index=1, content_index=0, text="Sure, \u00fc."),
    frame("response.output_item.done", output_index=1, item=MESSAGE),
    frame("response.output_item.added", output_index=2, item={**CALL, "arguments": ""}),
    frame("response.function_call_arguments.delta", output_index=2, delta='{"a":'),
    frame("response.function_call_arguments.delta", output_index=2, delta="1}"),
    frame("response.function_call_arguments.done", output_index=2, arguments='{"a":1}'),
    frame("response.output_item.done", output_index=2, item=CALL),
    frame("response.completed", response=RESPONSE),
]
STREAM = b"".join(FRAMES)


def read(*pieces: bytes) -> tuple[list[StreamEvent], ResponsesDecoder]:
    decoder = ResponsesDecoder()
    frames = [f for piece in pieces for f in decoder.feed(piece)] + decoder.finish()
    return [event for f in frames for event in f.events], decoder


def failure(events: list[StreamEvent]) -> Failed:
    (failed,) = [event for event in events if isinstance(event, Failed)]
    return failed


def test_a_stream_is_folded_to_its_answer() -> None:
    """Reasoning with its proof, text, call, finish and usage."""
    events, decoder = read(STREAM)
    answer = Answer.fold(events)
    assert (answer.id, answer.model, answer.created) == ("resp_1", "gpt-5", 1700000000)
    thinking, text, call = answer.choices[0].blocks
    assert isinstance(thinking, Thinking)
    assert thinking.text == "thought"
    assert thinking.signature == '{"id":"rs_1","encrypted_content":"gAAA","summary":[7]}'
    assert (text, call) == (Text("Sure, \u00fc."), ToolCall("call_1", "f", '{"a":1}'))
    assert answer.choices[0].finish == Finished(FinishReason.TOOL_CALLS)
    assert answer.usage == Usage(uncached_input=5, cache_read=4, output=3)
    assert (decoder.complete, decoder.closed) == (True, True)


def test_every_split() -> None:
    """Where the network cuts the stream makes no difference."""
    expected, _ = read(STREAM)
    for at in range(len(STREAM)):
        assert read(STREAM[:at], STREAM[at:])[0] == expected


def test_frames_are_the_stream() -> None:
    """A pass-through forwards the exact bytes; comments are hidden."""
    frames = ResponsesDecoder().feed(STREAM)
    assert b"".join(f.raw for f in frames) == STREAM
    assert [f.raw for f in frames if f.hidden] == [b": keep-alive\n\n"]


def test_a_body_is_the_same_answer() -> None:
    """Both ways give the same blocks."""
    decoder = ResponsesDecoder()
    body = Answer.fold(decoder.whole(msgspec.json.encode(RESPONSE)))
    assert body == Answer.fold(read(STREAM)[0])
    assert decoder.complete is True


@pytest.mark.parametrize("left_out", [b".delta", b"_text.done", b"arguments.done", b"item.added", b"output_index"])
def test_servers_leave_out_events(left_out: bytes) -> None:
    """Whatever is missing is told by something else, and nothing is told twice."""
    kept = [f for f in FRAMES if left_out not in f.partition(b'"response"')[0]]
    assert Answer.fold(read(*kept)[0]) == Answer.fold(read(STREAM)[0])


def test_items_that_are_never_done() -> None:
    """Their texts and calls are told; the proof of reasoning would come too late to stand beside it."""
    kept = [f for f in FRAMES if b"item.done" not in f]
    blocks = Answer.fold(read(*kept)[0]).choices[0].blocks
    assert blocks == [Thinking("thought"), Text("Sure, \u00fc."), ToolCall("call_1", "f", '{"a":1}')]


def test_a_cut_is_no_end() -> None:
    """Without the terminal event nothing is complete, and no finish is made up."""
    for end in range(len(FRAMES)):
        events, decoder = read(*FRAMES[:end])
        assert decoder.complete is False
        assert not any(isinstance(event, Finished) for event in events)


def test_a_last_frame_without_its_blank_line() -> None:
    """It counts if it is whole."""
    assert read(STREAM[:-2])[1].complete is True
    assert read(STREAM[:-4])[1].complete is False


def test_done_mark_is_tolerated() -> None:
    """Some servers end with chat's mark; alone it is no evidence."""
    assert read(STREAM, b"data: [DONE]\n\n")[1].complete is True
    assert read(*FRAMES[:-1], b"data: [DONE]\n\n")[1].complete is False


def test_nothing_is_read_behind_the_end() -> None:
    """Later frames are forwarded, not understood."""
    _, decoder = read(STREAM)
    (late,) = decoder.feed(FRAMES[7])
    assert (late.raw, late.events) == (FRAMES[7], ())


@pytest.mark.parametrize(
    ("status", "reason", "expected"),
    [
        ("completed", None, Finished(FinishReason.STOP)),
        ("incomplete", "max_output_tokens", Finished(FinishReason.LENGTH)),
        ("incomplete", "max_messages", Finished(FinishReason.LENGTH, detail="max_messages")),
        ("incomplete", "content_filter", Finished(FinishReason.CONTENT_FILTER)),
        ("incomplete", "steered", Finished(FinishReason.STOP, detail="steered")),
        ("incomplete", "what is new", Finished(FinishReason.LENGTH, detail="what is new")),
        ("incomplete", None, Finished(FinishReason.LENGTH)),
    ],
)
def test_finishes(status: str, reason: str | None, expected: Finished) -> None:
    """In a stream and in a body alike."""
    details = {"reason": reason} if reason else None
    response = {**RESPONSE, "output": [MESSAGE], "status": status, "incomplete_details": details}
    assert read(FRAMES[0], frame(f"response.{status}", response=response))[0][-1] == expected
    assert ResponsesDecoder().whole(msgspec.json.encode(response))[-1] == expected


def test_a_call_that_was_cut_is_no_call_to_run() -> None:
    """At the output limit the reason is the limit, whatever was begun."""
    response = {**RESPONSE, "status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}
    assert ResponsesDecoder().whole(msgspec.json.encode(response))[-1] == Finished(FinishReason.LENGTH)


def test_an_ending_without_a_status() -> None:
    """The event's own name says how it ended."""
    response = {"id": "resp_1", "incomplete_details": {"reason": "content_filter"}}
    events, decoder = read(frame("response.incomplete", response=response))
    assert events == [Opened("resp_1"), Finished(FinishReason.CONTENT_FILTER)]
    assert decoder.complete is True


def test_a_response_in_the_background() -> None:
    """A body that is not finished is no answer, and no failure either."""
    decoder = ResponsesDecoder()
    events = decoder.whole(msgspec.json.encode({**STARTED, "status": "queued"}))
    assert events == [Opened("resp_1", "gpt-5", 1700000000)]
    assert decoder.complete is False


# --- failures ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "expected"),
    [("server_error", UpstreamFailed), ("rate_limit_exceeded", RateLimited), ("bio_policy", ContentRefused)],
)
def test_a_failed_response(code: str, expected: type[GatewayError]) -> None:
    """It fails in the dialect's own words, after the usage that it cost."""
    response = {**RESPONSE, "status": "failed", "output": [], "error": {"code": code, "message": "words"}}
    for events, decoder in (
        read(*FRAMES[:8], frame("response.failed", response=response)),
        ((d := ResponsesDecoder()).whole(msgspec.json.encode(response)), d),
    ):
        failed = failure(events)
        assert (type(failed.error), failed.native) == (expected, True)
        assert isinstance(events[-2], UsageReported)
        assert decoder.complete is False


def test_a_cancelled_response() -> None:
    """Nobody asked for that, so it is the provider's failure."""
    response = {**RESPONSE, "status": "cancelled", "error": None}
    assert type(failure(read(frame("response.cancelled", response=response))[0]).error) is UpstreamFailed
    assert type(failure(ResponsesDecoder().whole(msgspec.json.encode(response))).error) is UpstreamFailed


@pytest.mark.parametrize(
    "data",
    [
        b'{"type":"error","code":"invalid_prompt","message":"words","param":"input"}',
        b'{"type":"error","error":{"type":"invalid_request_error","message":"words","param":"input"}}',
        b'{"error":{"type":"invalid_request_error","message":"words","param":"input"}}',
    ],
)
def test_error_events(data: bytes) -> None:
    """Flat, nested, and without a type."""
    failed = failure(read(FRAMES[0], b"data: " + data + b"\n\n")[0])
    assert (type(failed.error), failed.error.message, failed.error.param) == (BadRequest, "words", "input")
    assert failed.native is True


def test_an_error_told_by_the_event_name() -> None:
    """A server may leave the type to the frame."""
    failed = failure(read(b'event: error\ndata: {"code":"rate_limit_exceeded","message":"m"}\n\n')[0])
    assert type(failed.error) is RateLimited


def test_bare_json_in_place_of_a_stream() -> None:
    """An error without a frame is understood, but clients would not."""
    failed = failure(read(b'{"error":{"message":"m","type":"invalid_request_error"}}')[0])
    assert (type(failed.error), failed.native) == (BadRequest, False)


def test_frames_behind_a_native_failure() -> None:
    """They belong to the provider's ending; behind any other failure nothing is read."""
    error = b'data: {"type":"error","code":"invalid_prompt","message":"m"}\n\n'
    assert [f.events == () for f in ResponsesDecoder().feed(error + FRAMES[7])] == [False, True]
    assert len(ResponsesDecoder().feed(b"data: {\n\n" + FRAMES[7])) == 1


def test_an_error_in_a_body() -> None:
    """Some servers answer 200 and an error."""
    events = ResponsesDecoder().whole(b'{"error":{"message":"m","code":"rate_limit_exceeded"}}')
    assert type(failure(events).error) is RateLimited


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b"{}", b'{"output":{}}', b'{"output":[1],"status":"completed"}']
)
def test_bodies_that_can_not_be_read(body: bytes) -> None:
    """They are failures."""
    assert type(failure(ResponsesDecoder().whole(body)).error) is UpstreamMalformed


@pytest.mark.parametrize(
    "data",
    [
        b'{"type":"response.output_text.delta","delta":{"no":"text"}}',
        b'{"type":"response.output_item.done","output_index":0}',
        b'{"type":"response.completed"}',
        b"not json",
    ],
)
def test_what_is_known_and_malformed(data: bytes) -> None:
    """The answer can't be trusted any more."""
    failed = failure(read(FRAMES[0], b"data: " + data + b"\n\n", *FRAMES[1:])[0])
    assert (type(failed.error), failed.native) == (UpstreamMalformed, False)


@pytest.mark.parametrize(
    "data",
    [
        b'{"type":"response.audio.delta","delta":{"no":"text"}}',
        b'{"type":"response.code_interpreter_call_code.delta","delta":"x"}',
        b'{"type":"keepalive","sequence_number":3}',
        b'{"type":"response.what_is_new","error":{"message":"of a tool"}}',
    ],
)
def test_what_is_unknown(data: bytes) -> None:
    """New events come without notice, in whatever form."""
    assert read(b"data: " + data + b"\n\n", STREAM)[0] == read(STREAM)[0]


def test_pings_are_hidden() -> None:
    """Helpers of OpenAI's SDKs fail at an event before the first."""
    (ping,) = ResponsesDecoder().feed(b'event: ping\ndata: {"type":"ping"}\n\n')
    assert (ping.hidden, ping.events) == (True, ())


def test_hidden_reasoning() -> None:
    """Encrypted content alone becomes a block of its own."""
    response = {**RESPONSE, "output": [{**REASONING, "summary": []}, MESSAGE]}
    first = Answer.fold(ResponsesDecoder().whole(msgspec.json.encode(response))).choices[0].blocks[0]
    assert isinstance(first, RedactedThinking)
    assert first.data == '{"id":"rs_1","encrypted_content":"gAAA"}'


def test_memory_is_bounded_by_a_frame() -> None:
    """What was told is forgotten."""
    decoder = ResponsesDecoder()
    decoder.feed(FRAMES[0] + FRAMES[6])
    piece = frame("response.output_text.delta", output_index=1, content_index=0, delta="x" * 1000)
    for _ in range(50):
        decoder.feed(piece)
    assert held(decoder) < 1000


def held(value: Any) -> int:
    """Characters and bytes in everything below an object."""
    if isinstance(value, str | bytes | bytearray):
        return len(value)
    if isinstance(value, dict):
        return sum(held(v) for v in value.values())
    if isinstance(value, list | set | tuple):
        return sum(held(v) for v in value)
    slots = [getattr(value, name) for name in getattr(type(value), "__slots__", ())]
    return held(slots) + held(getattr(value, "__dict__", {}))


def test_a_frame_without_end() -> None:
    """A runaway stream is cut off."""
    decoder = ResponsesDecoder()
    decoder._cutter._max = 100
    (last,) = decoder.feed(b"data: " + b"x" * 200)
    assert type(failure(list(last.events)).error) is UpstreamMalformed


# --- laws -------------------------------------------------------------------------------------------------------------


@given(st.binary(max_size=300), st.binary(max_size=100))
def test_arbitrary_bytes(data: bytes, more: bytes) -> None:
    """Nothing that a provider sends raises."""
    read(data, more)
    read(STREAM[:700], data, more)
    read(b"data: " + data + b"\n\n")
    ResponsesDecoder().whole(data)


@settings(max_examples=300)
@given(st.data())
def test_mutated_streams(data: st.DataObject) -> None:
    """Frames out of order, twice, not at all, with members of other types: events, or a failure, and they fold."""
    junk = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just({}) | st.just([])
    frames = []
    for chosen in data.draw(st.lists(st.sampled_from(FRAMES), max_size=25)):
        _, _, said = chosen.partition(b"data: ")
        if not said:
            continue
        event = msgspec.json.decode(said)
        place = event
        while data.draw(st.booleans()):
            key = data.draw(st.sampled_from(sorted(place))) if place else None
            if key is None:
                break
            if not isinstance(place[key], dict):
                place[key] = data.draw(junk)
                break
            place = place[key]
        frames.append(b"data: " + msgspec.json.encode(event) + b"\n\n")
    events, _ = read(*frames)
    Answer.fold(events)
    assert all(isinstance(e, TextDelta | StreamEvent) for e in events)
