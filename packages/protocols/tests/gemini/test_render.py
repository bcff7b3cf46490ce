"""Tests of the top of a rendered request."""

from typing import Any

import msgspec
import pytest
from google.genai import types
from msgspec import Raw
from pydantic import TypeAdapter

from llmgw_domain import Provider
from llmgw_domain.chat import ChatRequest, OutputFormat, Reasoning, Text, Tool, ToolCall, ToolChoice, ToolResult, Turn
from llmgw_protocols.dialect import Rendered, TargetFacts, WireRequest
from llmgw_protocols.gemini import GEMINI
from llmgw_protocols.gemini.render import render_request

ASK = (Turn("user", (Text("hi"),)),)


def rendered(model: str = "gemini-3-flash", **request: Any) -> Rendered:
    request.setdefault("turns", ASK)
    return render_request(ChatRequest(model="asked", **request), TargetFacts(provider=Provider.GOOGLE, model=model))


def body(**request: Any) -> dict[str, Any]:
    made: dict[str, Any] = msgspec.json.decode(rendered(**request).body)
    return made


@pytest.mark.parametrize(
    ("stream", "path", "query"),
    [
        (False, "/v1beta/models/gemini-3-flash:generateContent", ""),
        (True, "/v1beta/models/gemini-3-flash:streamGenerateContent", "alt=sse"),
    ],
)
def test_path(stream: bool, path: str, query: str) -> None:
    """The target's model and the verb stand in the path, and streams are asked for as SSE."""
    made = rendered(stream=stream)
    assert (path, query) == (made.path, made.query)


def test_the_smallest_request() -> None:
    """A request that says nothing more is its contents alone."""
    assert body() == {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}


def test_system_texts_are_an_instruction() -> None:
    """Leading system and developer texts are parts of one instruction."""
    turns = (Turn("system", (Text("a"), Text(""))), Turn("developer", (Text("b"),)), *ASK)
    assert body(turns=turns)["systemInstruction"] == {"parts": [{"text": "a"}, {"text": "b"}]}


@pytest.mark.parametrize(
    ("tier", "expected", "lossy"),
    [
        ("auto", None, ()),
        ("default", "standard", ()),
        ("standard_only", "standard", ()),
        ("flex", "flex", ()),
        ("fast", "priority", ()),
        ("scale", None, ("service_tier",)),
    ],
)
def test_service_tier(tier: str, expected: str | None, lossy: tuple[str, ...]) -> None:
    """Tiers have Google's names; one that it lacks is told."""
    made = rendered(service_tier=tier)
    assert (expected, lossy) == (msgspec.json.decode(made.body).get("serviceTier"), made.lossy)


FULL = {
    "turns": (
        Turn("system", (Text("s"),)),
        Turn("user", (Text("q"),)),
        Turn("assistant", (Text("a"), ToolCall("c1", "f", '{"x": 1}'))),
        Turn("user", (ToolResult("c1", (Text("42"),)), Text("and?"))),
    ),
    "max_tokens": 100,
    "temperature": 0.5,
    "top_p": 0.9,
    "top_k": 40,
    "seed": 1,
    "stop": ("x",),
    "tools": (Tool(name="f", description="d", schema=Raw(b'{"type":"object","properties":{"x":{"type":"integer"}}}')),),
    "tool_choice": ToolChoice("required"),
    "format": OutputFormat(kind="json_schema", name="o", schema=Raw(b'{"type":"object"}')),
    "reasoning": Reasoning(effort="low"),
}
FIELDS = {
    "contents": list[types.Content],
    "systemInstruction": types.Content,
    "tools": list[types.Tool],
    "toolConfig": types.ToolConfig,
    "generationConfig": types.GenerationConfig,
}


@pytest.mark.parametrize("field", FIELDS)
def test_the_sdks_types_take_it(field: str) -> None:
    """Every field of a full request is one that Google's own types know."""
    TypeAdapter(FIELDS[field]).validate_python(body(**FULL)[field])


def test_a_request_comes_back() -> None:
    """A rendered request, read as a client's, says the same."""
    made = rendered(**FULL)
    again = GEMINI.parse(GEMINI.envelope(WireRequest(body=made.body, path_model="asked")))
    settings = ("max_tokens", "temperature", "top_p", "top_k", "seed", "stop", "tools", "tool_choice")
    assert [FULL[name] for name in settings] == [getattr(again, name) for name in settings]
