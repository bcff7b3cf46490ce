"""Tools of a client and the choice among them."""

from typing import Any

import msgspec
import pytest
from msgspec import Raw

from llmgw_domain.chat import HostedTool, Tool, ToolChoice
from llmgw_domain.errors import InvalidField
from llmgw_protocols.responses._request import Choice
from llmgw_protocols.responses.parse_tools import Tools, choice


def read(*tools: Any) -> tuple[Tool | HostedTool, ...]:
    found = Tools()
    found.add([Raw(msgspec.json.encode(tool)) for tool in tools], "tools")
    return found.all()


GIT = {"type": "namespace", "name": "git", "description": "Git.", "tools": [{"type": "function", "name": "log"}]}


@pytest.mark.parametrize(
    ("tool", "expected"),
    [
        (
            {"type": "function", "name": "f", "description": "d", "parameters": {"a": 1.0}, "strict": False},
            Tool(name="f", description="d", schema=Raw(b'{"a":1.0}'), strict=False),
        ),
        ({"type": "function", "name": "f", "parameters": None, "strict": None}, Tool(name="f")),
        ({"type": "custom", "name": "p"}, Tool(name="p", custom=True)),
        (
            {"type": "custom", "name": "p", "format": {"type": "text"}},
            Tool(name="p", custom=True, grammar=Raw(b'{"type":"text"}')),
        ),
        (
            {"type": "custom", "name": "p", "format": {"type": "grammar", "syntax": "regex", "definition": "a+"}},
            Tool(
                name="p",
                custom=True,
                grammar=Raw(b'{"type":"grammar","grammar":{"definition":"a+","syntax":"regex"}}'),
            ),
        ),
        (GIT, Tool(name="git__log", description="Git.")),
        ({"type": "web_search"}, HostedTool(family="openai", kind="web_search", json=Raw(b'{"type":"web_search"}'))),
    ],
)
def test_tools(tool: Any, expected: Tool | HostedTool) -> None:
    """The client's own are read, grammars in Chat's form; all others stay as they came."""
    assert (expected,) == read(tool)


def test_the_later_of_two_counts() -> None:
    """Tools that were found on the way may be offered again; servers of one kind stay apart."""
    servers = [{"type": "mcp", "server_label": label} for label in "ab"]
    tools = read({"type": "function", "name": "f"}, {"type": "function", "name": "f", "description": "d"}, *servers)
    assert ["f", "mcp", "mcp"] == [t.name if isinstance(t, Tool) else t.kind for t in tools]
    assert Tool(name="f", description="d") == tools[0]


@pytest.mark.parametrize(
    ("tool", "param"),
    [
        ({"type": "function"}, "tools[0].name"),
        ({"type": "function", "name": 3}, "tools[0].name"),
        ({**GIT, "tools": [{"type": "function"}]}, "tools[0].tools[0].name"),
    ],
)
def test_a_wrong_tool_is_refused_by_its_path(tool: Any, param: str) -> None:
    """Also within a namespace."""
    with pytest.raises(InvalidField) as refusal:
        read(tool)
    assert param == refusal.value.param


F, P, WEB = {"type": "function", "name": "f"}, {"type": "custom", "name": "p"}, {"type": "web_search"}


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (None, (None, False)),
        ("auto", (ToolChoice("auto"), False)),
        ("none", (ToolChoice("none"), False)),
        (F, (ToolChoice("named", ("f",)), False)),
        ({**F, "namespace": "git"}, (ToolChoice("named", ("git__f",)), False)),
        (P, (ToolChoice("named", ("p",)), False)),
        (WEB, (None, True)),
        (
            {"type": "allowed_tools", "mode": "required", "tools": [F, P]},
            (ToolChoice("allowed", ("f", "p"), True), False),
        ),
        ({"type": "allowed_tools", "tools": [F, WEB]}, (ToolChoice("allowed", ("f",)), True)),
        ({"type": "allowed_tools", "tools": [WEB]}, (ToolChoice("none"), True)),
        (
            {"type": "allowed_tools", "tools": [{"type": "namespace", "name": "git"}]},
            (ToolChoice("allowed", ("git__log",)), False),
        ),
    ],
)
def test_choices(wanted: Any, expected: tuple[ToolChoice | None, bool]) -> None:
    """What is lost of a choice is told, and never allows more than the client did."""
    given = msgspec.convert(wanted, str | Choice | None)
    assert expected == choice(given, read(GIT, F, P, WEB))


@pytest.mark.parametrize("wanted", ["maybe", {"type": "function"}])
def test_a_wrong_choice_is_refused(wanted: Any) -> None:
    """With the words that are known."""
    with pytest.raises(InvalidField, match="tool_choice"):
        choice(msgspec.convert(wanted, str | Choice), ())
