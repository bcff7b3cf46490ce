"""The `toolConfig` of a request."""

from typing import Any

import msgspec
import pytest

from llmgw_domain.chat import CacheMark, ChatRequest, HostedTool, Tool, ToolCall, ToolChoice
from llmgw_domain.errors import InvalidField, UnsupportedField
from llmgw_protocols.converse.marks import Marks
from llmgw_protocols.converse.models import traits_of
from llmgw_protocols.converse.tools import ToolWriter
from llmgw_protocols.losses import Losses

CLAUDE, OLD = "us.anthropic.claude-sonnet-4-5-20250929-v1:0", "us.anthropic.claude-3-7-sonnet-20250219-v1:0"
NOVA_2, LLAMA, MISTRAL = (
    "us.amazon.nova-2-lite-v1:0",
    "meta.llama3-3-70b-instruct-v1:0",
    "mistral.mistral-large-2402-v1:0",
)
SCHEMA = msgspec.Raw(b'{"type":"object","properties":{"a":{"$ref":"#/$defs/a"}},"$defs":{"a":{"type":"string"}}}')
F, G = Tool(name="f", description="does", schema=SCHEMA), Tool(name="g")
NOTHING = {"type": "object", "properties": {}}
CALLS = [ToolCall("1", "f", ""), ToolCall("2", "h", ""), ToolCall("3", "f", "")]


class _Asked:
    def __init__(self, model: str = CLAUDE, calls: Any = (), **fields: Any) -> None:
        self.losses, traits = Losses("openai"), traits_of(model)
        self.writer = ToolWriter(traits, Marks(traits), self.losses)
        request = ChatRequest(**{"model": "m", "turns": (), "tools": (F, G), **fields})
        self.config: Any = msgspec.json.decode(msgspec.json.encode(self.writer.config(request, calls)))

    @property
    def tools(self) -> list[str]:
        return [(t.get("toolSpec") or t.get("systemTool"))["name"] for t in self.config["tools"]]


def _choice(model: str, mode: Any, *names: str, required: bool = False) -> tuple[Any, tuple[str, ...]]:
    asked = _Asked(model, tool_choice=ToolChoice(mode, names, required))
    return asked.config.get("toolChoice"), asked.losses.names()


def test_specs() -> None:
    """A tool has its name, what describes it, and a schema whose root is an object."""
    assert _Asked().config == {
        "tools": [
            {"toolSpec": {"name": "f", "description": "does", "inputSchema": {"json": msgspec.json.decode(SCHEMA)}}},
            {"toolSpec": {"name": "g", "inputSchema": {"json": NOTHING}}},
        ]
    }


def test_references_only_where_they_are_followed() -> None:
    """Models that follow no references get them written out."""
    schema = _Asked(LLAMA).config["tools"][0]["toolSpec"]["inputSchema"]["json"]
    assert {"type": "object", "properties": {"a": {"type": "string"}}} == schema


def test_strict() -> None:
    """A strict tool is one where the model can be held to a schema, and is reported where it can't."""
    strict = Tool(name="f", schema=msgspec.Raw(b'{"type":"object","properties":{"a":{"type":"string"}}}'), strict=True)
    held = _Asked(tools=(strict,))
    assert True is held.config["tools"][0]["toolSpec"]["strict"]
    assert False is held.config["tools"][0]["toolSpec"]["inputSchema"]["json"]["additionalProperties"]
    free = _Asked(OLD, tools=(strict,))
    assert "strict" not in free.config["tools"][0]["toolSpec"]
    assert ("tools.strict",) == free.losses.names()


def test_a_mark() -> None:
    """A marked tool has a point behind it."""
    asked = _Asked(tools=(Tool(name="f", cache=CacheMark()), G))
    assert ["toolSpec", "cachePoint", "toolSpec"] == [next(iter(t)) for t in asked.config["tools"]]


# --- the choice -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "mode", "expected", "lost"),
    [
        (CLAUDE, "auto", {"auto": {}}, ()),
        (CLAUDE, "required", {"any": {}}, ()),
        (CLAUDE, "named", {"tool": {"name": "f"}}, ()),
        ("us.anthropic.claude-opus-5-5", "required", {"auto": {}}, ("tool_choice",)),
        (MISTRAL, "required", {"any": {}}, ()),
        (LLAMA, "auto", None, ()),
        (LLAMA, "named", None, ("tool_choice",)),
    ],
)
def test_choices(model: str, mode: Any, expected: Any, lost: tuple[str, ...]) -> None:
    """A choice that the model refuses is none, and reported if it forced a call."""
    assert (expected, lost) == _choice(model, mode, "f")


def test_one_tool_where_only_any_call_can_be_forced() -> None:
    """A named tool is the only one of a model that can be forced to call any."""
    asked = _Asked(MISTRAL, tool_choice=ToolChoice("named", ("g",)))
    assert (["g"], {"any": {}}, ()) == (asked.tools, asked.config["toolChoice"], asked.losses.names())


@pytest.mark.parametrize(("required", "expected"), [(False, {"auto": {}}), (True, {"any": {}})])
def test_allowed_tools(required: bool, expected: Any) -> None:
    """The tools that are not allowed are left out."""
    asked = _Asked(tool_choice=ToolChoice("allowed", ("g",), required))
    assert (["g"], expected) == (asked.tools, asked.config["toolChoice"])


def test_a_choice_of_none_of_them() -> None:
    """A choice that allows no tool at all is the client's mistake."""
    with pytest.raises(InvalidField):
        _Asked(tool_choice=ToolChoice("allowed", ("x",)))


def test_no_calls_without_a_history_of_them() -> None:
    """No tools, no calls: that is the very thing which was asked for, so nothing is lost."""
    asked = _Asked(tool_choice=ToolChoice("none"))
    assert (None, (), False) == (asked.config, asked.losses.names(), asked.writer.no_calls)


def test_no_calls_with_a_history_of_them() -> None:
    """Bedrock demands tools beside calls, so they stay, the model is asked not to call them, and it is reported."""
    asked = _Asked(calls=CALLS, tool_choice=ToolChoice("none"))
    assert (["f", "g"], ("tool_choice",), True) == (asked.tools, asked.losses.names(), asked.writer.no_calls)
    assert "toolChoice" not in asked.config


@pytest.mark.parametrize("choice", [None, ToolChoice("none")])
def test_stand_ins(choice: ToolChoice | None) -> None:
    """A history of calls without tools gets tools by these names, each once, that say they are gone."""
    asked = _Asked(calls=CALLS, tools=(), tool_choice=choice)
    assert ["f", "h"] == asked.tools
    assert all("do not call" in tool["toolSpec"]["description"] for tool in asked.config["tools"])
    assert () == asked.losses.names()


def test_nothing_to_say() -> None:
    """Without tools and calls there is no configuration."""
    assert None is _Asked(tools=()).config


# --- one call at a time -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "choice", "one_call", "lost"),
    [
        (CLAUDE, None, True, ()),
        (CLAUDE, ToolChoice("auto"), True, ()),
        (CLAUDE, ToolChoice("required"), False, ("parallel_tool_calls",)),
        (OLD, None, False, ("parallel_tool_calls",)),
        (NOVA_2, None, False, ("parallel_tool_calls",)),
    ],
)
def test_one_call(model: str, choice: ToolChoice | None, one_call: bool, lost: tuple[str, ...]) -> None:
    """Newer Claude models have a field for it, which takes the place of a free choice; others lose the wish."""
    asked = _Asked(model, tool_choice=choice, parallel_tool_calls=False)
    assert (one_call, lost) == (asked.writer.one_call, asked.losses.names())
    assert (one_call or choice is None) == ("toolChoice" not in asked.config)


# --- tools of providers -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("family", "kind", "expected"),
    [
        ("openai", "web_search_preview", "nova_grounding"),
        ("anthropic", "web_search_20250305", "nova_grounding"),
        ("google", "googleSearch", "nova_grounding"),
        ("google", "codeExecution", "nova_code_interpreter"),
        ("openai", "code_interpreter", "nova_code_interpreter"),
    ],
)
def test_tools_that_bedrock_runs(family: str, kind: str, expected: str) -> None:
    """Nova has counterparts of other providers' own tools; other models have none."""
    tool = HostedTool(family=family, kind=kind, json=msgspec.Raw(b"{}"))
    assert [expected] == _Asked(NOVA_2, tools=(tool,)).tools
    with pytest.raises(UnsupportedField, match=kind):
        _Asked(tools=(tool,))


def test_search_options() -> None:
    """A wish for web search is a tool of Nova's; elsewhere the answer would be another one, so it is refused."""
    extras = {"web_search_options": msgspec.Raw(b"{}")}
    assert ["nova_grounding"] == _Asked(NOVA_2, tools=(), extras=extras).tools
    with pytest.raises(UnsupportedField, match="web_search_options"):
        _Asked(tools=(), extras=extras)
    assert None is _Asked(tools=(), extras={"web_search_options": msgspec.Raw(b"null")}).config


def test_a_tool_that_nobody_has() -> None:
    """A tool without a counterpart is refused by its place."""
    with pytest.raises(UnsupportedField, match=r"tools\.0"):
        _Asked(NOVA_2, tools=(HostedTool(family="openai", kind="file_search", json=msgspec.Raw(b"{}")),))
