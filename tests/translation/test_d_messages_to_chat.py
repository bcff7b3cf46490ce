"""Anthropic Messages asked of OpenAI and of servers that are compatible with it."""

from __future__ import annotations

import msgspec
import pytest

from llmgw_domain import Provider
from llmgw_domain.errors import UpstreamMalformed

SCHEMA = b'{"zebra":1,"type":"object","properties":{"b":{"type":"string"},"a":{"maximum":9007199254740993}}}'
USE = {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Bern"}}
IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}}


@pytest.fixture
def openai(crossing):
    return crossing("messages", Provider.OPENAI, "gpt-4.1")


@pytest.fixture
def compatible(crossing):
    return crossing("messages", Provider.OPENAI_COMPATIBLE, "llama-3")


def user(content):
    return {"role": "user", "content": content}


def assistant(*blocks):
    return {"role": "assistant", "content": list(blocks)}


def text(words, **more):
    return {"type": "text", "text": words, **more}


def result(content="rain", id="toolu_1", **more):
    return {"type": "tool_result", "tool_use_id": id, "content": content, **more}


def tool(name="weather", **more):
    return {"name": name, "input_schema": {"type": "object", "properties": {}}, **more}


def whole(message, finish="stop", **more):
    """A whole answer of OpenAI's."""
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish}
    return {"id": "chatcmpl-1", "object": "chat.completion", "model": "gpt-x", "choices": [choice], **more}


def chunk(delta=None, finish=None, **more):
    choice = {"index": 0, "delta": delta or {}, "finish_reason": finish}
    return {"id": "chatcmpl-1", "object": "chat.completion.chunk", "model": "gpt-x", "choices": [choice], **more}


def counted(prompt=10, completion=5, **more):
    usage = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion, **more}
    return {"id": "chatcmpl-1", "object": "chat.completion.chunk", "choices": [], "usage": usage}


def call(index=0, id="call_1", name="weather", arguments=""):
    return {"index": index, "id": id, "type": "function", "function": {"name": name, "arguments": arguments}}


def more_arguments(fragment, index=0):
    return chunk({"tool_calls": [{"index": index, "function": {"arguments": fragment}}]})


DONE = b"data: [DONE]\n\n"


def content(crossing, message, finish="stop"):
    return crossing.answered(whole(message, finish))["content"]


def outline(events):
    """A stream's events by type, of blocks with their index."""
    return [(e["type"], e["index"]) if "index" in e else e["type"] for e in events if e["type"] != "ping"]


def blocks(events):
    return [e["content_block"]["type"] for e in events if e["type"] == "content_block_start"]


def ended(events):
    return next(e for e in events if e["type"] == "message_delta")


# --- the request ------------------------------------------------------------------------------------------------------


def test_d01_path_and_model(openai):
    """The path follows the account's base address, which holds any prefix; the model is the target's."""
    rendered = openai.rendered(model="other")
    assert ("/chat/completions", "gpt-4.1") == (rendered.path, msgspec.json.decode(rendered.body)["model"])


@pytest.mark.parametrize(
    ("system", "expected"),
    [
        ("Be kind.", "Be kind."),
        ([text("Be kind.")], "Be kind."),
        ([text("a"), text("b")], [text("a"), text("b")]),
        ("", None),
        ([], None),
    ],
)
def test_d02_system_text(openai, system, expected):
    """It is the first message; its blocks stay parts; without any there is none."""
    messages = openai.sent(system=system)["messages"]
    assert ([{"role": "system", "content": expected}] if expected else []) == messages[:-1]


def test_d02_system_text_of_compatible_servers(compatible):
    """Many of them take one plain text only."""
    assert "a\n\nb" == compatible.sent(system=[text("a"), text("b")])["messages"][0]["content"]


def test_d03_settings(openai, compatible):
    """Each has its counterpart; a stream always brings its usage."""
    wishes = {"max_tokens": 9, "temperature": 0.5, "top_p": 0.9, "stop_sequences": ["END"], "stream": True}
    sent = openai.sent(**wishes)
    expected = {"max_completion_tokens": 9, "temperature": 0.5, "top_p": 0.9, "stop": ["END"], "stream": True}
    assert {**expected, "stream_options": {"include_usage": True}} == {
        k: v for k, v in sent.items() if k not in ("model", "messages")
    }
    assert 9 == compatible.sent(**wishes)["max_tokens"]


def test_d04_tools(openai):
    """A schema is the client's own bytes; tools that only Anthropic runs are refused, not skipped."""
    request = (
        b'{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"Hi"}],"tools":[{"name":"f","input_schema":'
    )
    wire = openai.wire()
    wire = type(wire)(body=request + SCHEMA + b"}]}")
    body = openai.upstream.render(openai.client.parse(openai.client.envelope(wire)), openai.facts).body
    assert b'"parameters":' + SCHEMA in body
    assert 400 == openai.refused(tools=[{"type": "web_search_20250305", "name": "web_search"}]).status
    assert "tool_choice" not in openai.sent(tool_choice={"type": "auto"})


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ({"type": "auto"}, "auto"),
        ({"type": "none"}, "none"),
        ({"type": "any"}, "required"),
        ({"type": "tool", "name": "weather"}, {"type": "function", "function": {"name": "weather"}}),
    ],
)
def test_d05_tool_choice(openai, choice, expected):
    """Each choice has its counterpart."""
    assert expected == openai.sent(tools=[tool()], tool_choice=choice)["tool_choice"]


def test_d05_one_call_at_a_time(openai):
    """Anthropic says it inside of the choice, OpenAI beside it."""
    sent = openai.sent(tools=[tool()], tool_choice={"type": "any", "disable_parallel_tool_use": True})
    assert ("required", False) == (sent["tool_choice"], sent["parallel_tool_calls"])


@pytest.mark.parametrize(
    ("thinking", "config", "effort"),
    [
        ({"type": "enabled", "budget_tokens": 4000}, None, "medium"),
        ({"type": "disabled"}, None, "none"),
        ({"type": "adaptive"}, {"effort": "high"}, "high"),
        ({"type": "adaptive"}, None, None),
    ],
)
def test_d06_thinking_is_an_effort(crossing, thinking, config, effort):
    """OpenAI refuses the field; an effort says more than a budget."""
    sent = crossing("messages", Provider.OPENAI, "gpt-5.2").sent(thinking=thinking, output_config=config)
    assert (effort, False) == (sent.get("reasoning_effort"), "thinking" in sent)


def test_d07_results_stand_first(openai):
    """One tool message a result, then what the user says besides."""
    messages = [user("Hi"), assistant(USE, {**USE, "id": "toolu_2"})]
    messages += [user([result("a"), result("b", "toolu_2"), text("And?"), IMAGE])]
    sent = openai.sent(messages=messages, tools=[tool()])["messages"]
    assert ["user", "assistant", "tool", "tool", "user"] == [m["role"] for m in sent]
    assert [("toolu_1", "a"), ("toolu_2", "b")] == [(m["tool_call_id"], m["content"]) for m in sent[2:4]]
    assert ["text", "image_url"] == [p["type"] for p in sent[4]["content"]]


def test_d08_what_a_result_holds(openai):
    """Texts are text, pictures follow in the user's message, and a failure is told in words, as chat has no flag."""
    made = [text("a"), text("b"), IMAGE]
    messages = [user("Hi"), assistant(USE), user([result(made, is_error=True)])]
    sent = openai.sent(messages=messages, tools=[tool()])["messages"]
    assert "Error: a\nb" == sent[2]["content"]
    assert [text("[tool image]"), "image_url"] == [sent[3]["content"][0], sent[3]["content"][1]["type"]]


def test_d09_what_a_user_says(openai):
    """Text alone is plain text; pictures make parts of it."""
    url = {"type": "image", "source": {"type": "url", "url": "https://x.test/a.png"}}
    sent = openai.sent(messages=[user([text("Look")]), user([text("Look"), IMAGE, url])])["messages"]
    assert "Look" == sent[0]["content"]
    urls = [p["image_url"]["url"] for p in sent[1]["content"][1:]]
    assert ["data:image/png;base64,AAAA", "https://x.test/a.png"] == urls


def test_d10_what_an_assistant_said(openai):
    """Text and calls in one message; the input is JSON text; without text the content is null."""
    for before, expected in (([text("Let me see.")], "Let me see."), ([], None)):
        messages = [user("Hi"), assistant(*before, USE), user([result()])]
        message = openai.sent(messages=messages, tools=[tool()])["messages"][1]
        assert (expected, '{"city":"Bern"}') == (
            message["content"],
            message["tool_calls"][0]["function"]["arguments"],
        )
    bare = {k: v for k, v in USE.items() if k != "input"}
    sent = openai.sent(messages=[user("Hi"), assistant(bare), user([result()])], tools=[tool()])["messages"]
    assert "{}" == sent[1]["tool_calls"][0]["function"]["arguments"]


def test_d11_thinking_stays_with_its_maker(openai, crossing):
    """OpenAI refuses it, so it is left out; servers that want it back get it as their own field."""
    thinking = {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"}
    hidden = {"type": "redacted_thinking", "data": "opaque"}
    messages = [user("Hi"), assistant(thinking, hidden, text("Yes."), USE), user([result()])]
    sent = openai.sent(messages=messages, tools=[tool()])["messages"][1]
    assert {"role", "content", "tool_calls"} == sent.keys()
    deepseek = crossing("messages", Provider.OPENAI_COMPATIBLE, "deepseek-chat")
    assert "Hm." == deepseek.sent(messages=messages, tools=[tool()])["messages"][1]["reasoning_content"]


# --- the answer -------------------------------------------------------------------------------------------------------


def test_d12_the_answer_s_envelope(openai):
    """The id is the gateway's, the model the one asked for."""
    got = openai.answered(whole({"content": "Hi"}))
    assert ("msg_r1", "asked", "message", "assistant") == (got["id"], got["model"], got["type"], got["role"])


def test_d13_blocks_in_order(openai):
    """Thinking, then text, then calls; what is empty is no block."""
    message = {"content": "Hi", "reasoning_content": "Hm.", "tool_calls": [call(arguments="{}")]}
    assert ["thinking", "text", "tool_use"] == [b["type"] for b in content(openai, message, "tool_calls")]
    for nothing in (None, ""):
        assert ["tool_use"] == [
            b["type"] for b in content(openai, {**message, "content": nothing, "reasoning_content": None})
        ]


def test_d14_thinking_of_other_servers(openai):
    """Blocks bring their signature along and win over the plain text; plain text is thinking without one."""
    signed = {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"}
    both = {"content": "Hi", "reasoning_content": "Hm.", "thinking_blocks": [signed]}
    assert [signed, text("Hi")] == content(openai, both)
    plain = content(openai, {"content": "Hi", "reasoning_content": "Hm."})
    assert [{"type": "thinking", "thinking": "Hm.", "signature": ""}, text("Hi")] == plain


def test_d15_calls_that_are_not_well_made(openai):
    """What the model wrote is shown even if it is no JSON, and a call without an id gets one."""
    made = content(openai, {"tool_calls": [call(id="", arguments="{oops")]}, "tool_calls")[0]
    assert ({"__raw_arguments": "{oops"}, True) == (made["input"], bool(made["id"]))


@pytest.mark.parametrize(
    ("finish", "expected"),
    [
        ("stop", "end_turn"),
        ("length", "max_tokens"),
        ("content_filter", "refusal"),
        ("brand_new", "end_turn"),
    ],
)
def test_d16_finish_reasons(openai, finish, expected):
    """Each is the nearest of Anthropic's; one that nobody knows ends the turn."""
    assert expected == openai.answered(whole({"content": "Hi"}, finish))["stop_reason"]


@pytest.mark.parametrize("finish", ["tool_calls", "function_call", "stop"])
def test_d16_calls_end_in_tool_use(openai, finish):
    """Whatever a server calls it: a client would not run them otherwise."""
    assert "tool_use" == openai.answered(whole({"tool_calls": [call(arguments="{}")]}, finish))["stop_reason"]


def test_d17_no_choices_are_a_failure(openai):
    """An answer that says nothing was cut or broken; it may be tried elsewhere."""
    assert isinstance(openai.answered({"id": "x", "choices": []}), UpstreamMalformed)


def test_d18_usage(openai):
    """Anthropic counts cached input apart."""
    details = {"prompt_tokens_details": {"cached_tokens": 1000}, "completion_tokens_details": {"reasoning_tokens": 30}}
    usage = {"prompt_tokens": 1212, "completion_tokens": 50, "total_tokens": 1262, **details}
    got = openai.answered(whole({"content": "Hi"}, usage=usage))["usage"]
    assert (212, 1000, 0, 50) == (
        got["input_tokens"],
        got["cache_read_input_tokens"],
        got["cache_creation_input_tokens"],
        got["output_tokens"],
    )
    assert {"thinking_tokens": 30} == got["output_tokens_details"]


# --- the stream -------------------------------------------------------------------------------------------------------


def test_d19_the_head(openai):
    """It comes with the first chunk and names the model that was asked for."""
    head = openai.streamed(chunk({"role": "assistant"}), chunk({"content": "Hi"}), chunk(finish="stop"), DONE)[0]
    assert ("message_start", "asked", 0) == (
        head["type"],
        head["message"]["model"],
        head["message"]["usage"]["output_tokens"],
    )


def test_d20_text_opens_its_block(openai):
    """Empty deltas open nothing."""
    events = openai.streamed(
        chunk({"role": "assistant", "content": ""}), chunk({"content": "Hi"}), chunk(finish="stop")
    )
    expected = [("content_block_start", 0), ("content_block_delta", 0), ("content_block_stop", 0)]
    assert ["message_start", *expected, "message_delta", "message_stop"] == outline(events)
    assert [] == blocks(openai.streamed(chunk({"content": ""}), chunk(finish="stop"), DONE))


def test_d21_each_call_is_a_block(openai):
    """It closes the one before, and its arguments are fragments as they came."""
    events = openai.streamed(
        chunk({"content": "Hi"}),
        chunk({"tool_calls": [call()]}),
        more_arguments('{"ci'),
        more_arguments('ty":1}'),
        chunk({"tool_calls": [call(1, "call_2", "clock", "{}")]}),
        chunk(finish="tool_calls"),
        DONE,
    )
    opened = [e["content_block"] for e in events if e["type"] == "content_block_start"]
    assert [
        text(""),
        {"type": "tool_use", "id": "call_1", "name": "weather", "input": {}},
        {"type": "tool_use", "id": "call_2", "name": "clock", "input": {}},
    ] == opened
    pieces = [(e["index"], e["delta"].get("partial_json")) for e in events if e["type"] == "content_block_delta"]
    assert [(0, None), (1, '{"ci'), (1, 'ty":1}'), (2, "{}")] == pieces


def test_d22_reasoning_is_a_thinking_block(openai):
    """Its signature closes it; text closes it with an empty one; a signature alone opens a block too."""
    detail = {"type": "reasoning.text", "text": "", "signature": "c2ln", "format": "anthropic-claude-v1"}
    for signature in ([], [chunk({"reasoning_details": [detail]})]):
        events = openai.streamed(
            chunk({"reasoning": "Hm."}), *signature, chunk({"content": "Hi"}), chunk(finish="stop")
        )
        kinds = [e["delta"]["type"] for e in events if e["type"] == "content_block_delta"]
        assert (["thinking", "text"], ["thinking_delta", "signature_delta", "text_delta"]) == (blocks(events), kinds)
    assert ["thinking"] == blocks(openai.streamed(chunk({"reasoning_details": [detail]}), chunk(finish="stop"), DONE))
    again = openai.streamed(chunk({"content": "Hi"}), chunk({"reasoning": "Hm."}), chunk(finish="stop"), DONE)
    assert ["text", "thinking"] == blocks(again)


def test_d23_one_stop_for_each_start(openai):
    """Indexes rise by one."""
    deltas = [{"reasoning": "a"}, {"content": "b"}, {"tool_calls": [call()]}, {"content": "c"}, {"reasoning": "d"}]
    events = openai.streamed(*(chunk(d) for d in deltas), chunk(finish="tool_calls"), DONE)
    for kind in ("content_block_start", "content_block_stop"):
        assert [0, 1, 2, 3, 4] == [e["index"] for e in events if e["type"] == kind]


def test_d24_the_end_is_said_once(openai):
    """With the counts if there were any, and without them otherwise."""
    head = (chunk({"content": "Hi"}), chunk(finish="stop"))
    for rest, output in (((counted(), DONE), 5), ((DONE,), 0), ((), 0)):
        events = openai.streamed(*head, *rest)
        assert ["content_block_stop", "message_delta", "message_stop"] == [e["type"] for e in events[-3:]]
        assert (output, 1) == (ended(events)["usage"]["output_tokens"], outline(events).count("message_stop"))


def test_d25_what_is_not_said(openai):
    """An answer that ended without a reason is a finished turn; one that was cut, or never came, is an error."""
    assert "end_turn" == ended(openai.streamed(chunk({"content": "Hi"}), DONE))["delta"]["stop_reason"]
    for events in ((chunk({"content": "Hi"}),), ()):
        assert "error" == openai.streamed(*events)[-1]["type"]


def test_d25_chunks_that_can_t_be_read(openai):
    """A piece of the answer is missing then, so it must not end well."""
    assert "error" == openai.streamed(chunk({"content": "Hi"}), b"data: {oops\n\n", chunk(finish="stop"))[-1]["type"]


def test_d26_errors_and_pings_in_a_stream(openai):
    """An error object becomes an error event in Anthropic's envelope; pings and comments write nothing."""
    error = {"error": {"message": "too many", "type": "rate_limit_error", "code": "rate_limit_exceeded"}}
    last = openai.streamed(chunk({"content": "Hi"}), error)[-1]
    assert ("error", "rate_limit_error") == (last["type"], last["error"]["type"])
    quiet = (b": ping\n\n", b"event: ping\ndata: {}\n\n", b"data:\n\n")
    events = (chunk({"content": "Hi"}), chunk(finish="stop"), DONE)
    assert openai.streamed(*events) == openai.streamed(*quiet, *events)


# --- errors -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", ['"invalid_value"', "400", "null"])
def test_d27_openai_s_errors(openai, code):
    """Anthropic's envelope and type, the provider's message; a code may be text, a number or nothing."""
    inner = f'"message":"too odd","type":"invalid_request_error","param":null,"code":{code}'
    status, got = openai.faulted(400, f'{{"error":{{{inner}}}}}'.encode())
    assert (400, "error", "r1") == (status, got["type"], got["request_id"])
    assert {"type": "invalid_request_error", "message": "too odd"} == got["error"]


@pytest.mark.parametrize(
    ("status", "told", "kind"),
    [
        (400, 400, "invalid_request_error"),
        (404, 404, "not_found_error"),
        (413, 413, "request_too_large"),
        (429, 429, "rate_limit_error"),
        (500, 502, "api_error"),
        (503, 529, "overloaded_error"),
        (529, 529, "overloaded_error"),
        (502, 502, "api_error"),
        (504, 504, "timeout_error"),
        (403, 403, "permission_error"),
    ],
)
def test_d28_errors_without_a_body(openai, status, told, kind):
    """The status decides; types are those that Anthropic's clients know."""
    got = openai.faulted(status, b"<html>")
    assert (told, kind) == (got[0], got[1]["error"]["type"])


def test_d28_a_rejected_credential_is_the_gateway_s(openai):
    """It is the account's, not the client's, whose own key is good."""
    status, got = openai.faulted(401, b"")
    assert (True, False) == (status >= 500, got["error"]["type"] == "authentication_error")
