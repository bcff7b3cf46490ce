"""Turns written as chat messages."""

from typing import Any

import pytest
from msgspec import Raw

from llmgw_domain import Provider
from llmgw_domain.chat import (
    Audio,
    CacheMark,
    File,
    Image,
    Inline,
    Opaque,
    Origin,
    RedactedThinking,
    Refusal,
    Remote,
    Stored,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
    Turn,
    Video,
)
from llmgw_domain.errors import UnsupportedField
from llmgw_domain.servers import GENERIC, Server
from llmgw_protocols.chat.history import History, nine_alnum, wire_id
from llmgw_protocols.losses import Losses

OPENAI, OTHER = Provider.OPENAI, Provider.OPENAI_COMPATIBLE
PNG = Inline("image/png", "AAAA")
PNG_PART = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}


def messages(
    *turns: Turn, provider: Provider = OPENAI, model: str = "m", server: Server = GENERIC
) -> list[dict[str, Any]]:
    return History(provider, model, Losses("anthropic"), server).write(turns)


def served(*turns: Turn, model: str = "m", **flags: Any) -> list[dict[str, Any]]:
    """The messages for a server of these flags."""
    return messages(*turns, provider=OTHER, model=model, server=Server(name="s", **flags))


def user(*blocks: Any) -> Turn:
    return Turn("user", blocks)


def assistant(*blocks: Any) -> Turn:
    return Turn("assistant", blocks)


def tool_calls(*ids: str) -> list[Any]:
    return [{"id": i, "type": "function", "function": {"name": "f", "arguments": "{}"}} for i in ids]


CALLS = assistant(ToolCall("1", "f", ""), ToolCall("2", "f", "{}"))
CALLED = {"role": "assistant", "content": None, "tool_calls": tool_calls("1", "2")}


def result(id_: str, text: str) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": id_, "content": text}


def test_system_for_openai() -> None:
    """OpenAI gets each system and developer turn where it stands, several texts as parts."""
    assert messages(
        Turn("system", (Text("a"), Text("b"))),
        Turn("developer", (Text("c"),)),
        user(Text("u")),
        Turn("system", (Text("later"),)),
    ) == [
        {"role": "system", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
        {"role": "developer", "content": "c"},
        {"role": "user", "content": "u"},
        {"role": "system", "content": "later"},
    ]


def test_system_for_compatible_servers() -> None:
    """A compatible server gets one leading system message of plain text."""
    assert messages(
        Turn("system", (Text("a"), Text("b"))),
        Turn("developer", (Text("c"),)),
        user(Text("u")),
        Turn("developer", (Text("later"),)),
        provider=OTHER,
    ) == [
        {"role": "system", "content": "a\n\nb\n\nc"},
        {"role": "user", "content": "u"},
        {"role": "system", "content": "later"},
    ]


def test_results_come_first_in_the_order_of_the_calls() -> None:
    """Tool messages follow their calls at once, whatever order and company the results came in."""
    assert [CALLED, result("1", "one"), result("2", "two"), {"role": "user", "content": "next"}] == messages(
        CALLS, user(ToolResult("2", (Text("two"),)), Text("next"), ToolResult("1", (Text("one"),)))
    )


def test_results_over_several_turns() -> None:
    """Results are found up to the next answer; a system turn between does not part them from their calls."""
    assert [
        CALLED,
        result("1", "one"),
        result("2", "two"),
        {"role": "system", "content": "s"},
        {"role": "user", "content": "next"},
    ] == messages(
        CALLS,
        user(ToolResult("1", (Text("one"),))),
        Turn("system", (Text("s"),)),
        user(ToolResult("2", (Text("two"),))),
        user(Text("next")),
    )


def test_missing_and_orphaned_results() -> None:
    """A missing result is said to be missing; a result without its call becomes text."""
    assert [
        CALLED,
        result("1", "one"),
        result("2", "[no result provided]"),
        {"role": "user", "content": "[tool 9] lost"},
    ] == messages(CALLS, user(ToolResult("1", (Text("one"),)), ToolResult("9", (Text("lost"),))))


def test_calls_of_neighbouring_answers() -> None:
    """An answer with calls and those behind it become one message, so that each call keeps its result."""
    assert [
        {"role": "assistant", "content": "a\n\nb", "tool_calls": tool_calls("1", "2")},
        result("1", "one"),
        result("2", "two"),
    ] == messages(
        assistant(Text("a"), ToolCall("1", "f", "")),
        assistant(ToolCall("2", "f", "")),
        assistant(Text("b")),
        user(ToolResult("1", (Text("one"),)), ToolResult("2", (Text("two"),))),
    )


def test_neighbouring_answers_without_calls() -> None:
    """Answers that no result has to follow stay messages of their own."""
    assert [{"role": "assistant", "content": "a"}, {"role": "assistant", "content": "b"}] == messages(
        assistant(Text("a")), assistant(Text("b"))
    )


def test_media_of_orphaned_results() -> None:
    """The image of a result without its call stays beside the result's text."""
    parts = [{"type": "text", "text": "[tool 9] see"}, PNG_PART]
    assert [{"role": "user", "content": parts}] == messages(user(ToolResult("9", (Text("see"), Image(PNG)))))


@pytest.mark.parametrize("provider", [OPENAI, OTHER])
def test_media_of_system_turns(provider: Provider) -> None:
    """A system message keeps its texts; what else it holds is reported as lost."""
    losses = Losses("openai")
    turns = [Turn("system", (Text("a"), Image(PNG))), Turn("system", (Text("b"),)), Turn("system", (Image(PNG),))]
    texts = [m["content"] for m in History(provider, "m", losses).write(turns)]
    assert texts == (["a", "b"] if provider is OPENAI else ["a\n\nb"])
    assert losses.names() == ("messages",)


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (ToolResult("1", ()), ""),
        (ToolResult("1", (Text("a"), Text("b"))), "a\nb"),
        (ToolResult("1", (Text("bad"),), error=True), "Error: bad"),
        (ToolResult("1", (Text('{"error":"bad"}'),), error=True), '{"error":"bad"}'),
        (ToolResult("1", (Text('{"fine":1}'),), error=True), 'Error: {"fine":1}'),
    ],
)
def test_result_texts(made: ToolResult, expected: str) -> None:
    """Texts are joined; an error is marked unless it says so itself."""
    assert expected == messages(assistant(ToolCall("1", "f", "")), user(made))[1]["content"]


def test_media_of_results_follow_them() -> None:
    """Tool messages hold text only, so images come in a user message behind all of them."""
    assert [
        CALLED,
        result("1", "see"),
        result("2", "two"),
        {"role": "user", "content": [{"type": "text", "text": "[tool image]"}, PNG_PART]},
        {"role": "user", "content": "next"},
    ] == messages(
        CALLS, user(ToolResult("1", (Text("see"), Image(PNG))), ToolResult("2", (Text("two"),)), Text("next"))
    )


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        (Image(PNG, "low"), {"type": "image_url", "image_url": {**PNG_PART["image_url"], "detail": "low"}}),
        (Image(Remote("https://x")), {"type": "image_url", "image_url": {"url": "https://x"}}),
        (
            Audio(Inline("audio/mpeg", "AA==")),
            {"type": "input_audio", "input_audio": {"data": "AA==", "format": "mp3"}},
        ),
        (
            File(Inline("application/pdf", "AA=="), "a.pdf"),
            {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,AA=="}},
        ),
        (
            File(Inline("application/pdf", "AA==")),
            {"type": "file", "file": {"filename": "document.pdf", "file_data": "data:application/pdf;base64,AA=="}},
        ),
        (File(Inline("text/plain", "aGk="), "a.txt"), {"type": "text", "text": "[a.txt]\nhi"}),
        (Opaque("openai", "x", Raw(b'{"type":"x"}')), Raw(b'{"type":"x"}')),
    ],
)
def test_parts(block: Any, expected: Any) -> None:
    """Each block has its part."""
    (message,) = messages(user(Text("a"), block))
    assert [{"type": "text", "text": "a"}, expected] == message["content"]


def test_parts_that_only_compatible_servers_take() -> None:
    """Videos and addresses of documents are extensions of some servers."""
    (message,) = messages(user(Video(Remote("https://v")), File(Remote("https://d"), "d.pdf")), provider=OTHER)
    assert message["content"] == [
        {"type": "video_url", "video_url": {"url": "https://v"}},
        {"type": "file", "file": {"filename": "d.pdf", "file_data": "https://d"}},
    ]


@pytest.mark.parametrize(
    "block",
    [
        Image(Stored("f")),
        File(Stored("f")),
        File(Remote("https://d")),
        Audio(Remote("https://a")),
        Audio(Inline("audio/flac", "AA==")),
        Video(Remote("https://v")),
        Opaque("anthropic", "web_search_tool_result", Raw(b"{}")),
    ],
)
def test_what_openai_cannot_take_is_refused(block: Any) -> None:
    """A block that would be lost is refused, in the user's turn and in the assistant's."""
    with pytest.raises(UnsupportedField):
        messages(user(block))
    if not isinstance(block, Audio):
        with pytest.raises(UnsupportedField):
            messages(assistant(block))


def test_answers() -> None:
    """Texts join without a separator, thinking stays at home, an empty answer is left out."""
    assert messages(
        assistant(Thinking("t", "s"), Text("a"), Text("b")),
        user(Text("u")),
        assistant(Thinking("t")),
        assistant(Refusal("no")),
    ) == [
        {"role": "assistant", "content": "ab"},
        {"role": "user", "content": "u"},
        {"role": "assistant", "refusal": "no", "content": None},
    ]
    assert messages(assistant(Refusal("no")), provider=OTHER) == [{"role": "assistant", "content": "no"}]


def test_media_that_a_model_made() -> None:
    """An image of the model is shown to it again in a user message."""
    assert messages(assistant(Text("here"), Image(PNG)), user(Text("nice"))) == [
        {"role": "assistant", "content": "here"},
        {"role": "user", "content": [{"type": "text", "text": "[assistant media]"}, PNG_PART]},
        {"role": "user", "content": "nice"},
    ]


def test_reasoning_goes_back_where_it_must() -> None:
    """DeepSeek's and Kimi's servers refuse calls without their reasoning."""
    first, *_ = messages(assistant(Thinking("t"), ToolCall("1", "f", "")), provider=OTHER, model="deepseek-chat")
    assert first["reasoning_content"] == "t"
    first, *_ = messages(assistant(Thinking("t"), ToolCall("1", "f", "")), provider=OTHER, model="llama")
    assert "reasoning_content" not in first


def test_breakpoints() -> None:
    """Cache marks go to models that take them, and change nothing for the others."""
    turn = user(Text("a", CacheMark("1h")))
    assert messages(turn) == [{"role": "user", "content": "a"}]
    part = {"type": "text", "text": "a", "prompt_cache_breakpoint": {"mode": "explicit", "ttl": "12h"}}
    assert [{"role": "user", "content": [part]}] == messages(turn, model="gpt-5.6")


def test_names_and_empty_turns() -> None:
    """A participant's name is kept; empty texts are not sent as parts."""
    assert messages(Turn("user", (Text(""), Text("a")), "bob"), user()) == [
        {"role": "user", "content": "a", "name": "bob"},
        {"role": "user", "content": ""},
    ]


def test_long_ids() -> None:
    """An id that is too long is replaced, alike for the call and its result."""
    long = "x" * 41
    called, answered = messages(assistant(ToolCall(long, "f", "")), user(ToolResult(long, (Text("r"),))))
    assert wire_id(long) == called["tool_calls"][0]["id"] == answered["tool_call_id"]
    assert len(wire_id(long)) <= 40
    assert wire_id("x" * 40) == "x" * 40


# --- servers ----------------------------------------------------------------------------------------------------------


def test_the_developer_role_of_servers() -> None:
    """A server that knows the role gets it; others get `system`."""
    roles = [served(Turn("developer", (Text("d"),)), developer_role=known)[0]["role"] for known in (True, False)]
    assert ["developer", "system"] == roles


def test_servers_without_names() -> None:
    """Names of users and of the model are left out, once told."""
    losses = Losses("openai")
    turns = [Turn("user", (Text("a"),), name="u"), Turn("assistant", (Text("b"),), name="m")]
    made = History(OTHER, "m", losses, Server(message_names=False)).write(turns)
    assert ([{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}], ("messages.name",)) == (
        made,
        losses.names(),
    )


def test_call_ids_of_nine_characters() -> None:
    """A call and its result get the same id; one that fits already stays."""
    made = served(
        assistant(ToolCall("toolu_0123456789", "f", ""), ToolCall("abcdefGH1", "f", "")),
        user(ToolResult("toolu_0123456789", (Text("r"),)), ToolResult("abcdefGH1", (Text("s"),))),
        call_ids="alnum9",
    )
    ids = [call["id"] for call in made[0]["tool_calls"]]
    assert ids == [made[1]["tool_call_id"], made[2]["tool_call_id"]]
    assert [nine_alnum("toolu_0123456789"), "abcdefGH1"] == ids
    assert all(len(i) == 9 and i.isalnum() for i in ids)


def test_servers_that_take_one_text() -> None:
    """Several texts become one, but only where there is nothing else."""
    assert "a\n\nb" == served(user(Text("a"), Text("b")), text_parts=False)[0]["content"]
    mixed = served(user(Text("a"), Image(PNG)), text_parts=False)[0]["content"]
    assert [{"type": "text", "text": "a"}, PNG_PART] == mixed


@pytest.mark.parametrize("block", [Image(PNG), Audio(Inline("audio/wav", "A")), File(PNG), Video(PNG)])
def test_inputs_that_a_server_does_not_take(block: Any) -> None:
    """Media that the server can't read are refused by name, before it is asked."""
    with pytest.raises(UnsupportedField, match=f"takes no {type(block).__name__.lower()}"):
        served(user(block), inputs=())


def test_a_text_document_needs_no_input_of_its_own() -> None:
    """It goes as text, to everybody."""
    document = File(Inline("text/plain", "aGk="), filename="a.txt")
    assert [{"type": "text", "text": "[a.txt]\nhi"}] == served(user(document), inputs=())[0]["content"]


@pytest.mark.parametrize(
    ("source", "url"),
    [(Inline("application/pdf", "AAAA"), "data:application/pdf;base64,AAAA"), (Remote("https://x/a"), "https://x/a")],
)
def test_documents_as_addresses(source: Any, url: str) -> None:
    """Mistral takes documents by address, also by one that holds the data."""
    content = served(user(File(source)), file_part="document_url")[0]["content"]
    assert [{"type": "document_url", "document_url": url}] == content


THOUGHT = assistant(Thinking("why", "sig", Origin("anthropic")), ToolCall("1", "f", ""))
UNSIGNED = assistant(Thinking("why"), ToolCall("1", "f", ""))


@pytest.mark.parametrize(
    ("form", "model", "turn", "expected"),
    [
        ("none", "deepseek-v4", UNSIGNED, {}),
        ("by_model", "deepseek-v4", UNSIGNED, {"reasoning_content": "why"}),
        ("by_model", "m", UNSIGNED, {}),
        ("reasoning_content", "m", UNSIGNED, {"reasoning_content": "why"}),
        ("reasoning_content", "m", CALLS, {"reasoning_content": ""}),
        ("reasoning_content", "m", assistant(Thinking("why"), Text("t")), {}),
        ("reasoning", "m", UNSIGNED, {"reasoning": "why"}),
        ("reasoning", "m", CALLS, {}),
        ("reasoning_details", "m", UNSIGNED, {}),
        ("reasoning_details", "deepseek/v4", UNSIGNED, {"reasoning": "why"}),
        ("reasoning_details", "google/gemini-3", THOUGHT, {}),
        (
            "reasoning_details",
            "anthropic/claude-x",
            THOUGHT,
            {
                "reasoning_details": [
                    {
                        "type": "reasoning.text",
                        "text": "why",
                        "signature": "sig",
                        "format": "anthropic-claude-v1",
                        "index": 0,
                    }
                ]
            },
        ),
        (
            "reasoning_details",
            "openai/gpt-5",
            assistant(RedactedThinking("enc", Origin("openai")), Text("t")),
            {
                "reasoning_details": [
                    {"type": "reasoning.encrypted", "data": "enc", "format": "openai-responses-v1", "index": 0}
                ]
            },
        ),
    ],
)
def test_reasoning_goes_back_in_the_servers_form(form: Any, model: str, turn: Turn, expected: dict[str, Any]) -> None:
    """Plain reasoning goes with calls, also empty where it is demanded; signed reasoning to its own maker."""
    made = served(turn, model=model, reasoning_back=form)[0]
    assert expected == {k: v for k, v in made.items() if k.startswith("reasoning")}
