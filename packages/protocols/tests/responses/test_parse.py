"""A Responses request read into the canonical one."""

from typing import Any

import msgspec
import pytest
from msgspec import Raw

from llmgw_domain.chat import ChatRequest, OutputFormat, Reasoning, Text, Tool, ToolChoice, Turn
from llmgw_domain.errors import BadRequest, InvalidField, UnknownPrevious, UnsupportedField
from llmgw_protocols.dialect import WireRequest
from llmgw_protocols.responses.envelope import envelope
from llmgw_protocols.responses.parse import parse


def request(**fields: Any) -> ChatRequest:
    return parse(envelope(WireRequest(body=msgspec.json.encode({"model": "m", "input": "Hi", **fields}))))


def test_a_text_is_one_turn_of_the_user() -> None:
    """The least that a client can say."""
    expected = ChatRequest(model="m", turns=(Turn("user", (Text("Hi"),)),), include_usage=True, dialect="responses")
    assert expected == request()


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"stream": True}, {"stream": True}),
        ({"max_output_tokens": 9}, {"max_tokens": 9}),
        ({"temperature": 0.5, "top_p": 0.1}, {"temperature": 0.5, "top_p": 0.1}),
        ({"top_logprobs": 2}, {"logprobs": True, "top_logprobs": 2}),
        ({"include": ["message.output_text.logprobs"]}, {"logprobs": True}),
        ({"parallel_tool_calls": False}, {"parallel_tool_calls": False}),
        ({"user": "u"}, {"user": "u"}),
        ({"user": "u", "safety_identifier": "s"}, {"user": "s"}),
        ({"service_tier": "flex"}, {"service_tier": "flex"}),
        ({"prompt_cache_key": "k"}, {"cache_key": "k"}),
        ({"reasoning": {"effort": "low"}}, {"reasoning": Reasoning(effort="low")}),
        ({"reasoning": {"effort": "low", "summary": "auto"}}, {"reasoning": Reasoning(effort="low", show=True)}),
        ({"reasoning": {"summary": None}}, {"reasoning": Reasoning(show=False)}),
        ({"reasoning": {"generate_summary": "concise"}}, {"reasoning": Reasoning(show=True)}),
        ({"reasoning": {}}, {}),
        ({"tools": [{"type": "function", "name": "f"}]}, {"tools": (Tool(name="f"),)}),
        ({"tool_choice": "required"}, {"tool_choice": ToolChoice("required")}),
        ({"text": {"format": {"type": "json_object"}}}, {"format": OutputFormat(kind="json_object")}),
        (
            {"text": {"format": {"type": "json_schema", "name": "n", "schema": {"a": 1.0}, "strict": True}}},
            {"format": OutputFormat(kind="json_schema", name="n", schema=Raw(b'{"a":1.0}'), strict=True)},
        ),
    ],
)
def test_fields_with_a_canonical_place(fields: dict[str, Any], expected: dict[str, Any]) -> None:
    """Each is in its place, and nothing else is changed."""
    assert msgspec.structs.replace(request(), **expected) == request(**fields)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"metadata": {"a": "b"}}, {"metadata": b'{"a":"b"}'}),
        ({"client_metadata": {"a": 1.0}}, {"client_metadata": b'{"a":1.0}'}),
        ({"text": {"verbosity": "low"}}, {"verbosity": b'"low"'}),
        ({"truncation": "auto"}, {"truncation": b'"auto"'}),
        ({"truncation": "disabled"}, {}),
        ({"max_tool_calls": 3}, {"max_tool_calls": b"3"}),
        ({"reasoning": {"mode": "pro", "context": "auto"}}, {"reasoning.mode": b'"pro"'}),
        ({"include": ["reasoning.encrypted_content"]}, {}),
        (
            {"include": ["reasoning.encrypted_content", "file_search_call.results"]},
            {"include": b'["file_search_call.results"]'},
        ),
        ({"store": False, "stream_options": {"include_obfuscation": False}, "background": False}, {}),
        ({"metadata": None, "previous_response_id": None, "conversation": None}, {}),
        ({"tool_choice": {"type": "web_search"}}, {"tool_choice": b'{"type":"web_search"}'}),
        (
            {"tools": [{"type": "function", "name": "f", "async": True, "output_schema": {"a": 1}}]},
            {"tools.async": b"true", "tools.output_schema": b"true"},
        ),
    ],
)
def test_what_has_no_place_is_kept_raw(fields: dict[str, Any], expected: dict[str, bytes]) -> None:
    """By its own name; what says nothing, or speaks to the gateway alone, is not kept."""
    assert expected == {name: bytes(raw) for name, raw in request(**fields).extras.items()}


def test_instructions_come_first() -> None:
    """As a text of the system's, or as items of their own."""
    hi = Turn("user", (Text("Hi"),))
    assert (Turn("system", (Text("Be brief."),)), hi) == request(instructions="Be brief.").turns
    items = [{"role": "developer", "content": "Be brief."}]
    assert (Turn("developer", (Text("Be brief."),)), hi) == request(instructions=items).turns
    assert (hi,) == request(instructions="").turns


@pytest.mark.parametrize(
    ("fields", "kind", "param"),
    [
        ({"previous_response_id": "resp_1"}, UnknownPrevious, "previous_response_id"),
        ({"conversation": {"id": "c"}}, UnsupportedField, "conversation"),
        ({"prompt": {"id": "p"}}, UnsupportedField, "prompt"),
        ({"background": True}, UnsupportedField, "background"),
        ({"input": [{"type": "item_reference", "id": "msg_1"}]}, UnsupportedField, "input[0].id"),
        ({"input": [{"id": "msg_1"}]}, UnsupportedField, "input[0].id"),
        ({"reasoning": {"effort": "huge"}}, InvalidField, "reasoning.effort"),
        ({"text": {"format": {"type": "json_schema", "name": "n"}}}, InvalidField, "text.format.schema"),
        ({"tool_choice": "maybe"}, InvalidField, "tool_choice"),
    ],
)
def test_what_cant_be_served_is_refused(fields: dict[str, Any], kind: type[BadRequest], param: str) -> None:
    """With the name of the field."""
    with pytest.raises(kind) as refusal:
        request(**fields)
    assert param == refusal.value.param


def test_the_previous_response_is_named() -> None:
    """The code is OpenAI's own."""
    with pytest.raises(UnknownPrevious, match="'resp_1' not found") as refusal:
        request(previous_response_id="resp_1")
    assert (400, "previous_response_not_found") == (refusal.value.status, refusal.value.code)


def test_codex_is_understood() -> None:
    """Its request holds much that no other provider has, and none of it is refused."""
    function = {"type": "function", "name": "run", "parameters": {"type": "object"}, "strict": False}
    body = request(
        input=[
            {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "Rules."}]},
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hi"}]},
            {"type": "reasoning", "summary": [], "content": None, "encrypted_content": "gAAA"},
            {"type": "function_call", "namespace": "shell", "name": "run", "arguments": "{}", "call_id": "c"},
            {"type": "function_call_output", "call_id": "c", "output": "ok"},
        ],
        tools=[
            {"type": "namespace", "name": "shell", "description": "Shell.", "tools": [function]},
            {"type": "web_search", "external_web_access": False},
            {"type": "custom", "name": "patch", "format": {"type": "grammar", "syntax": "lark", "definition": "x"}},
        ],
        tool_choice="auto",
        parallel_tool_calls=False,
        reasoning={"effort": "medium", "summary": "auto"},
        store=False,
        stream=True,
        include=["reasoning.encrypted_content"],
        prompt_cache_key="k",
        client_metadata={"session_id": "s"},
        text={"verbosity": "low"},
    )
    assert ["developer", "user", "assistant", "user"] == [turn.role for turn in body.turns]
    assert {"client_metadata", "verbosity"} == set(body.extras)
