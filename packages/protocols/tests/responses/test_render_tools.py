"""Tools and the choice among them in the flat form."""

from typing import Any

import msgspec
import pytest
from msgspec import Raw

from llmgw_domain import Provider
from llmgw_domain.chat import ChatRequest, HostedTool, Text, Tool, ToolChoice, Turn
from llmgw_domain.errors import InvalidField, UnsupportedField
from llmgw_protocols.losses import Losses
from llmgw_protocols.responses.render_tools import write

OPENAI, OTHER = Provider.OPENAI, Provider.OPENAI_COMPATIBLE
F, G, SHELL = Tool(name="f"), Tool(name="g"), Tool(name="sh", custom=True)


def written(
    *tools: Tool | HostedTool,
    provider: Provider = OPENAI,
    family: str = "openai",
    lost: Losses | None = None,
    **more: Any,
) -> dict[str, Any]:
    request = ChatRequest(model="m", turns=(Turn("user", (Text("hi"),)),), family=family, tools=tools, **more)
    body: dict[str, Any] = {}
    write(request, provider, body, lost or Losses(family))
    return msgspec.json.decode(msgspec.json.encode(body))


def test_a_function() -> None:
    """`strict` is always said, because its absence means true here."""
    tool = Tool(name="f", description="d", schema=Raw(b'{"type":"object"}'))
    expected = {"type": "function", "name": "f", "description": "d", "parameters": {"type": "object"}, "strict": False}
    assert written(tool) == {"tools": [expected]}
    assert written(Tool(name="f", strict=True))["tools"][0]["strict"] is True


def test_a_function_without_parameters() -> None:
    """The key is required, so it gets a schema without properties."""
    assert written(F)["tools"][0]["parameters"] == {"type": "object", "properties": {}}


@pytest.mark.parametrize(
    ("grammar", "expected"),
    [
        (
            b'{"type":"grammar","grammar":{"definition":"d","syntax":"lark"}}',
            {"type": "grammar", "definition": "d", "syntax": "lark"},
        ),
        (b'{"type":"grammar","definition":"d"}', {"type": "grammar", "definition": "d"}),
        (b'{"type":"text"}', {"type": "text"}),
        (b'{"type":3}', {"type": 3}),
    ],
)
def test_a_custom_tool(grammar: bytes, expected: dict[str, Any]) -> None:
    """Chat nests the grammar, here it is flat."""
    tool = Tool(name="sh", description="d", custom=True, grammar=Raw(grammar))
    assert written(tool) == {"tools": [{"type": "custom", "name": "sh", "description": "d", "format": expected}]}


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        (ToolChoice("auto"), "auto"),
        (ToolChoice("none"), "none"),
        (ToolChoice("required"), "required"),
        (ToolChoice("named", ("f",)), {"type": "function", "name": "f"}),
        (ToolChoice("named", ("sh",)), {"type": "custom", "name": "sh"}),
        (
            ToolChoice("allowed", ("f", "sh"), required=True),
            {
                "type": "allowed_tools",
                "mode": "required",
                "tools": [{"type": "function", "name": "f"}, {"type": "custom", "name": "sh"}],
            },
        ),
    ],
)
def test_choices(choice: ToolChoice, expected: Any) -> None:
    """References are flat as well."""
    assert written(F, G, SHELL, tool_choice=choice)["tool_choice"] == expected


def test_a_choice_among_no_tools() -> None:
    """There is nothing to choose."""
    assert written(tool_choice=ToolChoice("auto"), parallel_tool_calls=True) == {}


def test_compatible_servers_do_not_know_allowed_tools() -> None:
    """They are offered the allowed ones only."""
    made = written(F, G, provider=OTHER, tool_choice=ToolChoice("allowed", ("g",), required=True))
    assert ([tool["name"] for tool in made["tools"]], made["tool_choice"]) == (["g"], "required")
    with pytest.raises(InvalidField):
        written(F, provider=OTHER, tool_choice=ToolChoice("allowed", ("x",)))


@pytest.mark.parametrize(
    ("json", "expected"),
    [
        ('{"type":"web_search","filters":{}}', {"type": "web_search", "filters": {}}),
        ('{"type":"mcp","mcp":{"server_label":"s"},"x":1}', {"type": "mcp", "server_label": "s", "x": 1}),
    ],
)
def test_openai_runs_its_own_tools(json: str, expected: dict[str, Any]) -> None:
    """They go as they came, but for settings that stand below their type."""
    tool = HostedTool(family="openai", kind=expected["type"], json=Raw(json.encode()))
    assert written(tool) == {"tools": [expected]}


def test_web_search_of_anthropic() -> None:
    """It has a counterpart; its limits have none."""
    lost = Losses("anthropic")
    json = (
        b'{"type":"web_search_20250305","name":"web_search","max_uses":3,"allowed_domains":["a.b"],'
        b'"user_location":{"type":"approximate","city":"Bern"}}'
    )
    tool = HostedTool(family="anthropic", kind="web_search_20250305", json=Raw(json))
    expected = {
        "type": "web_search",
        "user_location": {"type": "approximate", "city": "Bern"},
        "filters": {"allowed_domains": ["a.b"]},
    }
    assert written(tool, family="anthropic", lost=lost) == {"tools": [expected]}
    assert lost.names() == ("tools",)


def test_web_search_of_google() -> None:
    """It has no settings that matter."""
    assert written(HostedTool(family="google", kind="googleSearch", json=Raw(b"{}")), family="google") == {
        "tools": [{"type": "web_search"}]
    }


def test_web_search_of_chat() -> None:
    """A field there is a tool here, which no choice is about."""
    options = Raw(b'{"search_context_size":"low","user_location":{"type":"approximate","approximate":{"city":"Bern"}}}')
    location = {"type": "approximate", "city": "Bern"}
    expected = {"type": "web_search", "search_context_size": "low", "user_location": location}
    made = written(tool_choice=ToolChoice("auto"), extras={"web_search_options": options})
    assert made == {"tools": [expected]}
    with pytest.raises(InvalidField):
        written(extras={"web_search_options": Raw(b"[]")})


@pytest.mark.parametrize(("family", "kind"), [("anthropic", "bash_20250124"), ("google", "codeExecution")])
def test_tools_that_others_run(family: str, kind: str) -> None:
    """Nobody else can."""
    with pytest.raises(UnsupportedField):
        written(HostedTool(family=family, kind=kind, json=Raw(b"{}")), family=family)
