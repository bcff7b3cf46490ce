"""Tests of reading settings and tools."""

from typing import Any

import msgspec
import pytest
from msgspec import Raw

from llmgw_domain.chat import ChatRequest, HostedTool, OutputFormat, Reasoning, Tool, ToolChoice
from llmgw_domain.errors import InvalidField, UnsupportedField
from llmgw_protocols.gemini.fields import Fields
from llmgw_protocols.gemini.parse_config import settings_of, tools_of


def fields(**values: Any) -> Fields:
    return Fields({name: Raw(msgspec.json.encode(value)) for name, value in values.items()})


def settings(**config: Any) -> ChatRequest:
    return settings_of(fields(generationConfig=config))[0]


@pytest.mark.parametrize(
    ("config", "field", "expected"),
    [
        ({"maxOutputTokens": 5}, "max_tokens", 5),
        ({"max_output_tokens": 5}, "max_tokens", 5),
        ({"temperature": 1}, "temperature", 1),
        ({"topP": 0.5}, "top_p", 0.5),
        ({"topK": 40.0}, "top_k", 40),
        ({"stopSequences": ["a"]}, "stop", ("a",)),
        ({"candidateCount": 2}, "n", 2),
        ({"seed": -1}, "seed", -1),
        ({"presencePenalty": 0.1}, "presence_penalty", 0.1),
        ({"frequency_penalty": 0.1}, "frequency_penalty", 0.1),
        ({"responseLogprobs": True}, "logprobs", True),
        ({"logprobs": 3}, "top_logprobs", 3),
        ({"responseMimeType": "application/json"}, "format", OutputFormat(kind="json_object")),
        ({"responseMimeType": "text/plain"}, "format", OutputFormat(kind="text")),
        (
            {"response_mime_type": "application/json", "response_schema": {"type": "STRING"}},
            "format",
            OutputFormat(kind="json_schema", name="output", schema=Raw(b'{"type":"string"}')),
        ),
        (
            {"responseMimeType": "application/json", "responseJsonSchema": {"type": "string"}},
            "format",
            OutputFormat(kind="json_schema", name="output", schema=Raw(b'{"type":"string"}')),
        ),
        ({"thinkingConfig": {"thinkingLevel": "HIGH"}}, "reasoning", Reasoning(effort="high")),
        ({"thinkingConfig": {"includeThoughts": True}}, "reasoning", Reasoning(show=True)),
        ({"thinking_config": {"thinking_budget": 100}}, "reasoning", Reasoning(budget=100)),
        ({"thinkingConfig": {"thinkingBudget": 0}}, "reasoning", Reasoning(effort="none", mode="disabled")),
        ({"thinkingConfig": {"thinkingBudget": -1}}, "reasoning", Reasoning(mode="adaptive")),
        ({"responseModalities": ["TEXT"]}, "extras", {}),
    ],
)
def test_settings(config: Any, field: str, expected: Any) -> None:
    """Each setting, in either spelling, has its canonical place."""
    assert expected == getattr(settings(**config), field)


@pytest.mark.parametrize("config", [{"responseModalities": ["TEXT", "IMAGE"]}, {"responseMimeType": "text/x.enum"}])
def test_other_kinds_of_answers_are_refused(config: Any) -> None:
    """A wish for another kind of answer than text or JSON can't be dropped."""
    with pytest.raises(UnsupportedField):
        settings(**config)


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"mode": "AUTO"}, ToolChoice("auto")),
        ({"mode": "validated"}, ToolChoice("auto")),
        ({"mode": "VALIDATED", "allowedFunctionNames": ["f"]}, ToolChoice("allowed", ("f",))),
        ({"mode": "ANY"}, ToolChoice("required")),
        ({"mode": "ANY", "allowed_function_names": ["f"]}, ToolChoice("named", ("f",))),
        ({"mode": "ANY", "allowedFunctionNames": ["f", "g"]}, ToolChoice("allowed", ("f", "g"), required=True)),
        ({"mode": 3}, ToolChoice("none")),
        ({"mode": "MODE_UNSPECIFIED"}, None),
        ({}, None),
    ],
)
def test_tool_choice(config: Any, expected: ToolChoice | None) -> None:
    """Gemini's modes and allowed names become a choice."""
    assert expected == settings_of(fields(tool_config={"function_calling_config": config}))[0].tool_choice


def test_an_unknown_mode_is_refused() -> None:
    """A mode that Gemini does not have is refused by its path."""
    with pytest.raises(InvalidField) as caught:
        settings_of(fields(toolConfig={"functionCallingConfig": {"mode": "SOME"}}))
    assert caught.value.param == "toolConfig.functionCallingConfig.mode"


def test_what_is_left_is_named_by_its_path() -> None:
    """Settings without a place are given with the path that a client knows."""
    _, lost = settings_of(fields(generationConfig={"audioTimestamp": True}, toolConfig={"retrievalConfig": {}}))
    assert {"generationConfig.audioTimestamp", "toolConfig.retrievalConfig"} == set(lost)


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (
            {"function_declarations": [{"name": "f", "description": "d", "parameters": {"type": "OBJECT"}}]},
            Tool(name="f", description="d", schema=Raw(b'{"type":"object"}')),
        ),
        (
            {"functionDeclarations": [{"name": "f", "parametersJsonSchema": {"type": "object", "x": 1.0}}]},
            Tool(name="f", schema=Raw(b'{"type":"object","x":1.0}')),
        ),
        ({"functionDeclarations": [{"name": "f"}]}, Tool(name="f")),
        ({"google_search": {}}, HostedTool(family="google", kind="googleSearch", json=Raw(b'{"googleSearch":{}}'))),
    ],
)
def test_tools(entry: Any, expected: Tool | HostedTool) -> None:
    """Functions become tools with plain JSON Schema, Google's own tools stay Google's."""
    assert (expected,) == tools_of(fields(tools=[entry]))


def test_a_nameless_function_is_refused() -> None:
    """A function needs a name."""
    with pytest.raises(InvalidField) as caught:
        tools_of(fields(tools=[{"functionDeclarations": [{}]}]))
    assert caught.value.param == "tools[0].functionDeclarations[0].name"
