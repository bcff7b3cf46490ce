import pytest

from llmgw_simulator.ask import Choice, Media, ToolResult, Turn
from llmgw_simulator.dialects.messages_request import invalid, parse_messages
from llmgw_simulator.opaque import sign
from llmgw_simulator.wire import Refusal

SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": False}
TOOLS = [{"name": "f", "input_schema": SCHEMA}]
USER = {"role": "user", "content": "Hi"}
BASE = {"model": "claude", "max_tokens": 2000, "messages": [USER]}
CALL = {"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "f", "input": {}}]}


def asked(version="2026-10-21", betas="", **more):
    return parse_messages(BASE | more, version, betas).ask


def result(call, **more):
    return {"type": "tool_result", "tool_use_id": call, **more}


def user(*blocks):
    return {"role": "user", "content": list(blocks)}


def test_settings_are_read():
    """Limit, stops, system, schema, thinking."""
    found = asked(
        stop_sequences=["x"],
        system=[{"type": "text", "text": "rule"}],
        output_config={"format": {"type": "json_schema", "schema": SCHEMA}},
        thinking={"type": "enabled", "budget_tokens": 1024},
    )
    assert (2000, ("x",), SCHEMA, True) == (found.limit, found.stop, found.schema, found.thinking)
    assert (Turn("system", "rule"), Turn("user", "Hi")) == found.turns
    assert Turn("system", "rule") == asked(system="rule").turns[0]


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ({"type": "none"}, Choice("none")),
        ({"type": "any", "disable_parallel_tool_use": True}, Choice("any", (), False)),
        ({"type": "tool", "name": "f"}, Choice("any", ("f",))),
    ],
)
def test_the_choice_of_tools_is_read(choice, expected):
    """In all its forms."""
    assert expected == asked(tools=TOOLS, tool_choice=choice).choice


def test_blocks_become_texts_attachments_and_results():
    """Results may hold blocks of their own."""
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}}
    link = {"type": "image", "source": {"type": "url", "url": "https://a/b"}}
    document = {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "abcd"}}
    text = {"type": "text", "text": "see"}
    blocks = user(result("a", content=[text, image], is_error=True), text, link, document)
    media = (Media("image", "image/png", 3), Media("image", uri="https://a/b"), Media("document", "text/plain", 4))
    expected = Turn("user", "see", media, (ToolResult("a", "see", error=True),))
    assert expected == asked(messages=[USER, CALL, blocks]).turns[-1]


def test_results_may_refer_to_tools():
    """As a search for tools has it; there is no text in that."""
    found = result("a") | {"content": [{"type": "tool_reference", "tool_name": "f"}, {"type": "text", "text": "x"}]}
    assert "x" == asked(messages=[USER, CALL, user(found)]).turns[-1].results[0].text


def test_signed_thinking_and_inline_system_messages_pass():
    """The signature must be that of the text."""
    thinking = {"type": "thinking", "thinking": "hm", "signature": sign("hm", "n", "claude")}
    messages = [USER, {"role": "assistant", "content": [thinking, *CALL["content"]]}, user(result("a"))]
    assert 3 == len(asked(messages=messages).turns)
    assert 2 == len(asked(messages=[USER, {"role": "system", "content": "rule"}]).turns)


def test_sampling_fields_belong_to_the_older_version():
    """The newer one does not know them."""
    assert asked("2023-06-01", temperature=0.5, top_p=1, top_k=3)
    with pytest.raises(Refusal, match="temperature: Extra inputs are not permitted"):
        asked(temperature=1)


def test_beta_fields_need_the_header():
    """Without it they are unknown."""
    assert asked(betas="mcp-client-2025-04-04", mcp_servers=[])
    with pytest.raises(Refusal, match="mcp_servers: Extra inputs are not permitted"):
        asked(mcp_servers=[])


def image(**source):
    return user({"type": "image", "source": {"type": "base64", **source}})


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"model": None}, "model: Field required"),
        ({"max_tokens": None}, "max_tokens: Field required"),
        ({"messages": None}, "messages: Field required"),
        ({"xyz": 1}, "xyz: Extra inputs are not permitted"),
        ({"model": 3}, "model: Input should be a valid string"),
        ({"max_tokens": "9"}, "max_tokens: Input should be a valid integer"),
        ({"stream": 1}, "stream: Input should be a valid boolean"),
        ({"metadata": {"x": 1}}, "metadata.x: Extra inputs are not permitted"),
        ({"thinking": {"type": "on"}}, "thinking: Input tag 'on'"),
        ({"thinking": {"type": "enabled"}}, "budget_tokens: Field required"),
        ({"thinking": {"type": "enabled", "budget_tokens": 1}}, "greater than or equal to 1024"),
        ({"thinking": {"type": "enabled", "budget_tokens": 3000}}, "`max_tokens` must be greater"),
        (
            {"thinking": {"type": "adaptive"}, "tools": TOOLS, "tool_choice": {"type": "any"}},
            "Thinking may not be enabled when tool_choice forces tool use",
        ),
        ({"tool_choice": {"type": "auto"}}, "while providing tools"),
        ({"tools": TOOLS, "tool_choice": "auto"}, "tool_choice: Input tag"),
        ({"tools": TOOLS, "tool_choice": {"type": "tool", "name": "g"}}, "Tool 'g' not found"),
        ({"tools": TOOLS * 2}, "Tool names must be unique"),
        ({"tools": [{"name": "f"}]}, "tools.0.custom.input_schema: Field required"),
        ({"tools": [{"name": "f f", "input_schema": SCHEMA}]}, "tools.0.custom.name: String should match"),
        ({"tools": [TOOLS[0] | {"parameters": {}}]}, "tools.0.custom.parameters: Extra inputs"),
        ({"tools": [{"name": "f", "input_schema": {"type": "array"}}]}, "Input should be 'object'"),
        ({"stop_sequences": "x"}, "stop_sequences: Input should be a valid list"),
        ({"stop_sequences": [" "]}, "must contain non-whitespace"),
        ({"system": [{"type": "text", "text": ""}]}, "text content blocks must be non-empty"),
        ({"output_config": {"format": {"type": "json_schema"}}}, "output_config.format.schema: Field required"),
        ({"messages": []}, "at least one message is required"),
        ({"messages": [{"role": "bot", "content": "x"}]}, "messages.0.role: Input should be 'user' or 'assistant'"),
        ({"messages": [USER | {"name": "x"}]}, "messages.0.name: Extra inputs"),
        ({"messages": [{"role": "assistant", "content": "x"}]}, 'first message must use the "user" role'),
        ({"messages": [{"role": "user", "content": ""}]}, "must have non-empty content"),
        ({"messages": [USER, {"role": "assistant", "content": "x "}]}, "cannot end with trailing whitespace"),
        ({"messages": [user({"type": "text", "text": ""})]}, "text content blocks must be non-empty"),
        ({"messages": [user({"type": "text", "text": " "})]}, "must contain non-whitespace text"),
        ({"messages": [user({"type": "image_url"})]}, "messages.0.content.0: Input tag 'image_url'"),
        ({"messages": [image(media_type="image/bmp", data="AAAA")]}, "media_type: Input should be 'image/jpeg'"),
        ({"messages": [image(media_type="image/png", data="A")]}, "invalid base64 data"),
        ({"messages": [USER, CALL]}, "`tool_use` ids were found without"),
        ({"messages": [USER, CALL, USER]}, "messages.1: `tool_use` ids were found without"),
        (
            {"messages": [USER, CALL, user({"type": "text", "text": "x"}, result("a"))]},
            "messages.1: `tool_use` ids were found without",
        ),
        ({"messages": [USER, CALL, user(result("a"), result("b"))]}, "unexpected `tool_use_id` found"),
        ({"messages": [user(result("a"))]}, "messages.0.content.0: unexpected `tool_use_id`"),
        (
            {
                "messages": [
                    USER,
                    {"role": "assistant", "content": [{"type": "thinking", "thinking": "x", "signature": "y"}]},
                ]
            },
            "Invalid `signature` in `thinking` block",
        ),
    ],
)
def test_a_wrong_request_is_refused(body, message):
    """With 400 and the provider's words."""
    with pytest.raises(Refusal) as caught:
        parse_messages({n: v for n, v in (BASE | body).items() if v is not None}, "2026-10-21", "")
    assert 400 == caught.value.status
    assert message in caught.value.message


def test_a_missing_model_is_not_found():
    """With 404."""
    with pytest.raises(Refusal) as caught:
        asked(model="missing-model")
    assert (404, "model: missing-model") == (caught.value.status, caught.value.message)


def test_the_message_says_where():
    """As pydantic's do."""
    with pytest.raises(Refusal, match=r"^a\.0: wrong$"):
        invalid("a.0", "wrong")
