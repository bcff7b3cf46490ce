"""A client's chat request, read into the canonical one."""

from typing import Any

import msgspec
import pytest

from llmgw_domain.chat import ChatRequest, HostedTool, OutputFormat, Reasoning, Tool, ToolChoice
from llmgw_domain.errors import BadRequest, InvalidField
from llmgw_protocols.chat import CHAT
from llmgw_protocols.dialect import WireRequest


def parse(**fields: Any) -> ChatRequest:
    body = {"model": "m", "messages": [{"role": "user", "content": "hi"}], **fields}
    return CHAT.parse(CHAT.envelope(WireRequest(body=msgspec.json.encode(body))))


@pytest.mark.parametrize(
    ("fields", "name", "expected"),
    [
        ({"max_tokens": 5}, "max_tokens", 5),
        ({"max_tokens": 5, "max_completion_tokens": 9}, "max_tokens", 9),
        ({"temperature": 1}, "temperature", 1.0),
        ({"top_k": 3}, "top_k", 3),
        ({"stop": "x"}, "stop", ("x",)),
        ({"stop": ["x", "y"]}, "stop", ("x", "y")),
        ({"stop": None}, "stop", ()),
        ({"n": 2}, "n", 2),
        ({"seed": -1}, "seed", -1),
        ({"user": "u"}, "user", "u"),
        ({"safety_identifier": "s"}, "user", "s"),
        ({"prompt_cache_key": "k"}, "cache_key", "k"),
        ({"service_tier": "flex"}, "service_tier", "flex"),
        ({"stream": True}, "stream", True),
        ({"stream": True, "stream_options": {"include_usage": True}}, "include_usage", True),
        ({"parallel_tool_calls": False}, "parallel_tool_calls", False),
        ({"logprobs": True, "top_logprobs": 2}, "top_logprobs", 2),
    ],
)
def test_fields(fields: dict[str, Any], name: str, expected: Any) -> None:
    """Each field of the format has its place in the canonical request."""
    assert expected == getattr(parse(**fields), name)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, None),
        ({"reasoning_effort": "high"}, Reasoning(effort="high")),
        ({"reasoning": {"effort": "low", "exclude": True}}, Reasoning(effort="low", show=False)),
        ({"reasoning": {"max_tokens": 2000}}, Reasoning(budget=2000)),
        ({"reasoning": {"enabled": False}}, Reasoning(mode="disabled")),
        ({"reasoning": {"enabled": True}}, Reasoning(mode="enabled")),
        ({"reasoning": {"effort": "low"}, "reasoning_effort": "high"}, Reasoning(effort="low")),
        ({"thinking": {"type": "enabled", "budget_tokens": 3000}}, Reasoning(budget=3000, mode="enabled")),
        (
            {"thinking": {"type": "adaptive", "display": "summarized"}, "reasoning": {"effort": "low"}},
            Reasoning(effort="low", mode="adaptive", show=True),
        ),
        ({"thinking": {"type": "disabled"}, "reasoning_effort": "high"}, Reasoning(mode="disabled")),
        (
            {"extra_body": {"google": {"thinking_config": {"thinking_level": "LOW", "include_thoughts": True}}}},
            Reasoning(effort="low", show=True),
        ),
    ],
)
def test_reasoning(fields: dict[str, Any], expected: Reasoning | None) -> None:
    """The forms of other gateways are read too; the explicit thinking object wins."""
    request = parse(**fields)
    assert expected == request.reasoning
    assert request.extras == {}


@pytest.mark.parametrize(
    "said", [None, {}, {"google": None}, {"google": {}}, {"google": {"thinking_config": None}, "other": None}]
)
def test_an_extra_body_that_says_nothing(said: Any) -> None:
    """Null stands for absence at every depth of `extra_body`."""
    request = parse(extra_body=said)
    assert (request.reasoning, request.extras) == (None, {})


@pytest.mark.parametrize(
    ("said", "param"),
    [
        (7, "extra_body"),
        ({"google": []}, "extra_body.google"),
        ({"google": {"thinking_config": "x"}}, "extra_body.google.thinking_config"),
    ],
)
def test_an_extra_body_of_a_wrong_type(said: Any, param: str) -> None:
    """What should be an object and is none is refused with its path."""
    with pytest.raises(InvalidField) as caught:
        parse(extra_body=said)
    assert caught.value.param == param


@pytest.mark.parametrize(
    ("wire", "expected"),
    [
        ({"type": "text"}, OutputFormat(kind="text")),
        ({"type": "json_object"}, OutputFormat(kind="json_object")),
        (
            {"type": "json_schema", "json_schema": {"name": "n", "strict": True, "schema": {"type": "object"}}},
            OutputFormat(kind="json_schema", name="n", strict=True, schema=msgspec.Raw(b'{"type":"object"}')),
        ),
        (
            {"type": "json_schema", "json_schema": {"schema": '{"type": "object"}'}},
            OutputFormat(kind="json_schema", schema=msgspec.Raw(b'{"type": "object"}')),
        ),
    ],
)
def test_response_format(wire: dict[str, Any], expected: OutputFormat) -> None:
    """A schema is taken as an object, or as the text of one."""
    assert expected == parse(response_format=wire).format


def test_tools() -> None:
    """Functions, custom tools, deprecated functions, and tools that only OpenAI runs."""
    request = parse(
        tools=[
            {
                "type": "function",
                "function": {"name": "f", "parameters": {"type": "object", "x": 1.50}, "strict": True},
            },
            {"type": "function", "function": {"name": "g", "description": "d"}, "cache_control": {"ttl": "1h"}},
            {"type": "custom", "custom": {"name": "c", "format": {"type": "text"}}},
            {"type": "web_search"},
        ],
        functions=[{"name": "old", "parameters": {}}],
    )
    first, second, custom, hosted, old = request.tools
    assert Tool(name="f", schema=msgspec.Raw(b'{"type":"object","x":1.5}'), strict=True) == first
    assert isinstance(second, Tool)
    assert (second.name, second.description, second.schema, second.cache and second.cache.ttl) == ("g", "d", None, "1h")
    assert Tool(name="c", custom=True, grammar=msgspec.Raw(b'{"type":"text"}')) == custom
    assert HostedTool(family="openai", kind="web_search", json=msgspec.Raw(b'{"type":"web_search"}')) == hosted
    assert Tool(name="old", schema=msgspec.Raw(b"{}")) == old


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"tool_choice": "auto"}, ToolChoice("auto")),
        ({"tool_choice": "none"}, ToolChoice("none")),
        ({"tool_choice": "required"}, ToolChoice("required")),
        ({"tool_choice": "any"}, ToolChoice("required")),
        ({"tool_choice": {"type": "function", "function": {"name": "f"}}}, ToolChoice("named", ("f",))),
        ({"tool_choice": {"type": "custom", "custom": {"name": "c"}}}, ToolChoice("named", ("c",))),
        (
            {
                "tool_choice": {
                    "type": "allowed_tools",
                    "allowed_tools": {"mode": "required", "tools": [{"type": "function", "function": {"name": "f"}}]},
                }
            },
            ToolChoice("allowed", ("f",), True),
        ),
        ({"function_call": "auto"}, ToolChoice("auto")),
        ({"function_call": {"name": "f"}}, ToolChoice("named", ("f",))),
    ],
)
def test_tool_choice(fields: dict[str, Any], expected: ToolChoice) -> None:
    """Words, names and sets are read, the deprecated form among them."""
    assert expected == parse(**fields).tool_choice


def test_extras_stay_raw() -> None:
    """What has no canonical place is kept by its name; nulls are not."""
    extra = {"safety_settings": []}
    request = parse(logit_bias={"1": 2}, metadata={"a": "b"}, verbosity=None, extra_body=extra)
    assert {k: bytes(v) for k, v in request.extras.items()} == {
        "logit_bias": b'{"1":2}',
        "metadata": b'{"a":"b"}',
        "extra_body": b'{"safety_settings":[]}',
    }


def test_extra_body_survives_beside_thinking() -> None:
    """Whatever else stands in `extra_body` is not lost because thinking was read from it."""
    google = {"thinking_config": {"thinking_budget": 5}, "cached_content": "c"}
    request = parse(extra_body={"google": google})
    assert Reasoning(budget=5) == request.reasoning
    assert list(request.extras) == ["extra_body"]


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"reasoning_effort": "huge"}, "reasoning_effort"),
        ({"reasoning": {"effort": 3}}, "reasoning.effort"),
        ({"response_format": {"type": "xml"}}, "response_format.type"),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema.schema"),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"schema": "{"}}},
            "response_format.json_schema.schema",
        ),
        ({"tools": [{"type": "function"}]}, "tools[0].function"),
        ({"tools": [{"type": "function", "function": {"name": 1}}]}, "tools[0].function.name"),
        (
            {"tools": [{"type": "function", "function": {"name": "f", "parameters": []}}]},
            "tools[0].function.parameters",
        ),
        ({"tool_choice": "maybe"}, "tool_choice"),
        ({"tool_choice": {"type": "function"}}, "tool_choice"),
        ({"seed": "x"}, "seed"),
    ],
)
def test_wrong_values_are_named(fields: dict[str, Any], param: str) -> None:
    """A wrong value is refused with the path to it."""
    with pytest.raises(InvalidField) as caught:
        parse(**fields)
    assert param == caught.value.param


def test_deep_nesting_is_refused() -> None:
    """A body that is nested too deeply is a bad request, not a crash."""
    body = b'{"model":"m","messages":[{"role":"user","content":"x","y":' + b"[" * 50_000 + b"]" * 50_000 + b"}]}"
    with pytest.raises(BadRequest):
        CHAT.parse(CHAT.envelope(WireRequest(body=body)))
