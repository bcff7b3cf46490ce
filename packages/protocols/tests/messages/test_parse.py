"""A client's request as a canonical one."""

from typing import Any

import msgspec
import pytest

from llmgw_domain.chat import (
    CacheMark,
    ChatRequest,
    HostedTool,
    OutputFormat,
    Reasoning,
    Text,
    Tool,
    ToolChoice,
    Turn,
)
from llmgw_domain.errors import InvalidField
from llmgw_protocols.dialect import WireRequest
from llmgw_protocols.messages import MESSAGES


def _parse(**fields: Any) -> ChatRequest:
    body = {"model": "m", "max_tokens": 5, "messages": [{"role": "user", "content": "Hi"}], **fields}
    return MESSAGES.parse(MESSAGES.envelope(WireRequest(body=msgspec.json.encode(body))))


def test_plain() -> None:
    """The least request."""
    expected = ChatRequest(
        model="m", turns=(Turn("user", (Text("Hi"),)),), include_usage=True, max_tokens=5, family="anthropic"
    )
    assert expected == _parse()


@pytest.mark.parametrize(
    ("system", "texts"),
    [
        ("Be brief.", (Text("Be brief."),)),
        (
            [{"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}, {"type": "text", "text": "b"}],
            (Text("a", CacheMark()), Text("b")),
        ),
    ],
)
def test_system(system: object, texts: tuple[Text, ...]) -> None:
    """System text leads, one block a part."""
    assert Turn("system", texts) == _parse(system=system).turns[0]


def test_system_between() -> None:
    """A message of role system keeps its place."""
    roles = ["user", "system", "assistant", "user"]
    messages = [{"role": role, "content": role} for role in roles]
    assert roles == [t.role for t in _parse(messages=messages).turns]


def test_scalars() -> None:
    """Limits, sampling, stop words, the user and the tier have their places."""
    request = _parse(
        temperature=1,
        top_p=0.5,
        top_k=3,
        stop_sequences=["E"],
        metadata={"user_id": "u"},
        service_tier="auto",
        stream=True,
    )
    assert (
        request.temperature,
        request.top_p,
        request.top_k,
        request.stop,
        request.user,
        request.service_tier,
        request.stream,
    ) == (1.0, 0.5, 3, ("E",), "u", "auto", True)


def test_tools() -> None:
    """Client tools keep their schema raw; typed tools stay whole."""
    tools = [
        {"name": "a", "input_schema": {"type": "object"}, "cache_control": {"type": "ephemeral", "ttl": "5m"}},
        {"type": "custom", "name": "b", "description": "B", "input_schema": {}, "strict": True},
        {"type": "bash_20250124", "name": "bash"},
    ]
    expected = (
        Tool(name="a", schema=msgspec.Raw(b'{"type":"object"}'), cache=CacheMark("5m")),
        Tool(name="b", description="B", schema=msgspec.Raw(b"{}"), strict=True),
        HostedTool(
            family="anthropic", kind="bash_20250124", json=msgspec.Raw(b'{"type":"bash_20250124","name":"bash"}')
        ),
    )
    assert expected == _parse(tools=tools).tools


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ({"type": "auto"}, (ToolChoice("auto"), None)),
        ({"type": "none"}, (ToolChoice("none"), None)),
        ({"type": "any", "disable_parallel_tool_use": True}, (ToolChoice("required"), False)),
        ({"type": "tool", "name": "a"}, (ToolChoice("named", ("a",)), None)),
    ],
)
def test_tool_choice(choice: object, expected: object) -> None:
    """The choice and the wish for one call at a time."""
    request = _parse(tool_choice=choice)
    assert expected == (request.tool_choice, request.parallel_tool_calls)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, None),
        ({"thinking": {"type": "disabled"}}, Reasoning(effort="none", mode="disabled")),
        (
            {"thinking": {"type": "disabled"}, "output_config": {"effort": "high"}},
            Reasoning(effort="high", mode="disabled"),
        ),
        ({"thinking": {"type": "enabled", "budget_tokens": 2000}}, Reasoning(budget=2000, mode="enabled")),
        ({"thinking": {"type": "adaptive", "display": "omitted"}}, Reasoning(mode="adaptive", show=False)),
        ({"output_config": {"effort": "max"}}, Reasoning(effort="max")),
        (
            {"thinking": {"type": "enabled", "budget_tokens": 2000}, "output_config": {"effort": "low"}},
            Reasoning(effort="low", mode="enabled"),
        ),
    ],
)
def test_reasoning(fields: dict[str, object], expected: Reasoning | None) -> None:
    """Thinking and effort; an effort wins over a budget."""
    assert expected == _parse(**fields).reasoning


@pytest.mark.parametrize("at", ["output_format", "output_config"])
def test_format(at: str) -> None:
    """Structured output comes by its present and by its old name."""
    wanted = {"type": "json_schema", "schema": {"type": "object"}}
    fields = {at: wanted if at == "output_format" else {"format": wanted}}
    expected = OutputFormat(kind="json_schema", name="output", schema=msgspec.Raw(b'{"type":"object"}'), strict=True)
    assert expected == _parse(**fields).format


def test_extras() -> None:
    """What has no canonical place is kept raw, but for nulls."""
    request = _parse(
        mcp_servers=[1], container=None, output_config={"effort": "low", "task_budget": {"total": 5}}, speed="fast"
    )
    assert {k: bytes(v) for k, v in request.extras.items()} == {
        "mcp_servers": b"[1]",
        "speed": b'"fast"',
        "output_config.task_budget": b'{"total":5}',
    }


def test_citations_noted() -> None:
    """A document to be cited is noted, so that others can say that they don't cite."""
    document = {
        "type": "document",
        "source": {"type": "text", "media_type": "text/plain", "data": "x"},
        "citations": {"enabled": True},
    }
    request = _parse(messages=[{"role": "user", "content": [document]}])
    assert list(request.extras) == ["citations"]


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"tools": [{"name": "a"}]}, "tools.0"),
        ({"tools": [{"name": 5, "input_schema": {}}]}, "tools.0.name"),
        ({"tool_choice": {"type": "tool"}}, "tool_choice.name"),
        ({"tool_choice": {"type": "some"}}, "tool_choice.type"),
        ({"thinking": {"type": "deep"}}, "thinking.type"),
        ({"output_config": {"effort": "huge"}}, "output_config.effort"),
        ({"output_config": {"format": {"type": "xml"}}}, "output_config.format"),
        ({"metadata": {"user_id": 5}}, "metadata.user_id"),
        (
            {"messages": [{"role": "assistant", "content": [{"type": "tool_result", "tool_use_id": "i"}]}]},
            "messages.0.content.0",
        ),
    ],
)
def test_wrong(fields: dict[str, object], param: str) -> None:
    """What is wrong inside of a field is named by its path."""
    with pytest.raises(InvalidField) as caught:
        _parse(**fields)
    assert param == caught.value.param


def test_image_of_system() -> None:
    """A system message between the others holds text only."""
    image = {"type": "image", "source": {"type": "url", "url": "https://x/a.png"}}
    with pytest.raises(InvalidField) as caught:
        _parse(messages=[{"role": "user", "content": "Hi"}, {"role": "system", "content": [image]}])
    assert caught.value.param == "messages.1.content"
