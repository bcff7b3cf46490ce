"""Anthropic's answers as events: in any pieces, whole or broken."""

import itertools
from collections.abc import Iterable, Sequence

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmgw_domain import Usage
from llmgw_domain.errors import Overloaded, UpstreamMalformed
from llmgw_domain.stream import (
    Answer,
    Cited,
    Failed,
    Finished,
    FinishReason,
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
from llmgw_protocols.dialect import Decoder
from llmgw_protocols.messages import MESSAGES

CITATION = {"type": "web_search_result_location", "url": "https://a.example", "title": "A", "cited_text": "c"}
USAGE = {
    "input_tokens": 12,
    "cache_read_input_tokens": 1000,
    "cache_creation_input_tokens": 200,
    "cache_creation": {"ephemeral_5m_input_tokens": 50, "ephemeral_1h_input_tokens": 150},
    "output_tokens": 1,
}
FINAL = {"input_tokens": 12, "cache_read_input_tokens": 1000, "cache_creation_input_tokens": 200, "output_tokens": 50}
TALLY = Usage(uncached_input=12, cache_read=1000, cache_write_5m=50, cache_write_1h=150, output=50, reasoning=30)


def sse(*events: dict[str, object]) -> bytes:
    return b"".join(b"event: %b\ndata: %b\n\n" % (str(e["type"]).encode(), msgspec.json.encode(e)) for e in events)


def start(index: int, **block: object) -> dict[str, object]:
    return {"type": "content_block_start", "index": index, "content_block": block}


def delta(index: int, kind: str, **fields: object) -> dict[str, object]:
    return {"type": "content_block_delta", "index": index, "delta": {"type": kind, **fields}}


def stop(index: int) -> dict[str, object]:
    return {"type": "content_block_stop", "index": index}


HEAD = {"type": "message_start", "message": {"id": "msg_1", "model": "claude-x", "content": [], "usage": USAGE}}
ENDING: tuple[dict[str, object], ...] = (
    {
        "type": "message_delta",
        "delta": {"stop_reason": "tool_use", "stop_sequence": None},
        "usage": {**FINAL, "output_tokens_details": {"thinking_tokens": 30}},
    },
    {"type": "message_stop"},
)
STREAM = sse(
    HEAD,
    start(0, type="thinking", thinking="", signature=""),
    {"type": "ping"},
    delta(0, "thinking_delta", thinking="Hm"),
    delta(0, "signature_delta", signature="EsIg"),
    stop(0),
    start(1, type="redacted_thinking", data="xyz"),
    stop(1),
    start(2, type="text", text=""),
    delta(2, "text_delta", text="Grüße "),
    delta(2, "text_delta", text="👋"),
    stop(2),
    start(3, type="text", text=""),
    delta(3, "citations_delta", citation=CITATION),
    delta(3, "citations_delta", citation={"type": "char_location", "document_index": 0}),
    delta(3, "text_delta", text="cited"),
    stop(3),
    start(4, type="server_tool_use", id="srvtoolu_1", name="web_search", input={}),
    delta(4, "input_json_delta", partial_json='{"q":1}'),
    stop(4),
    start(5, type="tool_use", id="toolu_1", name="weather", input={}),
    delta(5, "input_json_delta", partial_json=""),
    delta(5, "input_json_delta", partial_json='{"city":'),
    delta(5, "input_json_delta", partial_json='"Rome"}'),
    stop(5),
    start(6, type="tool_use", id="toolu_2", name="time", input={}),
    stop(6),
    *ENDING,
)
BODY = msgspec.json.encode(
    {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-x",
        "content": [
            {"type": "thinking", "thinking": "Hm", "signature": "EsIg"},
            {"type": "redacted_thinking", "data": "xyz"},
            {"type": "text", "text": "Grüße 👋"},
            {"type": "text", "text": "cited", "citations": [CITATION, {"type": "char_location"}]},
            {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}},
            {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Rome"}},
            {"type": "tool_use", "id": "toolu_2", "name": "time", "input": {}},
        ],
        "stop_reason": "tool_use",
        "stop_sequence": None,
        "usage": {**USAGE, "output_tokens": 50, "output_tokens_details": {"thinking_tokens": 30}},
    }
)
EVENTS: list[StreamEvent] = [
    Opened("msg_1", "claude-x"),
    UsageReported(Usage(uncached_input=12, cache_read=1000, cache_write_5m=50, cache_write_1h=150, output=1)),
    ThinkingDelta("Hm"),
    ThinkingSigned("EsIg", family="anthropic"),
    ThinkingRedacted("xyz", family="anthropic"),
    TextDelta("Grüße "),
    TextDelta("👋"),
    TextDelta("cited"),
    Cited("https://a.example", "A", 7, 12),
    OpaqueMade(
        "anthropic",
        "server_tool_use",
        msgspec.Raw(b'{"type":"server_tool_use","id":"srvtoolu_1","name":"web_search","input":{}}'),
    ),
    ToolOpened(0, "toolu_1", "weather"),
    ToolDelta(0, '{"city":'),
    ToolDelta(0, '"Rome"}'),
    ToolOpened(1, "toolu_2", "time"),
    ToolDelta(1, "{}"),
    UsageReported(TALLY),
    Finished(FinishReason.TOOL_CALLS),
]


def _decode(pieces: Iterable[bytes]) -> tuple[list[StreamEvent], bytes, Decoder]:
    decoder = MESSAGES.decoder()
    frames = [frame for piece in pieces for frame in decoder.feed(piece)]
    frames += decoder.finish()
    return [e for f in frames for e in f.events], b"".join(f.raw for f in frames), decoder


def _events(*events: dict[str, object]) -> list[StreamEvent]:
    return _decode([sse(*events)])[0]


def test_stream() -> None:
    """Every block of a stream becomes its events, in order, and the frames keep their bytes."""
    events, raw, decoder = _decode([STREAM])
    assert (events, raw, decoder.complete, decoder.closed) == (EVENTS, STREAM, True, True)


def test_every_split() -> None:
    """Cut in two at any byte, a stream says the same."""
    for at in range(len(STREAM)):
        events, raw, _ = _decode([STREAM[:at], STREAM[at:]])
        assert (events, raw) == (EVENTS, STREAM)


@given(st.lists(st.integers(0, len(STREAM)), max_size=40))
def test_any_split(cuts: list[int]) -> None:
    """Cut into any pieces, a stream says the same."""
    edges = [0, *sorted(cuts), len(STREAM)]
    pieces = [STREAM[a:b] for a, b in itertools.pairwise(edges)]
    assert _decode(pieces)[0] == EVENTS


@given(st.integers(0, len(STREAM) - 1))
def test_cut(at: int) -> None:
    """A stream that stops before its last event is not complete, and nothing in it is a finish."""
    # The last frame may lack its blank line, but not a brace.
    at = min(at, len(STREAM) - 3)
    events, _, decoder = _decode([STREAM[:at]])
    assert (decoder.complete, [e for e in events if isinstance(e, Finished)]) == (False, [])


def test_body() -> None:
    """The same answer as a body folds to the same answer."""
    decoder = MESSAGES.decoder()
    whole = Answer.fold(decoder.whole(BODY))
    assert (Answer.fold(EVENTS), True) == (whole, decoder.complete)


def test_line_ends() -> None:
    """CRLF and a missing last blank line don't matter."""
    assert _decode([STREAM.replace(b"\n", b"\r\n")[:-2]])[0] == EVENTS


@pytest.mark.parametrize(
    ("delta_fields", "expected"),
    [
        ({"stop_reason": "end_turn"}, Finished(FinishReason.STOP)),
        ({"stop_reason": "stop_sequence", "stop_sequence": "E"}, Finished(FinishReason.STOP, stop_sequence="E")),
        ({"stop_reason": "max_tokens"}, Finished(FinishReason.LENGTH)),
        (
            {"stop_reason": "model_context_window_exceeded"},
            Finished(FinishReason.LENGTH, detail="model_context_window_exceeded"),
        ),
        ({"stop_reason": "tool_use"}, Finished(FinishReason.TOOL_CALLS)),
        ({"stop_reason": "pause_turn"}, Finished(FinishReason.STOP, detail="pause_turn")),
        ({"stop_reason": "newly_made"}, Finished(FinishReason.STOP, detail="newly_made")),
        ({"stop_reason": "refusal"}, Finished(FinishReason.CONTENT_FILTER, detail="refusal")),
        (
            {"stop_reason": "refusal", "stop_details": {"type": "refusal", "category": "bio", "explanation": "No."}},
            Finished(FinishReason.CONTENT_FILTER, detail="No."),
        ),
        ({"stop_reason": None}, Finished(FinishReason.STOP)),
    ],
)
def test_stop_reason(delta_fields: dict[str, object], expected: Finished) -> None:
    """Each stop reason has its finish, and unknown ones don't fail the answer."""
    events = _events(HEAD, {"type": "message_delta", "delta": delta_fields}, {"type": "message_stop"})
    assert expected == events[-1]


def test_calls_with_end_turn() -> None:
    """A call that waits for its result is never a plain stop."""
    ending = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}}
    events = _events(HEAD, start(0, type="tool_use", id="i", name="n", input={}), ending, {"type": "message_stop"})
    assert Finished(FinishReason.TOOL_CALLS) == events[-1]


def test_input_at_start() -> None:
    """Arguments that came with the start of a call count when no fragment follows."""
    events = _events(start(0, type="tool_use", id="i", name="n", input={"a": 1}), stop(0))
    assert [ToolOpened(0, "i", "n"), ToolDelta(0, '{"a":1}')] == events


def test_usage_replaces() -> None:
    """Counts of a later event replace earlier ones; what it leaves out, or says as null, stays."""
    usage = {"output_tokens": 9, "input_tokens": None, "cache_read_input_tokens": -1}
    events = _events(HEAD, {"type": "message_delta", "delta": {}, "usage": usage})
    expected = Usage(uncached_input=12, cache_read=1000, cache_write_5m=50, cache_write_1h=150, output=9)
    assert UsageReported(expected) == events[-1]


def test_error_event() -> None:
    """An error inside of a stream ends it, in words that a pass-through may forward."""
    error = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    events, _, decoder = _decode([sse(HEAD, error, *ENDING)])
    failed = events[-1]
    assert isinstance(failed, Failed)
    assert (Overloaded, True, False, 529) == (
        type(failed.error),
        failed.native,
        decoder.complete,
        failed.error.upstream_status,
    )


@pytest.mark.parametrize(
    "frame",
    [
        b"data: {\n\n",
        b"data: [1]\n\n",
        b'data: {"type":"content_block_delta","delta":7}\n\n',
        b'data: {"type":"content_block_start","index":0,"content_block":{"no":"type"}}\n\n',
        b'data: {"type":"content_block_delta","index":9,"delta":{"type":"input_json_delta","partial_json":"{"}}\n\n',
        b"data: \xff\n\n",
    ],
)
def test_malformed(frame: bytes) -> None:
    """What is no event, or arguments of no call, fails the answer once; what follows says nothing more."""
    events, raw, decoder = _decode([frame + STREAM])
    assert isinstance(events[0], Failed)
    assert (UpstreamMalformed, 1, frame + STREAM, False) == (
        type(events[0].error),
        len(events),
        raw,
        decoder.complete,
    )


@pytest.mark.parametrize(
    ("frame", "hidden"),
    [
        (b": keep-alive\n\n", True),
        (b'event: ping\ndata: {"type": "ping"}\n\n', False),
        (b'event: new\ndata: {"type":"new_event","delta":7}\n\n', False),
        (b'data: {"type":"content_block_delta","index":0,"delta":{"type":"new_delta","text":"no"}}\n\n', False),
        (
            b'data: {"type":"content_block_delta","index":0,"delta":{"type":"compaction_delta","content":null}}\n\n',
            False,
        ),
    ],
)
def test_passed_over(frame: bytes, hidden: bool) -> None:
    """Comments, pings and unknown types say nothing; only comments are kept from a pass-through."""
    (seen,) = MESSAGES.decoder().feed(frame)
    assert (frame, (), hidden) == (seen.raw, seen.events, hidden)


def test_type_from_event_name() -> None:
    """A frame whose data lacks its type is known by its event name."""
    frame = b'event: content_block_delta\ndata: {"index":0,"delta":{"type":"text_delta","text":"a"}}\n\n'
    assert [TextDelta("a")] == _decode([frame])[0]


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"{}", b'{"content":5}', b'{"content":[{"type":5}]}', b'{"content":["x"]}', b"\xff"],
)
def test_malformed_body(body: bytes) -> None:
    """A body that is no answer is a failure."""
    decoder = MESSAGES.decoder()
    (failed,) = decoder.whole(body)
    assert isinstance(failed, Failed)
    assert (UpstreamMalformed, False) == (type(failed.error), decoder.complete)


def test_error_body() -> None:
    """An error envelope with a good status is a failure all the same."""
    (failed,) = MESSAGES.decoder().whole(b'{"type":"error","error":{"type":"overloaded_error","message":"m"}}')
    assert isinstance(failed, Failed)
    assert Overloaded is type(failed.error)


@given(st.binary(max_size=300), st.lists(st.sampled_from(STREAM.split(b"\n\n")), max_size=8))
def test_never_raises(noise: bytes, frames: Sequence[bytes]) -> None:
    """No bytes at all make a decoder raise, or lose a byte of what it forwards."""
    data = noise.join(f + b"\n\n" for f in frames) + noise
    decoder = MESSAGES.decoder()
    seen = b"".join(f.raw for f in [*decoder.feed(data), *decoder.finish()])
    MESSAGES.decoder().whole(data)
    assert data.strip() == seen.strip()


@pytest.mark.parametrize(
    ("details", "words", "detail"),
    [
        ({"type": "refusal", "category": "cyber", "explanation": "Not that."}, "Not that.", "Not that."),
        ({"type": "refusal", "category": "cyber", "explanation": None}, "The model declined to answer.", "cyber"),
        (None, "The model declined to answer.", "refusal"),
    ],
)
def test_a_refusal_has_words(details: dict[str, object] | None, words: str, detail: str) -> None:
    """Anthropic tells the reason beside the content; clients of other dialects read it as a refusal."""
    delta_ = {"stop_reason": "refusal", "stop_details": details}
    stream = sse(HEAD, {"type": "message_delta", "delta": delta_}, {"type": "message_stop"})
    streamed = [e for f in MESSAGES.decoder().feed(stream) for e in f.events]
    expected = [RefusalDelta(words), Finished(FinishReason.CONTENT_FILTER, detail=detail)]
    assert expected == streamed[-2:]
    body = msgspec.json.encode({"content": [], "stop_reason": "refusal", "stop_details": details})
    assert expected == MESSAGES.decoder().whole(body)[-2:]


def test_a_frame_that_is_too_large_is_one_failure() -> None:
    """However many reads follow; behind the end of an answer it is none."""
    large = b"data: " + b"x" * (33 * 1024 * 1024)
    for before, expected in (((HEAD,), [Failed]), (ENDING, [])):
        decoder = MESSAGES.decoder()
        decoder.feed(sse(*before))
        frames = [*decoder.feed(large), *decoder.feed(large), *decoder.finish()]
        assert expected == [type(e) for f in frames for e in f.events]
        assert decoder.complete == (not expected)
