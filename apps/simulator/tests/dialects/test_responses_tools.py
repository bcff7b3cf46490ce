import pytest

from llmgw_simulator.ask import Choice
from llmgw_simulator.dialects._checks import FREE_TEXT
from llmgw_simulator.dialects.responses_tools import callables, choice_of, echoed, tools_of
from llmgw_simulator.wire import Refusal

CLOSED = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], "additionalProperties": False}
OPEN = {"type": "object", "properties": {"a": {"type": "string"}}}
F, G = ({"type": "function", "name": name, "parameters": OPEN} for name in "fg")
PATCH = {"type": "custom", "name": "patch", "format": {"type": "grammar", "syntax": "lark", "definition": "x"}}
SPACE = {"type": "namespace", "name": "mcp", "description": "d", "tools": [F, {"type": "function", "name": "look"}]}
SEARCH = {"type": "web_search", "external_web_access": True}
ALL = [F, G, PATCH, SPACE, SEARCH]


def chosen(choice=None, tools=ALL, **more):
    return choice_of({"tool_choice": choice, "tools": tools, **more}, callables(tools))


def test_what_may_be_called():
    """Functions, custom tools and those of namespaces; a name that is taken is told apart by its namespace."""
    found = callables(ALL)
    assert ["f", "g", "patch", "mcp.f", "look"] == list(found)
    assert [(None, "f"), ("mcp", "f")] == [(found[key].namespace, found[key].name) for key in ("f", "mcp.f")]
    assert FREE_TEXT == tools_of(found)[2].schema


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        (None, Choice()),
        ("none", Choice("none")),
        ("required", Choice("any")),
        ({"type": "function", "name": "g"}, Choice("any", ("g",))),
        ({"type": "function", "name": "f", "namespace": "mcp"}, Choice("any", ("mcp.f",))),
        ({"type": "custom", "name": "patch"}, Choice("any", ("patch",))),
        ({"type": "web_search"}, Choice("none")),
        (
            {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "g"}]},
            Choice("any", ("g",)),
        ),
        (
            {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "namespace", "name": "mcp"}]},
            Choice("auto", ("mcp.f", "look")),
        ),
        ({"type": "allowed_tools", "mode": "auto", "tools": [SEARCH]}, Choice("auto", ("None",))),
    ],
)
def test_choices(choice, expected):
    """All that OpenAI has."""
    assert expected == chosen(choice)


def test_calls_in_parallel_can_be_forbidden():
    """With every kind of choice."""
    assert not chosen(parallel_tool_calls=False).parallel
    assert not chosen({"type": "function", "name": "f"}, parallel_tool_calls=False).parallel


@pytest.mark.parametrize(
    ("choice", "tools", "expected"),
    [
        ("any", ALL, "Invalid value: 'any'. Supported values are: 'none', 'auto', and 'required'."),
        ("required", None, "Tool choice 'required' must be specified with 'tools' parameter."),
        (5, ALL, "Invalid type for 'tool_choice': expected one of a tool choice object or string"),
        ({"type": "function", "function": {"name": "f"}}, ALL, "Missing required parameter: 'tool_choice.name'."),
        ({"type": "function", "name": "h"}, ALL, "Tool choice 'h' not found in 'tools' parameter."),
        ({"type": "mcp"}, ALL, "Tool choice 'mcp' not found in 'tools' parameter."),
        ({"type": "x"}, ALL, "Invalid value: 'x'. Supported values are: 'allowed_tools', 'function',"),
        ({"type": "allowed_tools", "mode": "auto"}, ALL, "Missing required parameter: 'tool_choice.tools'."),
    ],
)
def test_choices_that_are_refused(choice, tools, expected):
    """A choice of what is not there, or in the form of chat completions."""
    with pytest.raises(Refusal) as found:
        choice_of({"tool_choice": choice, "tools": tools}, callables(tools or []))
    assert found.value.message.startswith(expected)


@pytest.mark.parametrize(
    ("tool", "expected"),
    [
        ("f", "Invalid type for 'tools[0]': expected an object, but got a string instead."),
        ({"name": "f"}, "Missing required parameter: 'tools[0].type'."),
        ({"type": "x"}, "Invalid value: 'x'. Supported values are: 'function', 'custom', 'namespace',"),
        ({"type": "function", "function": {"name": "f"}}, "Missing required parameter: 'tools[0].name'."),
        ({**F, "name": "a b"}, "Invalid 'tools[0].name': string does not match pattern."),
        ({**F, "extra": 1}, "Unknown parameter: 'tools[0].extra'."),
        ({**F, "parameters": {"type": "string"}}, "Invalid schema for function 'f': schema must be a JSON Schema of"),
        ({**F, "strict": True}, "Invalid schema for function 'f': In context=(), 'additionalProperties' is required"),
        ({**SPACE, "tools": [{"type": "function"}]}, "Missing required parameter: 'tools[0].tools[0].name'."),
    ],
)
def test_tools_that_are_refused(tool, expected):
    """In the provider's words."""
    with pytest.raises(Refusal) as found:
        callables([tool])
    assert found.value.message.startswith(expected)


def test_tools_are_repeated_with_their_defaults():
    """A function is strict unless it says otherwise; a custom tool takes text."""
    function, custom, hosted = echoed([F, {"type": "custom", "name": "c"}, SEARCH])
    assert (True, None) == (function["strict"], function["description"])
    assert {"type": "text"} == custom["format"]
    assert SEARCH == hosted
    assert [False] == [tool["strict"] for tool in echoed([{**F, "strict": False}])]
    callables([{**F, "parameters": CLOSED, "strict": True}])
