"""Events written for chat clients: the grammar of a stream, its endings, and bodies."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from llmgw_domain import StreamErrors, Usage
from llmgw_domain.errors import UpstreamReset
from llmgw_domain.stream import (
    Answer,
    Cited,
    Failed,
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
from llmgw_protocols.chat import CHAT
from llmgw_protocols.dialect import EncodeContext, Encoder, WireRequest

STOP = Finished(FinishReason.STOP)
COUNTED = UsageReported(Usage(uncached_input=6, cache_read=4, output=5, reasoning=2))
OPENED = Opened("msg_1", "claude-x", 3)


def encoder(**more: Any) -> Encoder:
    context = {"model": "asked", "request_id": "12-34", "created": 9, "include_usage": False, **more}
    return CHAT.encoder(EncodeContext(**context))


def objects(stream: bytes) -> list[Any]:
    """The objects of a stream that is well framed and ends with `[DONE]`; each must be a chunk to the SDK."""
    *frames, done, rest = stream.split(b"\n\n")
    assert (done, rest) == (b"data: [DONE]", b"")
    assert all(f.startswith(b"data: {") and b"\n" not in f for f in frames)
    return [msgspec.json.decode(f[6:]) for f in frames]


def written(*events: StreamEvent, **more: Any) -> list[Any]:
    made = encoder(**more)
    chunks = objects(made.emit(events) + made.end())
    for chunk in chunks:
        ChatCompletionChunk.model_validate(chunk)
        assert {k: chunk[k] for k in ("id", "object", "created", "model")} == {
            "id": "chatcmpl-1234",
            "object": "chat.completion.chunk",
            "created": 9,
            "model": "asked",
        }
    return chunks


def choices(chunks: list[Any]) -> list[tuple[int, dict[str, Any], str | None]]:
    return [(c["index"], c["delta"], c["finish_reason"]) for chunk in chunks for c in chunk["choices"]]


ROLE = (0, {"role": "assistant", "content": ""}, None)
END = (0, {}, "stop")


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([STOP], []),
        ([TextDelta('a"\n'), TextDelta("é")], [{"content": 'a"\n'}, {"content": "é"}]),
        ([ThinkingDelta("t"), TextDelta("a")], [{"reasoning_content": "t"}, {"content": "a"}]),
        ([RefusalDelta("no")], [{"refusal": "no"}]),
        (
            [ToolOpened(0, "i", "f"), ToolDelta(0, '{"a'), ToolDelta(0, '":1}')],
            [
                {
                    "tool_calls": [
                        {"index": 0, "id": "i", "type": "function", "function": {"name": "f", "arguments": ""}}
                    ]
                },
                {"tool_calls": [{"index": 0, "function": {"arguments": '{"a'}}]},
                {"tool_calls": [{"index": 0, "function": {"arguments": '":1}'}}]},
            ],
        ),
        (
            [ToolOpened(1, "i", "f", "sig")],
            [
                {
                    "tool_calls": [
                        {
                            "index": 1,
                            "id": "i",
                            "type": "function",
                            "function": {"name": "f", "arguments": ""},
                            "extra_content": {"google": {"thought_signature": "sig"}},
                            "provider_specific_fields": {"thought_signature": "sig"},
                        }
                    ]
                }
            ],
        ),
        (
            [MediaMade("image/png", "AA==")],
            [{"images": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}]}],
        ),
        (
            [TextDelta("a"), Cited("u", "t", 0, 1)],
            [
                {"content": "a"},
                {
                    "annotations": [
                        {
                            "type": "url_citation",
                            "url_citation": {"url": "u", "title": "t", "start_index": 0, "end_index": 1},
                        }
                    ]
                },
            ],
        ),
        ([OpaqueMade("anthropic", "server_tool_use", msgspec.Raw(b"{}"))], []),
    ],
)
def test_deltas(events: list[StreamEvent], expected: list[Any]) -> None:
    """The role comes first, the finish last, and each event is a delta between them."""
    finish = [] if events == [STOP] else [STOP]
    chunks = choices(written(OPENED, *events, *finish))
    assert [ROLE, *((0, delta, None) for delta in expected), END] == chunks


def test_custom_calls() -> None:
    """The input of a custom call goes out as such."""
    made = encoder()
    stream = made.emit([ToolOpened(0, "i", "c", custom=True), ToolDelta(0, "x"), Finished(FinishReason.TOOL_CALLS)])
    _, opened, piece, end = choices(objects(stream + made.end()))
    assert opened[1]["tool_calls"] == [{"index": 0, "id": "i", "type": "custom", "custom": {"name": "c", "input": ""}}]
    assert piece[1]["tool_calls"] == [{"index": 0, "custom": {"input": "x"}}]
    assert end[2] == "tool_calls"


def test_signatures() -> None:
    """A signed block is repeated whole at its close, in both forms, with the family that the model tells."""
    events = [ThinkingDelta("a"), ThinkingDelta("b"), ThinkingSigned("s"), ThinkingRedacted("d"), STOP]
    *_, signed, redacted, _ = choices(written(OPENED, *events))
    form = "anthropic-claude-v1"
    text = {"type": "reasoning.text", "text": "ab", "signature": "s", "format": form, "index": 0}
    assert {
        "thinking_blocks": [{"type": "thinking", "thinking": "ab", "signature": "s"}],
        "reasoning_details": [text],
    } == signed[1]
    assert {
        "thinking_blocks": [{"type": "redacted_thinking", "data": "d"}],
        "reasoning_details": [{"type": "reasoning.encrypted", "data": "d", "format": form, "index": 1}],
    } == redacted[1]


def test_several_choices() -> None:
    """Each choice has its own role and finish chunk."""
    events = [TextDelta("a"), TextDelta("b", 1), Finished(FinishReason.STOP, 1), Finished(FinishReason.LENGTH)]
    assert choices(written(*events)) == [
        ROLE,
        (0, {"content": "a"}, None),
        (1, {"role": "assistant", "content": ""}, None),
        (1, {"content": "b"}, None),
        (1, {}, "stop"),
        (0, {}, "length"),
    ]


def test_one_finish_only() -> None:
    """A second finish of a choice is not written."""
    assert choices(written(STOP, STOP)) == [ROLE, END]


def test_content_behind_the_finish() -> None:
    """What a provider says after its finish still comes before the finish chunk."""
    said = choices(written(TextDelta("a"), STOP, TextDelta("b"), Cited("u", "t", 0, 1)))
    assert [ROLE, (0, {"content": "a"}, None), (0, {"content": "b"}, None)] == said[:3]
    assert "annotations" in said[3][1]
    assert said[4:] == [END]


def test_usage() -> None:
    """Usage has a chunk of its own if it was asked for; other chunks say null then."""
    *chunks, last = written(TextDelta("a"), STOP, COUNTED, include_usage=True)
    assert [c["usage"] for c in chunks] == [None] * 3
    assert last["choices"] == []
    assert tuple(last["usage"][k] for k in ("prompt_tokens", "completion_tokens", "total_tokens")) == (10, 5, 15)
    assert all("usage" not in c and c["choices"] for c in written(TextDelta("a"), STOP, COUNTED))


EVENT = st.one_of(
    st.builds(TextDelta, st.text(min_size=1)),
    st.builds(ThinkingDelta, st.text(min_size=1)),
    st.builds(ThinkingSigned, st.text(min_size=1)),
    st.builds(ThinkingRedacted, st.text(min_size=1)),
    st.builds(RefusalDelta, st.text(min_size=1)),
    st.builds(MediaMade, st.just("image/png"), st.just("AA==")),
)


@given(st.lists(EVENT), st.lists(st.text(min_size=1), max_size=3))
def test_what_is_written_is_read_again(events: list[StreamEvent], arguments: list[str]) -> None:
    """Text, thinking, refusal and calls survive the way out and in again, as a stream and as a body."""
    calls: list[StreamEvent] = []
    for at, text in enumerate(arguments):
        calls += [ToolOpened(at, f"i{at}", "f"), ToolDelta(at, text)]
    finish = Finished(FinishReason.TOOL_CALLS if calls else FinishReason.STOP)
    answer = Answer.fold([*events, *calls, finish, COUNTED])
    made = encoder(include_usage=True)
    decoder = CHAT.decoder()
    frames = decoder.feed(made.emit([*events, *calls, finish, COUNTED]) + made.end())
    (streamed,) = Answer.fold([e for f in frames for e in f.events]).choices
    whole = Answer.fold(CHAT.decoder().whole(encoder().body(answer)))
    (choice,) = answer.choices
    for other in (streamed, whole.choices[0]):
        assert (choice.text, choice.thinking, choice.refusal, choice.calls, choice.finish) == (
            other.text,
            other.thinking,
            other.refusal,
            other.calls,
            other.finish,
        )
    assert answer.usage == whole.usage


GATEWAY_ERROR = {
    "type": "server_error",
    "code": "upstream_reset",
    "message": UpstreamReset.default_message(),
    "upstream_status": 200,
    "bytes_received": 77,
}
ERROR = {"message": UpstreamReset.default_message(), "type": "server_error", "param": None, "code": "upstream_reset"}


def broken() -> UpstreamReset:
    error = UpstreamReset(upstream_status=200)
    error.bytes_received = 77
    return error


@pytest.mark.parametrize("mode", [StreamErrors.FINISH, StreamErrors.RAISE])
@pytest.mark.parametrize(
    ("events", "unfinished"),
    [
        ([], [0]),
        ([OPENED], [0]),
        ([TextDelta("a")], [0]),
        ([TextDelta("a"), TextDelta("b", 1)], [0, 1]),
        ([TextDelta("a"), TextDelta("b", 1), STOP], [1]),
        ([TextDelta("a"), STOP], [0]),
    ],
)
@pytest.mark.parametrize("forwarded", [False, True])
def test_broken_streams(mode: StreamErrors, events: list[StreamEvent], unfinished: list[int], forwarded: bool) -> None:
    """Each unfinished choice ends in a chunk that says why; `raise` adds the object on which SDKs raise."""
    made = encoder(stream_errors=mode)
    if forwarded:
        made.observe(events)
    else:
        made.emit(events)
    chunks = [c for c in objects(made.fail(broken())) if "gateway_error" in c]
    assert [(i, {}, "error") for i in unfinished] == choices(chunks)
    assert all(c["gateway_error"] == GATEWAY_ERROR for c in chunks)
    assert [ERROR if mode is StreamErrors.RAISE else None] * len(chunks) == [c.get("error") for c in chunks]


def test_a_broken_stream_keeps_the_finishes_it_saw() -> None:
    """A choice that came to its end is finished as the provider said, ahead of those that broke."""
    made = encoder()
    made.emit([TextDelta("a"), TextDelta("b", 1), STOP])
    assert choices(objects(made.fail(broken()))) == [END, (1, {}, "error")]


def test_no_choice_has_two_finishes() -> None:
    """A break after the last finish takes that finish's place."""
    made = encoder()
    made.emit([TextDelta("a"), STOP])
    assert choices(objects(made.fail(broken()))) == [(0, {}, "error")]


def test_strict_has_the_error_alone() -> None:
    """No finish reason that OpenAI does not define, no usage: the error object, then `[DONE]`."""
    made = encoder(stream_errors=StreamErrors.STRICT, include_usage=True)
    made.emit([TextDelta("a"), COUNTED])
    assert objects(made.fail(broken())) == [{"error": ERROR}]


def test_a_broken_stream_reports_its_usage() -> None:
    """What was used is told before `[DONE]`, if the client asked for it."""
    made = encoder(include_usage=True)
    made.emit([TextDelta("a"), COUNTED])
    marked, last = objects(made.fail(broken()))
    assert marked["choices"][0]["finish_reason"] == "error"
    assert (last["choices"], last["usage"]["prompt_tokens"]) == ([], 10)


def test_a_forwarded_stream_ends_as_it_began() -> None:
    """The ending of a pass-through carries the provider's own id, time and model."""
    made = encoder()
    made.observe([Opened("chatcmpl-up", "gpt-x", 5), TextDelta("a")])
    (chunk,) = objects(made.fail(broken()))
    assert (chunk["id"], chunk["model"], chunk["created"]) == ("chatcmpl-up", "gpt-x", 5)
    assert made.end_mark() == b"data: [DONE]\n\n"


def test_failed_events_write_nothing() -> None:
    """An error in the answer is the caller's to end the stream with."""
    assert encoder().emit([Failed(broken()), COUNTED, OPENED]) == b""


def body(*events: StreamEvent) -> Any:
    made = msgspec.json.decode(encoder().body(Answer.fold(events)))
    ChatCompletion.model_validate(made)
    return made


def test_a_body() -> None:
    """A whole answer in the documented shape, under the model's name that the client asked for."""
    assert body(OPENED, TextDelta("a"), TextDelta("b"), STOP, COUNTED) == {
        "id": "chatcmpl-1234",
        "object": "chat.completion",
        "created": 9,
        "model": "asked",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "ab", "refusal": None, "annotations": []},
                "finish_reason": "stop",
                "logprobs": None,
            }
        ],
        "usage": {
            "prompt_tokens": 10,
            "completion_tokens": 5,
            "total_tokens": 15,
            "prompt_tokens_details": {"cached_tokens": 4},
            "completion_tokens_details": {"reasoning_tokens": 2},
        },
    }


def test_logprobs() -> None:
    """Beside the choice's text, in a stream and in a body; the bytes are those of the token."""
    scored = TokensScored((TokenScore("é", -0.5, (("e", -1.0),)),))
    top = [{"token": "e", "logprob": -1.0, "bytes": [101]}]
    content = [{"token": "é", "logprob": -0.5, "bytes": [195, 169], "top_logprobs": top}]
    expected = {"content": content, "refusal": None}
    assert expected == body(OPENED, TextDelta("é"), scored, STOP)["choices"][0]["logprobs"]
    one = encoder()
    stream = one.emit([OPENED, TextDelta("é"), scored, STOP]) + one.end()
    frames = [msgspec.json.decode(f[6:]) for f in stream.split(b"\n\n") if f.startswith(b"data: {")]
    assert [expected] == [c["logprobs"] for f in frames for c in f["choices"] if c.get("logprobs")]


@pytest.mark.parametrize(
    ("events", "content"),
    [
        ([TextDelta("a"), ToolOpened(0, "i", "f")], "a"),
        ([ToolOpened(0, "i", "f")], None),
        ([RefusalDelta("no")], None),
        ([ThinkingDelta("t")], ""),
        ([MediaMade("image/png", "AA==")], ""),
        ([], ""),
    ],
)
def test_content_is_null_only_beside_calls_or_a_refusal(events: list[StreamEvent], content: str | None) -> None:
    """An answer without text is null where something else is said, and empty where nothing is."""
    assert content == body(OPENED, *events, STOP)["choices"][0]["message"]["content"]


# --- clients that know functions only ---------------------------------------------------------------------------------

CALLED = Finished(FinishReason.TOOL_CALLS)
CALLS = [
    ToolOpened(0, "i", "f"),
    ToolDelta(0, '{"a'),
    ToolOpened(1, "j", "g"),
    ToolDelta(1, "{}"),
    ToolDelta(0, '":1}'),
]


def legacy(**fields: Any) -> dict[str, Any]:
    body = {"model": "m", "messages": [{"role": "user", "content": "Hi"}], "functions": [{"name": "f"}], **fields}
    return {"request": CHAT.envelope(WireRequest(body=msgspec.json.encode(body)))}


def test_a_function_is_called_as_it_was_offered() -> None:
    """In a stream: the first call, and the rest where clients of today look, since there is room for one."""
    deltas = [delta for _, delta, _ in choices(written(*CALLS, CALLED, **legacy()))[1:-1]]
    opened = {"index": 0, "id": "j", "type": "function", "function": {"name": "g", "arguments": ""}}
    assert [
        {"function_call": {"name": "f", "arguments": ""}},
        {"function_call": {"arguments": '{"a'}},
        {"tool_calls": [opened]},
        {"tool_calls": [{"index": 0, "function": {"arguments": "{}"}}]},
        {"function_call": {"arguments": '":1}'}},
    ] == deltas
    assert "function_call" == choices(written(*CALLS, CALLED, **legacy()))[-1][2]


def test_a_function_is_called_in_a_body_too() -> None:
    """With the finish reason of its days."""
    body = msgspec.json.decode(encoder(**legacy()).body(Answer.fold([*CALLS, CALLED])))
    ChatCompletion.model_validate(body)
    (choice,) = body["choices"]
    assert ("function_call", None) == (choice["finish_reason"], choice["message"]["content"])
    assert {"name": "f", "arguments": '{"a":1}'} == choice["message"]["function_call"]
    assert ["g"] == [call["function"]["name"] for call in choice["message"]["tool_calls"]]
    alone = msgspec.json.decode(encoder(**legacy()).body(Answer.fold([*CALLS[:2], CALLED])))
    assert "tool_calls" not in alone["choices"][0]["message"]


@pytest.mark.parametrize("fields", [{"tools": []}, {"functions": None}])
def test_other_clients_get_tool_calls(fields: dict[str, Any]) -> None:
    """Whoever sends `tools` knows them."""
    assert "tool_calls" == choices(written(*CALLS, CALLED, **legacy(**fields)))[-1][2]


def test_other_finishes_are_the_same() -> None:
    """An answer without a call ends as any."""
    assert "stop" == choices(written(TextDelta("a"), STOP, **legacy()))[-1][2]
