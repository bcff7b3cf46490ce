import pytest

from llmgw_simulator.dialects.converse_claude import parse_claude
from llmgw_simulator.opaque import sign
from llmgw_simulator.wire import Refusal

USER = {"role": "user", "content": [{"text": "Hello"}]}
SPEC = {"name": "f", "description": "d", "inputSchema": {"json": {"type": "object"}}, "strict": True}
TOOLS = {"tools": [{"toolSpec": SPEC}, {"cachePoint": {"type": "default"}}]}
CALL = {"toolUse": {"toolUseId": "tooluse_a", "name": "f", "input": {}}}
RESULT = {"toolResult": {"toolUseId": "tooluse_a", "content": [{"text": "x"}, {"json": {"y": 1}}], "status": "error"}}
THINK = {"additionalModelRequestFields": {"thinking": {"type": "enabled", "budget_tokens": 1024}}}


def thought(text="hm", **more):
    return {"reasoningContent": {"reasoningText": {"text": text, **more}}}


def parsed(*content, model="anthropic.claude-sonnet-4-5-v1:0", **more):
    messages = [USER, {"role": "assistant", "content": list(content)}, {"role": "user", "content": [RESULT]}]
    return parse_claude({"messages": messages if content else [USER], "toolConfig": TOOLS, **more}, model)


def refused(*content, **more):
    with pytest.raises(Refusal) as caught:
        parsed(*content, **more)
    assert (400, "ValidationException") == (caught.value.status, caught.value.kind)
    return caught.value.message


def test_a_request_is_read_as_anthropics_own():
    """Tools, results, choice and limits."""
    config = TOOLS | {"toolChoice": {"tool": {"name": "f"}}}
    inference = {"maxTokens": 9, "temperature": 0.1, "topP": 0.5, "stopSequences": ["x"]}
    ask = parsed(CALL, toolConfig=config, inferenceConfig=inference, system=[{"text": "s"}]).ask
    assert (("f",), 9, ("x",), "system") == (ask.choice.names, ask.limit, ask.stop, ask.turns[0].role)
    assert ('x\n{"y":1}', True) == (ask.turns[-1].results[0].text, ask.turns[-1].results[0].error)


def test_signatures_are_checked():
    """Those of Claude on any platform, for their text only."""
    signature = sign("hm", "n", "claude")
    assert parsed(thought(signature=signature), CALL, **THINK).ask.thinking
    where = "The model returned the following errors: messages.1.content.0"
    assert f"{where}: Invalid `signature` in `thinking` block" == refused(thought("h", signature=signature), CALL)
    assert f"{where}.thinking.signature: Field required" == refused(thought(), CALL)
    assert "Invalid `signature`" in refused(thought(signature=sign("hm", "n", "gemini")), CALL)


def test_thinking_may_not_be_missing_in_a_tool_loop():
    """Where it is by budget."""
    message = refused(CALL, **THINK)
    assert "messages.1.content.0.type: Expected `thinking` or `redacted_thinking`, but found `tool_use`." in message


def test_encrypted_thinking_is_claudes_own():
    """Bedrock carries it as bytes."""
    sealed = {"reasoningContent": {"redactedContent": sign("", "n", "claude/redacted")}}
    assert parsed(sealed, CALL, **THINK)
    assert "Invalid `data`" in refused({"reasoningContent": {"redactedContent": "AAAA"}}, CALL)


def test_ids_must_suit_claude():
    """Though Converse has more letters."""
    dotted = {"toolUse": {**CALL["toolUse"], "toolUseId": "functions.f:0"}}
    assert "String should match pattern '^[a-zA-Z0-9_-]+$'" in refused(dotted)


def test_betas_open_beta_fields():
    """They are fields here, not headers."""
    fields = {"context_management": {"edits": []}}
    assert "context_management: Extra inputs" in refused(additionalModelRequestFields=fields)
    assert parsed(additionalModelRequestFields=fields | {"anthropic_beta": ["context-management-2025-06-27"]})


def test_documents_go_on_as_files_or_as_text():
    """Only PDFs are files to Claude."""
    documents = [
        {"document": {"format": "pdf", "name": "a", "source": {"bytes": "AAAA"}}},
        {"document": {"format": "md", "name": "b", "source": {"bytes": "SGk="}}},
        {"document": {"name": "c", "source": {"content": [{"text": "hello"}]}, "citations": {"enabled": True}}},
    ]
    ask = parse_claude({"messages": [{"role": "user", "content": [*documents, {"text": "x"}]}]}, "claude").ask
    assert [3, 2, 5] == [media.size for media in ask.turns[0].media]


def test_output_settings_are_translated():
    """A schema that Claude does not take is refused by Claude."""
    schema = '{"type":"object"}'
    config = {"textFormat": {"type": "json_schema", "structure": {"jsonSchema": {"schema": schema}}}, "effort": "low"}
    assert "'additionalProperties' must be explicitly set to false" in refused(
        outputConfig=config, model="anthropic.claude-opus-4-5"
    )
