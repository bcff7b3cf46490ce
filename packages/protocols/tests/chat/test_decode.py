"""A provider's answer, read into the same events from a stream cut anywhere, a body, or a server that bends rules."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmgw_domain import Usage
from llmgw_domain.chat import ToolCall
from llmgw_domain.errors import (
    AccountRejected,
    BadRequest,
    GatewayError,
    Overloaded,
    RateLimited,
    UpstreamFailed,
    UpstreamMalformed,
)
from llmgw_domain.stream import (
    Answer,
    Cited,
    Failed,
    Finished,
    FinishReason,
    MediaMade,
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
from llmgw_protocols.dialect import Frame

HEAD = {"id": "c1", "object": "chat.completion.chunk", "created": 7, "model": "m-1"}
USAGE = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15, "prompt_tokens_details": {"cached_tokens": 4}}
OPENED = Opened("c1", "m-1", 7)
COUNTED = UsageReported(Usage(uncached_input=6, cache_read=4, output=5))
STOP = Finished(FinishReason.STOP)


def delta(finish: str | None = None, index: int = 0, **members: Any) -> dict[str, Any]:
    return {**HEAD, "choices": [{"index": index, "delta": members, "finish_reason": finish}]}


def sse(*objects: Any, done: bool = True) -> bytes:
    frames = [b"data: " + (o if isinstance(o, bytes) else msgspec.json.encode(o)) + b"\n\n" for o in objects]
    return b"".join(frames) + (b"data: [DONE]\n\n" if done else b"")


def frames_of(*pieces: bytes, hide_usage: bool = False) -> list[Frame]:
    decoder = CHAT.decoder(hide_usage=hide_usage)
    return [f for piece in pieces for f in decoder.feed(piece)] + decoder.finish()


def events_of(*pieces: bytes) -> list[StreamEvent]:
    return [e for f in frames_of(*pieces) for e in f.events]


def call(index: int | None = None, id_: str | None = None, name: str | None = None, arguments: Any = None) -> Any:
    function = {k: v for k, v in (("name", name), ("arguments", arguments)) if v is not None}
    entry = {"index": index, "id": id_, "function": function}
    return {k: v for k, v in entry.items() if v is not None}


STREAM = sse(
    delta(role="assistant", content=""),
    delta(content="Hé"),
    delta(content="llo"),
    delta(finish="stop"),
    {**HEAD, "choices": [], "usage": USAGE},
)
EVENTS = [OPENED, TextDelta("Hé"), TextDelta("llo"), STOP, COUNTED]


def test_a_plain_stream() -> None:
    """Role chunk, text, finish, usage and `[DONE]` are read; then the answer is complete and closed."""
    decoder = CHAT.decoder()
    assert [e for f in decoder.feed(STREAM) for e in f.events] == EVENTS
    assert (decoder.complete, decoder.closed) == (True, True)


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_every_byte_split(end: bytes) -> None:
    """A split at any byte changes nothing, and the frames are the very bytes."""
    stream = b": OPENROUTER PROCESSING\n\n" + STREAM
    stream = stream.replace(b"\n", end)
    expected = frames_of(stream)
    assert [e for f in expected for e in f.events] == EVENTS
    assert stream.rstrip() == b"".join(f.raw for f in expected).rstrip()
    for at in range(len(stream)):
        assert expected == frames_of(stream[:at], stream[at:])


@given(st.lists(st.sampled_from([STREAM[:40], STREAM, b"data: ", b"[DONE]", b"\n\n", b'{"choices":[', b"\xff"])))
def test_any_split_of_anything(parts: list[bytes]) -> None:
    """Whole and broken streams alike give the same events byte by byte as at once."""
    stream = b"".join(parts)[:2000]
    whole = [(f.raw, str(f.events)) for f in frames_of(stream)]
    assert whole == [(f.raw, str(f.events)) for f in frames_of(*(stream[i : i + 1] for i in range(len(stream))))]


@given(st.binary(max_size=200) | st.text(max_size=80).map(lambda t: b"data: " + t.encode() + b"\n\n"))
def test_no_bytes_raise(data: bytes) -> None:
    """Whatever a provider sends becomes events, in a stream or in a body."""
    frames_of(data)
    assert CHAT.decoder().whole(data)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.text(max_size=5),
    lambda v: (
        st.lists(v, max_size=2)
        | st.dictionaries(
            st.sampled_from(
                [
                    "id",
                    "choices",
                    "index",
                    "delta",
                    "message",
                    "content",
                    "tool_calls",
                    "function",
                    "name",
                    "arguments",
                    "usage",
                    "error",
                ]
            ),
            v,
            max_size=4,
        )
    ),
    max_leaves=10,
)


@given(JSON, JSON, JSON)
def test_no_json_raises(first: Any, second: Any, third: Any) -> None:
    """Nor does JSON of the right names and wrong types; what was understood can be folded."""
    objects = [
        {"choices": [{"delta": first}]},
        second,
        {"choices": [{"delta": {"tool_calls": third}}], "usage": second},
    ]
    Answer.fold(events_of(sse(*objects)))
    for value in objects:
        Answer.fold(CHAT.decoder().whole(msgspec.json.encode(value)))


BODY = {
    **HEAD,
    "object": "chat.completion",
    "choices": [
        {
            "index": 0,
            "message": {
                "role": "assistant",
                "content": "Hi",
                "reasoning_content": "hm",
                "refusal": None,
                "tool_calls": [call(id_="t1", name="f", arguments='{"a":1}'), call(id_="t2", name="g", arguments="{}")],
                "annotations": [
                    {
                        "type": "url_citation",
                        "url_citation": {"url": "u", "title": "t", "start_index": 0, "end_index": 2},
                    }
                ],
                "images": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}],
            },
            "finish_reason": "tool_calls",
        }
    ],
    "usage": USAGE,
}


def test_a_body() -> None:
    """Every part of a whole message becomes events, in the order in which a model makes them."""
    assert [
        OPENED,
        ThinkingDelta("hm"),
        TextDelta("Hi"),
        MediaMade("image/png", "AAAA"),
        ToolOpened(0, "t1", "f"),
        ToolDelta(0, '{"a":1}'),
        ToolOpened(1, "t2", "g"),
        ToolDelta(1, "{}"),
        Cited("u", "t", 0, 2),
        Finished(FinishReason.TOOL_CALLS),
        COUNTED,
    ] == CHAT.decoder().whole(msgspec.json.encode(BODY))


def test_stream_and_body_agree() -> None:
    """The stream of an answer folds to the same answer as its body."""
    stream = sse(
        delta(role="assistant", content="", reasoning_content="h"),
        delta(reasoning_content="m"),
        delta(content="H"),
        delta(content="i"),
        delta(images=BODY["choices"][0]["message"]["images"]),
        delta(tool_calls=[call(0, "t1", "f", "")]),
        delta(tool_calls=[call(0, arguments='{"a"')]),
        delta(tool_calls=[call(0, arguments=":1}"), call(1, "t2", "g", "{}")]),
        delta(annotations=BODY["choices"][0]["message"]["annotations"]),
        delta(finish="tool_calls"),
        {**HEAD, "choices": [], "usage": USAGE},
    )
    body = CHAT.decoder().whole(msgspec.json.encode(BODY))
    assert Answer.fold(body) == Answer.fold(events_of(stream))


def test_several_choices() -> None:
    """Choices are kept apart, and the answer is complete when all that were seen have finished."""
    decoder = CHAT.decoder()
    decoder.feed(sse(delta(content="a"), delta(content="b", index=1), delta(finish="stop", index=1), done=False))
    assert not decoder.complete
    (frame,) = decoder.feed(sse(delta(finish="length"), done=False))
    assert (Finished(FinishReason.LENGTH),) == frame.events
    assert (decoder.complete, decoder.closed) == (True, False)


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        ([call(0, "a", "f", "{"), call(0, arguments="}")], [("a", "f", "{}")]),
        ([call(0, "a", "f", "{}"), call(1, "b", "f", "{}")], [("a", "f", "{}"), ("b", "f", "{}")]),
        ([call(0, "a", "f", "{}"), call(0, "b", "f", "[]")], [("a", "f", "{}"), ("b", "f", "[]")]),
        ([call(None, "a", "f", "{}"), call(None, "b", "g", "[]")], [("a", "f", "{}"), ("b", "g", "[]")]),
        ([call(None, "a", "f", "{"), call(None, None, None, "}")], [("a", "f", "{}")]),
        ([call(0, "a", "f", "{"), call(0, "a", "f", "}")], [("a", "f", "{}")]),
        ([call(0, "a"), call(0, None, None, "{"), call(0, None, "f", "}")], [("a", "f", "{}")]),
        ([call(3, "a", "f", "{}"), call(5, "b", "g", "{}")], [("a", "f", "{}"), ("b", "g", "{}")]),
        ([call(0, "a", "f", {"x": 1})], [("a", "f", '{"x":1}')]),
        ([call(0, "a", None, "{}")], [("a", "", "{}")]),
        (
            [call(0, "a", "f", ""), call(1, "b", "g", ""), call(0, arguments="1"), call(1, arguments="2")],
            [("a", "f", "1"), ("b", "g", "2")],
        ),
    ],
)
def test_calls(pieces: list[Any], expected: list[tuple[str, str, str]]) -> None:
    """Calls are told apart whether or not a server gives index and id, and count from 0."""
    stream = sse(*(delta(tool_calls=[p]) for p in pieces), delta(finish="tool_calls"))
    (choice,) = Answer.fold(events_of(stream)).choices
    assert expected == [(c.id, c.name, c.arguments) for c in choice.calls]
    assert list(range(len(expected))) == [e.call for e in events_of(stream) if isinstance(e, ToolOpened)]


def test_calls_without_any_id() -> None:
    """Whole calls without index and id are calls of their own, with ids that differ and do not change."""
    stream = sse(delta(tool_calls=[call(None, None, "f", "{}")]), delta(tool_calls=[call(None, None, "f", "{}")]))
    first, second = Answer.fold(events_of(stream)).choices[0].calls
    assert first.id != second.id
    assert first.id.startswith("call_")
    assert len(first.id.removeprefix("call_")) == 24
    assert events_of(stream) == events_of(stream)


def test_legacy_custom_and_signed_calls() -> None:
    """A deprecated function call, a custom call and Google's signature are all tool calls."""
    signed = {**call(0, "a", "f", "{}"), "extra_content": {"google": {"thought_signature": "s"}}}
    custom = {"index": 1, "id": "b", "type": "custom", "custom": {"name": "c", "input": "x"}}
    stream = sse(delta(tool_calls=[signed]), delta(tool_calls=[custom]), delta(finish="stop"))
    expected = [ToolCall("a", "f", "{}", "s"), ToolCall("b", "c", "x", custom=True)]
    assert expected == Answer.fold(events_of(stream)).choices[0].calls
    legacy = sse(
        delta(function_call={"name": "f", "arguments": "{"}),
        delta(function_call={"arguments": "}"}),
        delta(finish="function_call"),
    )
    (choice,) = Answer.fold(events_of(legacy)).choices
    assert (choice.calls[0].name, choice.calls[0].arguments) == ("f", "{}")
    assert choice.finish == Finished(FinishReason.TOOL_CALLS, detail="function_call")


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("stop", Finished(FinishReason.STOP)),
        ("eos", Finished(FinishReason.STOP, detail="eos")),
        ("end_turn", Finished(FinishReason.STOP, detail="end_turn")),
        ("length", Finished(FinishReason.LENGTH)),
        ("model_length", Finished(FinishReason.LENGTH, detail="model_length")),
        ("content_filter", Finished(FinishReason.CONTENT_FILTER)),
        ("something_new", Finished(FinishReason.STOP, detail="something_new")),
    ],
)
def test_finish_reasons(reason: str, expected: Finished) -> None:
    """Finish reasons become four; a new one does not fail the answer."""
    assert expected == events_of(sse(delta(content="x"), delta(finish=reason)))[-1]


def test_stop_in_spite_of_calls() -> None:
    """`stop` with calls means that they should be run."""
    events = events_of(sse(delta(tool_calls=[call(0, "a", "f", "{}")]), delta(finish="stop")))
    assert Finished(FinishReason.TOOL_CALLS) == events[-1]


@pytest.mark.parametrize("reason", ["error", "insufficient_system_resource", "abort"])
def test_broken_finish_reasons(reason: str) -> None:
    """A finish reason that means a failure is a failure, and what follows does not heal it."""
    decoder = CHAT.decoder()
    events = [e for f in decoder.feed(sse(delta(content="x"), delta(finish=reason))) for e in f.events]
    assert isinstance(events[-1], Failed)
    assert UpstreamFailed is type(events[-1].error)
    assert not decoder.complete


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        (sse(delta(content="x")), [OPENED, TextDelta("x"), STOP]),
        (sse(delta(content="x"), delta(finish="")), [OPENED, TextDelta("x"), STOP]),
        (
            sse(delta(tool_calls=[call(0, "a", "f")])),
            [OPENED, ToolOpened(0, "a", "f"), Finished(FinishReason.TOOL_CALLS)],
        ),
        (sse(delta(content="x"), done=False), [OPENED, TextDelta("x")]),
        (sse(), []),
    ],
)
def test_done_is_evidence(stream: bytes, expected: list[StreamEvent]) -> None:
    """`[DONE]` finishes the choices that were seen; an end without it invents nothing."""
    decoder = CHAT.decoder()
    assert expected == [e for f in decoder.feed(stream) + decoder.finish() for e in f.events]
    assert (STOP in expected or len(expected) == 3) == decoder.complete


@pytest.mark.parametrize(
    ("tail", "complete"),
    [
        (b"data: [DONE]", True),
        (b"data: [DON", False),
        (STREAM[-60:-16], False),
        (b": note", False),
        (b"data: {", False),
    ],
)
def test_a_last_frame_without_its_blank_line(tail: bytes, complete: bool) -> None:
    """It counts if it is whole; what a cut left of a frame is nothing, and no failure of its own."""
    decoder = CHAT.decoder()
    decoder.feed(sse(delta(content="x"), done=False) + tail)
    frames = decoder.finish()
    assert complete == decoder.complete
    assert ([b"data: [DONE]\n\n"] if complete else []) == [f.raw for f in frames]


@pytest.mark.parametrize(
    ("frame", "hidden"),
    [
        (b": comment\n\n", True),
        (b"data: \n\n", True),
        (b"event: ping\ndata: {}\n\n", True),
        (sse({**HEAD, "choices": [], "usage": USAGE}, done=False), True),
        (sse({**HEAD, "choices": None, "usage": USAGE}, done=False), True),
        (sse({**HEAD, "choices": [], "prompt_filter_results": []}, done=False), False),
        (sse({**delta(finish="stop"), "usage": USAGE}, done=False), False),
        (sse(), False),
    ],
)
def test_hidden_frames(frame: bytes, hidden: bool) -> None:
    """Comments, pings and a usage chunk that nobody asked for are not forwarded."""
    (made,) = frames_of(frame, hide_usage=True)
    assert hidden == made.hidden
    assert frame == made.raw


@pytest.mark.parametrize(
    "usage",
    [
        USAGE,
        {"prompt_tokens": 10, "completion_tokens": 5, "prompt_cache_hit_tokens": 4, "prompt_cache_miss_tokens": 6},
        {**USAGE, "completion_tokens_details": None, "queue_time": 0.2, "cost": {"a": 1}},
        {**USAGE, "prompt_tokens": 10.0, "completion_tokens": "5"},
    ],
)
def test_usage_wherever_it_rides(usage: Any) -> None:
    """Usage is read from its own chunk, from the finish chunk and from Groq's corner."""
    own = {**HEAD, "choices": [], "usage": usage}
    for chunk in (own, {**delta(finish="stop"), "usage": usage}, {**delta(finish="stop"), "x_groq": {"usage": usage}}):
        assert events_of(sse(delta(content="x"), chunk, done=False))[-1] == COUNTED


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({"reasoning_content": "t"}, [ThinkingDelta("t")]),
        ({"reasoning": "t"}, [ThinkingDelta("t")]),
        ({"reasoning": "t", "reasoning_content": "t"}, [ThinkingDelta("t")]),
        ({"reasoning": "t", "reasoning_details": [{"type": "reasoning.text", "text": "t"}]}, [ThinkingDelta("t")]),
        ({"reasoning_details": [{"type": "reasoning.summary", "summary": "t"}]}, [ThinkingDelta("t")]),
        (
            {"reasoning": None, "reasoning_details": [{"type": "reasoning.text", "signature": "s"}]},
            [ThinkingSigned("s")],
        ),
        ({"reasoning_details": [{"type": "reasoning.encrypted", "data": "d"}]}, [ThinkingRedacted("d")]),
        (
            {"reasoning_details": [{"type": "reasoning.text", "signature": "s", "format": "google-gemini-v1"}]},
            [ThinkingSigned("s", family="google")],
        ),
        (
            {"thinking_blocks": [{"type": "thinking", "thinking": "t", "signature": "s"}]},
            [ThinkingDelta("t"), ThinkingSigned("s")],
        ),
        (
            {
                "reasoning_content": "ab",
                "reasoning_details": [{"text": "a", "signature": "1"}, {"text": "b", "signature": "2"}],
            },
            [ThinkingDelta("a"), ThinkingSigned("1"), ThinkingDelta("b"), ThinkingSigned("2")],
        ),
        ({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "t"}]}]}, [ThinkingDelta("t")]),
        (
            {"content": [{"type": "text", "text": "x"}, {"type": "reference", "reference_ids": [1]}]},
            [TextDelta("x")],
        ),
        ({"content": None, "refusal": "no"}, [RefusalDelta("no")]),
    ],
)
def test_deltas(members: dict[str, Any], expected: list[StreamEvent]) -> None:
    """Reasoning under any of its names is said once; content may be a list of parts."""
    assert [OPENED, *expected] == events_of(sse(delta(**members), done=False))


@pytest.mark.parametrize(
    ("logprobs", "expected"),
    [
        (
            {"content": [{"token": "Hi", "logprob": -0.5, "top_logprobs": [{"token": "Ho", "logprob": -1}]}]},
            [TokensScored((TokenScore("Hi", -0.5, (("Ho", -1.0),)),))],
        ),
        ({"content": [{"token": "Hi", "logprob": -0.5}]}, [TokensScored((TokenScore("Hi", -0.5),))]),
        ({"content": None, "refusal": None}, []),
        ({"tokens": ["Hi"], "token_logprobs": [-0.5]}, []),
        (None, []),
    ],
)
def test_logprobs(logprobs: Any, expected: list[StreamEvent]) -> None:
    """They come behind the text that they are about; older forms of them say too little."""
    choice = {"index": 0, "delta": {"content": "Hi"}, "logprobs": logprobs}
    assert [OPENED, TextDelta("Hi"), *expected] == events_of(sse({**HEAD, "choices": [choice]}, done=False))


def test_a_signature_may_repeat_its_text() -> None:
    """A block's closing entry brings its text once more; it is not thought twice."""
    closing = {"reasoning_details": [{"type": "reasoning.text", "text": "ab", "signature": "s"}]}
    stream = sse(delta(reasoning_content="a"), delta(reasoning_content="b"), delta(**closing), done=False)
    assert [OPENED, ThinkingDelta("a"), ThinkingDelta("b"), ThinkingSigned("s")] == events_of(stream)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        ({"error": {"message": "no", "type": "invalid_request_error"}}, BadRequest),
        ({"error": {"message": "slow down", "code": 429}}, RateLimited),
        ({"error": {"message": "busy", "type": "overloaded_error"}}, Overloaded),
        ({"error": {"message": "key", "code": "invalid_api_key"}}, AccountRejected),
        (
            {"error": {"message": "x", "code": 502, "metadata": {}}, "choices": [{"delta": {"content": ""}}]},
            UpstreamFailed,
        ),
        ({"error": "plain"}, UpstreamFailed),
        ({"object": "error", "message": "x", "type": "invalid_request_error", "code": 400}, BadRequest),
        ({"choices": [{"delta": {}, "error": {"message": "x", "code": 503}}]}, Overloaded),
        (b"[1]", UpstreamMalformed),
        (b'{"choices":[', UpstreamMalformed),
        (b'{"choices":7}', UpstreamMalformed),
        (b'{"choices":[{"delta":{"content":{"a":1}}}]}', UpstreamMalformed),
        (b"<html>", UpstreamMalformed),
    ],
)
def test_errors_inside_an_answer(error: Any, expected: type[GatewayError]) -> None:
    """An error object, or what can't be understood, fails the answer in a stream and in a body."""
    decoder = CHAT.decoder()
    frames = decoder.feed(sse(delta(content="x"), error))
    failed = [e for f in frames for e in f.events if isinstance(e, Failed)]
    assert [expected] == [type(e.error) for e in failed]
    assert not decoder.complete
    whole = CHAT.decoder().whole(error if isinstance(error, bytes) else msgspec.json.encode(error))
    assert isinstance(whole[-1], Failed)
    assert expected is type(whole[-1].error)


NATIVE = {"error": {"message": "no", "code": 400}}


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (sse(NATIVE), True),
        (sse({**delta(content=""), **NATIVE}), True),
        (sse({"error": {"message": "no", "code": 503}}), False),
        (b"event: error\n" + sse(NATIVE), True),
        (msgspec.json.encode(NATIVE) + b"\n\n", False),
        (sse({"choices": [{"delta": {}, **NATIVE}]}), False),
        (sse({"object": "error", "message": "no"}), False),
        (sse(delta(finish="error")), False),
    ],
)
def test_errors_that_clients_know(data: bytes, expected: bool) -> None:
    """Only an error about the request, at the top of a frame, is told in words on which OpenAI's SDKs raise."""
    (failed,) = [e for f in CHAT.decoder().feed(data) for e in f.events if isinstance(e, Failed)]
    assert expected == failed.native


def test_what_follows_a_native_error() -> None:
    """The rest of the provider's own ending keeps its bytes and says nothing more."""
    decoder = CHAT.decoder()
    frames = decoder.feed(sse(NATIVE, delta(content="x")))
    assert [(b"data: [DONE]\n\n", ()), (sse(delta(content="x"), done=False), ())] == [
        (f.raw, f.events) for f in reversed(frames[1:])
    ]
    assert (True, False) == (decoder.closed, decoder.complete)


def test_a_body_with_an_error_is_no_answer_in_our_words() -> None:
    """A body has a status to tell an error with, so its error is never native."""
    assert [Failed] == [type(e) for e in CHAT.decoder().whole(msgspec.json.encode(NATIVE))]
    (failed,) = CHAT.decoder().whole(msgspec.json.encode(NATIVE))
    assert isinstance(failed, Failed)
    assert not failed.native


def test_blank_members_say_nothing() -> None:
    """Servers that write every member of the format make no calls and no custom tools by that."""
    blank = {"name": "", "arguments": ""}
    made = {
        "id": "a",
        "type": "function",
        "function": {"name": "f", "arguments": "{}"},
        "custom": {"name": "", "input": ""},
    }
    stream = sse(delta(content="x", function_call=blank), delta(tool_calls=[made]), done=False)
    assert [OPENED, TextDelta("x"), ToolOpened(0, "a", "f"), ToolDelta(0, "{}")] == events_of(stream)


def test_bare_json_in_place_of_a_stream() -> None:
    """A server that answers a stream request with a JSON error is understood at the end."""
    decoder = CHAT.decoder()
    assert decoder.feed(b'{"error":{"message":"no","code":429}}') == []
    (frame,) = decoder.finish()
    assert isinstance(frame.events[0], Failed)
    assert RateLimited is type(frame.events[0].error)


def test_a_runaway_frame() -> None:
    """A frame over its bound fails the answer once, and the rest is not read."""
    decoder = CHAT.decoder()
    (frame,) = decoder.feed(b"data: " + b"x" * (32 * 1024 * 1024))
    assert isinstance(frame.events[0], Failed)
    assert decoder.feed(STREAM) + decoder.finish() == []


def test_bodies_without_a_finish_reason() -> None:
    """A whole body is its own evidence; one without choices is no answer."""
    body = msgspec.json.encode({**HEAD, "choices": [{"message": {"content": "x"}}]})
    assert [OPENED, TextDelta("x"), STOP] == CHAT.decoder().whole(body)
    (*_, last) = CHAT.decoder().whole(msgspec.json.encode({**HEAD, "choices": []}))
    assert isinstance(last, Failed)


def test_a_server_that_repeats_itself() -> None:
    """Where a chunk holds both a delta and the message so far, the delta is read; in a body the message."""
    message = {"role": "assistant", "content": "ab"}
    chunk = {**HEAD, "choices": [{"index": 0, "message": message, "delta": {"content": "b"}, "finish_reason": None}]}
    assert [OPENED, TextDelta("b")] == events_of(sse(chunk, done=False))
    body = {**HEAD, "choices": [{"index": 0, "message": message, "delta": {"content": ""}, "finish_reason": "stop"}]}
    assert [OPENED, TextDelta("ab"), STOP] == CHAT.decoder().whole(msgspec.json.encode(body))


def test_what_a_server_says_of_the_finish() -> None:
    """The provider's own word and the stop sequence that matched are kept."""
    chunk = delta(finish="stop")
    chunk["choices"][0] |= {"native_finish_reason": "end_turn", "stop_reason": "###"}
    assert Finished(FinishReason.STOP, 0, "###", "end_turn") == events_of(sse(chunk, done=False))[-1]


def test_azures_first_chunk() -> None:
    """A first chunk without choices and id opens nothing."""
    first = {"id": "", "created": 0, "model": "", "object": "", "choices": [], "prompt_filter_results": [{}]}
    assert [OPENED, TextDelta("x"), STOP] == events_of(sse(first, delta(content="x"), delta(finish="stop")))


def test_arguments_as_an_object_of_odd_bytes() -> None:
    """Bytes that are no text, within arguments sent as an object, are replaced."""
    call = b'{"index":0,"id":"i","function":{"name":"f","arguments":{"a":"\xff"}}}'
    events = events_of(b'data: {"choices":[{"delta":{"tool_calls":[' + call + b"]}}]}\n\n")
    assert events[-2:] == [ToolOpened(0, "i", "f"), ToolDelta(0, '{"a":"\ufffd"}')]


def test_arguments_whose_name_never_comes_are_not_kept_without_end() -> None:
    """Neither in many pieces nor in one; a name that comes in time frees what waited."""
    piece = delta(tool_calls=[call(0, None, None, "x" * 64_000)])
    *_, last = events_of(sse(*[piece] * 17))
    assert isinstance(last, Failed)
    assert isinstance(last.error, UpstreamMalformed)
    nothing = delta(tool_calls=[call(0, None, None, "")], index=1)
    assert isinstance(events_of(sse(*[nothing] * 17_000))[-1], Failed)
    named = delta(tool_calls=[call(0, "a", "f")])
    answer = Answer.fold(events_of(sse(*[piece] * 15, named, *[piece] * 15, delta(finish="tool_calls"))))
    assert [64_000 * 30] == [len(c.arguments) for c in answer.choices[0].calls]


def test_waiting_arguments_of_all_choices_count_together() -> None:
    """Choices are the server's to number."""
    pieces = [delta(tool_calls=[call(0, None, None, "x" * 64_000)], index=i) for i in range(17)]
    assert isinstance(events_of(sse(*pieces))[-1], Failed)
