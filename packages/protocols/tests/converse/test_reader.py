"""Blocks of answers, whole and in pieces."""

import base64
from typing import Any

import msgspec
import pytest

from llmgw_domain.stream import (
    Cited,
    MediaMade,
    OpaqueMade,
    StreamEvent,
    TextDelta,
    ThinkingDelta,
    ThinkingRedacted,
    ThinkingSigned,
    ToolDelta,
    ToolOpened,
)
from llmgw_protocols.converse import _wire as wire
from llmgw_protocols.converse.models import traits_of
from llmgw_protocols.converse.reader import ContentReader, Malformed

CLAUDE, KIMI = "us.anthropic.claude-sonnet-4-5-20250929-v1:0", "moonshot.kimi-k2-thinking"
PROFILE = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abcdef123456"
SIGNATURE = "EqQBCkYIBBgCKkA0123456789"


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _whole(*blocks: Any, model: str = CLAUDE) -> list[StreamEvent]:
    return ContentReader(traits_of(model)).whole([msgspec.Raw(msgspec.json.encode(block)) for block in blocks])


def _streamed(*deltas: Any, start: Any = None, model: str = CLAUDE) -> list[StreamEvent]:
    reader = ContentReader(traits_of(model))
    events = reader.start(0, msgspec.convert(start, wire.Start)) if start else []
    for delta in deltas:
        raw = msgspec.json.encode(delta)
        events += reader.delta(0, msgspec.json.decode(raw, type=wire.Delta))
    return [*events, *reader.stop(0)]


def _start(**start: Any) -> Any:
    return msgspec.json.decode(msgspec.json.encode(start), type=wire.Start)


# --- bodies -----------------------------------------------------------------------------------------------------------


def test_text_stands_in_two_kinds_of_blocks() -> None:
    """Cited text is text too, and its sources are told behind it with their span."""
    cited = {
        "content": [{"text": "two"}, {"text": "three"}],
        "citations": [
            {"title": "T", "location": {"web": {"url": "https://a"}}},
            {"title": "no address", "location": {"documentChar": {"start": 0}}},
        ],
    }
    assert [
        TextDelta("one"),
        TextDelta("two"),
        TextDelta("three"),
        Cited("https://a", "T", 3, 11),
        TextDelta("."),
    ] == _whole({"text": "one"}, {"citationsContent": cited}, {"text": "."}, {"text": ""})


def test_citations_of_the_text_before() -> None:
    """A block of citations alone does not say which text they are about."""
    cited = {"citations": [{"location": {"web": {"url": "https://a"}}}]}
    assert [TextDelta("x"), Cited("https://a")] == _whole({"text": "x"}, {"citationsContent": cited})


def test_calls() -> None:
    """Calls are counted from 0; `type` may say that they are the client's."""
    assert [
        ToolOpened(0, "a", "f"),
        ToolDelta(0, '{"n":1}'),
        ToolOpened(1, "b", "g"),
        ToolDelta(1, "{}"),
    ] == _whole(
        {"toolUse": {"toolUseId": "a", "name": "f", "input": {"n": 1}, "type": "tool_use"}},
        {"toolUse": {"toolUseId": "b", "name": "g"}},
    )


@pytest.mark.parametrize(
    "block",
    [
        {"toolUse": {"toolUseId": "a", "name": "nova_grounding", "type": "server_tool_use", "input": {"q": 1}}},
        {"toolResult": {"toolUseId": "a", "content": [{"text": "x"}]}},
        {"somethingNew": {"a": 1}},
    ],
)
def test_what_is_bedrocks_own(block: Any) -> None:
    """What Bedrock runs itself is no call of the client's; what is new is kept as it is."""
    kind = next(iter(block))
    assert [OpaqueMade("bedrock", kind, msgspec.Raw(msgspec.json.encode(block)))] == _whole(block)


def test_a_picture() -> None:
    """An image in an answer has its type and its content."""
    assert [MediaMade("image/png", "QQ==")] == _whole({"image": {"format": "png", "source": {"bytes": "QQ=="}}})


@pytest.mark.parametrize(
    ("model", "signature", "family"),
    [
        (CLAUDE, SIGNATURE, "anthropic"),
        (PROFILE, SIGNATURE, "anthropic"),
        (PROFILE, "x", "bedrock"),
        (KIMI, SIGNATURE, "bedrock"),
    ],
)
def test_whose_a_signature_is(model: str, signature: str, family: str) -> None:
    """Claude's signatures are Anthropic's; where the id does not tell the model, the signature does."""
    block = {"reasoningContent": {"reasoningText": {"text": "hm", "signature": signature}}}
    assert [ThinkingDelta("hm"), ThinkingSigned(signature, family=family)] == _whole(block, model=model)


def test_redacted_reasoning() -> None:
    """Claude's is the text that Anthropic's own API has, so that either takes it from the other."""
    block = {"reasoningContent": {"redactedContent": _base64(SIGNATURE)}}
    assert [ThinkingRedacted(SIGNATURE, family="anthropic")] == _whole(block)
    assert [ThinkingRedacted(_base64(SIGNATURE), family="bedrock")] == _whole(block, model=KIMI)


# --- streams ----------------------------------------------------------------------------------------------------------


def test_a_call_in_pieces() -> None:
    """Fragments go as they come; a call without any has an empty object."""
    start = {"toolUse": {"toolUseId": "a", "name": "f"}}
    reader = ContentReader(traits_of(CLAUDE))
    assert [ToolOpened(0, "a", "f")] == reader.start(2, _start(**start))
    pieces = ["", '{"n', '":1}']
    deltas = [msgspec.json.decode(msgspec.json.encode({"toolUse": {"input": p}}), type=wire.Delta) for p in pieces]
    assert [[], [ToolDelta(0, '{"n')], [ToolDelta(0, '":1}')]] == [reader.delta(2, d) for d in deltas]
    assert [] == reader.stop(2)
    assert [ToolOpened(1, "a", "f")] == reader.start(3, _start(**start))
    assert [ToolDelta(1, "{}")] == reader.stop_all()


def test_arguments_of_nothing() -> None:
    """Arguments without a call can't be read."""
    with pytest.raises(Malformed):
        _streamed({"toolUse": {"input": "{}"}})


def test_text_and_reasoning_have_no_start() -> None:
    """Their blocks begin with their first piece."""
    assert [TextDelta("a"), TextDelta("b")] == _streamed({"text": "a"}, {"text": ""}, {"text": "b"})
    assert [ThinkingDelta("a"), ThinkingSigned(SIGNATURE, family="anthropic")] == _streamed(
        {"reasoningContent": {"text": "a"}}, {"reasoningContent": {"signature": SIGNATURE}}
    )


def test_pieces_that_mean_nothing_alone() -> None:
    """Redacted reasoning and images are put together before they are told."""
    halves = [{"reasoningContent": {"redactedContent": _base64(half)}} for half in (SIGNATURE[:7], SIGNATURE[7:])]
    assert [ThinkingRedacted(SIGNATURE, family="anthropic")] == _streamed(*halves)
    reader = ContentReader(traits_of(CLAUDE))
    assert [] == reader.start(0, _start(image={"format": "webp"}))
    for data in ("QQ==", "Qg=="):
        delta = msgspec.json.encode({"image": {"source": {"bytes": data}}})
        assert [] == reader.delta(0, msgspec.json.decode(delta, type=wire.Delta))
    assert [MediaMade("image/webp", "QUI=")] == reader.stop(0)


def test_no_base64() -> None:
    """Bytes that are none end the answer."""
    with pytest.raises(Malformed):
        _streamed({"reasoningContent": {"redactedContent": "QQ"}})


def test_server_tools_in_pieces() -> None:
    """A server tool's call and result look in the end as they do in a body."""
    reader = ContentReader(traits_of(CLAUDE))
    call = {"toolUseId": "a", "name": "nova_grounding", "type": "server_tool_use"}
    assert [] == reader.start(0, _start(toolUse=call))
    assert [] == reader.delta(0, msgspec.json.decode(b'{"toolUse":{"input":"{\\"q\\":1}"}}', type=wire.Delta))
    (opaque,) = reader.stop(0)
    assert isinstance(opaque, OpaqueMade)
    assert {"toolUse": {**call, "input": {"q": 1}}} == msgspec.json.decode(opaque.json)
    assert [] == reader.start(1, _start(toolResult={"toolUseId": "a", "status": "success"}))
    assert [] == reader.delta(1, msgspec.json.decode(b'{"toolResult":[{"text":"x"}]}', type=wire.Delta))
    (opaque,) = reader.stop(1)
    assert isinstance(opaque, OpaqueMade)
    result = {"toolUseId": "a", "status": "success", "content": [{"text": "x"}]}
    assert {"toolResult": result} == msgspec.json.decode(opaque.json)
    assert 0 == reader.calls


def test_citations_wait_for_the_end_of_their_text() -> None:
    """A citation may come before the text that it is about."""
    citation = {"citation": {"title": "T", "location": {"web": {"url": "https://a"}}}}
    assert [TextDelta("ab"), TextDelta("c"), Cited("https://a", "T", 0, 3)] == _streamed(
        citation, {"text": "ab"}, {"text": "c"}
    )
