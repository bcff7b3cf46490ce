"""Tools and the choice among them."""

from typing import Any

import msgspec
import pytest

from llmgw_domain.chat import CacheMark, ChatRequest, HostedTool, Tool, ToolCall, ToolChoice
from llmgw_domain.errors import InvalidField, UnsupportedField
from llmgw_protocols.losses import Losses
from llmgw_protocols.messages.content import Marks
from llmgw_protocols.messages.models import capabilities
from llmgw_protocols.messages.tools import ToolWriter, stand_ins

SCHEMA = msgspec.Raw(b'{"type":"object","properties":{"n":{"type":"integer","minimum":1}}}')
ANY = msgspec.json.decode(SCHEMA)


def _writer(model: str, losses: Losses) -> ToolWriter:
    return ToolWriter(capabilities(model), Marks(), losses)


def _tools(*tools: Tool | HostedTool, model: str = "claude-sonnet-4-5", **fields: Any) -> tuple[Any, tuple[str, ...]]:
    losses = Losses("openai")
    request = ChatRequest(model="m", turns=(), tools=tools, **fields)
    written = _writer(model, losses).tools(request)
    return msgspec.json.decode(msgspec.json.encode(written)), losses.names()


def _choice(choice: ToolChoice | None, parallel: bool | None = None, model: str = "claude-sonnet-4-5") -> Any:
    losses = Losses("openai")
    request = ChatRequest(model="m", turns=(), tool_choice=choice, parallel_tool_calls=parallel)
    return _writer(model, losses).choice(request), losses.names()


@pytest.mark.parametrize(
    ("tool", "expected", "lossy"),
    [
        (Tool(name="f"), {"name": "f", "input_schema": {"type": "object", "properties": {}}}, ()),
        (
            Tool(name="f", description="D", schema=SCHEMA, strict=False, cache=CacheMark()),
            {"name": "f", "description": "D", "input_schema": ANY, "cache_control": {"type": "ephemeral"}},
            (),
        ),
        (HostedTool(family="anthropic", kind="bash_1", json=msgspec.Raw(b'{"type":"bash_1"}')), {"type": "bash_1"}, ()),
        (
            HostedTool(family="google", kind="googleSearch", json=msgspec.Raw(b"{}")),
            {"type": "web_search_20250305", "name": "web_search"},
            (),
        ),
    ],
)
def test_tool(tool: Tool | HostedTool, expected: object, lossy: tuple[str, ...]) -> None:
    """Each kind of tool has its form."""
    assert ([expected], lossy) == _tools(tool)


def test_strict() -> None:
    """A strict tool gets a schema within the subset; models without structured output lose the promise."""
    tool = Tool(name="f", schema=SCHEMA, strict=True)
    (new,), _ = _tools(tool)
    (old,), lossy = _tools(tool, model="claude-sonnet-4-0")
    assert (
        new["strict"],
        new["input_schema"]["additionalProperties"],
        old.get("strict"),
        old["input_schema"],
        lossy,
    ) == (True, False, None, ANY, ("tools.strict",))


@pytest.mark.parametrize(
    ("tool", "param"),
    [
        (HostedTool(family="google", kind="codeExecution", json=msgspec.Raw(b"{}")), "tools.1"),
        (HostedTool(family="openai", kind="shell", json=msgspec.Raw(b"{}")), "tools.1"),
    ],
)
def test_refused(tool: Tool | HostedTool, param: str) -> None:
    """A tool that Anthropic can't have is named by its place."""
    with pytest.raises(UnsupportedField) as caught:
        _tools(Tool(name="f"), tool)
    assert param == caught.value.param


def test_allowed() -> None:
    """A choice among some tools leaves the others out."""
    written, _ = _tools(Tool(name="a"), Tool(name="b"), tool_choice=ToolChoice("allowed", ("b",)))
    assert [t["name"] for t in written] == ["b"]


def test_web_search() -> None:
    """OpenAI's search options become the search tool, with the place of the user."""
    options = b'{"search_context_size":"low","user_location":{"type":"approximate","approximate":{"city":"Rome"}}}'
    expected = {
        "type": "web_search_20250305",
        "name": "web_search",
        "user_location": {"type": "approximate", "city": "Rome"},
    }
    assert ([expected], ()) == _tools(extras={"web_search_options": msgspec.Raw(options)})


@pytest.mark.parametrize(
    ("choice", "parallel", "expected"),
    [
        (None, None, None),
        (None, True, None),
        (None, False, {"type": "auto", "disable_parallel_tool_use": True}),
        (ToolChoice("none"), False, {"type": "none"}),
        (ToolChoice("auto"), None, {"type": "auto"}),
        (ToolChoice("required"), False, {"type": "any", "disable_parallel_tool_use": True}),
        (ToolChoice("named", ("f",)), None, {"type": "tool", "name": "f"}),
        (ToolChoice("allowed", ("f",)), None, {"type": "auto"}),
        (ToolChoice("allowed", ("f",), required=True), None, {"type": "any"}),
    ],
)
def test_choice(choice: ToolChoice | None, parallel: bool | None, expected: object) -> None:
    """Each choice has its form, with the wish for one call at a time inside."""
    assert (expected, ()) == _choice(choice, parallel)


@pytest.mark.parametrize("choice", [ToolChoice("required"), ToolChoice("named", ("f",))])
def test_no_forcing(choice: ToolChoice) -> None:
    """Models that can't be forced choose themselves, and that is named."""
    assert _choice(choice, model="claude-opus-5-5") == ({"type": "auto"}, ("tool_choice",))


def test_stand_ins() -> None:
    """Tools are made up for the names of a history, each once."""
    calls = [ToolCall("1", "f", ""), ToolCall("2", "g", ""), ToolCall("3", "f", "")]
    assert [tool["name"] for tool in stand_ins(calls)] == ["f", "g"]


def test_strict_but_open() -> None:
    """A strict tool whose schema can't be closed keeps the schema and loses the promise."""
    schema = msgspec.Raw(b'{"type":"object","additionalProperties":{"type":"string"}}')
    expected = {"name": "f", "input_schema": msgspec.json.decode(schema)}
    assert ([expected], ("tools",)) == _tools(Tool(name="f", schema=schema, strict=True))


def test_allowed_unknown() -> None:
    """A choice among tools that are not there is refused, rather than leaving the model without any."""
    with pytest.raises(InvalidField) as caught:
        _tools(Tool(name="a"), tool_choice=ToolChoice("allowed", ("b",)))
    assert caught.value.param == "tool_choice"
