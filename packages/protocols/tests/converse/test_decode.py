"""Converse answers as events: streams at any cut, bodies, and both of one answer."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmgw_domain import Usage
from llmgw_domain.errors import RateLimited, UpstreamFailed, UpstreamMalformed
from llmgw_domain.stream import (
    Answer,
    Failed,
    Finished,
    FinishReason,
    Opened,
    StreamEvent,
    TextDelta,
    ToolDelta,
    ToolOpened,
    UsageReported,
)
from llmgw_protocols.converse.decode import ConverseDecoder
from llmgw_protocols.eventstream import pack

MODEL = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
USAGE = {"inputTokens": 10, "outputTokens": 5, "totalTokens": 15, "cacheReadInputTokens": 3}
SIGNATURE = "EqQBCkYIBBgCKkA0123456789"


def _event(kind: str, **payload: Any) -> bytes:
    return pack({":event-type": kind, ":message-type": "event"}, msgspec.json.encode({**payload, "p": "abc"}))


def _exception(kind: str, **payload: Any) -> bytes:
    return pack({":exception-type": kind, ":message-type": "exception"}, msgspec.json.encode(payload))


def _delta(index: int, **delta: Any) -> bytes:
    return _event("contentBlockDelta", contentBlockIndex=index, delta=delta)


START, TEXT = _event("messageStart", role="assistant"), _delta(0, text="Hi ü")
STOP, METADATA = _event("messageStop", stopReason="end_turn"), _event("metadata", usage=USAGE, metrics={"latencyMs": 1})
THOUGHT = [
    _delta(0, reasoningContent={"text": "hm"}),
    _delta(0, reasoningContent={"signature": SIGNATURE}),
    _event("contentBlockStop", contentBlockIndex=0),
]
CALL = [
    _event("contentBlockStart", contentBlockIndex=2, start={"toolUse": {"toolUseId": "c", "name": "f"}}),
    _delta(2, toolUse={"input": '{"a":'}),
    _delta(2, toolUse={"input": "1}"}),
    _event("contentBlockStop", contentBlockIndex=2),
]
LONG = [START, *THOUGHT, _delta(1, text="I'll look."), _event("contentBlockStop", contentBlockIndex=1), *CALL]
LONG += [_event("messageStop", stopReason="tool_use"), METADATA]
BODY = {
    "output": {
        "message": {
            "role": "assistant",
            "content": [
                {"reasoningContent": {"reasoningText": {"text": "hm", "signature": SIGNATURE}}},
                {"text": "I'll look."},
                {"toolUse": {"toolUseId": "c", "name": "f", "input": {"a": 1}}},
            ],
        }
    },
    "stopReason": "tool_use",
    "usage": USAGE,
}


def _read(*pieces: bytes) -> tuple[ConverseDecoder, list[StreamEvent]]:
    decoder = ConverseDecoder(MODEL)
    events = [event for piece in pieces for frame in decoder.feed(piece) for event in frame.events]
    return decoder, [*events, *(event for frame in decoder.finish() for event in frame.events)]


def _whole(body: Any) -> tuple[ConverseDecoder, list[StreamEvent]]:
    decoder = ConverseDecoder(MODEL)
    return decoder, decoder.whole(body if isinstance(body, bytes) else msgspec.json.encode(body))


def _error(events: list[StreamEvent]) -> Any:
    assert isinstance(events[-1], Failed)
    return events[-1].error


# --- streams ----------------------------------------------------------------------------------------------------------


def test_a_stream() -> None:
    """The finish comes with the stop and the usage behind it; the metadata closes the stream."""
    decoder, events = _read(START, TEXT, STOP)
    assert [Opened(), TextDelta("Hi ü"), Finished(FinishReason.STOP)] == events
    assert (True, False, "<ConverseDecoder complete>") == (decoder.complete, decoder.closed, repr(decoder))
    (frame,) = decoder.feed(METADATA)
    assert (METADATA, (UsageReported(Usage(uncached_input=10, cache_read=3, output=5)),)) == (frame.raw, frame.events)
    assert (True, True) == (decoder.complete, decoder.closed)


def test_a_stream_and_a_body_of_one_answer_are_the_same() -> None:
    """Whichever way an answer comes, it is the same answer."""
    streamed, whole = Answer.fold(_read(b"".join(LONG))[1]), Answer.fold(_whole(BODY)[1])
    assert streamed == whole
    assert streamed.complete
    assert ("I'll look.", "hm", '{"a":1}') == (
        streamed.choices[0].text,
        streamed.choices[0].thinking,
        streamed.choices[0].calls[0].arguments,
    )


def test_every_split() -> None:
    """Where the reads were split makes no difference."""
    stream = b"".join(LONG)
    _, expected = _read(stream)
    for at in range(len(stream)):
        decoder, events = _read(stream[:at], stream[at:])
        assert expected == events
        assert decoder.closed
    assert expected == _read(*(stream[i : i + 1] for i in range(len(stream))))[1]


def test_every_cut_before_the_stop_is_a_cut() -> None:
    """A stream that ends before its stop, in the middle of a message too, is not complete; behind it, it is."""
    stream = b"".join(LONG)
    stop = len(stream) - len(METADATA)
    for at in range(len(stream)):
        assert (at >= stop) == _read(stream[:at])[0].complete


@pytest.mark.parametrize(
    ("kind", "body", "expected"),
    [
        ("throttlingException", {"message": "slow down"}, RateLimited),
        ("modelStreamErrorException", {"message": "broke", "originalStatusCode": 500}, UpstreamFailed),
    ],
)
def test_an_exception_in_a_stream(kind: str, body: Any, expected: type[Exception]) -> None:
    """An exception ends the answer, and nothing behind it counts."""
    decoder, events = _read(START, TEXT, _exception(kind, **body), STOP, METADATA)
    assert expected is type(_error(events))
    assert (False, False, "<ConverseDecoder failed>") == (decoder.complete, decoder.closed, repr(decoder))


def test_an_error_message() -> None:
    """A message of type `error` has its words in its headers."""
    headers = {":message-type": "error", ":error-code": "InternalFailure", ":error-message": "the wire broke"}
    assert "the wire broke" == _error(_read(START, pack(headers, b""))[1]).upstream_message


def test_a_broken_stream() -> None:
    """Bytes that are no event stream end the answer once, behind what was read before them."""
    decoder, events = _read(START + TEXT + b"<html>no event stream</html>", b"more")
    assert [Opened(), TextDelta("Hi ü")] == events[:-1]
    assert UpstreamMalformed is type(_error(events))
    assert not decoder.complete


@pytest.mark.parametrize(
    "message",
    [
        pack({":event-type": "messageStop", ":message-type": "event"}, b"{no"),
        pack({":event-type": "messageStop", ":message-type": "event"}, b'{"stopReason":1}'),
        pack({":event-type": "contentBlockDelta", ":message-type": "event"}, b'{"delta":{"text":"\xff"}}'),
        _delta(7, toolUse={"input": "{}"}),
    ],
)
def test_a_malformed_event(message: bytes) -> None:
    """An event that is known and can't be read ends the answer."""
    assert UpstreamMalformed is type(_error(_read(START, message, STOP)[1]))


def test_what_is_new_is_passed_over() -> None:
    """Events, blocks and deltas that nobody here knows change nothing."""
    new = [
        _event("somethingNew", a=1),
        _event("contentBlockStart", contentBlockIndex=0, start={"somethingNew": {}}),
        _delta(0, somethingNew={}),
        _event("contentBlockStop", contentBlockIndex=0),
        _event("contentBlockStop", contentBlockIndex=9),
    ]
    assert [Opened(), TextDelta("Hi ü"), Finished(FinishReason.STOP)] == _read(START, *new, TEXT, STOP)[1]


def test_a_block_that_does_not_end() -> None:
    """What a block held is told at the stop, where its own end did not come."""
    _, events = _read(START, CALL[0], _event("messageStop", stopReason="tool_use"))
    assert [Opened(), ToolOpened(0, "c", "f"), ToolDelta(0, "{}"), Finished(FinishReason.TOOL_CALLS)] == events


# --- ends -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reason", "expected", "detail"),
    [
        ("end_turn", FinishReason.STOP, None),
        ("stop_sequence", FinishReason.STOP, None),
        ("max_tokens", FinishReason.LENGTH, None),
        ("model_context_window_exceeded", FinishReason.LENGTH, "model_context_window_exceeded"),
        ("guardrail_intervened", FinishReason.CONTENT_FILTER, "guardrail_intervened"),
        ("content_filtered", FinishReason.CONTENT_FILTER, "content_filtered"),
        ("something_new", FinishReason.STOP, "something_new"),
        ("malformed_model_output", FinishReason.STOP, "malformed_model_output"),
        (None, FinishReason.STOP, None),
    ],
)
def test_reasons(reason: str | None, expected: FinishReason, detail: str | None) -> None:
    """Bedrock's reasons are ours; one that says more is kept as a detail."""
    assert Finished(expected, detail=detail) == _read(START, TEXT, _event("messageStop", stopReason=reason))[1][-1]


def test_an_end_with_calls() -> None:
    """A turn that ends with calls waits for them, whatever it is called."""
    _, events = _read(START, *CALL, STOP)
    assert Finished(FinishReason.TOOL_CALLS) == events[-1]


@pytest.mark.parametrize("content", [[], CALL, [TEXT, *CALL]])
@pytest.mark.parametrize("reason", ["malformed_model_output", "malformed_tool_use"])
def test_a_malformed_answer_is_a_failure(reason: str, content: list[bytes]) -> None:
    """Without text there is no answer, and a call in a malformed one can't be trusted."""
    decoder, events = _read(START, *content, _event("messageStop", stopReason=reason), METADATA)
    assert (UpstreamFailed, reason) == (type(_error(events)), _error(events).upstream_message)
    assert not decoder.complete


# --- bodies -----------------------------------------------------------------------------------------------------------


def test_a_body() -> None:
    """A whole body is its own end."""
    decoder, events = _whole(BODY)
    assert [Opened, UsageReported, Finished] == [type(events[0]), type(events[-2]), type(events[-1])]
    assert decoder.complete


def test_an_empty_answer() -> None:
    """An answer that says nothing is one."""
    _, events = _whole({"output": {"message": {"role": "assistant", "content": []}}, "stopReason": "end_turn"})
    assert [Opened(), Finished(FinishReason.STOP)] == events


@pytest.mark.parametrize("body", [{"message": "no"}, {}, {"output": None}, {"output": {}}, {"output": {"message": {}}}])
def test_a_body_without_an_answer(body: Any) -> None:
    """A status of 200 alone makes no answer."""
    decoder, events = _whole(body)
    assert (UpstreamFailed, body.get("message")) == (type(_error(events)), _error(events).upstream_message)
    assert not decoder.complete


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"output":1}', b"[" * 5000, b'{"stopReason":"\xff"}'])
def test_a_malformed_body(body: bytes) -> None:
    """A body that is no answer of Converse's is a failure, not a crash."""
    assert UpstreamMalformed is type(_error(_whole(body)[1]))


@given(st.lists(st.sampled_from([START, TEXT, STOP, METADATA, *THOUGHT, *CALL]), max_size=12))
def test_any_order_is_borne(messages: list[bytes]) -> None:
    """Messages in any order raise nothing, and only a stop makes an answer complete."""
    decoder, events = _read(*messages)
    assert decoder.complete == (STOP in messages and not any(isinstance(e, Failed) for e in events))
    assert decoder.complete or not decoder.closed
    Answer.fold(events)
