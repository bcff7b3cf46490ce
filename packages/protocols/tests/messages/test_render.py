"""Canonical requests as Messages bodies."""

import contextlib
from typing import Any

import msgspec
import pytest
from anthropic.types import MessageCreateParams
from pydantic import TypeAdapter

from llmgw_domain import Provider
from llmgw_domain.advertised import Advertised
from llmgw_domain.chat import (
    CacheMark,
    ChatRequest,
    File,
    OutputFormat,
    Reasoning,
    Stored,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    Turn,
)
from llmgw_domain.errors import BadRequest, InvalidField, UnsupportedField
from llmgw_protocols.dialect import Rendered, TargetFacts, WireRequest
from llmgw_protocols.messages import MESSAGES

PARAMS: TypeAdapter[Any] = TypeAdapter(MessageCreateParams)
SAMPLING = {"temperature", "top_p", "top_k"}
OLD, NEW, SPLIT = "claude-sonnet-4-0", "claude-opus-4-8", "claude-sonnet-4-5"
HI = (Turn("user", (Text("Hi"),)),)
SCHEMA = msgspec.Raw(b'{"type":"object","properties":{"a":{"type":"string"}}}')


def _render(model: str = SPLIT, limit: int | None = None, **fields: Any) -> Rendered:
    request = ChatRequest(**{"model": "m", "turns": HI, **fields})
    rendered = MESSAGES.render(request, TargetFacts(provider=Provider.ANTHROPIC, model=model, max_output_tokens=limit))
    # The types of the current SDK have no sampling any more.
    body = {k: v for k, v in msgspec.json.decode(rendered.body).items() if k not in SAMPLING}
    PARAMS.validate_python(body)
    return rendered


def _body(**fields: Any) -> Any:
    return msgspec.json.decode(_render(**fields).body)


def test_least() -> None:
    """The least request, with the limit that Anthropic demands."""
    rendered = _render()
    assert (
        rendered.path,
        rendered.query,
        rendered.headers,
        rendered.lossy,
    ) == ("/v1/messages", "", (("anthropic-version", "2026-10-21"),), ())
    assert msgspec.json.decode(rendered.body) == {
        "model": SPLIT,
        "max_tokens": 32_000,
        "messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}],
    }


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"max_tokens": 7, "limit": 9}, 7),
        ({"limit": 9}, 9),
        ({"limit": 100_000}, 64_000),
        ({"model": "claude-3-opus-20240229"}, 4096),
        ({"max_tokens": 100, "reasoning": Reasoning(effort="low")}, 2148),
    ],
)
def test_max_tokens(fields: dict[str, Any], expected: int) -> None:
    """The client's limit, else the configured one as far as the model goes; a budget makes room for itself."""
    assert expected == _body(**fields)["max_tokens"]


def test_whole_request() -> None:
    """System text, tools, choice, stop words and the rest have their places."""
    body = _body(
        turns=(Turn("system", (Text("S"),)), *HI),
        tools=(Tool(name="f", schema=SCHEMA),),
        tool_choice=ToolChoice("required"),
        parallel_tool_calls=False,
        stop=("END",),
        stream=True,
        service_tier="default",
    )
    del body["messages"], body["model"], body["max_tokens"]
    assert {
        "system": [{"type": "text", "text": "S"}],
        "tools": [{"name": "f", "input_schema": msgspec.json.decode(SCHEMA)}],
        "tool_choice": {"type": "any", "disable_parallel_tool_use": True},
        "stop_sequences": ["END"],
        "stream": True,
        "service_tier": "standard_only",
    } == body


@pytest.mark.parametrize(
    ("fields", "expected", "lossy"),
    [
        (
            {"model": OLD, "temperature": 0.5, "top_p": 0.9, "top_k": 3},
            {"temperature": 0.5, "top_p": 0.9, "top_k": 3},
            (),
        ),
        ({"model": OLD, "temperature": 1.7}, {"temperature": 1.0}, ("temperature",)),
        ({"model": SPLIT, "temperature": 0.5, "top_p": 0.9}, {"temperature": 0.5}, ("top_p",)),
        ({"model": SPLIT, "top_p": 0.9}, {"top_p": 0.9}, ()),
        ({"model": NEW, "temperature": 0.5, "top_p": 0.9, "top_k": 3}, {}, ("temperature", "top_p", "top_k")),
        (
            {"model": OLD, "temperature": 1, "top_p": 0.96, "top_k": 3, "reasoning": Reasoning(effort="low")},
            {"top_p": 0.96},
            ("top_k",),
        ),
        ({"model": OLD, "temperature": 0, "reasoning": Reasoning(effort="low")}, {}, ("temperature",)),
    ],
)
def test_sampling(fields: dict[str, Any], expected: dict[str, float], lossy: tuple[str, ...]) -> None:
    """Sampling goes where the model takes it, with the API version that has it; the rest is named."""
    rendered = _render(**fields)
    sent = {k: v for k, v in msgspec.json.decode(rendered.body).items() if k in SAMPLING}
    version = "2023-06-01" if expected else "2026-10-21"
    assert (expected, lossy, (("anthropic-version", version),)) == (sent, rendered.lossy, rendered.headers)


@pytest.mark.parametrize(
    ("fields", "lossy"),
    [
        ({"frequency_penalty": 1.0, "presence_penalty": -1.0}, ("frequency_penalty", "presence_penalty")),
        ({"frequency_penalty": 0.0, "logprobs": False, "n": 1}, ()),
        ({"logprobs": True, "top_logprobs": 3}, ("logprobs", "top_logprobs")),
        ({"seed": 0}, ("seed",)),
        ({"seed": 5, "family": "google", "top_logprobs": 3}, ("logprobs", "seed")),
        ({"stop": (" ",)}, ("stop",)),
        ({"service_tier": "flex"}, ("service_tier",)),
        ({"service_tier": "fast", "model": SPLIT}, ("service_tier",)),
        ({"extras": {"logit_bias": msgspec.Raw(b'{"1":1}')}}, ("logit_bias",)),
    ],
)
def test_lossy(fields: dict[str, Any], lossy: tuple[str, ...]) -> None:
    """What changes the answer and can't be said is named, and only that."""
    assert lossy == _render(**fields).lossy


@pytest.mark.parametrize(
    ("fields", "kind", "param"),
    [
        ({"n": 2}, UnsupportedField, "n"),
        ({"n": 2, "family": "google"}, UnsupportedField, "candidateCount"),
        ({"max_tokens": 0}, InvalidField, "max_tokens"),
        ({"extras": {"modalities": msgspec.Raw(b'["audio"]')}}, UnsupportedField, "modalities"),
        ({"turns": ()}, InvalidField, "messages"),
    ],
)
def test_refused(fields: dict[str, Any], kind: type[Exception], param: str) -> None:
    """What would make another answer altogether is refused by name."""
    with pytest.raises(kind) as caught:
        _render(**fields)
    assert param == caught.value.param  # type: ignore[attr-defined]


@pytest.mark.parametrize(("model", "expected"), [(NEW, ("speed", "fast")), (OLD, ("service_tier", None))])
def test_fast(model: str, expected: tuple[str, str | None]) -> None:
    """The fast tier is a speed of its own where the model has one."""
    assert expected[1] == _body(model=model, service_tier="fast").get(expected[0])


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, None),
        ({"service_tier": "fast"}, "fast-mode-2026-02-01"),
        ({"extras": {"speed": msgspec.Raw(b'"fast"')}}, "fast-mode-2026-02-01"),
        (
            {"service_tier": "fast", "turns": (Turn("user", (File(Stored("file_1")),)),), "family": "anthropic"},
            "files-api-2025-04-14,fast-mode-2026-02-01",
        ),
    ],
)
def test_betas(fields: dict[str, Any], expected: str | None) -> None:
    """What some models take only as a beta brings its name along."""
    assert expected == dict(_render(model=NEW, **fields).headers).get("anthropic-beta")


@pytest.mark.parametrize(
    ("model", "cloud", "temperature", "expected"),
    [
        (OLD, "", None, "2026-10-21"),
        (OLD, "", 0.5, "2023-06-01"),
        (OLD, "foundry", None, "2026-10-21"),
        (OLD, "mantle", None, "2023-06-01"),
        ("claude-opus-4-7", "mantle", None, "2026-10-21"),
        ("claude-opus-4-7", "mantle", 0.5, "2026-10-21"),
    ],
)
def test_version(model: str, cloud: Any, temperature: float | None, expected: str) -> None:
    """The newest version but where a model samples, and at Bedrock for models before Claude 4.7."""
    request = ChatRequest(model="m", turns=HI, temperature=temperature)
    facts = TargetFacts(provider=Provider.ANTHROPIC, model=model, cloud=cloud)
    assert expected == dict(MESSAGES.render(request, facts).headers)["anthropic-version"]


def test_a_model_as_its_provider_tells_it() -> None:
    """A model of no known name is written for by what its provider says, here one of an older kind."""
    said = Advertised(
        max_output_tokens=8000, thinks=True, thinking_types=frozenset(("enabled",)), efforts=(), structured=False
    )
    facts = TargetFacts(provider=Provider.ANTHROPIC, model="claude-comet", advertised=said, max_output_tokens=50_000)
    wanted = OutputFormat(kind="json_schema", schema=SCHEMA)
    request = ChatRequest(model="m", turns=HI, reasoning=Reasoning(effort="low"), format=wanted, temperature=0.5)
    made = MESSAGES.render(request, facts)
    body = msgspec.json.decode(made.body)
    assert (8000, {"type": "enabled", "budget_tokens": 2048}) == (body["max_tokens"], body["thinking"])
    assert {"output_config", "temperature"}.isdisjoint(body)
    assert ("response_format", "temperature") == made.lossy


def test_user() -> None:
    """Other dialects' users are hashed, since they may be names; Anthropic's go as they are."""
    hashed = _body(user="ann@example.com")["metadata"]["user_id"]
    own = _body(user="u_1", family="anthropic")["metadata"]["user_id"]
    assert (len(hashed), own) == (64, "u_1")


def test_json_schema() -> None:
    """A schema for the answer goes to models that have structured output."""
    wanted = OutputFormat(kind="json_schema", name="x", schema=SCHEMA)
    closed = {**msgspec.json.decode(SCHEMA), "additionalProperties": False}
    expected = {"format": {"type": "json_schema", "schema": closed}}
    rendered = _render(format=wanted)
    assert (expected, ()) == (msgspec.json.decode(rendered.body)["output_config"], rendered.lossy)


@pytest.mark.parametrize(
    ("model", "wanted", "said"),
    [
        (SPLIT, OutputFormat(kind="json_object"), "one JSON object"),
        (OLD, OutputFormat(kind="json_schema", schema=SCHEMA), SCHEMA),
    ],
)
def test_json_by_words(model: str, wanted: OutputFormat, said: str | msgspec.Raw) -> None:
    """Where there is no field for it the system text asks for JSON, and that is named."""
    rendered = _render(model=model, format=wanted)
    text = said if isinstance(said, str) else bytes(said).decode()
    assert (
        text in msgspec.json.decode(rendered.body)["system"][0]["text"],
        rendered.lossy,
    ) == (True, ("response_format",))


def test_effort_beside_format() -> None:
    """Effort and format share their field."""
    body = _body(model=NEW, reasoning=Reasoning(effort="high"), format=OutputFormat(kind="json_schema", schema=SCHEMA))
    assert ({"effort", "format"}, "adaptive") == (set(body["output_config"]), body["thinking"]["type"])


LOOP = (
    *HI,
    Turn("assistant", (ToolCall("a", "f", '{"x": 1.50}'),)),
    Turn("user", (ToolResult("a", (Text("r"),)),)),
)


def test_history_without_tools() -> None:
    """Calls of a history whose request has no tools get tools, none of which may be called."""
    body = _body(turns=LOOP, tool_choice=ToolChoice("required"))
    assert (
        body["tools"],
        body["tool_choice"],
    ) == ([{"name": "f", "input_schema": {"type": "object", "properties": {}}}], {"type": "none"})


def test_arguments_untouched() -> None:
    """Arguments stand in the body as the client wrote them."""
    assert b'"input":{"x": 1.50}' in _render(turns=LOOP).body


def test_tool_loop_without_thinking() -> None:
    """A budget is given up where the history lacks the thinking that it demands."""
    rendered = _render(turns=LOOP, tools=(Tool(name="f"),), reasoning=Reasoning(effort="high"), max_tokens=50)
    body = msgspec.json.decode(rendered.body)
    assert ("thinking" in body, body["max_tokens"], rendered.lossy) == (False, 50, ("reasoning_effort",))


def test_marks_over_all() -> None:
    """Marks count over tools, system and messages, and the latest four stay."""
    mark = CacheMark()
    body = _body(
        tools=(Tool(name="f", cache=mark), Tool(name="g", cache=mark)),
        turns=(
            Turn("system", (Text("s", mark),)),
            Turn("user", (Text("a", mark), Text("b", mark))),
        ),
    )
    assert ["cache_control" in tool for tool in body["tools"]] == [False, True]


def test_files_beta() -> None:
    """A stored file brings the beta of the store along."""
    rendered = _render(family="anthropic", turns=(Turn("user", (File(Stored("file_1")),)),))
    assert ("anthropic-beta", "files-api-2025-04-14") in rendered.headers


def test_round_trip() -> None:
    """A request of this dialect comes back the same through the canonical form."""
    body = {
        "model": NEW,
        "system": [{"type": "text", "text": "S", "cache_control": {"type": "ephemeral", "ttl": "1h"}}],
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "Hi"}]},
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "t", "signature": "s"},
                    {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {}},
                    {"type": "text", "text": "a"},
                    {"type": "tool_use", "id": "t1", "name": "f", "input": {"x": 1}},
                ],
            },
            {
                "role": "user",
                "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "r", "is_error": True}],
            },
        ],
        "max_tokens": 500,
        "thinking": {"type": "adaptive", "display": "omitted"},
        "output_config": {"effort": "xhigh", "task_budget": {"total": 9}},
        "tools": [{"name": "f", "input_schema": {"type": "object"}}, {"type": "bash_20250124", "name": "bash"}],
        "tool_choice": {"type": "auto", "disable_parallel_tool_use": True},
        "stop_sequences": ["E"],
        "stream": True,
        "metadata": {"user_id": "u"},
        "service_tier": "auto",
        "inference_geo": "us",
    }
    wire = WireRequest(body=msgspec.json.encode(body))
    request = MESSAGES.parse(MESSAGES.envelope(wire))
    rendered = MESSAGES.render(request, TargetFacts(provider=Provider.ANTHROPIC, model=NEW))
    assert (body, ()) == (msgspec.json.decode(rendered.body), rendered.lossy)


@pytest.mark.parametrize("depth", range(900, 1000, 10))
def test_depth(depth: int) -> None:
    """A schema near the depth that can be read is either sent or refused, never a fault of ours."""
    body = (
        b'{"model":"m","max_tokens":1,"messages":[{"role":"user","content":"Hi"}],"tools":[{"name":"f","input_schema":'
        b'{"x":%b1%b}}]}' % (b"[" * depth, b"]" * depth)
    )
    sent = b""
    with contextlib.suppress(BadRequest):
        request = MESSAGES.parse(MESSAGES.envelope(WireRequest(body=body)))
        sent = MESSAGES.render(request, TargetFacts(provider=Provider.ANTHROPIC, model=NEW)).body
    assert sent.count(b"[") in (0, depth + 3)


def test_open_format() -> None:
    """A schema that can't be closed is asked for in words, and the promise is named as lost."""
    schema = msgspec.Raw(b'{"type":"object","additionalProperties":{"type":"string"}}')
    rendered = _render(format=OutputFormat(kind="json_schema", name="o", schema=schema, strict=True))
    body = msgspec.json.decode(rendered.body)
    assert bytes(schema).decode() in body["system"][0]["text"]
    assert ("output_config" in body, rendered.lossy) == (False, ("response_format",))
