"""Tools written for a provider; their reading is tested with the whole request."""

from typing import Any

import pytest
from msgspec import Raw

from llmgw_domain.chat import HostedTool, Tool, ToolChoice
from llmgw_domain.errors import UnsupportedField
from llmgw_protocols.chat import tools

SCHEMA = Raw(b'{"type":"object"}')
F = Tool(name="f", schema=SCHEMA)
C = Tool(name="c", custom=True)


@pytest.mark.parametrize(
    ("tool", "expected"),
    [
        (F, {"type": "function", "function": {"name": "f", "parameters": SCHEMA}}),
        (Tool(name="g", description="d"), {"type": "function", "function": {"name": "g", "description": "d"}}),
        (Tool(name="h", strict=True), {"type": "function", "function": {"name": "h", "strict": True}}),
        (
            Tool(name="c", custom=True, grammar=Raw(b'{"type":"text"}')),
            {"type": "custom", "custom": {"name": "c", "format": Raw(b'{"type":"text"}')}},
        ),
        (
            HostedTool(family="openai", kind="web_search", json=Raw(b'{"type":"web_search"}')),
            Raw(b'{"type":"web_search"}'),
        ),
    ],
)
def test_render(tool: Tool | HostedTool, expected: Any) -> None:
    """Each kind of tool has its shape; schemas stay the client's bytes."""
    assert [expected] == tools.render((tool,), strict=True)


def test_strict_is_for_those_who_take_it() -> None:
    """Servers that may refuse `strict` do not get it."""
    (tool,) = tools.render((Tool(name="h", strict=True),), strict=False)
    assert tool["function"] == {"name": "h"}


def test_a_foreign_hosted_tool_is_refused() -> None:
    """A tool that only another provider runs is named."""
    hosted = HostedTool(family="anthropic", kind="web_search_20250305", json=Raw(b"{}"))
    with pytest.raises(UnsupportedField, match="web_search_20250305"):
        tools.render((hosted,), strict=True)


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        (ToolChoice("auto"), "auto"),
        (ToolChoice("none"), "none"),
        (ToolChoice("required"), "required"),
        (ToolChoice("named", ("f",)), {"type": "function", "function": {"name": "f"}}),
        (ToolChoice("named", ("c",)), {"type": "custom", "custom": {"name": "c"}}),
        (
            ToolChoice("allowed", ("f",), True),
            {
                "type": "allowed_tools",
                "allowed_tools": {"mode": "required", "tools": [{"type": "function", "function": {"name": "f"}}]},
            },
        ),
    ],
)
def test_render_choice(choice: ToolChoice, expected: Any) -> None:
    """Every choice is said in OpenAI's words."""
    assert expected == tools.render_choice(choice, (F, C))


def test_allowed() -> None:
    """A set of allowed tools can be expressed by leaving the others out."""
    assert tools.allowed(ToolChoice("allowed", ("f",)), (F, C)) == (F,)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, False),
        ({"functions": b"[]"}, True),
        ({"functions": b"null"}, False),
        ({"functions": b"[]", "tools": b"null"}, True),
        ({"functions": b"[]", "tools": b"[]"}, False),
    ],
)
def test_who_knows_functions_only(fields: dict[str, bytes], expected: bool) -> None:
    """A client that sent `functions` and no `tools`."""
    assert expected == tools.knows_functions_only({name: Raw(value) for name, value in fields.items()})
