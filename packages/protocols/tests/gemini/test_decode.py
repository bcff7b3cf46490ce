"""Tests of reading Gemini's answers."""

import itertools
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmgw_domain import Usage
from llmgw_domain.errors import ContentRefused, Overloaded, UpstreamFailed, UpstreamMalformed
from llmgw_domain.stream import (
    Answer,
    Failed,
    Finished,
    FinishReason,
    Opened,
    StreamEvent,
    TextDelta,
    UsageReported,
)
from llmgw_protocols.dialect import Frame, StreamForm
from llmgw_protocols.gemini.decode import GeminiDecoder

FORMS: list[StreamForm] = ["sse", "array"]


def chunk(*parts: Any, finish: str | None = None, usage: dict[str, int] | None = None, index: int | None = None) -> Any:
    candidate: dict[str, Any] = {"content": {"role": "model", "parts": list(parts)}}
    if finish:
        candidate["finishReason"] = finish
    if index is not None:
        candidate["index"] = index
    made: dict[str, Any] = {"candidates": [candidate], "modelVersion": "gemini-x", "responseId": "r1"}
    return {**made, "usageMetadata": usage} if usage else made


CHUNKS = [
    chunk({"text": "Let me ", "thought": True}, usage={"promptTokenCount": 9, "cachedContentTokenCount": 4}),
    chunk({"text": "see.", "thought": True}),
    chunk({"text": "Grüße, "}, usage={"promptTokenCount": 9, "thoughtsTokenCount": 3}),
    chunk({"text": "漢字 🙂"}),
    chunk({"functionCall": {"name": "f", "args": {"a": [1, {"b": "}]"}]}}, "thoughtSignature": "cw=="}),
    chunk({"functionCall": {"name": "g"}}, finish="STOP"),
    {"usageMetadata": {"promptTokenCount": 9, "candidatesTokenCount": 5, "totalTokenCount": 17}, "responseId": "r1"},
]
BODY = {
    **chunk(
        {"text": "Let me see.", "thought": True},
        {"text": "Grüße, 漢字 🙂"},
        CHUNKS[4]["candidates"][0]["content"]["parts"][0],
        {"functionCall": {"name": "g"}},
        finish="STOP",
    ),
    "usageMetadata": {
        "promptTokenCount": 9,
        "cachedContentTokenCount": 4,
        "candidatesTokenCount": 5,
        "thoughtsTokenCount": 3,
        "totalTokenCount": 17,
    },
}


def sse(*chunks: Any) -> bytes:
    return b"".join(b"data: " + msgspec.json.encode(c) + b"\r\n\r\n" for c in chunks)


def array(*chunks: Any) -> bytes:
    return b"[" + b"\n,\r\n".join(msgspec.json.format(msgspec.json.encode(c), indent=2) for c in chunks) + b"\n]\n"


def stream(form: StreamForm, *chunks: Any) -> bytes:
    return sse(*chunks) if form == "sse" else array(*chunks)


def frames(form: StreamForm, *pieces: bytes) -> tuple[list[Frame], GeminiDecoder]:
    decoder = GeminiDecoder(form)
    made = [frame for piece in pieces for frame in decoder.feed(piece)]
    return made + decoder.finish(), decoder


def events(made: list[Frame]) -> list[StreamEvent]:
    return [event for frame in made for event in frame.events]


def failure(made: list[StreamEvent]) -> Failed:
    return next(event for event in made if isinstance(event, Failed))


@pytest.mark.parametrize("form", FORMS)
def test_stream_and_body_agree(form: StreamForm) -> None:
    """A stream and a body of the same answer fold to the same."""
    made, decoder = frames(form, stream(form, *CHUNKS))
    whole = Answer.fold(GeminiDecoder().whole(msgspec.json.encode(BODY)))
    assert whole == Answer.fold(events(made))
    assert (decoder.complete, decoder.closed) == (True, form == "array")


def test_the_answer() -> None:
    """The answer's parts, its reason and its usage are read."""
    answer = Answer.fold(GeminiDecoder().whole(msgspec.json.encode(BODY)))
    (choice,) = answer.choices
    assert (
        answer.id,
        answer.model,
        choice.thinking,
        choice.text,
    ) == ("r1", "gemini-x", "Let me see.", "Grüße, 漢字 🙂")
    assert [(c.name, c.arguments, c.signature) for c in choice.calls] == [
        ("f", '{"a":[1,{"b":"}]"}]}', "cw=="),
        ("g", "{}", None),
    ]
    assert Finished(FinishReason.TOOL_CALLS) == choice.finish
    assert Usage(uncached_input=5, cache_read=4, output=8, reasoning=3) == answer.usage


@pytest.mark.parametrize("form", FORMS)
def test_every_split_decodes_to_the_same(form: StreamForm) -> None:
    """Wherever a read ends, frames and events are the same, and the frames are the stream's very bytes."""
    data = stream(form, *CHUNKS)
    whole, _ = frames(form, data)
    assert data == b"".join(frame.raw for frame in whole)
    for at in range(len(data)):
        assert whole == frames(form, data[:at], data[at:])[0]


@pytest.mark.parametrize("form", FORMS)
@given(cuts=st.lists(st.integers(0, 3000), max_size=8))
def test_any_splits_decode_to_the_same(form: StreamForm, cuts: list[int]) -> None:
    """However many reads there are, the events are the same."""
    data = stream(form, *CHUNKS)
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    pieces = [data[a:b] for a, b in itertools.pairwise(edges)]
    assert frames(form, data)[0] == frames(form, *pieces)[0]


@pytest.mark.parametrize("form", FORMS)
def test_a_cut_stream_is_not_complete(form: StreamForm) -> None:
    """A stream that ends before its reason was seen has no end, wherever it is cut."""
    data = stream(form, *CHUNKS[:3], chunk({"text": "end"}, finish="STOP"))
    reason = data.index(b"STOP")
    for at in range(0, reason, 7):
        made, decoder = frames(form, data[:at])
        assert not decoder.complete
        assert not any(isinstance(event, Finished) for event in events(made))


def test_the_end_waits_for_the_streams_end() -> None:
    """The reason makes the stream complete, but its event comes last, behind later usage."""
    decoder = GeminiDecoder()
    before = events(decoder.feed(sse(chunk({"text": "a"}, finish="STOP"))))
    complete = decoder.complete
    decoder.feed(sse({"usageMetadata": {"promptTokenCount": 1, "candidatesTokenCount": 1}}))
    assert ([Opened("r1", "gemini-x"), TextDelta("a")], True) == (before, complete)
    assert [Frame(b"", (Finished(FinishReason.STOP),))] == decoder.finish()


def test_every_candidate_must_end() -> None:
    """With several candidates the stream is complete once all of them have a reason."""
    decoder = GeminiDecoder()
    decoder.feed(sse(chunk({"text": "a"}, finish="STOP", index=0), chunk({"text": "b"}, index=1)))
    first = decoder.complete
    decoder.feed(sse(chunk(finish="MAX_TOKENS", index=1)))
    assert (first, decoder.complete) == (False, True)
    assert (Finished(FinishReason.STOP), Finished(FinishReason.LENGTH, 1)) == decoder.finish()[0].events


def test_usage_is_merged() -> None:
    """A later count replaces an earlier one, and what a later frame leaves out stays."""
    made, _ = frames("sse", sse(*CHUNKS))
    last = [event for event in events(made) if isinstance(event, UsageReported)][-1]
    assert Usage(uncached_input=5, cache_read=4, output=8, reasoning=3) == last.usage


@pytest.mark.parametrize("form", FORMS)
def test_an_error_in_the_stream(form: StreamForm) -> None:
    """An error object fails the answer in its provider's words, and nothing is read behind it."""
    error = {"error": {"code": 503, "message": "overloaded", "status": "UNAVAILABLE"}}
    made, decoder = frames(form, stream(form, CHUNKS[2], error, CHUNKS[5]))
    failed = failure(events(made))
    assert (Overloaded, True, False) == (type(failed.error), failed.native, decoder.complete)
    assert failed is events(made)[-1]


@pytest.mark.parametrize(
    "text", [b'{\n "error": {"code": 503,\n "message": "m"}\n}\n', b'[{"error": {"code": 503}}]\n']
)
def test_a_bare_error_in_sse(text: bytes) -> None:
    """An error told as bare JSON is read, and put into a frame that clients can read."""
    made, _ = frames("sse", sse(CHUNKS[2]), text)
    assert (Overloaded, b"data: {") == (type(failure(events(made)).error), made[-1].raw[:7])


def test_an_error_body_in_a_stream_of_arrays() -> None:
    """An error may be a lone object where an array was asked for."""
    made, _ = frames("array", b'{"error": {"code": 503}}')
    assert Overloaded is type(failure(events(made)).error)


@pytest.mark.parametrize("form", FORMS)
def test_a_malformed_frame(form: StreamForm) -> None:
    """A frame that is no answer fails it, and is not for the client's eyes."""
    data = sse(CHUNKS[2]) + b"data: {oops}\n\n" if form == "sse" else b"[{oops}"
    failed = failure(events(frames(form, data)[0]))
    assert (UpstreamMalformed, False) == (type(failed.error), failed.native)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b": keep-alive\n\n", Frame(b": keep-alive\n\n", (), hidden=True)),
        (b"data: [DONE]\n\n", Frame(b"data: [DONE]\n\n", (), hidden=True)),
        (b"data:{}\n\n", Frame(b"data: {}\n\n", (Opened(),))),
        (b"event: x\ndata: {}\n\n", Frame(b"data: {}\n\n", (Opened(),))),
        (b"data: {\ndata: }\n\n", Frame(b"data: { }\n\n", (Opened(),))),
        (b"data: {}\r\n\r\n", Frame(b"data: {}\r\n\r\n", (Opened(),))),
    ],
)
def test_frames_that_clients_choke_on(raw: bytes, expected: Frame) -> None:
    """What Gemini's clients can't read is hidden or written anew; everything else keeps its bytes."""
    assert [expected] == GeminiDecoder().feed(raw)


def test_a_last_frame_without_its_blank_line() -> None:
    """A whole last frame counts, and gets the blank line that clients need; a cut one does not."""
    data = sse(chunk({"text": "a"}, finish="STOP")).rstrip()
    made, decoder = frames("sse", data)
    assert (decoder.complete, made[0].raw[-2:]) == (True, b"\n\n")
    assert (frames("sse", data[:-3])[0], frames("sse", data[:-3])[1].complete) == ([], False)


@pytest.mark.parametrize("form", FORMS)
def test_a_blocked_prompt_in_a_stream(form: StreamForm) -> None:
    """A refused prompt fails the answer before it began."""
    made, decoder = frames(form, stream(form, {"promptFeedback": {"blockReason": "SAFETY"}}))
    failed = failure(events(made))
    assert (ContentRefused, True, False) == (type(failed.error), failed.native, decoder.complete)


def test_a_prompt_blocked_late_is_a_filter() -> None:
    """In an answer that has begun, a refusal is a filter's end."""
    made, decoder = frames("sse", sse(chunk({"text": "a"}), {"promptFeedback": {"blockReason": "SAFETY"}}))
    assert decoder.complete
    assert Finished(FinishReason.CONTENT_FILTER, detail="SAFETY") == events(made)[-1]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"promptFeedback": {"blockReason": "SAFETY", "blockReasonMessage": "No."}}, ContentRefused),
        ({"error": {"code": 503, "message": "m"}}, Overloaded),
        ([{"error": {"code": 503, "message": "m"}}], Overloaded),
        ({"candidates": []}, UpstreamMalformed),
        ({}, UpstreamMalformed),
        ([], UpstreamMalformed),
        ({"candidates": [{}]}, UpstreamMalformed),
        ({"candidates": 1}, UpstreamMalformed),
        (chunk(finish="MALFORMED_FUNCTION_CALL"), UpstreamFailed),
    ],
)
def test_bodies_that_failed(body: Any, expected: type[Exception]) -> None:
    """A body without an answer is a failure, never an empty success."""
    made = GeminiDecoder().whole(msgspec.json.encode(body))
    assert expected is type(failure(made).error)
    assert not any(isinstance(event, Finished) for event in made)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"promptFeedback": {"blockReason": "SAFETY"}}, True),
        (chunk(finish="MALFORMED_FUNCTION_CALL"), True),
        ({"error": {"code": 400, "message": "m"}}, False),
    ],
)
def test_bodies_that_tell_their_failure(body: Any, expected: bool) -> None:
    """A refused prompt or a failed model is an answer in Gemini's words; an error object in a body is none."""
    failed = failure(GeminiDecoder().whole(msgspec.json.encode(body)))
    assert (expected, expected) == (failed.native, failed.error.upstream_status == 200)


def test_a_body_in_an_array() -> None:
    """A body wrapped into an array is read like the body itself."""
    alone, wrapped = (GeminiDecoder().whole(msgspec.json.encode(body)) for body in (BODY, [BODY]))
    assert alone == wrapped


def test_a_body_without_a_reason_has_ended() -> None:
    """A whole body is its own evidence."""
    made = GeminiDecoder().whole(msgspec.json.encode(chunk({"text": "a"})))
    assert Finished(FinishReason.STOP) == made[-1]


def test_a_broken_end_behind_text_is_an_end() -> None:
    """A failure of the model behind text that was already sent ends the answer, with its name."""
    made = GeminiDecoder().whole(msgspec.json.encode(chunk({"text": "a"}, finish="OTHER")))
    assert Finished(FinishReason.STOP, detail="OTHER") == made[-1]


def test_numbers_for_enums() -> None:
    """Reasons may come as numbers."""
    made = GeminiDecoder().whole(b'{"candidates":[{"content":{"parts":[{"text":"a"}]},"finishReason":2}]}')
    assert Finished(FinishReason.LENGTH) == made[-1]


def test_the_time_of_creation() -> None:
    """Vertex says when it made the answer."""
    made = GeminiDecoder().whole(msgspec.json.encode({**BODY, "createTime": "1970-01-02T00:00:00.5Z"}))
    assert Opened("r1", "gemini-x", 86400) == made[0]


@pytest.mark.parametrize("form", FORMS)
@given(
    pieces=st.lists(
        st.binary(max_size=40) | st.sampled_from([b"data: ", b"\n\n", b"[", b'{"error":', b"}", b"]", sse(CHUNKS[4])]),
        max_size=8,
    )
)
def test_any_bytes_are_survived(form: StreamForm, pieces: list[bytes]) -> None:
    """Nothing that a provider sends makes the decoder raise."""
    made, _ = frames(form, *pieces)
    body = GeminiDecoder().whole(b"".join(pieces))
    assert all(isinstance(frame, Frame) for frame in made)
    assert body


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=4) | st.just("STOP"),
    lambda below: (
        st.lists(below, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "candidates",
                    "content",
                    "parts",
                    "text",
                    "functionCall",
                    "name",
                    "args",
                    "finishReason",
                    "index",
                    "error",
                    "groundingMetadata",
                    "groundingSupports",
                    "groundingChunks",
                    "segment",
                    "startIndex",
                    "usageMetadata",
                    "promptTokenCount",
                    "promptFeedback",
                    "blockReason",
                    "thoughtSignature",
                    "x",
                ]
            ),
            below,
            max_size=3,
        )
    ),
    max_leaves=20,
)


@given(JSON, st.lists(JSON, max_size=2))
def test_any_json_is_survived(content: Any, more: list[Any]) -> None:
    """Neither does any JSON of the right names and the wrong shapes."""
    candidate = {"candidates": [{"content": {"parts": [content]}}, *more]}
    assert GeminiDecoder().whole(msgspec.json.encode(candidate))
    assert frames("sse", sse(candidate, content))[0]


@pytest.mark.parametrize(
    "part",
    [
        b'{"text":"\xff"}',
        b'{"functionCall":{"name":"f","args":{"a":"\xff"}}}',
        b'{"executableCode":{"code":"\xff"}}',
        b'{"\xff":1}',
    ],
)
def test_invalid_utf8_is_malformed(part: bytes) -> None:
    """Bytes that are no UTF-8 end the answer instead of escaping as an error or going on into another answer."""
    data = b'{"candidates":[{"content":{"parts":[' + part + b"]}}]}"
    streams = [
        GeminiDecoder().whole(data),
        GeminiDecoder().whole(b"[" + data + b"]"),
        [event for frame in GeminiDecoder().feed(b"data: " + data + b"\n\n") for event in frame.events],
        [event for frame in GeminiDecoder("array").feed(b"[" + data + b"]") for event in frame.events],
    ]
    ends = [events[-1] for events in streams]
    assert all(isinstance(end, Failed) and isinstance(end.error, UpstreamMalformed) for end in ends)


def test_an_invalid_rest_is_survived() -> None:
    """Bytes that are no UTF-8 behind the last delimiter do not escape as an error."""
    decoder = GeminiDecoder()
    decoder.feed(b'data: {"responseId":"\xff"}')
    assert not any(frame.events for frame in decoder.finish())
