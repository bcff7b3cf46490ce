"""Canonical requests as Converse bodies, each of them valid by the AWS SDK's own model of the service."""

import base64
import functools
import itertools
from typing import Any
from urllib.parse import unquote

import botocore.session
import msgspec
import pytest
from botocore.validate import ParamValidator

from llmgw_domain import Provider
from llmgw_domain.chat import (
    CacheMark,
    ChatRequest,
    File,
    Image,
    Inline,
    Opaque,
    Origin,
    OutputFormat,
    Reasoning,
    RedactedThinking,
    Remote,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    Turn,
)
from llmgw_domain.errors import InvalidField, InvalidJson, UnsupportedField
from llmgw_protocols.converse import CONVERSE
from llmgw_protocols.dialect import Rendered, TargetFacts

SONNET, OPUS = "us.anthropic.claude-sonnet-4-5-20250929-v1:0", "us.anthropic.claude-opus-4-8"
NOVA, NOVA_2 = "us.amazon.nova-pro-v1:0", "us.amazon.nova-2-lite-v1:0"
LLAMA, TITAN, OSS = "us.meta.llama3-3-70b-instruct-v1:0", "amazon.titan-text-express-v1", "openai.gpt-oss-120b-1:0"
PROFILE = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abcdef123456"
SIGNATURE = "EqQBCkYIBBgCKkA0123456789"
ASK = Turn("user", (Text("Hi"),))
F = Tool(name="f", schema=msgspec.Raw(b'{"type":"object","properties":{"a":{"type":"string"}}}'))
SCHEMA = msgspec.Raw(b'{"type":"object","properties":{"a":{"type":"string"}}}')
PICTURE, PDF = Image(Inline("image/png", "QQ==")), File(Inline("application/pdf", "QQ=="))


@functools.cache
def _service() -> Any:
    return botocore.session.get_session().get_service_model("bedrock-runtime")


def _shaped(shape: Any, value: Any) -> Any:
    """The parameters as the SDK takes them: bytes for base64, and no member that it does not know."""
    if shape.type_name == "structure" and not getattr(shape, "is_document_type", False):
        assert set(value) <= set(shape.members), set(value) - set(shape.members)
        return {key: _shaped(shape.members[key], member) for key, member in value.items()}
    if shape.type_name == "list":
        return [_shaped(shape.member, item) for item in value]
    return base64.b64decode(value, validate=True) if shape.type_name == "blob" else value


def _validate(rendered: Rendered) -> None:
    model, verb = rendered.path.removeprefix("/model/").split("/")
    shape = _service().operation_model({"converse": "Converse", "converse-stream": "ConverseStream"}[verb]).input_shape
    body = _shaped(shape, {**msgspec.json.decode(rendered.body), "modelId": unquote(model)})
    report = ParamValidator().validate(body, shape)
    assert not report.has_errors(), report.generate_report()
    roles = [m["role"] for m in body["messages"] if m["role"] != "system"]
    assert "user" == roles[0]
    assert all(a != b for a, b in itertools.pairwise(roles))
    blocks = [block for message in body["messages"] for block in message["content"]]
    assert all(block["text"].strip() for block in blocks if "text" in block)
    assert body.get("toolConfig") or not any("toolUse" in block or "toolResult" in block for block in blocks)


def _render(model: str = SONNET, limit: int | None = None, **fields: Any) -> Rendered:
    request = ChatRequest(**{"model": "m", "turns": (ASK,), **fields})
    rendered = CONVERSE.render(request, TargetFacts(provider=Provider.BEDROCK, model=model, max_output_tokens=limit))
    _validate(rendered)
    return rendered


def _body(model: str = SONNET, **fields: Any) -> Any:
    return msgspec.json.decode(_render(model, **fields).body)


def _messages(*turns: Turn, model: str = SONNET, **fields: Any) -> list[Any]:
    return [(m["role"], m["content"]) for m in _body(model, turns=turns, **fields)["messages"]]


def _user(*blocks: Any) -> Turn:
    return Turn("user", blocks)


def _assistant(*blocks: Any) -> Turn:
    return Turn("assistant", blocks)


def test_least() -> None:
    """The least request says no more than the client did: Bedrock's output limit is the model's own."""
    rendered = _render(limit=1000)
    assert ("", (), (), {}) == (rendered.query, rendered.headers, rendered.lossy, rendered.aliases)
    assert {"messages": [{"role": "user", "content": [{"text": "Hi"}]}]} == msgspec.json.decode(rendered.body)


@pytest.mark.parametrize(
    ("model", "stream", "path"),
    [
        (SONNET, False, "/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse"),
        (SONNET, True, "/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse-stream"),
        (
            PROFILE,
            False,
            "/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Aapplication-inference-profile%2Fabcdef123456/converse",
        ),
    ],
)
def test_the_model_is_one_segment_of_the_path(model: str, stream: bool, path: str) -> None:
    """Colons and slashes of ids are encoded, once."""
    assert path == _render(model, stream=stream).path


# --- settings ---------------------------------------------------------------------------------------------------------


def test_inference() -> None:
    """Limits and samplers have their places; the temperature ends at 1."""
    body = _body(NOVA, max_tokens=100, temperature=1.7, top_p=0.5, top_k=7, stop=("END", "  "))
    assert {"maxTokens": 100, "temperature": 1.0, "topP": 0.5, "stopSequences": ["END"]} == body["inferenceConfig"]
    assert {"inferenceConfig": {"topK": 7}} == body["additionalModelRequestFields"]
    assert ("temperature", "stop") == _render(NOVA, temperature=1.7, stop=("END", "  ")).lossy


@pytest.mark.parametrize(
    ("model", "fields", "config", "additional", "lost"),
    [
        (SONNET, {"top_k": 7}, None, {"top_k": 7}, ()),
        (SONNET, {"temperature": 0.5, "top_p": 0.5}, {"temperature": 0.5}, None, ("top_p",)),
        (OPUS, {"temperature": 0.5, "top_k": 7}, None, None, ("temperature", "top_k")),
        (LLAMA, {"top_k": 7}, None, None, ("top_k",)),
        (LLAMA, {"seed": 0, "frequency_penalty": 1, "n": 1}, None, None, ("frequency_penalty", "seed")),
    ],
)
def test_samplers(model: str, fields: Any, config: Any, additional: Any, lost: tuple[str, ...]) -> None:
    """What a model does not sample by is reported."""
    rendered = _render(model, **fields)
    body = msgspec.json.decode(rendered.body)
    assert (config, additional, lost) == (
        body.get("inferenceConfig"),
        body.get("additionalModelRequestFields"),
        rendered.lossy,
    )


@pytest.mark.parametrize(
    ("tier", "expected", "lost"),
    [
        ("auto", None, ()),
        ("default", "default", ()),
        ("standard_only", "default", ()),
        ("flex", "flex", ()),
        ("priority", "priority", ()),
        ("FAST", "priority", ()),
        ("scale", None, ("service_tier",)),
    ],
)
def test_service_tier(tier: str, expected: str | None, lost: tuple[str, ...]) -> None:
    """Tiers have Bedrock's names; one that it has not is reported."""
    rendered = _render(service_tier=tier)
    body = msgspec.json.decode(rendered.body)
    assert (expected, lost) == (body.get("serviceTier", {}).get("type"), rendered.lossy)


def test_refused() -> None:
    """Several choices and no output at all would be another answer."""
    with pytest.raises(UnsupportedField, match="'n'"):
        _render(n=2)
    with pytest.raises(InvalidField, match="max_tokens"):
        _render(max_tokens=0)


# --- the form of the answer -------------------------------------------------------------------------------------------


def test_a_schema() -> None:
    """A schema goes as text into its field, within the subset of structured output."""
    wanted = OutputFormat(kind="json_schema", name="city", description="A city.", schema=SCHEMA)
    text = _body(format=wanted)["outputConfig"]["textFormat"]
    assert "json_schema" == text["type"]
    definition = text["structure"]["jsonSchema"]
    assert ("city", "A city.") == (definition["name"], definition["description"])
    assert {**msgspec.json.decode(SCHEMA), "additionalProperties": False} == msgspec.json.decode(definition["schema"])


@pytest.mark.parametrize(
    ("model", "wanted"),
    [(SONNET, OutputFormat(kind="json_object")), (NOVA, OutputFormat(kind="json_schema", name="city", schema=SCHEMA))],
)
def test_a_form_in_words(model: str, wanted: OutputFormat) -> None:
    """A form without a field is asked for in the system text, and reported."""
    rendered = _render(model, format=wanted, turns=(Turn("system", (Text("Be brief."),)), ASK))
    first, second = msgspec.json.decode(rendered.body)["system"]
    assert "Be brief." == first["text"]
    assert "one JSON object" in second["text"]
    assert (wanted.schema is not None) == ("JSON Schema" in second["text"])
    assert ("response_format",) == rendered.lossy


# --- thinking ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "wish", "additional", "output"),
    [
        (SONNET, Reasoning(effort="low"), {"thinking": {"type": "enabled", "budget_tokens": 2048}}, None),
        (SONNET, Reasoning(effort="none"), None, None),
        (
            OPUS,
            Reasoning(effort="high"),
            {"thinking": {"type": "adaptive", "display": "summarized"}},
            {"effort": "high"},
        ),
        (OPUS, Reasoning(mode="disabled"), {"thinking": {"type": "disabled"}}, None),
        (NOVA_2, Reasoning(effort="low"), {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "low"}}, None),
        (OSS, Reasoning(effort="xhigh"), {"reasoning_effort": "high"}, None),
    ],
)
def test_thinking(model: str, wish: Reasoning, additional: Any, output: Any) -> None:
    """How much to think is a field of the model's own, but for Claude's effort."""
    body = _body(model, reasoning=wish)
    assert (additional, output) == (body.get("additionalModelRequestFields"), body.get("outputConfig"))
    assert "inferenceConfig" not in body


def test_a_limit_leaves_room_for_thinking() -> None:
    """The client's limit is raised by the budget, which counts inside of it; samplers give way."""
    rendered = _render(max_tokens=1000, temperature=0.5, reasoning=Reasoning(budget=2000))
    assert {"maxTokens": 3000} == msgspec.json.decode(rendered.body)["inferenceConfig"]
    assert ("temperature",) == rendered.lossy


def test_a_tool_loop_without_its_thinking() -> None:
    """A budget demands the thinking that led to a call; without it there is no thinking in this turn."""
    turns = (ASK, _assistant(ToolCall("c", "f", "{}")), _user(ToolResult("c", (Text("x"),))))
    rendered = _render(turns=turns, tools=(F,), reasoning=Reasoning(effort="low"))
    assert "additionalModelRequestFields" not in msgspec.json.decode(rendered.body)
    assert ("reasoning_effort",) == rendered.lossy


@pytest.mark.parametrize(
    ("model", "origin", "sent"),
    [
        (SONNET, Origin("anthropic"), True),
        (SONNET, None, True),
        (SONNET, Origin("google"), False),
        (PROFILE, Origin("anthropic"), True),
        (NOVA, Origin("anthropic"), False),
        (NOVA, None, False),
        (NOVA, Origin("bedrock"), True),
    ],
)
def test_whose_thinking_is_sent_back(model: str, origin: Origin | None, sent: bool) -> None:
    """Signed reasoning goes back to its own family alone; unsigned reasoning to nobody."""
    thought = Thinking("hm", SIGNATURE, origin)
    (_, content) = _messages(ASK, _assistant(Thinking("unsigned"), thought, Text("a")), ASK, model=model)[1]
    reasoning = {"reasoningContent": {"reasoningText": {"text": "hm", "signature": SIGNATURE}}}
    assert [*([reasoning] if sent else []), {"text": "a"}] == content


def test_redacted_thinking() -> None:
    """Anthropic's text is Bedrock's bytes."""
    (_, content) = _messages(ASK, _assistant(RedactedThinking("EabC", Origin("anthropic")), Text("a")), ASK)[1]
    assert {"reasoningContent": {"redactedContent": base64.b64encode(b"EabC").decode()}} == content[0]


# --- turns ------------------------------------------------------------------------------------------------------------


def test_system_text() -> None:
    """Leading system texts are blocks; a later one is marked text of the user, or has its role where models take it."""
    turns = (Turn("system", (Text("a"),)), Turn("developer", (Text("b"),)), ASK, Turn("system", (Text("c"),)))
    body = _body(turns=turns)
    assert [{"text": "a"}, {"text": "b"}] == body["system"]
    assert [("user", [{"text": "Hi"}, {"text": "<system>c</system>"}])] == _messages(*turns)
    assert [("user", [{"text": "Hi"}]), ("system", [{"text": "c"}])] == _messages(*turns, model=OPUS)


def test_models_without_a_system_text() -> None:
    """Where there is no place for system text, the user says it first."""
    turns = (Turn("system", (Text("a"),)), ASK)
    assert [("user", [{"text": "a"}, {"text": "Hi"}])] == _messages(*turns, model=TITAN)
    assert "system" not in _body(TITAN, turns=turns)


def test_results_stand_first_in_the_order_of_their_calls() -> None:
    """All results of a turn are in the next one, before anything else; a missing one is made up."""
    calls = _assistant(Text("ok"), *(ToolCall(name, "f", "{}") for name in "abc"))
    (_, content) = _messages(
        ASK, calls, _user(Text("!"), ToolResult("c", (Text("3"),)), ToolResult("a", (Text("1"),)))
    )[2]
    assert [("a", "1"), ("b", "[no result provided]"), ("c", "3")] == [
        (block["toolResult"]["toolUseId"], block["toolResult"]["content"][0]["text"]) for block in content[:3]
    ]
    assert "error" == content[1]["toolResult"]["status"]
    assert {"text": "!"} == content[3]


@pytest.mark.parametrize(
    ("model", "id", "stays"),
    [
        (SONNET, "toolu_1", True),
        (SONNET, "x" * 65, False),
        (SONNET, "functions.f:0", False),
        ("moonshot.kimi-k2-thinking", "functions.f:0", True),
        (NOVA, "a b", False),
    ],
)
def test_ids_of_calls(model: str, id: str, stays: bool) -> None:
    """An illegal id gets a legal one, the same for the call and its result, in every request."""
    turns = (ASK, _assistant(ToolCall(id, "f", "{}")), _user(ToolResult(id, (Text("x"),))))
    _, (_, call), (_, result) = _messages(*turns, model=model)
    sent = call[0]["toolUse"]["toolUseId"]
    assert sent == result[0]["toolResult"]["toolUseId"]
    assert stays == (id == sent)
    assert sent == _messages(*turns, model=model)[1][1][0]["toolUse"]["toolUseId"]


def test_names_of_tools() -> None:
    """An illegal name has one alias in tools, choice and history, which is mapped back in the answer."""
    turns = (ASK, _assistant(ToolCall("c", "a.b", "{}")), _user(ToolResult("c", (Text("x"),))))
    rendered = _render(turns=turns, tools=(Tool(name="a.b"),), tool_choice=ToolChoice("named", ("a.b",)))
    body = msgspec.json.decode(rendered.body)
    ((alias, name),) = rendered.aliases.items()
    assert "a.b" == name
    assert alias == body["toolConfig"]["tools"][0]["toolSpec"]["name"]
    assert alias == body["toolConfig"]["toolChoice"]["tool"]["name"]
    assert alias == body["messages"][1]["content"][0]["toolUse"]["name"]


def test_an_assistant_at_the_beginning_and_an_empty_one() -> None:
    """The user speaks first, and turns alternate; what is blank is left out."""
    turns = (_assistant(Text("a")), _assistant(Text(" ")), _user(Text("b"), Text("")), _user(Text("c")))
    assert [
        ("user", [{"text": "."}]),
        ("assistant", [{"text": "a"}]),
        ("user", [{"text": "b"}, {"text": "c"}]),
    ] == _messages(*turns)


@pytest.mark.parametrize(("model", "lost"), [(SONNET, ()), (OPUS, ("messages",)), (NOVA, ("messages",))])
def test_an_assistant_at_the_end(model: str, lost: tuple[str, ...]) -> None:
    """Claude models that can go on from an unfinished turn; others are told to."""
    turns = (ASK, _assistant(Text("The answer is ")))
    rendered = _render(model, turns=turns)
    said = [block["text"] for m in msgspec.json.decode(rendered.body)["messages"] for block in m["content"]]
    assert (["Hi", "The answer is"] if not lost else ["Hi", "The answer is ", "Continue."]) == said
    assert lost == rendered.lossy


def test_nothing_but_system_text() -> None:
    """Without anybody else's words the last system text is the user's."""
    assert [("user", [{"text": "a"}])] == _messages(Turn("system", (Text("a"),)))


def test_blocks_of_other_providers() -> None:
    """What only another provider understands is left out and reported."""
    block = Opaque("anthropic", "server_tool_use", msgspec.Raw(b"{}"))
    assert ("messages.server_tool_use",) == _render(turns=(ASK, _assistant(block, Text("a")), ASK)).lossy


# --- media ------------------------------------------------------------------------------------------------------------


def test_media() -> None:
    """Pictures and documents are shown, and a message with a document has a text."""
    assert [("user", [{"image": {"format": "png", "source": {"bytes": "QQ=="}}}])] == _messages(_user(PICTURE))
    ((_, content),) = _messages(_user(PDF, PDF))
    assert {"text": "."} == content[0]
    assert ["Document 1", "Document 2"] == [block["document"]["name"] for block in content[1:]]


def test_a_document_beside_a_result() -> None:
    """Claude refuses a document beside a result, so it follows in a turn of its own."""
    turns = (ASK, _assistant(ToolCall("c", "f", "")), _user(ToolResult("c", (Text("x"),)), Text("Read."), PDF))
    assert ["user", "assistant", "user", "assistant", "user"] == [role for role, _ in _messages(*turns)]
    assert ["user", "assistant", "user"] == [role for role, _ in _messages(*turns, model=NOVA)]


def test_an_address() -> None:
    """Bedrock fetches nothing from the web: the refusal says how the gateway can."""
    with pytest.raises(UnsupportedField, match=r"fetch\.enabled"):
        _render(turns=(_user(Text("a"), Image(Remote("https://example.com/a.png"))),))


# --- tools and caching ------------------------------------------------------------------------------------------------


def test_no_calls_beside_a_history_of_them() -> None:
    """Where the tools must stay, the system text says not to call them."""
    turns = (ASK, _assistant(ToolCall("c", "f", "")), _user(ToolResult("c", (Text("x"),))))
    rendered = _render(turns=turns, tools=(F,), tool_choice=ToolChoice("none"))
    body = msgspec.json.decode(rendered.body)
    assert [{"text": "Do not call any tool in this answer."}] == body["system"]
    assert ("tool_choice",) == rendered.lossy


def test_one_call_at_a_time() -> None:
    """The wish for single calls is Anthropic's own field."""
    body = _body(tools=(F,), parallel_tool_calls=False)
    choice = {"type": "auto", "disable_parallel_tool_use": True}
    assert {"tool_choice": choice} == body["additionalModelRequestFields"]


def test_points_count_through_the_prompt() -> None:
    """Of more than four marks the last four of tools, system text and messages are kept, in this order."""
    mark = CacheMark()
    tools = tuple(Tool(name=name, cache=mark) for name in "ab")
    turns = (Turn("system", (Text("s", mark),)), _user(Text("u", mark), Text("v", mark)))
    body = _body(tools=tools, turns=turns)
    assert ["toolSpec", "toolSpec", "cachePoint"] == [next(iter(t)) for t in body["toolConfig"]["tools"]]
    assert ["text", "cachePoint"] == [next(iter(b)) for b in body["system"]]
    assert ["text", "cachePoint"] * 2 == [next(iter(b)) for b in body["messages"][0]["content"]]
    assert "cachePoint" not in str(_body(LLAMA, tools=tools, turns=turns))


@pytest.mark.parametrize(("ttl", "expected"), [(b"{}", {}), (b'{"type":"ephemeral","ttl":"1h"}', {"ttl": "1h"})])
def test_a_mark_of_the_whole_prompt(ttl: bytes, expected: Any) -> None:
    """A mark without a block of its own stands at the end."""
    (_, content) = _messages(ASK, extras={"cache_control": msgspec.Raw(ttl)})[0]
    assert [{"text": "Hi"}, {"cachePoint": {"type": "default", **expected}}] == content


def test_what_is_said_to_the_model_itself_wins() -> None:
    """The client's own additional fields go beside those that were made, and over them."""
    extras = {"additionalModelRequestFields": msgspec.Raw(b'{"thinking":{"type":"disabled"}}')}
    body = _body(reasoning=Reasoning(effort="low"), top_k=5, extras=extras)
    assert {"type": "disabled"} == body["additionalModelRequestFields"]["thinking"]


def test_nesting_without_end() -> None:
    """A schema that is too deep is the client's fault, not ours."""
    deep = msgspec.Raw(b'{"$id":' * 3000 + b"1" + b"}" * 3000)
    with pytest.raises((InvalidField, InvalidJson)):
        _render(NOVA, tools=(Tool(name="f", schema=deep),))


def test_the_dialect() -> None:
    """Nobody speaks it to the gateway, so no error is its clients' own; its decoder may be told the model."""
    assert ("converse", "bedrock", "<Dialect converse>") == (CONVERSE.name, CONVERSE.family, repr(CONVERSE))
    assert not CONVERSE.owns_error(b'{"message":"no"}')
    assert 429 == CONVERSE.fault(429, {"x-amzn-errortype": "ThrottlingException"}, b"{}").status
    assert not CONVERSE.decoder(form="sse", hide_usage=True, model=SONNET).complete
    assert not CONVERSE.decoder().closed
