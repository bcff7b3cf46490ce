"""Turns as input items."""

from typing import Any

import msgspec
import pytest
from msgspec import Raw

from llmgw_domain import Provider
from llmgw_domain.chat import (
    Audio,
    Image,
    Inline,
    Opaque,
    Origin,
    RedactedThinking,
    Refusal,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
    Turn,
)
from llmgw_domain.errors import UnsupportedField
from llmgw_domain.stream import Answer
from llmgw_protocols.dialect import TargetFacts
from llmgw_protocols.losses import Losses
from llmgw_protocols.responses.decode import ResponsesDecoder
from llmgw_protocols.responses.render_items import History

OPENAI, OTHER = Provider.OPENAI, Provider.OPENAI_COMPATIBLE
OURS = Origin("openai")
SEAL = '{"id":"rs_1","encrypted_content":"e","summary":[2]}'
THOUGHT = Thinking("hm", SEAL, OURS)
REASONING = {
    "type": "reasoning",
    "id": "rs_1",
    "summary": [{"type": "summary_text", "text": "hm"}],
    "encrypted_content": "e",
}
CALL = {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"}
PNG = Image(Inline("image/png", "aGk="))
WIRE_PNG = {"type": "input_image", "image_url": "data:image/png;base64,aGk=", "detail": "auto"}


def items(*turns: Turn, provider: Provider = OPENAI, lost: Losses | None = None) -> list[Any]:
    history = History(TargetFacts(provider=provider, model="gpt-5.2"), "openai", lost or Losses("openai"))
    return msgspec.json.decode(msgspec.json.encode(history.write(turns)))


def user(*blocks: Any) -> Turn:
    return Turn("user", blocks)


def model(*blocks: Any) -> Turn:
    return Turn("assistant", blocks)


def result(id: str = "c1", text: str = "ok") -> ToolResult:
    return ToolResult(id, (Text(text),))


def output(id: str = "c1", text: str = "ok") -> dict[str, Any]:
    return {"type": "function_call_output", "call_id": id, "output": text}


def asked(*texts: str, role: str = "user") -> dict[str, Any]:
    return {"type": "message", "role": role, "content": [{"type": "input_text", "text": t} for t in texts]}


def told(*texts: str) -> dict[str, Any]:
    return {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": t} for t in texts]}


# --- the model's turns ------------------------------------------------------------------------------------------------


def test_a_turn_is_a_run_of_items() -> None:
    """In the order in which the model made them; neighbouring texts share a message."""
    turn = model(THOUGHT, Text("a"), Text("b"), ToolCall("c1", "f", ""))
    assert items(turn, user(result(), Text("next"))) == [REASONING, told("a", "b"), CALL, output(), asked("next")]


def test_a_refusal() -> None:
    """It is a part of the message."""
    (item,) = items(model(Text("well"), Refusal("no")))
    assert item["content"] == [{"type": "output_text", "text": "well"}, {"type": "refusal", "refusal": "no"}]


def test_empty_turns_leave_nothing() -> None:
    """Empty texts are refused upstream."""
    assert items(model(Text("")), user(Text(""))) == []


@pytest.mark.parametrize(
    "block",
    [
        Thinking("hm", SEAL, Origin("anthropic")),
        Thinking("hm", SEAL),
        Thinking("hm", None, OURS),
        RedactedThinking("d", Origin("google")),
        RedactedThinking("d"),
    ],
)
def test_reasoning_of_others(block: Any) -> None:
    """Only its own family takes it back."""
    assert items(model(block, Text("a"))) == [told("a")]


def test_hidden_reasoning() -> None:
    """It comes back without a summary, also where only the encrypted content was kept."""
    block = RedactedThinking('{"id":"rs_1","encrypted_content":"e"}', OURS)
    expected = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "e"}
    assert items(model(block, Text("a"))) == [expected, told("a")]
    bare = {"type": "reasoning", "summary": [], "encrypted_content": "gAAA"}
    assert items(model(RedactedThinking("gAAA", OURS), Text("a"))) == [bare, told("a")]


def test_raw_reasoning_goes_to_compatible_servers() -> None:
    """OpenAI would look for the item in its store."""
    block = Thinking("hm", '{"id":"rs_1","content":[2]}', OURS)
    content = [{"type": "reasoning_text", "text": "hm"}]
    expected = {"type": "reasoning", "id": "rs_1", "summary": [], "content": content}
    assert items(model(block, Text("a")), provider=OTHER) == [expected, told("a")]
    assert items(model(block, Text("a"))) == [told("a")]


def test_reasoning_that_led_to_nothing() -> None:
    """OpenAI refuses it without the item behind it."""
    assert items(model(Text("a"), THOUGHT), user(Text("b"))) == [told("a"), asked("b")]


def test_reasoning_whose_item_is_missing() -> None:
    """Without its id it is not looked for."""
    unnamed = {k: v for k, v in REASONING.items() if k != "id"}
    assert items(model(THOUGHT, THOUGHT, Text("a"))) == [unnamed, REASONING, told("a")]


def test_hosted_tools_stand_in_their_place() -> None:
    """Items of the provider's own go back as they came; those of others can't."""
    searched = Opaque("openai", "web_search_call", Raw(b'{"type":"web_search_call","id":"ws_1"}'))
    expected = [REASONING, {"type": "web_search_call", "id": "ws_1"}, told("a")]
    assert items(model(THOUGHT, searched, Text("a"))) == expected
    with pytest.raises(UnsupportedField):
        items(model(Opaque("anthropic", "server_tool_use", Raw(b"{}"))))


def test_media_that_the_model_made() -> None:
    """The model sees them in a message of the user's, behind the results of its calls."""
    shown = {"type": "message", "role": "user"}
    shown["content"] = [{"type": "input_text", "text": "[assistant media]"}, WIRE_PNG]  # type: ignore[assignment]
    assert items(model(PNG, ToolCall("c1", "f", "")), user(result())) == [CALL, output(), shown]
    with pytest.raises(UnsupportedField):
        items(model(Audio(Inline("audio/wav", "aGk="))))


# --- calls and their outputs ------------------------------------------------------------------------------------------


def test_a_custom_call() -> None:
    """Its output is of its own kind."""
    assert items(model(ToolCall("c1", "sh", "ls", custom=True)), user(result())) == [
        {"type": "custom_tool_call", "call_id": "c1", "name": "sh", "input": "ls"},
        {"type": "custom_tool_call_output", "call_id": "c1", "output": "ok"},
    ]


def test_outputs_follow_the_order_of_the_calls() -> None:
    """However the client ordered them, and before what the user says."""
    turn = model(ToolCall("c1", "f", "{}"), ToolCall("c2", "f", "{}"))
    made = items(turn, user(Text("now"), result("c2", "two")), user(result("c1", "one")))
    assert made[2:] == [output("c1", "one"), output("c2", "two"), asked("now")]


def test_calls_of_neighbouring_turns() -> None:
    """Their results may stand together behind the last."""
    made = items(model(ToolCall("c1", "f", "{}")), model(ToolCall("c2", "f", "{}")), user(result("c1"), result("c2")))
    assert [item["call_id"] for item in made] == ["c1", "c2", "c1", "c2"]


def test_a_call_without_a_result() -> None:
    """OpenAI refuses it, so it gets one that says so; at the end of the conversation too."""
    assert items(model(ToolCall("c1", "f", "{}"))) == [CALL, output("c1", "[no result provided]")]


def test_a_result_without_a_call() -> None:
    """OpenAI refuses it, so the model sees it as text, with its image."""
    (item,) = items(user(ToolResult("x", (Text("ok"), PNG))))
    assert item["content"] == [{"type": "input_text", "text": "[tool x] ok"}, WIRE_PNG]


def test_ids_that_are_used_again() -> None:
    """Clients number their calls anew each turn; outputs must find the right one."""
    turn, answer = model(ToolCall("c1", "f", "{}")), user(result())
    assert [item["call_id"] for item in items(turn, answer, turn, answer)] == ["c1", "c1", "c1_2", "c1_2"]


def test_ids_that_two_calls_share() -> None:
    """Their results are told apart by their order."""
    turn = model(ToolCall("c1", "f", "{}"), ToolCall("c1", "f", "{}"))
    made = items(turn, user(result("c1", "one"), result("c1", "two")))
    assert made[2:] == [output("c1", "one"), output("c1_2", "two")]


def test_ids_that_are_too_long() -> None:
    """They are hashed, for call and output alike; 64 characters are taken."""
    made = items(model(ToolCall("x" * 65, "f", "{}")), user(result("x" * 65)))
    assert made[0]["call_id"] == made[1]["call_id"]
    assert len(made[0]["call_id"]) <= 64
    assert items(model(ToolCall("x" * 64, "f", "{}")))[0]["call_id"] == "x" * 64


def test_results_with_images() -> None:
    """Outputs hold them, so nothing stands beside."""
    made = items(model(ToolCall("c1", "f", "{}")), user(ToolResult("c1", (Text("see"), PNG))))
    assert made[1]["output"] == [{"type": "input_text", "text": "see"}, WIRE_PNG]


# --- the others -------------------------------------------------------------------------------------------------------


def test_system_texts_in_place() -> None:
    """In their own role; compatible servers do not all know developers."""
    turn = Turn("developer", (Text("a"), Text("b")))
    assert items(user(Text("x")), turn) == [asked("x"), asked("a", "b", role="developer")]
    assert items(turn, provider=OTHER) == [asked("a", "b", role="system")]


def test_what_system_turns_can_not_hold() -> None:
    """It is named."""
    lost = Losses("openai")
    assert items(Turn("system", (Text("a"), PNG)), lost=lost) == [asked("a", role="system")]
    assert lost.names() == ("messages",)


def test_names_of_participants() -> None:
    """They have no place and are named."""
    lost = Losses("openai")
    items(Turn("user", (Text("a"),), "ann"), lost=lost)
    assert lost.names() == ("messages.name",)


def test_items_among_the_user_turns() -> None:
    """Items of OpenAI's own stand between the user's words."""
    block = Opaque("openai", "compaction", Raw(b'{"type":"compaction"}'))
    assert items(user(Text("a"), block, Text("b"))) == [asked("a"), {"type": "compaction"}, asked("b")]


def test_an_answer_comes_back_as_it_was() -> None:
    """What the decoder made of the items, the renderer writes as the same items."""
    output_items = [
        REASONING,
        {"type": "web_search_call", "id": "ws_1", "status": "completed"},
        {**REASONING, "id": "rs_2"},
        told("a"),
        {**REASONING, "id": "rs_3", "summary": []},
        CALL,
    ]
    body = msgspec.json.encode({"id": "r", "status": "completed", "output": output_items})
    answer = Answer.fold(ResponsesDecoder().whole(body))
    assert items(model(*answer.choices[0].blocks), user(result())) == [*output_items, output()]


def test_a_phase_is_its_messages() -> None:
    """Texts of one phase are one message; where the phase changes another one begins."""
    texts = [Text("a", phase="commentary"), Text("b", phase="commentary"), Text("c", phase="final_answer"), Text("d")]
    assert items(model(*texts)) == [
        {**told("a", "b"), "phase": "commentary"},
        {**told("c"), "phase": "final_answer"},
        told("d"),
    ]
