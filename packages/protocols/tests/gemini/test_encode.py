"""Tests of writing answers for Gemini's clients."""

from typing import Any

import msgspec
import pytest
from google.genai import types
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from llmgw_domain import Usage
from llmgw_domain.errors import UpstreamTruncated
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
    TokenScore,
    TokensScored,
    ToolDelta,
    ToolOpened,
    UsageReported,
)
from llmgw_protocols.dialect import EncodeContext, StreamForm
from llmgw_protocols.gemini.decode import GeminiDecoder
from llmgw_protocols.gemini.encode import GeminiEncoder

FORMS: list[StreamForm] = ["sse", "array"]
EVENTS: list[StreamEvent] = [
    Opened("up", "gpt"),
    ThinkingDelta("Let me "),
    ThinkingDelta("see."),
    ThinkingSigned("cw==", family="google"),
    TextDelta("Grüße\n"),
    TextDelta("漢"),
    ToolOpened(0, "call_1", "f", "c2ln"),
    ToolDelta(0, '{"a":'),
    ToolDelta(0, " 1}"),
    ToolOpened(1, "call_2", "g"),
    Finished(FinishReason.TOOL_CALLS),
    UsageReported(Usage(uncached_input=5, cache_read=4, output=8, reasoning=3)),
]


def encoder(form: StreamForm = "sse") -> GeminiEncoder:
    return GeminiEncoder(EncodeContext(model="asked", request_id="req", created=1, form=form))


def objects(form: StreamForm, data: bytes) -> list[Any]:
    if form == "array":
        made: list[Any] = msgspec.json.decode(data)
        return made
    lines = [line for line in data.split(b"\n") if line]
    assert all(line.startswith(b"data: ") for line in lines)
    assert data.endswith(b"\n\n")
    return [msgspec.json.decode(line[6:]) for line in lines]


def written(form: StreamForm, *batches: list[StreamEvent]) -> bytes:
    one = encoder(form)
    return b"".join(one.emit(batch) for batch in batches) + one.end()


def parts(data: Any) -> Any:
    return data["candidates"][0]["content"]["parts"]


@pytest.mark.parametrize("form", FORMS)
def test_the_sdks_types_take_every_object(form: StreamForm) -> None:
    """Each object of a stream is one that Google's own SDK reads."""
    for made in objects(form, written(form, *([event] for event in EVENTS))):
        types.GenerateContentResponse.model_validate(made)


@pytest.mark.parametrize("form", FORMS)
def test_a_stream_comes_back(form: StreamForm) -> None:
    """What is written, read again, is the same answer."""
    decoder = GeminiDecoder(form)
    data = written(form, *([event] for event in EVENTS))
    again = Answer.fold(e for frame in decoder.feed(data) + decoder.finish() for e in frame.events)
    before = Answer.fold(EVENTS)
    # A call without arguments is one with none.
    before.choices[0].blocks[-1] = msgspec.structs.replace(before.choices[0].blocks[-1], arguments="{}")
    before.choices[0].blocks[-2] = msgspec.structs.replace(before.choices[0].blocks[-2], arguments='{"a":1}')
    assert (before.choices, before.usage, True) == (again.choices, again.usage, decoder.complete)
    # Only an array has a last byte of its own.
    assert (form == "array") == decoder.closed


def test_the_last_object_has_calls_reason_and_usage() -> None:
    """Calls are whole, and reason and usage stand in the last object, where clients look for them."""
    made = objects("sse", written("sse", EVENTS))
    expected = {
        "candidates": [
            {
                "content": {
                    "role": "model",
                    "parts": [
                        {"functionCall": {"id": "call_1", "name": "f", "args": {"a": 1}}, "thoughtSignature": "c2ln"},
                        {"functionCall": {"id": "call_2", "name": "g", "args": {}}},
                    ],
                },
                "index": 0,
                "finishReason": "STOP",
            }
        ],
        "modelVersion": "asked",
        "responseId": "req",
        "usageMetadata": {
            "promptTokenCount": 9,
            "candidatesTokenCount": 5,
            "totalTokenCount": 17,
            "cachedContentTokenCount": 4,
            "thoughtsTokenCount": 3,
        },
    }
    assert expected == made[-1]
    assert not any("finishReason" in m["candidates"][0] or "usageMetadata" in m for m in made[:-1])


def test_one_write_is_one_object() -> None:
    """All events of a read become one object, neighbouring texts one part."""
    (made,) = objects("sse", encoder().emit(EVENTS))
    assert parts(made) == [
        {"text": "Let me see.", "thought": True, "thoughtSignature": "cw=="},
        {"text": "Grüße\n漢"},
    ]


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([RefusalDelta("no")], [{"text": "no"}]),
        ([ThinkingSigned("cw==", family="google")], [{"text": "", "thoughtSignature": "cw=="}]),
        (
            [TextDelta("a"), ThinkingSigned("cw==", family="google")],
            [{"text": "a"}, {"text": "", "thoughtSignature": "cw=="}],
        ),
        (
            [ThinkingDelta("a"), ThinkingSigned("not base64", family="google")],
            [{"text": "a", "thought": True, "thoughtSignature": "bm90IGJhc2U2NA=="}],
        ),
        ([MediaMade("image/png", "eA==")], [{"inlineData": {"mimeType": "image/png", "data": "eA=="}}]),
        ([OpaqueMade("google", "executableCode", Raw(b'{"executableCode":{}}'))], [{"executableCode": {}}]),
    ],
)
def test_parts(events: list[StreamEvent], expected: Any) -> None:
    """Each kind of event has its part; a signature is base64 and stands on a part of its own kind."""
    assert expected == parts(objects("sse", encoder().emit(events))[0])


def test_logprobs() -> None:
    """They go with the next parts, and with the body's candidate."""
    scored = TokensScored((TokenScore("é", -0.5, (("e", -1.0),)),))
    expected = {
        "chosenCandidates": [{"token": "é", "logProbability": -0.5}],
        "topCandidates": [{"candidates": [{"token": "e", "logProbability": -1.0}]}],
    }
    one = encoder()
    assert b"" == one.emit([scored])
    made = objects("sse", one.emit([TextDelta("é")]) + one.emit([TextDelta("a")]))
    assert [expected, None] == [m["candidates"][0].get("logprobsResult") for m in made]
    whole = msgspec.json.decode(encoder().body(Answer.fold([TextDelta("é"), scored, Finished(FinishReason.STOP)])))
    assert expected == whole["candidates"][0]["logprobsResult"]


def test_a_signature_in_a_later_write() -> None:
    """A signature that comes after its thought was sent goes on an empty thought."""
    one = encoder()
    one.emit([ThinkingDelta("a")])
    expected = [{"text": "", "thought": True, "thoughtSignature": "cw=="}]
    assert expected == parts(objects("sse", one.emit([ThinkingSigned("cw==", family="google")]))[0])


@pytest.mark.parametrize(
    "events",
    [
        [],
        [Opened("x")],
        [UsageReported(Usage())],
        [ThinkingRedacted("x")],
        [ThinkingSigned("cw==")],
        [ThinkingSigned("cw==", family="anthropic")],
        [ToolOpened(0, "i", "f"), ToolDelta(0, "{")],
        [Finished(FinishReason.STOP)],
        [OpaqueMade("anthropic", "x", Raw(b"{}"))],
    ],
)
def test_what_writes_nothing(events: list[StreamEvent]) -> None:
    """What a client can't see yet, or never, writes no bytes."""
    assert encoder().emit(events) == b""


def test_an_answer_without_parts() -> None:
    """An answer that said nothing still ends in an object with a part, as clients expect."""
    (made,) = objects("sse", written("sse", [Finished(FinishReason.LENGTH)]))
    assert (parts(made), made["candidates"][0]["finishReason"]) == ([{"text": ""}], "MAX_TOKENS")


def test_a_custom_call() -> None:
    """A free-text call has its text as input."""
    events: list[StreamEvent] = [
        ToolOpened(0, "i", "f", custom=True),
        ToolDelta(0, "x"),
        Finished(FinishReason.TOOL_CALLS),
    ]
    assert parts(objects("sse", written("sse", events))[0])[0]["functionCall"] == {
        "id": "i",
        "name": "f",
        "args": {"input": "x"},
    }


def test_several_choices() -> None:
    """Each choice is a candidate of its own."""
    events: list[StreamEvent] = [
        TextDelta("a", 0),
        TextDelta("b", 1),
        Finished(FinishReason.STOP, 0),
        Finished(FinishReason.LENGTH, 1),
    ]
    first, last = objects("sse", written("sse", events))
    assert [(c["index"], c["content"]["parts"][0]["text"]) for c in first["candidates"]] == [(0, "a"), (1, "b")]
    assert [c["finishReason"] for c in last["candidates"]] == ["STOP", "MAX_TOKENS"]


def test_sources_are_told_in_bytes() -> None:
    """Sources stand at the end, with offsets in bytes."""
    events: list[StreamEvent] = [
        TextDelta("é漢b"),
        Cited("u", "T", 1, 2),
        Cited("u", "T", 2, 3),
        Cited("v"),
        Finished(FinishReason.STOP),
    ]
    expected = {
        "groundingChunks": [{"web": {"uri": "u", "title": "T"}}, {"web": {"uri": "v", "title": ""}}],
        "groundingSupports": [
            {"segment": {"startIndex": 2, "endIndex": 5}, "groundingChunkIndices": [0]},
            {"segment": {"startIndex": 5, "endIndex": 6}, "groundingChunkIndices": [0]},
        ],
    }
    streamed = objects("sse", written("sse", events))[-1]
    body = msgspec.json.decode(encoder().body(Answer.fold(events)))
    assert [expected, expected] == [made["candidates"][0]["groundingMetadata"] for made in (streamed, body)]


def test_a_body_comes_back() -> None:
    """A body, read again, is the same answer, and the SDK's types take it."""
    answer = Answer.fold(GeminiDecoder().whole(encoder().body(Answer.fold(EVENTS))))
    data = encoder().body(answer)
    types.GenerateContentResponse.model_validate_json(data)
    again = Answer.fold(GeminiDecoder().whole(data))
    assert (answer.choices, answer.usage, "req", "asked") == (again.choices, again.usage, again.id, again.model)


ERROR = UpstreamTruncated("It broke.")
TOLD = {"error": {"code": 502, "message": "It broke.", "status": "UNAVAILABLE"}}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("sent", [0, 2, 6, 9])
def test_a_broken_stream_is_told(form: StreamForm, sent: int) -> None:
    """Whenever a stream breaks, its last object is the error, and what a client got is well-formed."""
    one = encoder(form)
    data = b"".join(one.emit([event]) for event in EVENTS[:sent]) + one.fail(ERROR)
    made = objects(form, data)
    assert made[-1] == TOLD
    assert not any("finishReason" in str(other) for other in made)


def test_a_broken_pass_through_of_an_array() -> None:
    """Behind frames that were forwarded the array goes on and is closed."""
    one = encoder("array")
    one.observe([Opened("x")])
    assert msgspec.json.decode(b'[{"a": 1}' + one.fail(ERROR)) == [{"a": 1}, TOLD]


@pytest.mark.parametrize(("form", "expected"), [("sse", b""), ("array", b"\r\n]")])
def test_end_mark(form: StreamForm, expected: bytes) -> None:
    """Only an array has an end of its own."""
    assert expected == encoder(form).end_mark()


@pytest.mark.parametrize("form", FORMS)
@given(texts=st.lists(st.text(max_size=10), min_size=1, max_size=5))
def test_any_text_stays_on_its_line(form: StreamForm, texts: list[str]) -> None:
    """No text breaks a frame, and all of it arrives."""
    events: list[StreamEvent] = [*(TextDelta(text) for text in texts), Finished(FinishReason.STOP)]
    made = objects(form, written(form, *([event] for event in events)))
    assert "".join(texts) == "".join(part["text"] for m in made for part in parts(m))


def test_signatures_of_another_family() -> None:
    """A signature that is not Google's is left out, in a stream and in a body."""
    signed = ThinkingSigned("cw==", family="anthropic")
    events: list[StreamEvent] = [ThinkingDelta("a"), signed, TextDelta("b"), signed, Finished(FinishReason.STOP)]
    expected = [{"text": "a", "thought": True}, {"text": "b"}]
    assert expected == parts(objects("sse", encoder().emit(events))[0])
    assert expected == parts(msgspec.json.decode(encoder().body(Answer.fold(events))))
