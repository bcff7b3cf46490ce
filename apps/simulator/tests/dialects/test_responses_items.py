import pytest

from llmgw_simulator.ask import Media, ToolResult, Turn
from llmgw_simulator.dialects.responses_items import Owner, as_items, check_items, check_together, turns_of
from llmgw_simulator.sealed import seal
from llmgw_simulator.wire import Refusal

OWNER = Owner("key-1", "gpt-5.5")
PNG = "data:image/png;base64,aGVsbG8="
CALL = {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"}
OUTPUT = {"type": "function_call_output", "call_id": "c1", "output": "done"}
USER = {"role": "user", "content": "Hi"}
SAID = {"type": "message", "id": "msg_1", "role": "assistant", "content": [{"type": "output_text", "text": "Yes"}]}
THOUGHT = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": seal("key-1", "gpt-5.5", "hm")}


def taken(*given):
    items = as_items(list(given))
    check_items(items, OWNER)
    check_together(items)
    return turns_of(items)


def refused(*given):
    with pytest.raises(Refusal) as found:
        taken(*given)
    return found.value.message


def test_a_text_is_a_message_of_the_user():
    """And an item with a role is a message."""
    assert (Turn("user", "Hi"),) == turns_of(as_items("Hi")) == taken(USER)


def test_items_become_turns():
    """Calls are the assistant's, outputs the user's with the name of what was called."""
    parts = [{"type": "input_text", "text": "a"}, {"type": "input_image", "image_url": PNG, "detail": "auto"}]
    custom = [
        {"type": "custom_tool_call", "call_id": "c2", "name": "patch", "input": "*** x"},
        {"type": "custom_tool_call_output", "call_id": "c2", "output": [{"type": "input_text", "text": "ok"}]},
    ]
    found = taken(
        {"role": "developer", "content": "Be brief"},
        {"role": "user", "content": parts},
        THOUGHT,
        CALL,
        OUTPUT,
        SAID,
        *custom,
    )
    assert (
        Turn("system", "Be brief"),
        Turn("user", "a", (Media("image", "image/png", 5),)),
        Turn("assistant", "{}"),
        Turn("user", results=(ToolResult("c1", "done", "f"),)),
        Turn("assistant", "Yes"),
        Turn("assistant", "*** x"),
        Turn("user", results=(ToolResult("c2", "ok", "patch"),)),
    ) == found


def test_what_agents_send_back_is_taken():
    """Reasoning without an id, hosted calls, search outputs."""
    bare = {name: value for name, value in THOUGHT.items() if name != "id"}
    search = {"type": "tool_search_call", "call_id": "s1", "status": "completed", "arguments": {}}
    hosted = {"type": "web_search_call", "status": "completed", "action": {"type": "search", "query": "x"}}
    output = {"type": "function_call_output", "call_id": "s1", "output": "found"}
    taken(USER, bare, CALL, OUTPUT, hosted, search, output, {"type": "compaction_trigger"})


def test_reasoning_may_stand_alone():
    """At the end, as a client sends it whose stream broke off; and anywhere if nothing is kept."""
    assert (Turn("user", "Hi"),) == taken(USER, THOUGHT)
    check_together([THOUGHT, *as_items([USER])], stored=False)


@pytest.mark.parametrize(
    ("items", "expected"),
    [
        (["x"], "Invalid type for 'input[0]': expected an object, but got a string instead."),
        ([{"arguments": "{}"}], "Missing required parameter: 'input[0].type'."),
        ([{"type": "mystery"}], "Invalid value: 'mystery'. Supported values are: 'message',"),
        ([{"role": "robot", "content": "x"}], "Invalid value: 'robot'. Supported values are: 'assistant', 'system',"),
        ([{**USER, "name": "x"}], "Unknown parameter: 'input[0].name'."),
        ([{"role": "user"}], "Missing required parameter: 'input[0].content'."),
        (
            [{"role": "assistant", "content": [{"type": "input_text", "text": "x"}]}],
            "Invalid value: 'input_text'. Supported values are: 'output_text' and 'refusal'.",
        ),
        (
            [{"role": "user", "content": [{"type": "text", "text": "x"}]}],
            "Invalid value: 'text'. Supported values are: 'input_text', 'input_image', and 'input_file'.",
        ),
        ([{**CALL, "id": "call_1"}], "Invalid 'input[0].id': 'call_1'. Expected an ID that begins with 'fc'."),
        (
            [{**CALL, "call_id": "c" * 65}],
            "Invalid 'input[0].call_id': string too long. Expected a string with maximum",
        ),
        ([{**CALL, "name": "a b"}], "Invalid 'input[0].name': string does not match pattern."),
        ([{**CALL, "arguments": {}}], "Invalid type for 'input[0].arguments': expected a string, but got an object"),
        ([CALL], "No tool output found for function call c1."),
        ([OUTPUT], "No tool call found for function call output with call_id c1."),
        ([CALL, OUTPUT, OUTPUT], "No tool call found for function call output with call_id c1."),
        ([CALL, {**OUTPUT, "output": 5}], "Invalid type for 'input[1].output': expected one of a string or array"),
        (
            [{"type": "custom_tool_call_output", "call_id": "c1", "output": ""}],
            "No tool call found for custom tool call output with call_id c1.",
        ),
        ([{"type": "reasoning", "id": "rs_1"}], "Missing required parameter: 'input[0].summary'."),
        ([{**THOUGHT, "status": "completed"}, CALL, OUTPUT], "Unknown parameter: 'input[0].status'."),
        (
            [THOUGHT, {"role": "assistant", "content": "bare"}],
            "Item 'rs_1' of type 'reasoning' was provided without its required following item.",
        ),
        ([THOUGHT, USER], "Item 'rs_1' of type 'reasoning' was provided without its required following item."),
        (
            [{**THOUGHT, "encrypted_content": "gAAAAABx"}, CALL, OUTPUT],
            (
                "The encrypted content for item rs_1 could not be verified. "
                "Reason: Encrypted content could not be decrypted or parsed."
            ),
        ),
        (
            [{"type": "reasoning", "summary": [], "encrypted_content": seal("key-2", "gpt-5.5", "hm")}, CALL, OUTPUT],
            (
                f"The encrypted content gAAA...{seal('key-2', 'gpt-5.5', 'hm')[-4:]} could not be verified. "
                "Reason: Encrypted content organization_id did not match the target organization."
            ),
        ),
        (
            [{"role": "user", "content": [{"type": "input_image"}]}],
            "Missing required parameter: 'input[0].content[0].image_url'.",
        ),
        (
            [{"role": "user", "content": [{"type": "input_image", "image_url": "data:image/png;base64,x"}]}],
            "Invalid 'input[0].content[0].image_url'. Expected a base64-encoded data URL",
        ),
        (
            [{"role": "user", "content": [{"type": "input_image", "image_url": "data:image/tiff;base64,aGVsbG8="}]}],
            "The image data you provided does not represent a valid image.",
        ),
        (
            [{"role": "user", "content": [{"type": "input_file", "file_data": "aGVsbG8="}]}],
            "Invalid 'input[0].content[0].file_data'. Expected a base64-encoded data URL",
        ),
    ],
)
def test_what_the_provider_refuses(items, expected):
    """In its own words."""
    assert refused(*items).startswith(expected)
