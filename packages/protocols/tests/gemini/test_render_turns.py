"""Tests of turns as contents."""

from typing import Any

import msgspec
import pytest
from msgspec import Raw

from llmgw_domain.chat import (
    Block,
    ChatRequest,
    File,
    Image,
    Inline,
    Opaque,
    Origin,
    RedactedThinking,
    Refusal,
    Remote,
    Role,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
    Turn,
)
from llmgw_domain.errors import InvalidField, UnsupportedField
from llmgw_protocols.gemini.models import traits_of
from llmgw_protocols.gemini.render_turns import UNSIGNED, contents_of
from llmgw_protocols.losses import Losses
from llmgw_protocols.placeholders import NO_RESULT

GOOGLE = Origin("google")
PNG = Image(Inline("image/png", "eA=="))
INLINE = {"inlineData": {"mimeType": "image/png", "data": "eA=="}}


def t(role: Role, *blocks: Block | str) -> Turn:
    return Turn(role, tuple(Text(b) if isinstance(b, str) else b for b in blocks))


def contents(*turns: Turn, model: str = "gemini-2.5-flash", family: str = "openai") -> Any:
    request = ChatRequest(model="m", turns=turns, family=family)
    made = contents_of(request, traits_of(model), Losses(family))[1]
    return msgspec.json.decode(msgspec.json.encode(made))


def user(*parts: Any) -> Any:
    return {"role": "user", "parts": [{"text": p} if isinstance(p, str) else p for p in parts]}


def said(*parts: Any) -> Any:
    return {**user(*parts), "role": "model"}


def call(name: str, id_: str, args: Any = None) -> Any:
    return {"functionCall": {"id": id_, "name": name, "args": args or {}}}


def response(name: str, id_: str, value: Any) -> Any:
    return {"functionResponse": {"id": id_, "name": name, "response": value}}


@pytest.mark.parametrize(
    ("turns", "expected"),
    [
        ([t("user", "a"), t("user", "b")], [user("a", "b")]),
        ([t("user", "a", ""), t("assistant"), t("user", "b")], [user("a", "b")]),
        ([t("user", "a"), t("assistant", "b"), t("user", "c")], [user("a"), said("b"), user("c")]),
        ([t("assistant", "b"), t("user", "c")], [user("."), said("b"), user("c")]),
        ([t("user", "a"), t("assistant", "b")], [user("a"), said("b"), user("Continue.")]),
        ([t("user", "a"), t("developer", "x"), t("user", "b")], [user("a", "<system>x</system>", "b")]),
        ([t("user", "a"), t("assistant", Refusal("no")), t("user", "b")], [user("a"), said("no"), user("b")]),
        ([t("user", "see", PNG)], [user("see", INLINE)]),
        ([t("system", "only")], [user("only")]),
        ([], [user(".")]),
    ],
)
def test_turns(turns: list[Turn], expected: Any) -> None:
    """Contents take turns, begin and end with the user, and none is empty."""
    assert expected == contents(*turns)


def test_the_last_of_only_system_texts_is_asked() -> None:
    """A request of system texts alone keeps the others as its instruction."""
    request = ChatRequest(model="m", turns=(t("system", "a"), t("system", "b")))
    system, made = contents_of(request, traits_of("x"), Losses("openai"))
    assert (["a"], [user("b")]) == (system, made)


def test_results_stand_together_in_the_order_of_their_calls() -> None:
    """All results of a batch are one content before all else, however they came, each with its function's name."""
    made = contents(
        t("user", "q"),
        t("assistant", "let me see", ToolCall("1", "f", '{"x": 1}'), ToolCall("2", "g", "")),
        t("user", ToolResult("2", (Text('{"a": 1}'),)), "meanwhile"),
        t("user", ToolResult("1", (Text("4"), Text("2")))),
    )
    assert [
        user("q"),
        said("let me see", call("f", "1", {"x": 1}), call("g", "2")),
        user(response("f", "1", {"output": "42"}), response("g", "2", {"a": 1})),
        user("meanwhile"),
    ] == made


def test_a_missing_result_is_made_up() -> None:
    """A call without a result gets one that says so, and an error is told as one."""
    made = contents(
        t("user", "q"),
        t("assistant", ToolCall("1", "f", ""), ToolCall("2", "f", "")),
        t("user", ToolResult("1", (Text("boom"),), error=True)),
    )
    assert user(response("f", "1", {"error": "boom"}), response("f", "2", {"error": NO_RESULT})) == made[2]


def test_calls_at_the_end_are_answered() -> None:
    """A history that ends in a call ends in its result."""
    made = contents(t("user", "q"), t("assistant", ToolCall("1", "f", "")))
    assert user(response("f", "1", {"error": NO_RESULT})) == made[-1]


def test_a_result_without_a_call_is_text() -> None:
    """A result that answers nothing is still told."""
    assert [user("[tool 9] x")] == contents(t("user", ToolResult("9", (Text("x"),))))


def test_ids_are_sent_once() -> None:
    """An id that a client uses anew in each turn is told apart, the same way on call and result."""
    step = (t("assistant", ToolCall("call_0", "f", "")), t("user", ToolResult("call_0", (Text("x"),))))
    made = contents(t("user", "q"), *step, *step)
    ids = [p[k]["id"] for c in made for p in c["parts"] for k in ("functionCall", "functionResponse") if k in p]
    assert ids == ["call_0", "call_0", "call_0_2", "call_0_2"]


@pytest.mark.parametrize(
    ("model", "signatures", "expected"),
    [
        ("gemini-3-flash", ("cw==", None), ["cw==", None]),
        ("gemini-3-flash", (None, None), [UNSIGNED, None]),
        ("gemini-3-flash", (None, "cw=="), [UNSIGNED, "cw=="]),
        ("gemini-2.5-flash", (None, None), [None, None]),
        ("gemini-2.5-flash", ("cw==", None), ["cw==", None]),
    ],
)
def test_signatures_of_calls(model: str, signatures: Any, expected: Any) -> None:
    """A signature goes back on its own call; the first call of a step is never unsigned for models that check."""
    calls = [ToolCall(str(n), "f", "", signature) for n, signature in enumerate(signatures)]
    made = contents(t("user", "q"), t("assistant", *calls), model=model)
    assert expected == [part.get("thoughtSignature") for part in made[1]["parts"]]


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        (Thinking("a", "cw==", GOOGLE), [{"text": "a", "thought": True, "thoughtSignature": "cw=="}]),
        (Thinking("", "cw==", GOOGLE), [{"text": "", "thoughtSignature": "cw=="}]),
        (Thinking("a", None, GOOGLE), []),
        (Thinking("a", "cw==", Origin("anthropic")), []),
        (Thinking("a", "cw=="), []),
        (RedactedThinking("x"), []),
        (Opaque("google", "executableCode", Raw(b'{"executableCode":{}}')), [{"executableCode": {}}]),
    ],
)
def test_opaque_values(block: Block, expected: list[Any]) -> None:
    """Only what Google made itself goes back to it."""
    assert said("x", *expected) == contents(t("user", "q"), t("assistant", "x", block), t("user", "r"))[1]


def test_another_providers_block_is_refused() -> None:
    """A block that another provider made and the model can't see is refused, not dropped."""
    with pytest.raises(UnsupportedField) as caught:
        contents(t("user", "q"), t("assistant", Opaque("anthropic", "server_tool_use", Raw(b"{}"))))
    assert "server_tool_use" in caught.value.message


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (
            "gemini-3-flash",
            [
                user(
                    {
                        "functionResponse": {
                            **response("f", "1", {"output": "see"})["functionResponse"],
                            "parts": [INLINE],
                        }
                    }
                )
            ],
        ),
        ("gemini-2.5-flash", [user(response("f", "1", {"output": "see"})), user("[media of the result of f]", INLINE)]),
    ],
)
def test_media_in_results(model: str, expected: Any) -> None:
    """Media of a result goes into it, or behind it for models that do not take it there."""
    made = contents(
        t("user", "q"),
        t("assistant", ToolCall("1", "f", "", "cw==")),
        t("user", ToolResult("1", (Text("see"), PNG))),
        model=model,
    )
    assert expected == made[2:]


@pytest.mark.parametrize(
    ("family", "expected"),
    [("anthropic", {"text": "hi"}), ("openai", {"inlineData": {"mimeType": "text/plain", "data": "aGk="}})],
)
def test_text_documents(family: str, expected: Any) -> None:
    """A text document of Anthropic's is prompt text; a text file stays a file."""
    assert [user(expected)] == contents(t("user", File(Inline("text/plain", "aGk="))), family=family)


def test_losses() -> None:
    """A participant's name and a text to be continued are told as lost."""
    losses = Losses("openai")
    request = ChatRequest(model="m", turns=(Turn("user", (Text("a"),), name="bo"), t("assistant", "b")))
    contents_of(request, traits_of("x"), losses)
    assert losses.names() == ("messages.name", "messages")


def test_neighbouring_turns_of_the_assistant_are_one_batch() -> None:
    """Calls that a client sends in turns of their own keep their results."""
    made = contents(
        t("user", "q"),
        t("assistant", ToolCall("1", "f", "")),
        t("assistant", ToolCall("2", "g", "")),
        t("user", ToolResult("1", (Text("a"),)), ToolResult("2", (Text("b"),))),
    )
    assert [
        user("q"),
        said(call("f", "1"), call("g", "2")),
        user(response("f", "1", {"output": "a"}), response("g", "2", {"output": "b"})),
    ] == made


def test_one_id_for_several_calls_of_a_turn() -> None:
    """Results under the same id go to its calls in order."""
    made = contents(
        t("user", "q"),
        t("assistant", ToolCall("0", "f", ""), ToolCall("0", "g", "")),
        t("user", ToolResult("0", (Text("RF"),)), ToolResult("0", (Text("RG"),)), ToolResult("0", (Text("RH"),))),
    )
    assert [
        user(response("f", "0", {"output": "RF"}), response("g", "0_2", {"output": "RG"})),
        user("[tool 0] RH"),
    ] == made[2:]


def test_a_response_holds_inline_media_only() -> None:
    """Documents' text goes into the response's text, addresses stand behind it, and no detail is inside."""
    document, url = File(Inline("text/plain", "aGk="), filename="a.txt"), "https://x.test/a.png"
    detailed = Image(Inline("image/png", "eA=="), detail="high")
    made = contents(
        t("user", "q"),
        t("assistant", ToolCall("1", "f", "", "cw==")),
        t("user", ToolResult("1", (Text("see"), document, detailed, Image(Remote(url))))),
        model="gemini-3-flash",
        family="anthropic",
    )
    inner = {**response("f", "1", {"output": "see\n\na.txt\n\nhi"})["functionResponse"], "parts": [INLINE]}
    address = {"fileData": {"mimeType": "image/png", "fileUri": url}}
    assert [user({"functionResponse": inner}), user("[media of the result of f]", address)] == made[2:]


def test_media_of_a_result_without_a_call_are_kept() -> None:
    """An image of a result that answers nothing is still shown."""
    assert [user("[tool 9] x", INLINE)] == contents(t("user", ToolResult("9", (Text("x"), PNG))))


def test_a_call_of_the_user_is_refused() -> None:
    """A tool call in a turn of the user is refused by the field's name."""
    with pytest.raises(InvalidField) as caught:
        contents(t("user", ToolCall("1", "f", "")))
    assert caught.value.param == "messages"
