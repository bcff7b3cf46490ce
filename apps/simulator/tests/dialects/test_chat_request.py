import pytest

from llmgw_simulator.ask import Choice
from llmgw_simulator.dialects.chat_request import parse_chat
from llmgw_simulator.wire import Refusal

SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], "additionalProperties": False}
TOOLS = [{"type": "function", "function": {"name": name, "parameters": SCHEMA}} for name in ("f", "g")]
BASE = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hi, in json"}]}


def asked(**more):
    return parse_chat(BASE | more).ask


def test_settings_are_read():
    """Limit, stops, number of answers, thinking."""
    found = asked(max_completion_tokens=5, stop="x", n=2, reasoning_effort="low")
    assert (5, ("x",), 2, True) == (found.limit, found.stop, found.n, found.thinking)
    assert (3, ("a", "b"), False) == (asked(max_tokens=3).limit, asked(stop=["a", "b"]).stop, asked().thinking)
    assert not asked(reasoning_effort="none").thinking


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ({}, Choice()),
        ({"tool_choice": "none"}, Choice("none")),
        ({"tool_choice": "required", "parallel_tool_calls": False}, Choice("any", (), False)),
        ({"tool_choice": {"type": "function", "function": {"name": "g"}}}, Choice("any", ("g",))),
        (
            {
                "tool_choice": {
                    "type": "allowed_tools",
                    "allowed_tools": {"mode": "auto", "tools": [{"type": "function", "function": {"name": "g"}}]},
                }
            },
            Choice("auto", ("g",)),
        ),
    ],
)
def test_the_choice_of_tools_is_read(choice, expected):
    """In all its forms."""
    assert expected == asked(tools=TOOLS, **choice).choice


def test_formats_are_read():
    """Schema, JSON mode, text."""
    wanted = {"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA, "strict": True}}
    assert SCHEMA == asked(response_format=wanted).schema
    assert asked(response_format={"type": "json_object"}).json_mode
    assert asked(response_format={"type": "text"}).schema is None


LOOSE = {"type": "object", "properties": {"a": {"type": "object", "properties": {}}}, "additionalProperties": False}


@pytest.mark.parametrize(
    ("body", "param", "code"),
    [
        ({"model": None}, None, None),
        ({"messages": None}, "messages", "missing_required_parameter"),
        ({"messages": "x"}, "messages", "invalid_type"),
        ({"messages": []}, "messages", "empty_array"),
        ({"top_k": 1}, None, None),
        ({"thinking": {"type": "enabled"}}, None, None),
        ({"temperature": 3}, "temperature", "decimal_above_max_value"),
        ({"temperature": "x"}, "temperature", "invalid_type"),
        ({"stream": "yes"}, "stream", "invalid_type"),
        ({"stream_options": {"include_usage": True}}, "stream_options", None),
        ({"max_tokens": 0}, "max_tokens", "integer_below_min_value"),
        ({"max_tokens": "9"}, "max_tokens", "invalid_type"),
        ({"model": "gpt-5", "max_tokens": 9}, "max_tokens", "unsupported_parameter"),
        ({"stop": ["a"] * 5}, "stop", "array_above_max_length"),
        ({"stop": 1}, "stop", "invalid_type"),
        ({"n": 0}, "n", "invalid_value"),
        ({"reasoning_effort": "huge"}, "reasoning_effort", "invalid_value"),
        ({"tool_choice": "auto"}, "tool_choice", None),
        ({"tools": []}, "tools", "invalid_type"),
        ({"tools": [{"type": "x"}]}, "tools[0].type", "invalid_value"),
        ({"tools": [{"type": "function"}]}, "tools[0].function.name", "missing_required_parameter"),
        ({"tools": [{"type": "function", "function": {"name": "a b"}}]}, "tools[0].function.name", "invalid_value"),
        (
            {"tools": [{"type": "function", "function": {"name": "a", "parameters": {"type": "array"}}}]},
            "tools[0].function.parameters",
            "invalid_function_parameters",
        ),
        (
            {"tools": [{"type": "function", "function": {"name": "a", "parameters": LOOSE, "strict": True}}]},
            "tools[0].function.parameters",
            "invalid_function_parameters",
        ),
        ({"tools": TOOLS, "tool_choice": "any"}, "tool_choice", "invalid_value"),
        ({"tools": TOOLS, "tool_choice": 3}, "tool_choice", "invalid_type"),
        (
            {"tools": TOOLS, "tool_choice": {"type": "function", "function": {"name": "h"}}},
            "tool_choice",
            "invalid_value",
        ),
        ({"response_format": {"type": "x"}}, "response_format.type", "invalid_value"),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"schema": SCHEMA}}},
            "response_format.json_schema.name",
            "missing_required_parameter",
        ),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": LOOSE, "strict": True}}},
            "response_format",
            "invalid_json_schema",
        ),
        (
            {"messages": [{"role": "user", "content": "Hi"}], "response_format": {"type": "json_object"}},
            "messages",
            None,
        ),
    ],
)
def test_a_wrong_request_is_refused(body, param, code):
    """With 400, and param and code as the provider has them."""
    with pytest.raises(Refusal) as caught:
        parse_chat({name: value for name, value in (BASE | body).items() if value is not None})
    assert (400, param, code) == (caught.value.status, caught.value.param, caught.value.code)


def test_a_missing_model_is_not_found():
    """With its own code."""
    with pytest.raises(Refusal) as caught:
        asked(model="missing-model")
    assert (404, "model_not_found") == (caught.value.status, caught.value.code)


def test_models_of_compatible_servers_take_more():
    """Their extensions pass."""
    assert asked(model="deepseek-x", thinking={"type": "enabled"}, top_k=3).thinking


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"model": "gpt-5.6", "tools": TOOLS}, "Function tools with reasoning_effort are not supported for gpt-5.6 in"),
        (
            {"model": "gpt-5", "temperature": 0.1},
            "Unsupported value: 'temperature' does not support 0.1 with this model.",
        ),
        ({"model": "gpt-5.6", "reasoning_effort": "minimal"}, "Unsupported value: 'reasoning_effort' does not support"),
    ],
)
def test_models_that_reason_refuse_some_things(more, expected):
    """Tools from gpt-5.4 on, and sampling."""
    with pytest.raises(Refusal) as found:
        parse_chat(BASE | more)
    assert found.value.message.startswith(expected)
