"""What must come out as it went in: arguments, numbers, schemas, cache marks, text, opaque values.

A decimal that was read as a float, a key that changed its place, an escape that was resolved: each is small, and each
breaks a client's cache, signature or arithmetic.
"""

from __future__ import annotations

import itertools

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmgw_domain import Provider
from llmgw_domain.stream import Answer
from llmgw_protocols import EncodeContext, TargetFacts, WireRequest, dialect_for, dialect_named

CHAT, RESPONSES = dialect_named("chat"), dialect_named("responses")
MESSAGES, GEMINI = dialect_named("messages"), dialect_named("gemini")
CLIENTS = [CHAT, RESPONSES, MESSAGES, GEMINI]
TARGETS = {
    "chat": TargetFacts(provider=Provider.OPENAI, model="gpt-5.6"),
    "responses": TargetFacts(provider=Provider.OPENAI, model="gpt-5.6"),
    "messages": TargetFacts(provider=Provider.ANTHROPIC, model="claude-sonnet-4-5"),
    "gemini": TargetFacts(provider=Provider.GOOGLE, model="gemini-3-flash"),
    "converse": TargetFacts(provider=Provider.BEDROCK, model="anthropic.claude-sonnet-4-5-20250929-v1:0"),
}
PAIRS = [(client, target) for client in CLIENTS for target in TARGETS]

NUMBERS = [
    "9007199254740993",
    "-170141183460469231731687303715884105728",
    "1.0",
    "1e400",
    "0.1000000000000000055511151231257827",
    "-0.0",
    "1E5",
]
ARGUMENTS = [
    '{ "b" : 1.0,\t"a":{"z":1,"y":[ 1 ,2]} }',
    '{"a":"\\u00e9\\ud83d\\ude00\\/","é":"😀"}',
    *('{"n":%s}' % n for n in NUMBERS),  # noqa: UP031 - braces
]
COMPACT = {text: msgspec.json.format(text, indent=-1) for text in ARGUMENTS}
SCHEMA = (
    '{"type":"object","properties":{"zebra":{"type":"integer","maximum":9007199254740993},'
    '"apple":{"type":"number","minimum":0.1000000000000000055511151231257827}},"required":["zebra","apple"]}'
)


def wire(dialect, body, stream=False):
    return WireRequest(body=body.encode(), path_model="m", path_stream=stream)


def rendered(client, body, target, model=None):
    """The body that a target gets for a client's, as text."""
    facts = TARGETS[target] if model is None else msgspec.structs.replace(TARGETS[target], model=model)
    request = client.parse(client.envelope(wire(client, body)))
    upstream = dialect_for(facts, "responses" if target == "responses" else "auto")
    return upstream.render(request, facts).body.decode()


def quoted(text):
    """A text as JSON."""
    return msgspec.json.encode(text).decode()


def history(client, arguments):
    """A conversation with one call and its result, in a client's dialect."""
    if client is CHAT:
        call = '{"id":"t","type":"function","function":{"name":"f","arguments":%s}}' % quoted(arguments)  # noqa: UP031
        return (
            '{"model":"m","messages":[{"role":"user","content":"Hi"},{"role":"assistant","tool_calls":['
            + call
            + ']},{"role":"tool","tool_call_id":"t","content":"ok"}]}'
        )
    if client is RESPONSES:
        return (
            '{"model":"m","input":[{"role":"user","content":"Hi"},{"type":"function_call","call_id":"t","name":"f",'
            '"arguments":' + quoted(arguments) + '},{"type":"function_call_output","call_id":"t","output":"ok"}]}'
        )
    if client is MESSAGES:
        return (
            '{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"Hi"},{"role":"assistant","content":['
            '{"type":"tool_use","id":"t","name":"f","input":'
            + arguments
            + '}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"t","content":"ok"}]}]}'
        )
    return (
        '{"contents":[{"role":"user","parts":[{"text":"Hi"}]},{"role":"model","parts":[{"functionCall":{"name":"f","args":'
        + arguments
        + '}}]},{"role":"user","parts":[{"functionResponse":{"name":"f","response":{"output":"ok"}}}]}]}'
    )


def tools(client, schema):
    """A request with one tool, in a client's dialect."""
    if client is CHAT:
        tool = '{"type":"function","function":{"name":"f","parameters":' + schema + "}}"
        return '{"model":"m","messages":[{"role":"user","content":"Hi"}],"tools":[' + tool + "]}"
    if client is RESPONSES:
        return '{"model":"m","input":"Hi","tools":[{"type":"function","name":"f","parameters":' + schema + "}]}"
    if client is MESSAGES:
        tool = '{"name":"f","input_schema":' + schema + "}"
        return '{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"Hi"}],"tools":[' + tool + "]}"
    tool = '{"functionDeclarations":[{"name":"f","parametersJsonSchema":' + schema + "}]}"
    return '{"contents":[{"parts":[{"text":"Hi"}]}],"tools":[' + tool + "]}"


def sse(*events):
    return b"".join(b"data: " + msgspec.json.encode(e) + b"\n\n" for e in events)


def chat_stream(fragments):
    def chunk(delta, finish=None):
        return {"id": "c", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}

    head = {"tool_calls": [{"index": 0, "id": "t", "function": {"name": "f", "arguments": ""}}]}
    rest = [chunk({"tool_calls": [{"index": 0, "function": {"arguments": f}}]}) for f in fragments]
    return sse(chunk(head), *rest, chunk({}, "tool_calls"))


def messages_stream(fragments):
    block = {"type": "tool_use", "id": "t", "name": "f", "input": {}}
    deltas = [
        {"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": f}}
        for f in fragments
    ]
    return sse(
        {"type": "message_start", "message": {"id": "m"}},
        {"type": "content_block_start", "index": 0, "content_block": block},
        *deltas,
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "tool_use"}},
        {"type": "message_stop"},
    )


STREAMS = {"chat": chat_stream, "messages": messages_stream}


def translated(client, upstream, stream):
    """A client's bytes for a provider's stream."""
    decoder = dialect_named(upstream).decoder()
    encoder = client.encoder(EncodeContext(model="m", request_id="r", created=1))
    out = [encoder.emit(f.events) for f in [*decoder.feed(stream), *decoder.finish()]]
    return b"".join([*out, encoder.end()])


def folded(dialect, stream):
    decoder = dialect.decoder()
    return Answer.fold(e for f in [*decoder.feed(stream), *decoder.finish()] for e in f.events)


def arguments_of(answer):
    return answer.choices[0].calls[0].arguments


# --- arguments --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", ARGUMENTS)
@pytest.mark.parametrize(("client", "target"), PAIRS)
def test_arguments_in_a_history(client, target, arguments):
    """No number is read again, no key moves, no escape changes; Google gets them without white space."""
    body = rendered(client, history(client, arguments), target)
    textual = target in ("chat", "responses")
    sent = quoted(arguments) if textual else arguments
    compact = quoted(COMPACT[arguments]) if textual else COMPACT[arguments]
    assert sent in body or ("gemini" in (target, client.name) and compact in body)


@pytest.mark.parametrize("size", [1, 3, 1000])
@pytest.mark.parametrize("arguments", ARGUMENTS)
@pytest.mark.parametrize("client", [CHAT, RESPONSES, MESSAGES])
@pytest.mark.parametrize("upstream", STREAMS)
def test_arguments_in_a_stream(upstream, client, arguments, size):
    """The fragments together are the model's own text, however they were cut."""
    fragments = [arguments[i : i + size] for i in range(0, len(arguments), size)]
    stream = translated(client, upstream, STREAMS[upstream](fragments))
    assert arguments == arguments_of(folded(client, stream))


@pytest.mark.parametrize("arguments", ARGUMENTS)
@pytest.mark.parametrize("upstream", STREAMS)
def test_arguments_in_a_stream_for_google_s_clients(upstream, arguments):
    """They are an object there: the same bytes, without white space."""
    stream = translated(GEMINI, upstream, STREAMS[upstream]([arguments]))
    assert b'"args":' + COMPACT[arguments].encode() in stream


@pytest.mark.parametrize("arguments", ARGUMENTS)
@pytest.mark.parametrize("client", CLIENTS)
def test_arguments_in_a_body(client, arguments):
    """From a body of either kind, as text or as an object."""
    encoder = client.encoder(EncodeContext(model="m", request_id="r", created=1))
    bodies = {
        "chat": '{"choices":[{"index":0,"message":{"tool_calls":[{"id":"t","function":{"name":"f","arguments":'
        + quoted(arguments)
        + '}}]},"finish_reason":"tool_calls"}]}',
        "messages": '{"content":[{"type":"tool_use","id":"t","name":"f","input":' + arguments + "}]}",
        "gemini": '{"candidates":[{"content":{"parts":[{"functionCall":{"name":"f","args":' + arguments + "}}]}}]}",
    }
    for upstream, body in bodies.items():
        out = encoder.body(Answer.fold(dialect_named(upstream).decoder().whole(body.encode()))).decode()
        forms = [arguments, COMPACT[arguments]] if "gemini" in (upstream, client.name) else [arguments]
        assert any((quoted(form) if client in (CHAT, RESPONSES) else form) in out for form in forms)


# --- schemas and numbers ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("client", "target"), [p for p in PAIRS if p[1] != "gemini"])
def test_schemas_of_tools(client, target):
    """The client's own bytes: order, large integers, long decimals."""
    assert SCHEMA in rendered(client, tools(client, SCHEMA), target)


@pytest.mark.parametrize("client", CLIENTS)
def test_schemas_of_tools_for_google(client):
    """They are narrowed to its keywords, and still in order, with the numbers that they had."""
    assert SCHEMA in rendered(client, tools(client, SCHEMA), "gemini")


@pytest.mark.parametrize("number", NUMBERS)
def test_numbers_in_fields_that_nobody_knows(number):
    """They go to servers that may know them as they came."""
    body = '{"model":"m","messages":[{"role":"user","content":"Hi"}],"odd":{"b":%s,"a":1}}' % number  # noqa: UP031
    for facts in (
        TARGETS["chat"],
        TargetFacts(provider=Provider.OPENAI_COMPATIBLE, model="x"),
    ):
        request = CHAT.parse(CHAT.envelope(wire(CHAT, body)))
        assert '"odd":{"b":%s,"a":1}' % number in CHAT.render(request, facts).body.decode()  # noqa: UP031


@pytest.mark.parametrize(
    ("client", "body"),
    [
        (CHAT, '{"odd" : %s,"messages":[{"role":"user","content":"\\u00e9","new":1.0}], "model":"m"}'),
        (MESSAGES, '{"odd" : %s,"max_tokens":9,"messages":[{"role":"user","content":"\\u00e9"}], "model":"m"}'),
        (GEMINI, '{"odd" : %s,"contents":[{"parts":[{"text":"\\u00e9","new":1.0}]}]}'),
    ],
    ids=repr,
)
@pytest.mark.parametrize("value", [*NUMBERS, '{"b":1,"a":[ ]}', '"\\u0041"'])
def test_a_pass_through_keeps_everything(client, body, value):
    """Fields that nobody knows, spaces, escapes and numbers: with the same model each byte, with another each value."""
    body = body % value
    envelope = client.envelope(wire(client, body))
    facts = TARGETS[client.name]
    same = client.passthrough(envelope, msgspec.structs.replace(facts, model="m"))
    assert body.encode() == same.body
    before = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    after = msgspec.json.decode(client.passthrough(envelope, facts).body, type=dict[str, msgspec.Raw])
    assert list(before) == list(after)
    assert {k: bytes(v) for k, v in before.items() if k != "model"} == {
        k: bytes(v) for k, v in after.items() if k != "model"
    }


# --- cache marks ------------------------------------------------------------------------------------------------------

MARKED = [
    {
        "role": "system",
        "content": [{"type": "text", "text": "s", "cache_control": {"type": "ephemeral", "ttl": "1h"}}],
    },
    {"role": "user", "content": [{"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}]},
    {"role": "assistant", "content": "b"},
    {"role": "user", "content": [{"type": "text", "text": "c"}]},
]


def marks_of(body):
    """Where a body of Messages or chat has marks: the texts, and how long."""
    found = []
    system = [{"content": body["system"]}] if "system" in body else []
    for message in [*system, *body["messages"]]:
        for part in message["content"] if isinstance(message["content"], list) else []:
            mark = part.get("cache_control") or part.get("prompt_cache_breakpoint")
            if mark:
                found.append((part["text"], mark.get("ttl")))
    return found


def test_cache_marks_there_and_back():
    """From chat to Anthropic and from there to OpenAI they stand on the same texts, in each one's own terms."""
    body = msgspec.json.encode({"model": "m", "messages": MARKED}).decode()
    anthropic = rendered(CHAT, body, "messages")
    assert [("s", "1h"), ("a", None)] == marks_of(msgspec.json.decode(anthropic))
    openai = rendered(MESSAGES, anthropic, "chat")
    assert [("s", "12h"), ("a", None)] == marks_of(msgspec.json.decode(openai))
    assert marks_of(msgspec.json.decode(anthropic)) == marks_of(msgspec.json.decode(rendered(CHAT, openai, "messages")))


def test_cache_marks_go_only_where_they_are_known():
    """Models before breakpoints, and servers that are merely compatible, would refuse them."""
    body = msgspec.json.encode({"model": "m", "messages": MARKED}).decode()
    assert [] == marks_of(msgspec.json.decode(rendered(CHAT, body, "chat", model="gpt-4.1")))
    assert "cache" not in rendered(CHAT, body, "gemini")


# --- text and opaque values -------------------------------------------------------------------------------------------

TEXT = 'aé漢😀\u200d\u2028"\\\n'


def text_streams():
    chunk = {"id": "c", "choices": [{"index": 0, "delta": {"content": TEXT}, "finish_reason": "stop"}]}
    yield CHAT, sse(chunk)
    yield (
        MESSAGES,
        sse(
            {"type": "message_start", "message": {"id": "m"}},
            {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": TEXT}},
            {"type": "message_stop"},
        ),
    )
    yield GEMINI, sse({"candidates": [{"content": {"parts": [{"text": TEXT}]}, "finishReason": "STOP"}]})


@pytest.mark.parametrize(("upstream", "client"), list(itertools.product(text_streams(), CLIENTS)))
def test_text_at_every_split(upstream, client):
    """A character that is cut by a read is whole for the client."""
    dialect, stream = upstream
    for at in range(len(stream) + 1):
        decoder = dialect.decoder()
        encoder = client.encoder(EncodeContext(model="m", request_id="r", created=1))
        frames = [*decoder.feed(stream[:at]), *decoder.feed(stream[at:]), *decoder.finish()]
        out = b"".join([*(encoder.emit(f.events) for f in frames), encoder.end()])
        assert TEXT == folded(client, out).choices[0].text


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
@settings(max_examples=60, deadline=None)
def test_any_text_of_a_user(text):
    """No character is lost or changed on its way to any provider."""
    body = msgspec.json.encode({"model": "m", "messages": [{"role": "user", "content": f"<{text}>"}]}).decode()
    for target in TARGETS:
        assert quoted(f"<{text}>") in rendered(CHAT, body, target)


@given(st.text(min_size=1, alphabet="ABCabc019+/=_-."))
@settings(max_examples=60, deadline=None)
def test_signatures_there_and_back(signature):
    """What proves Anthropic's thinking comes back unaltered through chat, in a stream and in a body."""
    block = {"type": "thinking", "thinking": "Hm.", "signature": signature}
    content = [block, {"type": "text", "text": "Yes."}]
    body = msgspec.json.encode({"content": content, "stop_reason": "end_turn"})
    encoder = CHAT.encoder(EncodeContext(model="m", request_id="r", created=1))
    message = msgspec.json.decode(encoder.body(Answer.fold(MESSAGES.decoder().whole(body))))["choices"][0]["message"]
    turns = [{"role": "user", "content": "Hi"}, message, {"role": "user", "content": "Go"}]
    sent = rendered(CHAT, msgspec.json.encode({"model": "m", "messages": turns}).decode(), "messages")
    assert content == msgspec.json.decode(sent)["messages"][1]["content"]
