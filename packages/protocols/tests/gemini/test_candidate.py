"""Tests of reading one candidate's parts."""

from typing import Any

import msgspec
import pytest
from msgspec import Raw

from llmgw_domain.stream import (
    Cited,
    Finished,
    FinishReason,
    MediaMade,
    OpaqueMade,
    StreamEvent,
    TextDelta,
    ThinkingDelta,
    ThinkingSigned,
    TokenScore,
    TokensScored,
    ToolDelta,
    ToolOpened,
)
from llmgw_protocols.gemini._wire import Candidate
from llmgw_protocols.gemini.candidate import CandidateReader, synthetic_id


def read(*candidates: Any, reader: CandidateReader | None = None) -> list[StreamEvent]:
    reader = reader or CandidateReader(0, "r")
    events: list[StreamEvent] = []
    for candidate in candidates:
        raw = msgspec.json.encode(candidate)
        parts = [Raw(msgspec.json.encode(part)) for part in candidate.get("content", {}).get("parts", [])]
        reader.read(msgspec.json.decode(raw, type=Candidate), lambda parts=parts: parts, events)
    return events


def parts(*given: Any, **more: Any) -> Any:
    return {"content": {"parts": list(given)}, **more}


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        ({"text": "a"}, [TextDelta("a")]),
        ({"text": ""}, []),
        ({}, []),
        ({"text": "a", "thought": True}, [ThinkingDelta("a")]),
        (
            {"text": "a", "thought": True, "thoughtSignature": "cw=="},
            [ThinkingDelta("a"), ThinkingSigned("cw==", family="google")],
        ),
        ({"text": "a", "thoughtSignature": "cw=="}, [TextDelta("a"), ThinkingSigned("cw==", family="google")]),
        ({"text": "", "thoughtSignature": "cw=="}, [ThinkingSigned("cw==", family="google")]),
        ({"thoughtSignature": "cw=="}, [ThinkingSigned("cw==", family="google")]),
        (
            {"functionCall": {"id": "i", "name": "f", "args": {"a": 1}}, "thoughtSignature": "cw=="},
            [ToolOpened(0, "i", "f", "cw=="), ToolDelta(0, '{"a":1}')],
        ),
        ({"functionCall": {"id": "i", "name": "f"}}, [ToolOpened(0, "i", "f"), ToolDelta(0, "{}")]),
        ({"inlineData": {"mimeType": "image/png", "data": "eA=="}}, [MediaMade("image/png", "eA==")]),
        (
            {"executableCode": {"code": "1"}, "thoughtSignature": "cw=="},
            [OpaqueMade("google", "executableCode", Raw(b'{"executableCode":{"code":"1"},"thoughtSignature":"cw=="}'))],
        ),
        ({"somethingNew": 1}, [OpaqueMade("google", "somethingNew", Raw(b'{"somethingNew":1}'))]),
    ],
)
def test_parts(part: Any, expected: list[StreamEvent]) -> None:
    """Each kind of part gives its events, and what has no canonical form goes on as it came."""
    assert expected == read(parts(part))


def test_a_frame_is_read_again_once() -> None:
    """However many of its parts go on as they came."""
    raws = [{"somethingNew": n} for n in range(3)]
    asked: list[int] = []

    def raw() -> list[Raw]:
        asked.append(1)
        return [Raw(msgspec.json.encode(part)) for part in raws]

    CandidateReader(0, "r").read(msgspec.convert(parts(*raws), Candidate), raw, [])
    assert [1] == asked


def test_calls_are_counted_over_frames() -> None:
    """Calls are numbered in order of appearance, whichever frame they came in."""
    events = read(parts({"functionCall": {"id": "a", "name": "f"}}), parts({"functionCall": {"id": "b", "name": "f"}}))
    assert [event.call for event in events if isinstance(event, ToolOpened)] == [0, 1]


def test_synthetic_ids() -> None:
    """A call without an id gets one that is its own, and always the same."""
    first, again = (read(parts({"functionCall": {"name": "f"}}, {"functionCall": {"name": "f"}})) for _ in range(2))
    ids = [event.id for event in first if isinstance(event, ToolOpened)]
    assert first == again
    assert (2, {29}, True) == (len(set(ids)), {len(id_) for id_ in ids}, all(id_[5:].isalnum() for id_ in ids))


def test_ids_differ_between_answers() -> None:
    """The same call in another answer has another id."""
    assert synthetic_id("r1", 0, 0, "f", "{}") != synthetic_id("r2", 0, 0, "f", "{}")


def test_logprobs() -> None:
    """Each token with the likeliest ones in its place, which Google may leave out."""
    result = {
        "chosenCandidates": [{"token": "a", "logProbability": -0.5}, {"token": "b", "logProbability": -1.0}, {}],
        "topCandidates": [{"candidates": [{"token": "x", "logProbability": -2.0}]}, None],
    }
    scores = (TokenScore("a", -0.5, (("x", -2.0),)), TokenScore("b", -1.0), TokenScore("", 0.0))
    assert [TextDelta("ab"), TokensScored(scores)] == read(parts({"text": "ab"}, logprobsResult=result))
    assert [] == read(parts(logprobsResult={}))


def test_grounding_offsets_are_characters() -> None:
    """Sources point at characters, though Google counts bytes, also over frames."""
    grounding = {
        "groundingChunks": [
            {"web": {"uri": "https://a.test", "title": "A"}},
            {"retrievedContext": {"uri": "https://b.test"}},
        ],
        "groundingSupports": [
            {"segment": {"endIndex": 3}, "groundingChunkIndices": [0, 7]},
            {"segment": {"startIndex": 3, "endIndex": 7}, "groundingChunkIndices": [1]},
        ],
    }
    events = read(parts({"text": "é"}), parts({"text": "a漢b"}, groundingMetadata=grounding))
    assert [Cited("https://a.test", "A", 0, 2), Cited("https://b.test", "", 2, 4)] == events[2:]


def test_a_support_may_name_its_part() -> None:
    """Offsets count from the part that a support names."""
    grounding = {
        "groundingChunks": [{"web": {"uri": "u"}}],
        "groundingSupports": [
            {"segment": {"partIndex": 1, "startIndex": 1, "endIndex": 2}, "groundingChunkIndices": [0]}
        ],
    }
    events = read(parts({"text": "ééé"}, {"text": "abc"}, groundingMetadata=grounding))
    assert Cited("u", "", 4, 5) == events[-1]


def test_sources_without_supports() -> None:
    """Sources that support nothing in particular are still told, once."""
    grounding = {"groundingChunks": [{"web": {"uri": "u", "title": "T"}}]}
    events = read(parts({"text": "a"}, groundingMetadata=grounding), parts(groundingMetadata=grounding))
    assert [TextDelta("a"), Cited("u", "T")] == events


def test_citations() -> None:
    """Quoted sources are citations too."""
    citations = {"citations": [{"endIndex": 2, "uri": "u"}, {"startIndex": 1}]}
    assert [TextDelta("éa"), Cited("u", "", 0, 1)] == read(parts({"text": "éa"}, citationMetadata=citations))


@pytest.mark.parametrize("call_first", [True, False])
def test_stop_with_calls_is_for_the_calls(call_first: bool) -> None:
    """A plain stop is for the calls, whether they came before or after it."""
    reader = CandidateReader(0, "r")
    call = parts({"functionCall": {"name": "f"}})
    if call_first:
        read(call, reader=reader)
    reader.finish("STOP")
    if not call_first:
        read(call, reader=reader)
    assert Finished(FinishReason.TOOL_CALLS) == reader.upgraded_end()
