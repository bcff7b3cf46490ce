"""Chat Completions asked of Anthropic: the request, the answer, the stream, the errors."""

from __future__ import annotations

import msgspec
import pytest

from llmgw_domain import Provider
from llmgw_domain.errors import GatewayError, InvalidField, UnsupportedField, UpstreamMalformed

PNG = "data:image/png;base64,iVBORw0KGgo="
PDF = "data:application/pdf;base64,JVBERi0="
EPHEMERAL = {"type": "ephemeral"}
WEATHER = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}
CALL = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Bern"}'}}
SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
FORMAT = {"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA}}
SIGNATURE = "EqQBCgIYAhIkMDEyMzQ1Njc4OWFiY2RlZg=="


@pytest.fixture
def claude(crossing):
    """A model that samples and thinks by a budget."""
    return crossing("chat", Provider.ANTHROPIC, "claude-sonnet-4-5")


@pytest.fixture
def newest(crossing):
    """A model that thinks adaptively and takes no samplers."""
    return crossing("chat", Provider.ANTHROPIC, "claude-sonnet-5")


@pytest.fixture
def older(crossing):
    """A model without structured output and thinking."""
    return crossing("chat", Provider.ANTHROPIC, "claude-3-5-haiku-latest")


def user(content):
    return [{"role": "user", "content": content}]


def sent_parts(claude, *parts):
    """The blocks that a user's parts become."""
    return claude.sent(messages=user(list(parts)))["messages"][0]["content"]


def history(assistant, *results, arguments='{"city":"Bern"}'):
    """A conversation with a call in it; `assistant` is what its message holds besides."""
    call = {**CALL, "function": {"name": "weather", "arguments": arguments}}
    return [*user("Hi"), {"role": "assistant", "tool_calls": [call], **assistant}, *results]


def result(call_id="call_1", content="rain", **more):
    return {"role": "tool", "tool_call_id": call_id, "content": content, **more}


def answer(*content, **more):
    """A whole answer of Anthropic's."""
    usage = {"input_tokens": 10, "output_tokens": 5}
    head = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-x"}
    return {**head, "content": list(content), "stop_reason": "end_turn", "usage": usage, **more}


def text(words):
    return {"type": "text", "text": words}


# --- a stream of Anthropic's ------------------------------------------------------------------------------------------

START = {
    "type": "message_start",
    "message": {"id": "msg_1", "model": "claude-x", "usage": {"input_tokens": 10, "output_tokens": 1}},
}
STOP = {"type": "message_stop"}


def begin(index, block):
    return {"type": "content_block_start", "index": index, "content_block": block}


def delta(index, kind, **fields):
    return {"type": "content_block_delta", "index": index, "delta": {"type": kind, **fields}}


def close(index):
    return {"type": "content_block_stop", "index": index}


def ending(reason="end_turn", **usage):
    return {"type": "message_delta", "delta": {"stop_reason": reason}, "usage": {"output_tokens": 5, **usage}}


TOOL = begin(1, {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {}})


def deltas(chunks):
    """What the chunks say of the first choice."""
    return [c["choices"][0]["delta"] for c in chunks if c != "[DONE]" and c["choices"]]


def said(chunks, field):
    return "".join(d.get(field) or "" for d in deltas(chunks))


def finish(chunks):
    found = [c["choices"][0]["finish_reason"] for c in chunks if c != "[DONE]" and c["choices"]]
    return [reason for reason in found if reason]


def usage(chunks):
    return [c["usage"] for c in chunks if c != "[DONE]" and c.get("usage")]


# --- the request's envelope -------------------------------------------------------------------------------------------


def test_a06_the_target_s_model_wins(claude, older):
    """What the gateway is configured to ask for is sent, and decides what the request may hold."""
    assert ["claude-sonnet-4-5", "claude-3-5-haiku-latest"] == [c.sent(model="other")["model"] for c in (claude, older)]
    assert "output_config" in claude.sent(model="claude-3-5-haiku-latest", response_format=FORMAT)
    assert "output_config" not in older.sent(model="claude-sonnet-4-5", response_format=FORMAT)


def test_a07_max_completion_tokens_wins(claude):
    """The newer name of the limit counts where both are there."""
    assert 7 == claude.sent(max_tokens=9, max_completion_tokens=7)["max_tokens"]
    assert 9 == claude.sent(max_tokens=9)["max_tokens"]


def test_a08_without_a_limit_the_model_s_is_sent(crossing, claude):
    """Anthropic demands a limit above zero: the configured one, else a large one within the model's own."""
    assert 32_000 == claude.sent()["max_tokens"]
    limited = crossing("chat", Provider.ANTHROPIC, "claude-sonnet-4-5", max_output_tokens=500)
    assert 500 == limited.sent()["max_tokens"]


def test_a09_temperature_is_clamped(claude, newest):
    """OpenAI's range is twice as wide: what lies beyond is brought within and named; a refusal would help nobody."""
    assert (0.5, ()) == (claude.sent(temperature=0.5)["temperature"], claude.lost(temperature=0.5))
    assert (1.0, ("temperature",)) == (claude.sent(temperature=1.5)["temperature"], claude.lost(temperature=1.5))
    assert ("temperature",) == newest.lost(temperature=0.5)


@pytest.mark.parametrize("stop", ["END", ["END", "STOP"]])
def test_a10_top_p_and_stop(claude, stop):
    """The sampler is copied; one stop text or many are a list."""
    sent = claude.sent(top_p=0.9, stop=stop)
    assert (0.9, ["END", "STOP"][: 1 if stop == "END" else 2]) == (sent["top_p"], sent["stop_sequences"])


def test_a11_what_anthropic_lacks_is_named(claude):
    """Nothing is dropped in silence: penalties, seed and logprobs are named, several answers are refused."""
    wishes = {"seed": 1, "logprobs": True, "frequency_penalty": 0.5, "presence_penalty": 0.5}
    assert set(wishes) == set(claude.lost(**wishes))
    assert () == claude.lost(stream=True, stream_options={"include_usage": True}, n=1)
    assert isinstance(claude.refused(n=2), UnsupportedField)
    assert {"model", "messages", "max_tokens"} == claude.sent(**wishes).keys()


# --- system and messages ----------------------------------------------------------------------------------------------


def test_a12_leading_system_text_leaves_the_list(claude):
    """System and developer messages at the head become the top-level system, a block each, in order."""
    lead = [{"role": "system", "content": "one"}, {"role": "developer", "content": "two"}]
    sent = claude.sent(messages=[*lead, *user("Hi")])
    assert ([text("one"), text("two")], ["user"]) == (sent["system"], [m["role"] for m in sent["messages"]])


def test_a12_later_system_text_stays_in_its_place(claude, crossing):
    """What is said in the middle holds from there on: marked text of the user, or its own role where that exists."""
    messages = [*user("Hi"), {"role": "assistant", "content": "Yes?"}, {"role": "system", "content": "Now."}]
    messages += user("Go")
    sent = claude.sent(messages=messages)
    assert [text("<system>Now.</system>"), text("Go")] == sent["messages"][2]["content"]
    native = crossing("chat", Provider.ANTHROPIC, "claude-opus-5").sent(messages=messages)
    assert ["user", "assistant", "user", "system"] == [m["role"] for m in native["messages"]]


def test_a13_parts_of_a_system_message_stay_apart(claude):
    """Each part is a block of its own, so that a cache mark between them keeps its place."""
    parts = [text("one"), text("two")]
    sent = claude.sent(messages=[{"role": "system", "content": parts}, *user("Hi")])
    assert parts == sent["system"]


def test_a14_cache_marks_of_system_parts_are_kept(claude):
    """The marked part is the marked block."""
    parts = [{**text("one"), "cache_control": EPHEMERAL}, text("two")]
    sent = claude.sent(messages=[{"role": "system", "content": parts}, *user("Hi")])
    assert parts == sent["system"]


def test_a15_empty_system_text_is_left_out(claude):
    """Anthropic refuses empty text, so no block is made of it; what is no text is refused."""
    assert "system" not in claude.sent(messages=[{"role": "system", "content": None}, *user("Hi")])
    assert "system" not in claude.sent(messages=[{"role": "system", "content": ""}, *user("Hi")])
    error = claude.refused(messages=[{"role": "system", "content": [{"type": "smell"}]}, *user("Hi")])
    assert "messages[0].content[0].type" == error.param


def test_a16_user_text(claude):
    """Text is a block; a message without any adds none."""
    assert [text("Hi")] == claude.sent()["messages"][0]["content"]
    assert [text("Hi")] == claude.sent(messages=[*user(""), *user("Hi"), *user(None)])["messages"][0]["content"]


@pytest.mark.parametrize("kind", ["jpeg", "png", "gif", "webp"])
def test_a17_images_in_data_urls(claude, kind):
    """The four types that Anthropic takes are base64 sources."""
    block = sent_parts(claude, {"type": "image_url", "image_url": {"url": f"data:image/{kind};base64,AAAA"}})[0]
    source = {"type": "base64", "media_type": f"image/{kind}", "data": "AAAA"}
    assert {"type": "image", "source": source} == block


def test_a17_other_images_are_refused(claude):
    """An answer about an image that was never shown is worse than none."""
    error = claude.refused(messages=user([{"type": "image_url", "image_url": {"url": "data:image/bmp;base64,AAAA"}}]))
    assert ("messages", 400) == (error.param, error.status)


def test_a18_a_pdf_in_a_data_url_is_a_document(claude):
    """Clients put PDFs where OpenAI has only images."""
    source = {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="}
    part = {"type": "image_url", "image_url": {"url": PDF}}
    assert [{"type": "document", "source": source}] == sent_parts(claude, part)


@pytest.mark.parametrize(
    ("url", "kind"),
    [("https://x.test/a.png", "image"), ("https://x.test/a.PDF", "document"), ("https://x.test/a.pdf?v=1", "document")],
)
def test_a19_media_at_addresses(claude, url, kind):
    """Anthropic fetches it itself; a path that ends in .pdf is a document."""
    block = sent_parts(claude, {"type": "image_url", "image_url": {"url": url}})[0]
    assert {"type": kind, "source": {"type": "url", "url": url}} == block


def test_a20_audio_is_refused_and_files_are_documents(claude):
    """Anthropic hears nothing; PDFs and texts are documents with their title."""
    audio = {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}
    assert 400 == claude.refused(messages=user([audio])).status
    pdf = {"type": "file", "file": {"file_data": PDF, "filename": "a.pdf"}}
    block = sent_parts(claude, pdf)[0]
    assert ("document", "a.pdf", "base64") == (block["type"], block["title"], block["source"]["type"])
    binary = {"type": "file", "file": {"file_data": "data:application/zip;base64,AAAA", "filename": "a.zip"}}
    assert 400 == claude.refused(messages=user([binary])).status


def test_a21_what_an_assistant_said(claude):
    """Text and refusal are text blocks."""
    messages = [*user("Hi"), {"role": "assistant", "content": "Well,", "refusal": "no."}, *user("Why?")]
    assert [text("Well,"), text("no.")] == claude.sent(messages=messages)["messages"][1]["content"]


def test_a22_calls_stand_after_the_text(claude):
    """Id kept, arguments as an object."""
    sent = claude.sent(messages=history({"content": "Let me see."}, result()), tools=[WEATHER])
    call = {"type": "tool_use", "id": "call_1", "name": "weather", "input": {"city": "Bern"}}
    assert [text("Let me see."), call] == sent["messages"][1]["content"]


@pytest.mark.parametrize("call", [{"type": "function", "function": {"name": "f"}}, {**CALL, "id": ""}])
def test_a23_a_call_without_id_is_refused(claude, call):
    """Its result could not be told apart."""
    messages = [*user("Hi"), {"role": "assistant", "tool_calls": [call]}]
    error = claude.refused(messages=messages, tools=[WEATHER])
    assert (400, True) == (error.status, (error.param or "").startswith("messages[1].tool_calls[0]"))


@pytest.mark.parametrize(
    ("arguments", "expected", "lossy"),
    [
        ("", {}, False),
        ("  ", {}, False),
        ("[1]", {"value": [1]}, False),
        ("{oops", {"__raw_arguments": "{oops"}, True),
    ],
)
def test_a23_arguments_that_are_no_object_are_wrapped(claude, arguments, expected, lossy):
    """A model wrote them, so the conversation goes on; what is no JSON at all is named."""
    rendered = claude.rendered(messages=history({}, result(), arguments=arguments), tools=[WEATHER])
    sent = msgspec.json.decode(rendered.body)
    assert expected == sent["messages"][1]["content"][0]["input"]
    assert lossy == bool(rendered.lossy)


def test_a24_signed_thinking_is_sent_back(claude):
    """With its signature it stands first; without one Anthropic would refuse it, so it is left out."""
    thinking = {"type": "thinking", "thinking": "Hm.", "signature": SIGNATURE}
    signed = [*user("Hi"), {"role": "assistant", "content": [thinking, text("Yes.")]}, *user("Go")]
    assert [thinking, text("Yes.")] == claude.sent(messages=signed)["messages"][1]["content"]
    unsigned = [*user("Hi"), {"role": "assistant", "content": [{**thinking, "signature": ""}, text("Yes.")]}]
    assert [text("Yes.")] == claude.sent(messages=[*unsigned, *user("Go")])["messages"][1]["content"]


def test_a25_hidden_thinking_is_sent_back(claude):
    """Its text is opaque; another type than text is refused."""
    hidden = {"type": "redacted_thinking", "data": "opaque"}
    messages = [*user("Hi"), {"role": "assistant", "content": [hidden, text("Yes.")]}, *user("Go")]
    assert [hidden, text("Yes.")] == claude.sent(messages=messages)["messages"][1]["content"]
    wrong = [*user("Hi"), {"role": "assistant", "content": [{"type": "redacted_thinking", "data": 1}]}]
    assert isinstance(claude.refused(messages=wrong), InvalidField)


def test_a26_results_share_one_user_message(claude):
    """One block a result, in the order of the calls, before what the user says next."""
    calls = [CALL, {**CALL, "id": "call_2"}]
    messages = [*user("Hi"), {"role": "assistant", "tool_calls": calls}, result("call_2", "b"), result("call_1", "a")]
    sent = claude.sent(messages=[*messages, *user("And?")], tools=[WEATHER])["messages"]
    assert ["user", "assistant", "user"] == [m["role"] for m in sent]
    expected = [("call_1", "a"), ("call_2", "b")]
    assert expected == [(b["tool_use_id"], b["content"]) for b in sent[2]["content"][:2]]
    assert text("And?") == sent[2]["content"][2]


def test_a27_result_content(claude):
    """A text, or parts that stay apart."""
    parts = [text("one"), text("two")]
    sent = claude.sent(messages=history({}, result(content=parts)), tools=[WEATHER])
    assert parts == sent["messages"][2]["content"][0]["content"]


def test_a28_no_error_is_guessed_from_a_result_s_text(claude):
    """Chat has no flag for it, and a tool may well answer with a member named `error`."""
    sent = claude.sent(messages=history({}, result(content='{"error":"none found"}')), tools=[WEATHER])
    assert "is_error" not in sent["messages"][2]["content"][0]


@pytest.mark.parametrize(
    ("content", "more", "marked"),
    [
        ("rain", {"cache_control": EPHEMERAL}, True),
        ([text("a"), {**text("b"), "cache_control": EPHEMERAL}], {}, True),
        ("rain", {}, False),
    ],
)
def test_a29_cache_marks_of_results(claude, content, more, marked):
    """A mark on the message or on a part is the result's own; no other block gets one."""
    sent = claude.sent(messages=history({}, result(content=content, **more)), tools=[WEATHER])
    block = sent["messages"][2]["content"][0]
    assert marked == ("cache_control" in block)
    assert int(marked) == msgspec.json.encode(sent).count(b"cache_control")


def test_a30_unknown_roles_are_refused(claude):
    """The error names the place."""
    assert "messages[0].role" == claude.refused(messages=[{"role": "robot", "content": "Hi"}]).param


# --- tools, choice, structured output, reasoning ----------------------------------------------------------------------


def test_a31_tools(claude):
    """Name, description, schema, strictness and cache mark are carried over."""
    function = {"name": "f", "description": "d", "parameters": SCHEMA, "strict": True, "cache_control": EPHEMERAL}
    tool = claude.sent(tools=[{"type": "function", "function": function}])["tools"][0]
    closed = {**SCHEMA, "additionalProperties": False}
    expected = {"name": "f", "description": "d", "input_schema": closed, "strict": True, "cache_control": EPHEMERAL}
    assert expected == tool


def test_a32_schemas_are_sent_as_they_are(claude):
    """Every keyword of a schema survives."""
    schema = {**SCHEMA, "$defs": {"d": {"type": "integer"}}, "additionalProperties": {"$ref": "#/$defs/d"}}
    tool = {"type": "function", "function": {"name": "f", "parameters": schema}}
    assert schema == claude.sent(tools=[tool])["tools"][0]["input_schema"]


def test_a33_a_function_without_parameters(claude):
    """Anthropic demands an object schema."""
    tool = claude.sent(tools=[{"type": "function", "function": {"name": "f"}}])["tools"][0]
    assert {"type": "object", "properties": {}} == tool["input_schema"]


@pytest.mark.parametrize("tool", [{"type": "retrieval"}, {"type": "function"}])
def test_a34_other_tools_are_refused(claude, tool):
    """A tool that only OpenAI runs, and one without a function, name their place."""
    error = claude.refused(tools=[tool])
    assert (400, True) == (error.status, (error.param or "").startswith("tools"))


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ("auto", {"type": "auto"}),
        ("required", {"type": "any"}),
        ("any", {"type": "any"}),
        ("none", {"type": "none"}),
        ({"type": "function", "function": {"name": "weather"}}, {"type": "tool", "name": "weather"}),
    ],
)
def test_a35_tool_choice(claude, choice, expected):
    """Each choice has its counterpart."""
    assert expected == claude.sent(tools=[WEATHER], tool_choice=choice)["tool_choice"]


@pytest.mark.parametrize("choice", ["sometimes", {"type": "robot"}, 7])
def test_a35_other_choices_are_refused(claude, choice):
    """Whatever else is sent is wrong, not a wish."""
    assert "tool_choice" in (claude.refused(tools=[WEATHER], tool_choice=choice).param or "")


def test_a36_one_call_at_a_time(claude):
    """The wish holds without a choice too; allowing several calls says nothing."""
    sent = claude.sent(tools=[WEATHER], parallel_tool_calls=False)
    assert {"type": "auto", "disable_parallel_tool_use": True} == sent["tool_choice"]
    sent = claude.sent(tools=[WEATHER], parallel_tool_calls=False, tool_choice="required")
    assert {"type": "any", "disable_parallel_tool_use": True} == sent["tool_choice"]
    assert "tool_choice" not in claude.sent(tools=[WEATHER], parallel_tool_calls=True)


def test_a37_a_choice_without_tools_is_left_out(claude):
    """There is nothing to choose from."""
    assert "tool_choice" not in claude.sent(tool_choice="auto")


def test_a38_structured_output(claude, older):
    """A schema goes into the field for it; older models are asked in words, and that is named."""
    expected = {"type": "json_schema", "schema": {**SCHEMA, "additionalProperties": False}}
    assert expected == claude.sent(response_format=FORMAT)["output_config"]["format"]
    assert '"required":["a"]' in older.sent(response_format=FORMAT)["system"][-1]["text"]
    assert ("response_format",) == older.lost(response_format=FORMAT)


def test_a39_formats_that_say_too_little(claude):
    """A schema that is none is refused; a plain JSON object is asked for in words, and that is named."""
    wrong = {"type": "json_schema", "json_schema": {"name": "n", "schema": "{oops"}}
    assert "response_format.json_schema.schema" == claude.refused(response_format=wrong).param
    sent = claude.sent(response_format={"type": "json_object"})
    assert "JSON object" in sent["system"][0]["text"]
    assert ("response_format",) == claude.lost(response_format={"type": "json_object"})


@pytest.mark.parametrize("effort", ["low", "medium", "high", "xhigh", "max"])
def test_a40_effort_of_adaptive_models(newest, effort):
    """It is the effort of the same name, and stands beside a format."""
    config = newest.sent(reasoning_effort=effort, response_format=FORMAT)["output_config"]
    assert (effort, "json_schema") == (config["effort"], config["format"]["type"])


def test_a40_effort_of_other_models(claude, older, newest):
    """Models with a budget get one, those that do not think lose the wish by name, unknown values are refused."""
    assert {"type": "enabled", "budget_tokens": 2048} == claude.sent(reasoning_effort="low")["thinking"]
    assert ("reasoning_effort",) == older.lost(reasoning_effort="low")
    assert "reasoning_effort" == newest.refused(reasoning_effort="huge").param


@pytest.mark.parametrize(
    ("model", "thinking"),
    [
        ("claude-sonnet-4-5", {"type": "enabled", "budget_tokens": 4000}),
        ("claude-sonnet-5", {"type": "disabled"}),
        ("claude-sonnet-5", {"type": "adaptive", "display": "summarized"}),
        ("claude-sonnet-5", {"type": "adaptive", "display": "omitted"}),
    ],
)
def test_a41_anthropic_s_own_thinking_field(crossing, model, thinking):
    """Clients that know the field are taken at their word."""
    assert thinking == crossing("chat", Provider.ANTHROPIC, model).sent(thinking=thinking)["thinking"]


def test_a41_thinking_that_a_model_does_not_have(newest):
    """A budget for a model that takes none becomes the nearest effort."""
    sent = newest.sent(thinking={"type": "enabled", "budget_tokens": 4000})
    assert ("adaptive", "medium") == (sent["thinking"]["type"], sent["output_config"]["effort"])


# --- the answer -------------------------------------------------------------------------------------------------------


def test_a42_the_answer_s_envelope(claude):
    """The id and time are the gateway's and the model is the one asked for; the provider's own go to headers."""
    got = claude.answered(answer(text("Hi")))
    expected = ("chat.completion", 7, "asked", "chatcmpl-r1")
    assert expected == (got["object"], got["created"], got["model"], got["id"])


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("pause_turn", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("tool_use", "tool_calls"),
        ("refusal", "content_filter"),
        ("brand_new", "stop"),
    ],
)
def test_a43_stop_reasons(claude, reason, expected):
    """Each is the nearest of OpenAI's; one that nobody knows ends the answer like any other."""
    assert expected == claude.answered(answer(text("Hi"), stop_reason=reason))["choices"][0]["finish_reason"]


def test_a44_all_text_blocks_are_joined(claude):
    """Answers with citations come in dozens of them."""
    got = claude.answered(
        answer(text("a"), {"type": "server_tool_use", "id": "s", "name": "x", "input": {}}, text("b"))
    )
    assert "ab" == got["choices"][0]["message"]["content"]


def test_a45_calls(claude):
    """The input is JSON text."""
    call = {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"a": 1}}
    message = claude.answered(answer(call, stop_reason="tool_use"))["choices"][0]["message"]
    function = {"name": "f", "arguments": '{"a":1}'}
    assert [{"id": "toolu_1", "type": "function", "function": function}] == message["tool_calls"]
    assert message["content"] is None


def test_a46_every_thinking_block_is_kept(claude):
    """In order, with signatures, so that the next turn can send them back."""
    blocks = [
        {"type": "thinking", "thinking": "a", "signature": SIGNATURE},
        {"type": "redacted_thinking", "data": "opaque"},
        {"type": "thinking", "thinking": "b", "signature": SIGNATURE},
    ]
    message = claude.answered(answer(*blocks, text("Yes.")))["choices"][0]["message"]
    assert ("ab", blocks) == (message["reasoning_content"], message["thinking_blocks"])


def test_a47_usage(claude):
    """Cached and written tokens are input too; both have a detail of their own."""
    counts = {"input_tokens": 12, "cache_read_input_tokens": 1000, "cache_creation_input_tokens": 200}
    got = claude.answered(answer(text("Hi"), usage={**counts, "output_tokens": 50}))["usage"]
    assert (1212, 50, 1262) == (got["prompt_tokens"], got["completion_tokens"], got["total_tokens"])
    assert {"cached_tokens": 1000, "cache_write_tokens": 200} == got["prompt_tokens_details"]


def test_a48_thinking_tokens(claude):
    """They are a part of the output, counted apart."""
    counts = {"input_tokens": 1, "output_tokens": 50, "output_tokens_details": {"thinking_tokens": 30}}
    got = claude.answered(answer(text("Hi"), usage=counts))["usage"]
    assert (50, {"reasoning_tokens": 30}) == (got["completion_tokens"], got["completion_tokens_details"])


def test_a49_a_body_that_is_no_json_is_an_error(claude):
    """The provider failed; nothing of its text is shown as an answer."""
    assert isinstance(claude.answered(b"<html>"), UpstreamMalformed)


# --- the stream -------------------------------------------------------------------------------------------------------


def test_a51_events_end_at_blank_lines(claude):
    """A piece of an event waits for the rest; the last one may lack its blank line."""
    last = b'data: {"type":"message_stop"}'
    whole = b"".join(b"data: " + msgspec.json.encode(e) + b"\n\n" for e in (START, delta(0, "text_delta", text="Hi")))
    pieces = [whole[i : i + 1] for i in range(len(whole))]
    assert "Hi" == said(claude.streamed(*pieces, ending(), last), "content")
    assert ["stop"] == finish(claude.streamed(whole, ending(), last))


def test_a52_lines_of_an_event(claude):
    """The space behind the colon is optional, and data may span lines."""
    event = (
        b'event:content_block_delta\ndata:{"type":"content_block_delta","index":0,\ndata:"delta":{"type":"text_delta",'
    )
    event += b'"text":"Hi"}}\n\n'
    assert "Hi" == said(claude.streamed(START, event, ending(), STOP), "content")


def test_a53_the_head_says_who_speaks(claude):
    """The first chunk holds the role; the prompt's count is known from the head."""
    chunks = claude.streamed(START, delta(0, "text_delta", text="Hi"), ending(), STOP)
    assert {"role": "assistant", "content": ""} == deltas(chunks)[0]
    assert [10] == [u["prompt_tokens"] for u in usage(chunks)]


def test_a54_the_role_is_said_once(claude):
    """Later chunks hold content alone."""
    chunks = claude.streamed(START, *(delta(0, "text_delta", text="Hi") for _ in range(3)), ending(), STOP)
    assert 1 == sum("role" in d for d in deltas(chunks))


def test_a55_calls_are_numbered_from_zero(claude):
    """By calls, not by blocks; tools that the provider runs itself are no calls of the client's."""
    server = begin(0, {"type": "server_tool_use", "id": "srv", "name": "web_search", "input": {}})
    chunks = claude.streamed(START, server, close(0), TOOL, close(1), ending("tool_use"), STOP)
    opened = [d["tool_calls"][0] for d in deltas(chunks) if "tool_calls" in d]
    function = {"name": "weather", "arguments": ""}
    assert {"index": 0, "id": "toolu_1", "type": "function", "function": function} == opened[0]
    assert {0} == {call["index"] for call in opened}


def test_a56_an_input_that_came_with_the_start(claude):
    """It is the arguments, if none follow."""
    full = begin(1, {"type": "tool_use", "id": "t", "name": "weather", "input": {"city": "Bern"}})
    chunks = claude.streamed(START, full, close(1), ending("tool_use"), STOP)
    calls = [d["tool_calls"][0]["function"]["arguments"] for d in deltas(chunks) if "tool_calls" in d]
    assert '{"city":"Bern"}' == "".join(calls)


def test_a57_fragments_of_arguments(claude):
    """They go on as they are, with the index alone."""
    piece = delta(1, "input_json_delta", partial_json='{"ci')
    chunks = claude.streamed(START, TOOL, piece, close(1), ending("tool_use"), STOP)
    assert {"index": 0, "function": {"arguments": '{"ci'}} == deltas(chunks)[2]["tool_calls"][0]


def test_a58_arguments_without_a_call_break_the_stream(claude):
    """There is nobody that they could belong to."""
    chunks = claude.streamed(START, delta(4, "input_json_delta", partial_json="{}"))
    assert ["error"] == finish(chunks)


def test_a59_thinking_in_a_stream(claude):
    """Thinking is reasoning, its signature closes the block, and citations are annotations at the end."""
    cited = {"type": "web_search_result_location", "url": "https://x.test", "title": "X"}
    chunks = claude.streamed(
        START,
        begin(0, {"type": "thinking", "thinking": "", "signature": ""}),
        delta(0, "thinking_delta", thinking="Hm."),
        delta(0, "signature_delta", signature=SIGNATURE),
        close(0),
        begin(1, text("")),
        delta(1, "text_delta", text="Hi"),
        delta(1, "citations_delta", citation=cited),
        close(1),
        ending(),
        STOP,
    )
    assert ("Hm.", "Hi") == (said(chunks, "reasoning_content"), said(chunks, "content"))
    blocks = [b for d in deltas(chunks) for b in d.get("thinking_blocks", [])]
    assert [{"type": "thinking", "thinking": "Hm.", "signature": SIGNATURE}] == blocks
    spans = [a["url_citation"] for d in deltas(chunks) for a in d.get("annotations", [])]
    assert [{"url": "https://x.test", "title": "X", "start_index": 0, "end_index": 2}] == spans


def test_a60_hidden_thinking_in_a_stream(claude):
    """It is kept for the next turn."""
    hidden = {"type": "redacted_thinking", "data": "opaque"}
    chunks = claude.streamed(START, begin(0, hidden), close(0), ending(), STOP)
    assert [hidden] == [b for d in deltas(chunks) for b in d.get("thinking_blocks", [])]


def test_a61_the_finish_comes_at_the_end(claude):
    """The reason is said once, behind all content; an end without one is a stop."""
    chunks = claude.streamed(START, ending("max_tokens"), delta(0, "text_delta", text="Hi"), STOP)
    assert (["length"], {}) == (finish(chunks), deltas(chunks)[-1])
    assert ["stop"] == finish(claude.streamed(START, STOP))


def test_a62_counts_replace_earlier_ones(claude):
    """They are running totals; what is missing, null or negative keeps what was known."""
    counts = {"input_tokens": 10, "cache_read_input_tokens": 100, "output_tokens": 1}
    start = {"type": "message_start", "message": {"id": "m", "usage": counts}}
    later = {"cache_read_input_tokens": 100, "cache_creation_input_tokens": None, "input_tokens": -1}
    chunks = claude.streamed(start, delta(0, "text_delta", text="Hi"), ending(**later), STOP)
    assert [(110, 5, 100)] == [
        (u["prompt_tokens"], u["completion_tokens"], u["prompt_tokens_details"]["cached_tokens"]) for u in usage(chunks)
    ]


def test_a63_cache_counts_alone_change_the_sum(claude):
    """The prompt is the base and both caches, whenever they come."""
    late = {"type": "message_delta", "delta": {}, "usage": {"cache_read_input_tokens": 90}}
    chunks = claude.streamed(START, late, ending(), STOP)
    assert [100] == [u["prompt_tokens"] for u in usage(chunks)]


def test_a64_usage_and_the_end_mark(claude):
    """Usage comes in a chunk of its own, to clients that asked for it; then the mark."""
    events = (START, delta(0, "text_delta", text="Hi"), ending(), STOP)
    chunks = claude.streamed(*events)
    assert ([], "[DONE]") == (chunks[-2]["choices"], chunks[-1])
    unasked = claude.streamed(*events, include_usage=False)
    assert ([], "[DONE]", 1) == (usage(unasked), unasked[-1], unasked.count("[DONE]"))


def test_a65_pings_write_nothing(claude):
    """The gateway keeps its clients awake by itself, with comments that no client trips over."""
    ping = b'event: ping\ndata: {"type": "ping"}\n\n'
    events = (START, delta(0, "text_delta", text="Hi"), ending(), STOP)
    assert claude.streamed(*events) == claude.streamed(ping, events[0], ping, *events[1:3], ping, STOP)


def test_a66_errors_in_a_stream(claude):
    """An error event and broken JSON break the answer; events that nobody knows are passed over."""
    error = {"type": "error", "error": {"type": "overloaded_error", "message": "busy"}}
    chunks = claude.streamed(START, error)
    broken = next(c["gateway_error"] for c in chunks if c != "[DONE]" and "gateway_error" in c)
    assert ("overloaded", ["error"]) == (broken["code"], finish(chunks))
    malformed = b'event: content_block_delta\ndata: {"type":"content_block_delta",\n\n'
    assert ["error"] == finish(claude.streamed(START, malformed, ending(), STOP))
    assert ["stop"] == finish(claude.streamed(START, {"type": "brand_new", "x": [1]}, ending(), STOP))


def test_a67_an_empty_answer_ends_well(claude):
    """No text, no calls, no counts: still an answer."""
    start = {"type": "message_start", "message": {"id": "m"}}
    chunks = claude.streamed(start, {"type": "message_delta", "delta": {"stop_reason": "end_turn"}}, STOP)
    assert (["stop"], "[DONE]") == (finish(chunks), chunks[-1])


# --- errors -----------------------------------------------------------------------------------------------------------


def test_a68_anthropic_s_errors(claude):
    """The message goes on where it is about the request; type and code are OpenAI's."""
    body = b'{"type":"error","error":{"type":"invalid_request_error","message":"messages: too odd"}}'
    status, got = claude.faulted(400, body)
    expected = (400, "messages: too odd", "invalid_request_error")
    assert expected == (status, got["error"]["message"], got["error"]["type"])
    status, got = claude.faulted(529, b'{"type":"error","error":{"type":"overloaded_error","message":"busy"}}')
    assert (503, "overloaded") == (status, got["error"]["code"])


def test_a69_errors_that_are_no_json(claude):
    """A proxy's page about the request is told as it is; one about the provider stays in the log."""
    status, got = claude.faulted(400, b"<html>Bad Request</html>")
    assert (400, "<html>Bad Request</html>") == (status, got["error"]["message"])
    status, got = claude.faulted(502, b"<html>Bad Gateway</html>")
    assert (502, False) == (status, "html" in got["error"]["message"])
    assert isinstance(claude.upstream.fault(502, {}, b""), GatewayError)
