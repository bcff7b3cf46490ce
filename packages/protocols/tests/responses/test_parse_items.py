"""Items read into turns."""

from typing import Any

import msgspec
import pytest
from msgspec import Raw

from llmgw_domain.chat import (
    Image,
    Inline,
    Opaque,
    Origin,
    RedactedThinking,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolResult,
    Turn,
)
from llmgw_domain.errors import InvalidField, UnsupportedField
from llmgw_protocols.responses import sealed
from llmgw_protocols.responses.parse_items import turns
from llmgw_protocols.responses.parse_tools import Tools


def read(*items: Any) -> tuple[Turn, ...]:
    return turns([Raw(msgspec.json.encode(item)) for item in items], Tools())


USER = {"role": "user", "content": "Hi"}
CALL = {"type": "function_call", "id": "fc_1", "call_id": "c", "name": "f", "arguments": '{"a":1}'}
RESULT = {"type": "function_call_output", "call_id": "c", "output": "ok"}
ASKED = Turn("user", (Text("Hi"),))


def said(text: str, **more: Any) -> dict[str, Any]:
    return {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": text}], **more}


def thought(**members: Any) -> dict[str, Any]:
    return {"type": "reasoning", "id": "rs_1", "summary": [], **members}


def test_what_the_model_made_in_a_row_is_one_turn() -> None:
    """Reasoning, message and calls; then their results, then the user."""
    other = {**CALL, "call_id": "d", "name": "g"}
    items = (USER, thought(summary=[{"text": "Hm."}]), said("a", phase="commentary"), CALL, other)
    assert (
        ASKED,
        Turn("assistant", (Thinking("Hm."), Text("a"), ToolCall("c", "f", '{"a":1}'), ToolCall("d", "g", '{"a":1}'))),
        Turn("user", (ToolResult("d", (Text("ok"),), name="g"), ToolResult("c", (Text("ok"),), name="f"))),
        ASKED,
    ) == read(*items, {**RESULT, "call_id": "d"}, RESULT, USER)


def test_a_result_ends_the_models_turn() -> None:
    """The next call is another turn."""
    again = {**CALL, "call_id": "d"}
    assert ["assistant", "user", "assistant"] == [turn.role for turn in read(CALL, RESULT, again)]


def test_messages_of_one_turn_stay_apart() -> None:
    """Their texts are not run together."""
    assert (Turn("assistant", (Text("a"), Text("\n\n"), Text("b"))),) == read(said("a"), said("b"))


@pytest.mark.parametrize("role", ["system", "developer", "user"])
def test_roles_stay(role: str) -> None:
    """Wherever they stand."""
    assert (ASKED, Turn(role, (Text("a"),))) == read(USER, {"role": role, "content": "a"})  # type: ignore[arg-type]


# --- reasoning --------------------------------------------------------------------------------------------------------

OPENAI = Origin("openai")


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        (thought(summary=[{"text": "a"}, {"text": "b"}]), [Thinking("a\n\nb")]),
        (thought(content=[{"type": "reasoning_text", "text": "raw"}]), [Thinking("raw")]),
        (thought(summary=[{"text": "a"}], encrypted_content="gAAA"), [Thinking("a", "gAAA", OPENAI)]),
        (thought(encrypted_content="gAAA"), [RedactedThinking("gAAA", OPENAI)]),
        (thought(), []),
    ],
)
def test_openais_reasoning(item: Any, expected: Any) -> None:
    """Readable or not, its opaque form is OpenAI's."""
    assert (Turn("assistant", (*expected, Text("x"))),) == read(item, said("x"))


def seal(kind: Any, text: str, family: str = "anthropic") -> str:
    return sealed.write(sealed.Seal(family, kind, "s", text))


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        (
            thought(summary=[{"text": "a"}], encrypted_content=seal("signature", sealed.digest("a"))),
            [Thinking("a", "s", Origin("anthropic"))],
        ),
        (
            thought(summary=[{"text": "altered"}], encrypted_content=seal("signature", sealed.digest("a"))),
            [Thinking("altered")],
        ),
        (thought(encrypted_content=seal("redacted", "")), [RedactedThinking("s", Origin("anthropic"))]),
        (thought(encrypted_content=seal("redacted", "", "")), [RedactedThinking("s")]),
        (thought(encrypted_content="gw1.broken"), []),
    ],
)
def test_other_families_reasoning_is_unsealed(item: Any, expected: Any) -> None:
    """A signature whose text was altered is worth nothing to its maker."""
    assert (Turn("assistant", (*expected, Text("x"))),) == read(item, said("x"))


def test_a_calls_signature_finds_its_call() -> None:
    """It comes before the call, under its id."""
    reasoning = thought(encrypted_content=seal("call", "c", "google"))
    assert (Turn("assistant", (ToolCall("c", "f", '{"a":1}', "s"),)),) == read(reasoning, CALL)


# --- calls and results ------------------------------------------------------------------------------------------------


def test_custom_calls_carry_text() -> None:
    """So do their results."""
    call = {"type": "custom_tool_call", "call_id": "c", "name": "patch", "input": "x"}
    answer, results = read(call, {**RESULT, "type": "custom_tool_call_output"})
    assert (ToolCall("c", "patch", "x", custom=True),) == answer.content
    assert (ToolResult("c", (Text("ok"),), name="patch"),) == results.content


def test_a_namespaces_call_has_the_flat_name() -> None:
    """The one that its tool has."""
    (answer,) = read({**CALL, "namespace": "git"})
    assert (ToolCall("c", "git__f", '{"a":1}'),) == answer.content


def test_results_hold_images_and_files() -> None:
    """In the order of the parts."""
    image = {"type": "input_image", "image_url": "data:image/png;base64,aW1n"}
    (results,) = read({**RESULT, "output": [{"type": "input_text", "text": "a"}, image]})
    assert (ToolResult("c", (Text("a"), Image(Inline("image/png", "aW1n")))),) == results.content


# --- what only OpenAI can read ----------------------------------------------------------------------------------------

SEARCHED = {"type": "web_search_call", "id": "ws_1", "status": "completed"}


def test_hosted_items_stay_raw_in_the_models_turn() -> None:
    """For the renderer to report."""
    opaque = Opaque("openai", "web_search_call", Raw(msgspec.json.encode(SEARCHED)))
    assert (Turn("assistant", (opaque, Text("a"))),) == read(SEARCHED, said("a"))


def test_an_unknown_item_is_no_error() -> None:
    """OpenAI adds types every few months."""
    (turn,) = read({"type": "brand_new", "x": 1})
    assert ["brand_new"] == [block.kind for block in turn.content if isinstance(block, Opaque)]


@pytest.mark.parametrize("kind", ["computer_call_output", "shell_call_output", "apply_patch_call_output"])
def test_an_answer_that_the_model_waits_for_is_refused(kind: str) -> None:
    """Without it the model would go on blindly; once it has gone on, it is history."""
    shown = {"type": kind, "call_id": "c", "output": {}}
    with pytest.raises(UnsupportedField, match=kind) as refusal:
        read(USER, shown, USER)
    assert "input[1]" == refusal.value.param
    assert ["user", "assistant"] == [turn.role for turn in read(USER, shown, said("Done."))]
    assert ["user", "assistant"] == [turn.role for turn in read(USER, shown, CALL)]


def test_made_images_are_images() -> None:
    """One without its data is for OpenAI alone."""
    made = {"type": "image_generation_call", "id": "ig_1", "status": "completed", "result": "iVBORw0KGgo="}
    (turn,) = read(made, {**made, "result": None})
    image, opaque = turn.content
    assert Image(Inline("image/png", "iVBORw0KGgo=")) == image
    assert isinstance(opaque, Opaque)


@pytest.mark.parametrize("kind", ["additional_tools", "tool_search_output"])
def test_tools_may_come_on_the_way(kind: str) -> None:
    """They are tools like those of the request."""
    tools = Tools()
    item = {"type": kind, "role": "developer", "tools": [{"type": "function", "name": "f"}]}
    assert (ASKED,) == turns([Raw(msgspec.json.encode(i)) for i in (USER, item)], tools)
    assert (Tool(name="f"),) == tools.all()


@pytest.mark.parametrize(
    ("item", "param"),
    [
        ({"role": "tool", "content": "x"}, "input[0].role"),
        ({"type": "message", "content": "x"}, "input[0].role"),
        ({"role": "user", "content": [{"type": "input_text"}]}, "input[0].content[0].text"),
        ({"type": "function_call", "name": "f"}, "input[0]"),
        ({"type": "function_call", "name": "f", "call_id": ""}, "input[0].call_id"),
        ({**RESULT, "output": [{"type": "refusal", "refusal": "No"}]}, "input[0].output[0]"),
        ({**RESULT, "output": 3}, "input[0].output"),
        ({"type": "image_generation_call", "result": "?"}, "input[0].result"),
    ],
)
def test_a_wrong_item_is_refused_by_its_path(item: Any, param: str) -> None:
    """As OpenAI writes paths."""
    with pytest.raises(InvalidField) as refusal:
        read(item)
    assert param == refusal.value.param
