"""Events written for Responses clients: the grammar of a stream, its endings, and bodies."""

from collections.abc import Iterator
from typing import Any

import httpx2
import msgspec
import openai
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from llmgw_domain import Usage
from llmgw_domain.errors import BadRequest, ContextTooLong, GatewayError, RateLimited, UpstreamReset
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
from llmgw_protocols.dialect import EncodeContext, WireRequest
from llmgw_protocols.responses import encode, sealed
from llmgw_protocols.responses.encode import ResponsesEncoder
from llmgw_protocols.responses.envelope import envelope

STOP = Finished(FinishReason.STOP)
COUNTED = UsageReported(Usage(uncached_input=6, cache_read=4, cache_write_5m=2, output=5, reasoning=2))
SEARCHED = msgspec.Raw(
    b'{"type":"web_search_call","id":"ws_1","status":"completed","action":{"type":"search","query":"q"}}'
)
EVENT: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)


def scored(*tokens: str) -> TokensScored:
    return TokensScored(tuple(TokenScore(t, -0.5, ((t, -0.5), ("x", -2.0))) for t in tokens))


def encoder(**request: Any) -> ResponsesEncoder:
    body = msgspec.json.encode({"model": "asked", "input": "Hi", **request})
    asked = envelope(WireRequest(body=body))
    return ResponsesEncoder(EncodeContext(model="asked", request_id="12-34", created=9, request=asked))


def events_of(stream: bytes) -> list[Any]:
    """The events of a well-framed stream; each must be one to the SDK, numbered in order."""
    *frames, rest = stream.split(b"\n\n")
    assert rest == b""
    events = []
    for number, frame in enumerate(frames):
        name, data = frame.split(b"\n")
        event = msgspec.json.decode(data.removeprefix(b"data: "))
        assert name == b"event: " + event["type"].encode()
        assert number == event["sequence_number"]
        EVENT.validate_python(event)
        events.append(event)
    return events


def written(*events: StreamEvent, **request: Any) -> list[Any]:
    made = encoder(**request)
    return events_of(made.emit(events) + made.end())


def short(events: list[Any]) -> list[str]:
    return [event["type"].removeprefix("response.") for event in events]


def final(*events: StreamEvent, **request: Any) -> Any:
    """The whole response of the terminal event, which a body of the same answer must equal."""
    streamed = written(*events, **request)[-1]["response"]
    body = msgspec.json.decode(encoder(**request).body(Answer.fold(events)))
    assert streamed == body
    Response.model_validate(body)
    return streamed


def output(*events: StreamEvent, **request: Any) -> Any:
    return final(*events, **request)["output"]


# --- the grammar ------------------------------------------------------------------------------------------------------


def test_a_text_is_a_message_with_one_part() -> None:
    """Lifecycle, item and part open and close around the deltas, and every `done` has the whole value."""
    events = written(Opened("x", "claude", 1), TextDelta('a"'), TextDelta("é"), COUNTED, STOP)
    assert [
        "created",
        "in_progress",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "completed",
    ] == short(events)
    part = {"type": "output_text", "text": 'a"é', "annotations": [], "logprobs": []}
    message = {"type": "message", "id": "msg_1234_0", "status": "completed", "role": "assistant", "content": [part]}
    assert [{**message, "status": "in_progress", "content": []}, message] == [events[2]["item"], events[8]["item"]]
    assert [{**part, "text": ""}, part] == [events[3]["part"], events[7]["part"]]
    assert ['a"', "é"] == [event["delta"] for event in events[4:6]]
    assert 'a"é' == events[6]["text"]
    assert [message] == events[9]["response"]["output"]


def test_all_lifecycle_events_are_about_one_response() -> None:
    """Id, time and model are those of the call, not of the provider, and the SDKs demand that the id stays."""
    events = written(Opened("theirs", "claude", 1), TextDelta("a"), STOP)
    about = [
        (e["response"]["id"], e["response"]["created_at"], e["response"]["model"]) for e in events if "response" in e
    ]
    assert [("resp_1234", 9, "asked")] * 3 == about


def test_usage_counts_what_openai_counts() -> None:
    """Input holds cached and written tokens, output holds reasoning."""
    assert {
        "input_tokens": 12,
        "input_tokens_details": {
            "cached_tokens": 4,
            "cache_write_tokens": 2,
            "cache_write_tokens_details": {"ttl_12h_tokens": 0, "ttl_30m_tokens": 2},
        },
        "output_tokens": 5,
        "output_tokens_details": {"reasoning_tokens": 2},
        "total_tokens": 17,
    } == final(TextDelta("a"), COUNTED, STOP)["usage"]


@pytest.mark.parametrize(
    ("reason", "status", "details", "last"),
    [
        (FinishReason.STOP, "completed", None, "completed"),
        (FinishReason.TOOL_CALLS, "completed", None, "completed"),
        (FinishReason.LENGTH, "incomplete", {"reason": "max_output_tokens"}, "incomplete"),
        (FinishReason.CONTENT_FILTER, "incomplete", {"reason": "content_filter"}, "incomplete"),
    ],
)
def test_the_finish_is_the_responses_status(reason: FinishReason, status: str, details: Any, last: str) -> None:
    """A cut answer is incomplete, and so is its last item."""
    response = final(TextDelta("a"), Finished(reason))
    assert (status, details, last) == (
        response["status"],
        response["incomplete_details"],
        response["output"][-1]["status"],
    )


def test_only_the_last_item_is_cut() -> None:
    """The limit was reached there."""
    events = (ToolOpened(0, "c", "f"), ToolOpened(1, "d", "g"), Finished(FinishReason.LENGTH))
    assert ["completed", "incomplete"] == [item["status"] for item in output(*events)]


def test_an_answer_without_content_has_no_items() -> None:
    """Nothing is invented."""
    assert [] == output(Opened(), STOP)


def test_a_refusal_is_a_part_of_its_own() -> None:
    """Text and refusal stand in one message, each in its part."""
    events = (TextDelta("a"), RefusalDelta("No"), RefusalDelta("."), STOP)
    assert [("output_text", "a"), ("refusal", "No.")] == [
        (part["type"], part.get("text") or part.get("refusal")) for part in output(*events)[0]["content"]
    ]
    assert ["refusal.delta", "refusal.delta", "refusal.done"] == [n for n in short(written(*events)) if "refusal" in n]


# --- reasoning --------------------------------------------------------------------------------------------------------


def test_reasoning_is_an_item_with_one_summary() -> None:
    """It ends where the text begins."""
    events = written(ThinkingDelta("H"), ThinkingDelta("m."), TextDelta("a"), STOP)
    assert [
        "output_item.added",
        "reasoning_summary_part.added",
        "reasoning_summary_text.delta",
        "reasoning_summary_text.delta",
        "reasoning_summary_text.done",
        "reasoning_summary_part.done",
        "output_item.done",
        "output_item.added",
    ] == short(events)[2:10]
    summary = [{"type": "summary_text", "text": "Hm."}]
    assert {"type": "reasoning", "id": "rs_1234_0", "summary": summary, "status": "completed"} == events[8]["item"]


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ((ThinkingDelta("Hm."), ThinkingSigned("gAAA", family="openai")), "gAAA"),
        ((ThinkingRedacted("gAAA", family="openai"),), "gAAA"),
        (
            (ThinkingDelta("Hm."), ThinkingSigned("s", family="anthropic")),
            sealed.Seal("anthropic", "signature", "s", sealed.digest("Hm.")),
        ),
        ((ThinkingSigned("s", family="google"),), sealed.Seal("google", "signature", "s", sealed.digest(""))),
        ((ThinkingRedacted("d", family="anthropic"),), sealed.Seal("anthropic", "redacted", "d")),
    ],
)
def test_opaque_reasoning_is_openais_own_or_sealed(events: tuple[StreamEvent, ...], expected: Any) -> None:
    """OpenAI's goes out as it came; another family's with a note of whose it is."""
    (item,) = output(*events, STOP)
    encrypted = item["encrypted_content"]
    assert expected == (sealed.read(encrypted) if sealed.is_sealed(encrypted) else encrypted)


def test_each_signature_ends_its_reasoning() -> None:
    """What follows a signed block is the next one."""
    events = (
        ThinkingDelta("a"),
        ThinkingSigned("s", family="openai"),
        ThinkingDelta("b"),
        ThinkingSigned("t", family="openai"),
    )
    items = output(*events, STOP)
    assert [("a", "s"), ("b", "t")] == [(i["summary"][0]["text"], i["encrypted_content"]) for i in items]


# --- calls ------------------------------------------------------------------------------------------------------------


def test_calls_may_grow_in_turns() -> None:
    """Arguments of several calls may be mixed; each item ends with the whole of its own."""
    events = (
        ToolOpened(0, "c0", "f"),
        ToolOpened(1, "c1", "g"),
        ToolDelta(0, '{"a"'),
        ToolDelta(1, "{}"),
        ToolDelta(0, ":1}"),
        Finished(FinishReason.TOOL_CALLS),
    )
    call = {"type": "function_call", "status": "completed"}
    assert [
        {**call, "id": "fc_1234_0", "call_id": "c0", "name": "f", "arguments": '{"a":1}'},
        {**call, "id": "fc_1234_1", "call_id": "c1", "name": "g", "arguments": "{}"},
    ] == output(*events)
    deltas = [(e["output_index"], e["delta"]) for e in written(*events) if e["type"].endswith("arguments.delta")]
    assert [(0, '{"a"'), (1, "{}"), (0, ":1}")] == deltas


@pytest.mark.parametrize(("first", "second"), [("", ""), ("c", "c")])
def test_every_call_has_an_id_of_its_own(first: str, second: str) -> None:
    """Clients answer by it, and the SDK's helper refuses two calls of one id."""
    calls = output(ToolOpened(0, first, "f"), ToolOpened(1, second, "g"), STOP)
    assert [first or "call_1234_0", "call_1234_1"] == [call["call_id"] for call in calls]


def test_a_custom_call_has_an_input() -> None:
    """Free text, with events of its own."""
    events = (ToolOpened(0, "c", "patch", custom=True), ToolDelta(0, "a"), ToolDelta(0, "b"), STOP)
    call = {"type": "custom_tool_call", "id": "ctc_1234_0", "call_id": "c", "name": "patch", "input": "ab"}
    assert [call] == output(*events)
    names = [n for n in short(written(*events)) if n.startswith("custom")]
    assert ["custom_tool_call_input.delta", "custom_tool_call_input.delta", "custom_tool_call_input.done"] == names


def test_a_namespaces_tool_is_called_by_both_names() -> None:
    """The flat name is the other dialects' alone."""
    log = {"type": "function", "name": "log"}
    group = {"type": "namespace", "name": "mcp__git", "description": "Git.", "tools": [log]}
    (call,) = output(ToolOpened(0, "c", "mcp__git__log"), ToolDelta(0, "{}"), STOP, tools=[group])
    assert ("mcp__git", "log") == (call["namespace"], call["name"])


def test_a_signed_call_has_its_signature_before_it() -> None:
    """Google's signature has no place in a call, so it stands in a reasoning item that knows the call's id."""
    reasoning, call = output(ToolOpened(0, "c", "f", "sig"), ToolDelta(0, "{}"), STOP)
    assert sealed.Seal("google", "call", "sig", "c") == sealed.read(reasoning["encrypted_content"])
    assert "c" == call["call_id"]


def test_arguments_of_no_call_break_the_answer() -> None:
    """An answer that can't be told whole must not end well."""
    made = encoder()
    stream = made.emit([TextDelta("a"), ToolDelta(3, "{}"), STOP]) + made.end()
    assert "response.failed" == events_of(stream)[-1]["type"]


# --- other items ------------------------------------------------------------------------------------------------------


def test_citations_count_from_their_part() -> None:
    """Events count characters of the whole text, annotations those of their own part; late ones find theirs."""
    events = (
        TextDelta("One. "),
        ToolOpened(0, "c", "f"),
        TextDelta("Two."),
        Cited("https://a", "A", 5, 8),
        Cited("https://b", "B", 0, 4),
        Cited("https://c"),
        STOP,
    )
    first, _, second = output(*events)
    annotation = {"type": "url_citation"}
    assert [{**annotation, "url": "https://b", "title": "B", "start_index": 0, "end_index": 4}] == first["content"][0][
        "annotations"
    ]
    assert [
        {**annotation, "url": "https://a", "title": "A", "start_index": 0, "end_index": 3},
        {**annotation, "url": "https://c", "title": "", "start_index": 0, "end_index": 0},
    ] == second["content"][0]["annotations"]
    told = [e for e in written(*events) if e["type"].endswith("annotation.added")]
    assert [(2, 0), (0, 0), (2, 1)] == [(e["output_index"], e["annotation_index"]) for e in told]


def test_a_citation_of_nothing_is_left_out() -> None:
    """There is no part that it could stand in."""
    assert [] == output(Cited("https://a"), STOP)


def test_an_image_is_a_generation_call() -> None:
    """Its result is the base64; audio has no item here."""
    made = {"type": "image_generation_call", "id": "ig_1234_0", "status": "completed", "result": "aW1n"}
    assert [made] == output(MediaMade("image/png", "aW1n"), MediaMade("audio/wav", "YQ=="), STOP)


def test_openais_own_items_pass_as_they_are() -> None:
    """Other families' have no word here."""
    events = (OpaqueMade("openai", "web_search_call", SEARCHED), OpaqueMade("anthropic", "x", SEARCHED), STOP)
    assert [msgspec.json.decode(SEARCHED)] == output(*events)


def test_there_is_one_choice() -> None:
    """This dialect has no other."""
    events = (TextDelta("a"), TextDelta("b", choice=1), STOP, Finished(FinishReason.LENGTH, choice=1))
    assert "a" == output(*events)[0]["content"][0]["text"]


# --- broken streams ---------------------------------------------------------------------------------------------------

GONE = UpstreamReset()


def failed(stream: bytes) -> Any:
    event = events_of(stream)[-1]
    assert "response.failed" == event["type"]
    return event["response"]


def test_a_break_tells_what_came_so_far() -> None:
    """The response keeps its id, and what was not over is incomplete."""
    made = encoder()
    events = (ThinkingDelta("Hm."), TextDelta("a"), ToolOpened(0, "c", "f"), ToolDelta(0, '{"a'), COUNTED)
    response = failed(made.emit(events) + made.fail(GONE))
    assert ("resp_1234", "failed") == (response["id"], response["status"])
    assert {"code": "server_error", "message": GONE.message} == response["error"]
    assert [("reasoning", "completed"), ("message", "completed"), ("function_call", "incomplete")] == [
        (item["type"], item["status"]) for item in response["output"]
    ]
    assert 17 == response["usage"]["total_tokens"]


def test_a_break_before_anything_is_a_whole_stream() -> None:
    """The SDKs accept nothing before `response.created`."""
    events = events_of(encoder().fail(GONE))
    assert ["created", "in_progress", "failed"] == short(events)


def test_a_failure_in_the_events_is_no_content() -> None:
    """The relay tells it by `fail`."""
    assert b"" == encoder().emit([Failed(GONE)])


def test_a_forwarded_streams_break_continues_it() -> None:
    """Id, time, model and numbers are the provider's; the items are what was observed."""
    made = encoder()
    seen = ([Opened("resp_up", "gpt-up", 5)], [], [], [], [TextDelta("Hel")], [TextDelta("lo")])
    for events in seen:
        made.observe(events)
    data = msgspec.json.decode(made.fail(GONE).split(b"data: ")[1])
    response = data["response"]
    assert (len(seen), "resp_up", "gpt-up", 5) == (
        data["sequence_number"],
        response["id"],
        response["model"],
        response["created_at"],
    )
    assert "Hello" == response["output"][0]["content"][0]["text"]
    assert b"" == made.end_mark()


def test_the_estimate_of_a_broken_stream_takes_no_number() -> None:
    """It was no frame, so the ending follows the last one."""
    made = encoder()
    made.observe([Opened("resp_up", "gpt-up", 5)])
    made.observe([UsageReported(Usage(uncached_input=3, output=1, provenance="estimated"))])
    data = msgspec.json.decode(made.fail(GONE).split(b"data: ")[1])
    assert (1, 3) == (data["sequence_number"], data["response"]["usage"]["input_tokens"])


def test_a_forwarded_stream_is_kept_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the bound the partial output does not grow."""
    monkeypatch.setattr(encode, "_LARGEST_PARTIAL", 70)
    made = encoder()
    for _ in range(9):
        made.observe([TextDelta("abc")])
        made.observe([OpaqueMade("openai", "web_search_call", SEARCHED)])
    response = msgspec.json.decode(made.fail(GONE).split(b"data: ")[1])["response"]
    texts = [part["text"] for item in response["output"] if item["type"] == "message" for part in item["content"]]
    assert "abc" == "".join(texts)
    assert "web_search_call" not in {item["type"] for item in response["output"]}


def test_an_answer_that_is_too_large_does_not_end_well(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its terminal event would have to repeat all of it."""
    monkeypatch.setattr(encode, "_LARGEST", 70)
    made = encoder()
    assert "failed" == failed(made.emit([TextDelta("abc"), TextDelta("def"), STOP]) + made.end())["status"]
    assert made.response is None


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (GONE, "server_error"),
        (RateLimited(), "rate_limit_exceeded"),
        (ContextTooLong(), "context_length_exceeded"),
        (BadRequest(), "invalid_prompt"),
    ],
)
def test_the_code_tells_whether_to_try_again(error: GatewayError, code: str) -> None:
    """Agents decide by it."""
    assert code == msgspec.json.decode(encoder().fail(error).split(b"data: ")[-1])["response"]["error"]["code"]


# --- what goes back to the client's request -----------------------------------------------------------------------


def test_the_ended_response_can_be_stored() -> None:
    """It is the one that the client got."""
    made = encoder()
    assert made.response is None
    events = events_of(made.emit([TextDelta("a"), STOP]) + made.end())
    assert made.response is not None
    assert events[-1]["response"] == msgspec.json.decode(made.response)


# --- the SDK's own reading --------------------------------------------------------------------------------------------

FULL: tuple[StreamEvent, ...] = (
    Opened("x", "y", 1),
    ThinkingDelta("Hm."),
    ThinkingSigned("s", family="anthropic"),
    TextDelta("Hello"),
    Cited("https://a", "A", 0, 5),
    ToolOpened(0, "c0", "f", "sig"),
    ToolOpened(1, "c1", "patch", custom=True),
    ToolDelta(0, '{"a":'),
    ToolDelta(1, "x"),
    ToolDelta(0, "1}"),
    MediaMade("image/png", "aW1n"),
    OpaqueMade("openai", "web_search_call", SEARCHED),
    COUNTED,
    Finished(FinishReason.TOOL_CALLS),
)


def client(answer: bytes, content_type: str = "text/event-stream") -> openai.OpenAI:
    """The SDK on a transport that answers with these bytes."""

    def respond(_: Any) -> httpx2.Response:
        return httpx2.Response(200, headers={"content-type": content_type}, content=answer)

    transport = httpx2.Client(transport=httpx2.MockTransport(respond))
    return openai.OpenAI(api_key="k", base_url="http://gateway/v1", http_client=transport)


def test_the_sdks_helper_reads_a_stream() -> None:
    """Its checks of identities and order hold, and it finds text, calls and usage."""
    made = encoder()
    stream = made.emit(FULL) + made.end()
    with client(stream).responses.stream(model="asked", input="Hi") as reading:
        response = reading.get_final_response()
    assert "Hello" == response.output_text
    calls = [item for item in response.output if item.type in ("function_call", "custom_tool_call")]
    assert [("f", '{"a":1}'), ("patch", "x")] == [
        (call.name, call.arguments if call.type == "function_call" else call.input)
        for call in calls
        if call.type in ("function_call", "custom_tool_call")
    ]
    assert response.usage is not None
    assert 17 == response.usage.total_tokens


def test_the_sdk_reads_raw_events_and_bodies() -> None:
    """The last event is typed, and a body has the same output."""
    made = encoder()
    stream = made.emit(FULL) + made.end()
    events = list(client(stream).responses.create(model="asked", input="Hi", stream=True))
    assert "response.completed" == events[-1].type
    body = encoder().body(Answer.fold(FULL))
    response = client(body, "application/json").responses.create(model="asked", input="Hi")
    assert "Hello" == response.output_text


def test_the_sdks_helper_notices_a_break() -> None:
    """There is no final response, and no complaint about identities on the way."""
    made = encoder()
    stream = made.emit(FULL[:6]) + made.fail(GONE)
    with client(stream).responses.stream(model="asked", input="Hi") as reading:
        kinds = [event.type for event in reading]
        with pytest.raises(RuntimeError, match=r"response\.completed"):
            reading.get_final_response()
    assert "response.failed" == kinds[-1]


def some_events() -> st.SearchStrategy[list[StreamEvent]]:
    """Content in any order, calls opened before their arguments."""
    words = st.text(min_size=1, max_size=3)
    family = st.sampled_from(["openai", "anthropic", "google", ""])
    return st.lists(
        st.one_of(
            st.builds(TextDelta, words),
            st.builds(ThinkingDelta, words),
            st.builds(RefusalDelta, words),
            st.builds(ThinkingSigned, words, family=family),
            st.builds(ThinkingRedacted, words, family=family),
            st.builds(ToolOpened, st.just(-1), words, words, st.none() | words, custom=st.booleans()),
            st.builds(ToolDelta, st.integers(0, 3), words),
            st.builds(MediaMade, st.just("image/png"), st.just("aW1n")),
            st.builds(scored, words, words),
            st.builds(Cited, words, words, st.none() | st.integers(0, 9), st.none() | st.integers(0, 9)),
        ),
        max_size=12,
    )


def numbered(events: list[StreamEvent]) -> Iterator[StreamEvent]:
    calls = 0
    for event in events:
        if isinstance(event, ToolOpened):
            yield msgspec.structs.replace(event, call=calls)
            calls += 1
        elif not isinstance(event, ToolDelta) or event.call < calls:
            yield event


@settings(max_examples=40, deadline=None)
@given(some_events(), st.integers(0, 12))
def test_any_answer_is_a_stream_to_the_sdk(drawn: list[StreamEvent], cut: int) -> None:
    """Whatever a model does and wherever its events are split, the helper reads it and finds the terminal output."""
    events = [*numbered(drawn), STOP]
    whole, parted = encoder(), encoder()
    stream = whole.emit(events) + whole.end()
    assert stream == parted.emit(events[:cut]) + parted.emit(events[cut:]) + parted.end()
    last = events_of(stream)[-1]["response"]
    with client(stream).responses.stream(model="asked", input="Hi") as reading:
        assert [item["type"] for item in last["output"]] == [i.type for i in reading.get_final_response().output]


@given(some_events())
def test_a_break_can_come_anywhere(drawn: list[StreamEvent]) -> None:
    """Every prefix has a valid ending with the same id."""
    made = encoder()
    response = failed(made.emit(list(numbered(drawn))) + made.fail(GONE))
    assert "resp_1234" == response["id"]


# --- scores -----------------------------------------------------------------------------------------------------------


def likely(*tokens: str) -> list[Any]:
    def entry(token: str, logprob: float) -> dict[str, Any]:
        return {"token": token, "logprob": logprob, "bytes": list(token.encode())}

    return [{**entry(t, -0.5), "top_logprobs": [entry(t, -0.5), entry("x", -2.0)]} for t in tokens]


def test_scores_stand_with_their_text() -> None:
    """In an event of their own, at the part's end, and in the item."""
    events = (TextDelta("he"), scored("he"), TextDelta("y!"), scored("y", "!"), STOP)
    stream = written(*events)
    assert [[], likely("he"), [], likely("y", "!")] == [e["logprobs"] for e in stream if e["type"].endswith("t.delta")]
    (done,) = (e for e in stream if e["type"] == "response.output_text.done")
    assert ("hey!", likely("he", "y", "!")) == (done["text"], done["logprobs"])
    assert likely("he", "y", "!") == output(*events)[0]["content"][0]["logprobs"]


def test_each_part_has_its_own_scores() -> None:
    """A body's are one list, and are parted as in the stream."""
    events = (TextDelta("ab"), scored("a", "b"), ThinkingDelta("hm"), TextDelta("c"), scored("c"), STOP)
    first, _, last = output(*events)
    assert [likely("a", "b"), likely("c")] == [item["content"][0]["logprobs"] for item in (first, last)]


def test_scores_may_come_before_their_text() -> None:
    """They wait for it; without any there is no place for them."""
    assert likely("a") == output(scored("a"), TextDelta("a"), STOP)[0]["content"][0]["logprobs"]
    assert [] == output(scored("a"), STOP)
