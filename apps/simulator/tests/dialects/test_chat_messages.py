import pytest

from llmgw_simulator.ask import Media, ToolResult, Turn
from llmgw_simulator.dialects.chat_messages import called, invalid, parse_turns, shows_reasoning
from llmgw_simulator.wire import Refusal


def call(name, key="function"):
    return {"id": name, "type": key, key: {"name": "f", "arguments": "{}"}}


def turns(*messages, model="gpt-4o"):
    return parse_turns({"messages": list(messages)}, model)


USER = {"role": "user", "content": "Hi"}
CALLS = {"role": "assistant", "content": None, "tool_calls": [call("a"), call("b")]}


def test_roles_become_turns():
    """Developer is system, tool is the user's."""
    found = turns(
        {"role": "developer", "content": "rule"},
        USER,
        CALLS,
        {"role": "tool", "tool_call_id": "b", "content": "2"},
        {"role": "tool", "tool_call_id": "a", "content": [{"type": "text", "text": "1"}]},
    )
    expected = (
        Turn("system", "rule"),
        Turn("user", "Hi"),
        Turn("assistant"),
        Turn("user", results=(ToolResult("b", "2"),)),
        Turn("user", results=(ToolResult("a", "1"),)),
    )
    assert expected == found


def test_parts_become_texts_and_attachments():
    """Images by data URL or address, audio, files."""
    parts = [
        {"type": "text", "text": "see"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
        {"type": "image_url", "image_url": {"url": "https://a/b.png"}},
        {"type": "input_audio", "input_audio": {"format": "wav", "data": "AAAA"}},
        {"type": "file", "file": {"file_data": "data:application/pdf;base64,AAAA", "filename": "a.pdf"}},
        {"type": "file", "file": {"file_id": "file-1"}},
    ]
    expected = (
        Media("image", "image/png", 3),
        Media("image", uri="https://a/b.png"),
        Media("audio", "audio/wav", 3),
        Media("document", "application/pdf", 3),
        Media("document", uri="file-1"),
    )
    assert (Turn("user", "see", expected),) == turns({"role": "user", "content": parts})


def image(url):
    return {"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]}


@pytest.mark.parametrize(
    ("messages", "param", "code"),
    [
        ([{"role": "bot", "content": "x"}], "messages[0].role", "invalid_value"),
        ([{"role": "user"}], "messages[0].content", "invalid_type"),
        ([USER, {"role": "assistant"}], "messages[1].content", "missing_required_parameter"),
        ([{"role": "user", "content": 3}], "messages[0].content", "invalid_type"),
        ([{"role": "user", "content": [{"type": "x"}]}], "messages[0].content[0].type", "invalid_value"),
        (
            [{"role": "user", "content": [{"type": "text"}]}],
            "messages[0].content[0].text",
            "missing_required_parameter",
        ),
        ([{"role": "user", "content": [{"type": "file", "file": 1}]}], "messages[0].content[0].file", "invalid_type"),
        ([{"role": "user", "content": "x", "cache_control": {}}], None, None),
        ([USER, {"role": "assistant", "content": "x", "reasoning_content": "y"}], None, None),
        ([image("data:image/bmp;base64,AAAA")], None, "invalid_image_format"),
        ([image("ftp://a")], None, "invalid_image_url"),
        ([USER, CALLS], "messages", None),
        ([USER, CALLS, USER], "messages", None),
        ([USER, {"role": "tool", "tool_call_id": "a", "content": "1"}], "messages.[1].role", None),
        ([USER, CALLS, {"role": "tool", "content": "1"}], "messages[2].tool_call_id", "missing_required_parameter"),
        (
            [USER, {"role": "assistant", "tool_calls": [call("x" * 65)]}],
            "messages[1].tool_calls[0].id",
            "string_above_max_length",
        ),
        (
            [USER, {"role": "assistant", "tool_calls": [call("a") | {"function": {"name": "f", "arguments": {}}}]}],
            "messages[1].tool_calls[0].function.arguments",
            "invalid_type",
        ),
        ([USER, {"role": "assistant", "content": "x", "tool_calls": []}], "messages[1].tool_calls", "empty_array"),
    ],
)
def test_wrong_messages_are_refused(messages, param, code):
    """With 400, and param and code as the provider has them."""
    with pytest.raises(Refusal) as caught:
        turns(*messages)
    assert (400, param, code) == (caught.value.status, caught.value.param, caught.value.code)


def test_models_that_show_reasoning_take_it_back():
    """As their servers want it."""
    assert [True, False] == [shows_reasoning("deepseek-chat"), shows_reasoning("gpt-4o")]
    message = {"role": "assistant", "content": "x", "reasoning_content": "y"}
    assert 2 == len(turns(USER, message, model="deepseek-chat"))


def test_types_are_called_as_the_provider_does():
    """For messages about wrong ones."""
    assert ["a boolean", "an integer", "null"] == [called(True), called(1), called(None)]
    with pytest.raises(Refusal):
        invalid("x")
