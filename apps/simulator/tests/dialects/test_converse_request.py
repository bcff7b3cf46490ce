import pytest

from llmgw_simulator.ask import Choice, Tool, Turn
from llmgw_simulator.dialects.converse_request import parse_converse
from llmgw_simulator.wire import Refusal

CLAUDE = "eu.anthropic.claude-sonnet-4-5-v1:0"
NOVA = "amazon.nova-lite-v1:0"
LLAMA = "meta.llama3-3-70b-instruct-v1:0"
USER = {"role": "user", "content": [{"text": "Hello"}]}
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}
TOOL = {"toolSpec": {"name": "weather", "inputSchema": {"json": SCHEMA}}}
CACHE = {"cachePoint": {"type": "default"}}


def parsed(model=CLAUDE, stream=False, **more):
    return parse_converse({"messages": [USER], **more}, model, stream=stream)


def refused(model=CLAUDE, **more):
    with pytest.raises(Refusal) as caught:
        parsed(model, **more)
    return caught.value


def test_a_request_becomes_an_ask():
    """With limits, stops, system prompt and tools."""
    inference = {"maxTokens": 50, "temperature": 0.5, "topP": 1, "stopSequences": ["x"]}
    config = {"tools": [TOOL, CACHE], "toolChoice": {"tool": {"name": "weather"}}}
    system = [{"text": "Be terse."}, CACHE]
    ask = parsed(inferenceConfig=inference, toolConfig=config, system=system).ask
    assert (Turn("system", "Be terse."), Turn("user", "Hello")) == ask.turns
    assert (Tool("weather", SCHEMA),) == ask.tools
    assert (50, ("x",), Choice("any", ("weather",))) == (ask.limit, ask.stop, ask.choice)


@pytest.mark.parametrize(
    ("model", "extra", "expected"),
    [
        (CLAUDE, {"thinking": {"type": "enabled", "budget_tokens": 1024}}, True),
        (CLAUDE, {"reasoning_config": {"type": "enabled", "budget_tokens": 1024}}, True),
        (CLAUDE, {"top_k": 5}, False),
        (NOVA, {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "low"}}, True),
        (NOVA, {"reasoningConfig": {"type": "disabled"}}, False),
        (NOVA, {"inferenceConfig": {"topK": 5}}, False),
        ("openai.gpt-oss-120b-1:0", {}, True),
        (LLAMA, {"anything": 1}, False),
    ],
)
def test_thinking_is_asked_for_in_each_familys_way(model, extra, expected):
    """In the fields that Converse does not know."""
    assert expected == parsed(model, additionalModelRequestFields=extra).ask.thinking


def test_a_schema_comes_as_text():
    """Where the family has structured output."""
    definition = {"schema": '{"type":"object","properties":{},"additionalProperties":false}', "name": "x"}
    config = {"textFormat": {"type": "json_schema", "structure": {"jsonSchema": definition}}}
    assert "object" == parsed(outputConfig=config).ask.schema["type"]
    assert "outputConfig.textFormat field" in refused(NOVA, outputConfig=config).message
    config["textFormat"]["structure"]["jsonSchema"] = {"schema": "not json"}
    assert "must be a valid JSON schema" in refused(outputConfig=config).message


@pytest.mark.parametrize(
    ("model", "more", "message"),
    [
        ("missing-model", {}, "The provided model identifier is invalid."),
        (CLAUDE, {"mesages": []}, "extraneous key [mesages] is not permitted"),
        (CLAUDE, {"inferenceConfig": {"temperature": 2}}, "Member must have value less than or equal to 1"),
        (CLAUDE, {"inferenceConfig": {"stopSequences": [""]}}, "inferenceConfig.stopSequences.1.member"),
        (CLAUDE, {"additionalModelRequestFields": {"foo": 1}}, "errors: foo: Extra inputs are not permitted"),
        (CLAUDE, {"additionalModelRequestFields": {"thinking": {"type": "enabled"}}}, "budget_tokens: Field required"),
        (NOVA, {"additionalModelRequestFields": {"thinking": {}}}, "extraneous key [thinking]"),
        (NOVA, {"additionalModelRequestFields": []}, "Provide a JSON object"),
        (NOVA, {"additionalModelRequestFields": {"reasoningConfig": {"type": "on"}}}, "#/reasoningConfig/type"),
        (NOVA, {"outputConfig": {"effort": "low"}}, "doesn't support the outputConfig.effort field"),
        (LLAMA, {"toolConfig": {"tools": [TOOL], "toolChoice": {"any": {}}}}, "the toolConfig.toolChoice.any field"),
        ("amazon.titan-text-lite-v1", {"system": [{"text": "x"}]}, "doesn't support the system field"),
        ("amazon.titan-text-lite-v1", {"toolConfig": {"tools": [TOOL]}}, "This model doesn't support tool use."),
        (CLAUDE, {"system": [{"text": " "}]}, "The text field in the SystemContentBlock object at system.0 is blank."),
        (CLAUDE, {"toolConfig": {"tools": [TOOL, TOOL]}}, "weather is already defined at toolConfig.tools.0"),
        (NOVA, {"toolConfig": {"tools": [TOOL], "toolChoice": {"tool": {"name": "news"}}}}, "news at toolConfig"),
        (CLAUDE, {"guardrailConfig": {"streamProcessingMode": "sync"}}, "extraneous key [streamProcessingMode]"),
        (CLAUDE, {"requestMetadata": {}}, "requestMetadata"),
        (CLAUDE, {"messages": []}, "A conversation must start with a user message."),
    ],
)
def test_what_bedrock_refuses(model, more, message):
    """With a ValidationException, and the model's own complaints behind Bedrock's words."""
    refusal = refused(model, **more)
    assert (400, "ValidationException") == (refusal.status, refusal.kind)
    assert message in refusal.message


def test_schemas_of_tools_are_objects():
    """At their root."""
    tool = {"toolSpec": {"name": "f", "inputSchema": {"json": {"type": "string"}}}}
    message = "The value at toolConfig.tools.0.toolSpec.inputSchema.json.type must be one of the following: object."
    assert message == refused(toolConfig={"tools": [tool]}).message


@pytest.mark.parametrize(
    "more", [{"system": [{"text": "x"}, CACHE]}, {"toolConfig": {"tools": [TOOL, CACHE]}}], ids=["system", "tools"]
)
def test_cache_points_are_for_models_with_a_cache(more):
    """The others deny access, of all things."""
    refusal = refused(LLAMA, **more)
    assert (403, "AccessDeniedException") == (refusal.status, refusal.kind)
    assert parsed(NOVA, **more)


def test_streams_have_one_field_more():
    """Of the guardrail."""
    assert parsed(stream=True, guardrailConfig={"streamProcessingMode": "sync"}).stream


def test_the_stop_sequence_is_told_if_it_is_asked_for():
    """By the path that Claude's own answers have it at."""
    assert "stop_sequence" in parsed(additionalModelResponseFieldPaths=["/stop_sequence"]).options
