import pytest

from llmgw_simulator.ask import Choice, Turn
from llmgw_simulator.dialects.responses_request import parse_count, parse_responses
from llmgw_simulator.kept import Kept
from llmgw_simulator.wire import Refusal

BASE = {"model": "gpt-5.5", "input": "Hi"}
SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], "additionalProperties": False}
CODEX = {
    "model": "gpt-5.5-codex",
    "input": [
        {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "Be careful"}]},
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Say hi"}]},
    ],
    "tools": [
        {"type": "function", "name": "exec_command", "strict": False, "parameters": {"type": "object"}},
        {"type": "namespace", "name": "mcp", "description": "d", "tools": [{"type": "function", "name": "look"}]},
        {"type": "web_search", "external_web_access": False},
    ],
    "tool_choice": "auto",
    "parallel_tool_calls": False,
    "reasoning": {"effort": "medium", "summary": "auto"},
    "store": False,
    "stream": True,
    "include": ["reasoning.encrypted_content"],
    "prompt_cache_key": "s1",
    "client_metadata": {"session_id": "s1"},
}


def asked(**more):
    return parse_responses(BASE | more, "key-1", Kept())[0]


def refused(**more):
    with pytest.raises(Refusal) as found:
        asked(**more)
    return found.value.status, found.value.message, found.value.param, found.value.code


def test_settings_are_read():
    """Instructions come first; the model's own effort counts."""
    found = asked(instructions="Be brief", max_output_tokens=20, tools=[{"type": "function", "name": "f"}])
    assert ((Turn("system", "Be brief"), Turn("user", "Hi")), 20, True) == (found.turns, found.limit, found.thinking)
    assert ("f", Choice()) == (found.tools[0].name, found.choice)
    assert not asked(reasoning={"effort": "none"}).thinking
    assert not asked(model="gpt-5.2").thinking


def test_what_codex_sends_is_taken():
    """Namespaces, web search, its own metadata, and no instructions."""
    ask, draft = parse_responses(CODEX, "key-1", Kept())
    assert ["exec_command", "look"] == [tool.name for tool in ask.tools]
    assert (False, "medium") == (draft.stored, draft.effort)


def test_tools_can_come_with_the_input():
    """As additional tools and as what a search found."""
    function = {"type": "function", "name": "f"}
    found = asked(input=[{"type": "additional_tools", "role": "developer", "tools": [function]}])
    assert ["f"] == [tool.name for tool in found.tools]


def test_formats():
    """A schema is flat; JSON wants the word in the input."""
    wanted = {"format": {"type": "json_schema", "name": "n", "schema": SCHEMA, "strict": True}, "verbosity": "low"}
    assert SCHEMA == asked(text=wanted).schema
    assert asked(input="json, please", text={"format": {"type": "json_object"}}).json_mode
    assert None is asked(text={"format": {"type": "text"}}).schema


def test_a_word_makes_it_refuse():
    """In the user's text."""
    assert parse_responses(BASE | {"input": "REFUSE this"}, "k", Kept())[1].refuses


@pytest.mark.parametrize(
    ("more", "message", "param", "code"),
    [
        ({"model": None}, "Missing required parameter: 'model'.", "model", "missing_required_parameter"),
        ({"messages": []}, "Unknown parameter: 'messages'.", "messages", "unknown_parameter"),
        ({"stop": "x"}, "Unknown parameter: 'stop'.", "stop", "unknown_parameter"),
        ({"model": "missing-model"}, "The requested model 'missing-model' does not exist.", "model", "model_not_found"),
        ({"input": None}, 'One of "input" or', "input", "missing_required_parameter"),
        ({"input": 5}, "Invalid type for 'input': expected one of", "input", "invalid_type"),
        ({"max_output_tokens": 15}, "Invalid 'max_output_tokens': integer below", "max_output_tokens", None),
        ({"include": ["x"]}, "Invalid value: 'x'. Supported values are:", "include[0]", "invalid_value"),
        ({"reasoning": {"effort": "some"}}, "Invalid value: 'some'.", "reasoning.effort", "invalid_value"),
        (
            {"model": "gpt-4o", "reasoning": {"effort": "low"}},
            "Unsupported parameter: 'reasoning.effort' is not supported with this model.",
            "reasoning.effort",
            "unsupported_parameter",
        ),
        ({"temperature": 0.5}, "Unsupported parameter: 'temperature'", "temperature", None),
        ({"stream_options": {}}, "The 'stream_options' parameter is only allowed", "stream_options", None),
        ({"metadata": {"a": 1}}, "Invalid type for 'metadata.a'", "metadata.a", "invalid_type"),
        ({"text": {"format": {}}}, "Missing required parameter: 'text.format.type'.", "text.format.type", None),
        (
            {"text": {"format": {"type": "json_schema", "json_schema": {}}}},
            "Unknown parameter: 'text.format.json_schema'.",
            "text.format.json_schema",
            "unknown_parameter",
        ),
        (
            {"text": {"format": {"type": "json_object"}}},
            "Response input messages must contain the word 'json'",
            "input",
            None,
        ),
        (
            {"previous_response_id": "resp_1"},
            "Previous response with id 'resp_1' not found.",
            "previous_response_id",
            "previous_response_not_found",
        ),
    ],
)
def test_what_the_provider_refuses(more, message, param, code):
    """With 400, in its own words."""
    found = refused(**more)
    assert (400, param) == (found[0], found[2])
    assert found[1].startswith(message)
    assert code is None or code == found[3]


def test_what_is_not_kept_is_not_found():
    """References, reasoning without content, conversations."""
    for more in ({"input": [{"id": "rs_1"}]}, {"input": [{"type": "reasoning", "id": "rs_1", "summary": []}]}):
        status, message, *_ = refused(**more)
        assert (404, True) == (status, message.startswith("Item with id 'rs_1' not found."))
    assert (404, "Conversation with id 'conv_1' not found.") == refused(conversation={"id": "conv_1"})[:2]
    assert "mutually_exclusive_parameters" == refused(conversation="conv_1", previous_response_id="resp_1")[3]


def test_a_count_takes_less():
    """Even no model; but no more than it knows."""
    assert (Turn("user", "Hi"),) == parse_count({"input": "Hi"}, "key-1", Kept()).turns
    with pytest.raises(Refusal, match="Unknown parameter: 'stream'"):
        parse_count(BASE | {"stream": True}, "key-1", Kept())
