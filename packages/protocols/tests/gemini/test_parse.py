"""Tests of reading contents into turns."""

from typing import Any

import msgspec
import pytest
from msgspec import Raw

from llmgw_domain.chat import (
    Audio,
    Block,
    ChatRequest,
    File,
    Image,
    Inline,
    Opaque,
    Origin,
    Remote,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
    Turn,
    Video,
)
from llmgw_domain.errors import InvalidField, UnsupportedField
from llmgw_protocols.dialect import WireRequest
from llmgw_protocols.gemini.envelope import envelope_of
from llmgw_protocols.gemini.parse import parse_request

GOOGLE = Origin("google")


def parsed(**body: Any) -> ChatRequest:
    body.setdefault("contents", [{"parts": [{"text": "hi"}]}])
    return parse_request(envelope_of(WireRequest(body=msgspec.json.encode(body), path_model="m", path_stream=True)))


def turns(*contents: Any) -> tuple[Turn, ...]:
    return parsed(contents=list(contents)).turns


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        ({"text": "a"}, (Text("a"),)),
        ({"text": ""}, ()),
        ({"text": "a", "thought": True}, (Thinking("a", None, GOOGLE),)),
        ({"text": "a", "thought": True, "thoughtSignature": "cw=="}, (Thinking("a", "cw==", GOOGLE),)),
        ({"text": "a", "thought_signature": "cw=="}, (Text("a"), Thinking("", "cw==", GOOGLE))),
        ({"text": "", "thoughtSignature": "cw=="}, (Thinking("", "cw==", GOOGLE),)),
        ({"inlineData": {"mimeType": "image/png", "data": "eA"}}, (Image(Inline("image/png", "eA==")),)),
        ({"inline_data": {"mime_type": "audio/wav", "data": "_-8="}}, (Audio(Inline("audio/wav", "/+8=")),)),
        ({"inlineData": {"mimeType": "video/mp4", "data": "eA=="}}, (Video(Inline("video/mp4", "eA==")),)),
        (
            {"inlineData": {"mimeType": "application/pdf", "data": "eA==", "displayName": "a.pdf"}},
            (File(Inline("application/pdf", "eA=="), "a.pdf"),),
        ),
        ({"fileData": {"fileUri": "https://x.test/a.png"}}, (Image(Remote("https://x.test/a.png", "image/png")),)),
        (
            {"file_data": {"file_uri": "https://x.test/a", "mime_type": "application/pdf"}},
            (File(Remote("https://x.test/a", "application/pdf")),),
        ),
        (
            {"executableCode": {"code": "1"}, "thoughtSignature": "cw=="},
            (Opaque("google", "executableCode", Raw(b'{"executableCode":{"code":"1"},"thoughtSignature":"cw=="}')),),
        ),
    ],
)
def test_parts(part: Any, expected: tuple[Block, ...]) -> None:
    """Each kind of part, in either spelling, becomes its block."""
    read = turns({"role": "model", "parts": [part]})
    assert ((Turn("assistant", expected),) if expected else ()) == read


@pytest.mark.parametrize(
    ("role", "expected"), [("user", "user"), ("model", "assistant"), ("function", "user"), (None, "user")]
)
def test_roles(role: str | None, expected: str) -> None:
    """A content without a role is the user's."""
    assert expected == turns({"role": role, "parts": [{"text": "a"}]})[0].role


def test_an_unknown_role_is_refused() -> None:
    """A role that Gemini does not have is refused by its path."""
    with pytest.raises(InvalidField) as caught:
        turns({"role": "system", "parts": [{"text": "a"}]})
    assert caught.value.param == "contents[0].role"


@pytest.mark.parametrize(
    ("system", "expected"),
    [
        ("be kind", (Text("be kind"),)),
        ({"parts": [{"text": "a"}, {"text": ""}, {"text": "b"}]}, (Text("a"), Text("b"))),
        ({"role": "user", "parts": [{"text": "a"}]}, (Text("a"),)),
    ],
)
@pytest.mark.parametrize("name", ["systemInstruction", "system_instruction"])
def test_system(name: str, system: Any, expected: tuple[Block, ...]) -> None:
    """The system instruction leads the turns, as text or as parts."""
    assert Turn("system", expected) == parsed(**{name: system}).turns[0]


def test_an_empty_system_is_no_turn() -> None:
    """A system instruction without text is left out."""
    assert tuple(t.role for t in parsed(systemInstruction={"parts": []}).turns) == ("user",)


def test_calls_and_results_with_ids() -> None:
    """A result finds its call by id, whatever the order."""
    read = turns(
        {"role": "model", "parts": [{"functionCall": {"id": n, "name": "f", "args": {"n": 1.00}}} for n in ("a", "b")]},
        {
            "role": "user",
            "parts": [{"functionResponse": {"id": n, "name": "f", "response": {"output": n}}} for n in ("b", "a")],
        },
    )
    assert (
        Turn("assistant", (ToolCall("a", "f", '{"n":1.0}'), ToolCall("b", "f", '{"n":1.0}'))),
        Turn("user", (ToolResult("b", (Text("b"),), name="f"), ToolResult("a", (Text("a"),), name="f"))),
    ) == read


def test_calls_and_results_without_ids() -> None:
    """Without ids a call is named by its place, and a result finds it by name in order."""
    read = turns(
        {"parts": [{"text": "q"}]},
        {"role": "model", "parts": [{"functionCall": {"name": n}} for n in ("f", "g", "f")]},
        {
            "role": "function",
            "parts": [
                {"function_response": {"name": n, "response": {"output": o}}}
                for n, o in (("g", "1"), ("f", "2"), ("f", "3"))
            ],
        },
    )
    calls = [b.id for b in read[1].content if isinstance(b, ToolCall)]
    results = [b.call_id for b in read[2].content if isinstance(b, ToolResult)]
    assert (calls, results) == (["call_1_0", "call_1_1", "call_1_2"], ["call_1_1", "call_1_0", "call_1_2"])


def test_a_calls_signature_stays_with_it() -> None:
    """The signature of a call is the call's."""
    (turn,) = turns({"role": "model", "parts": [{"functionCall": {"name": "f"}, "thoughtSignature": "cw=="}]})
    assert (ToolCall("call_0_0", "f", "{}", "cw=="),) == turn.content


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        ({"output": "x"}, (Text("x"),)),
        ({"a": 1}, (Text('{"a":1}'),)),
        ({"output": ""}, ()),
    ],
)
def test_results(response: Any, expected: tuple[Block, ...]) -> None:
    """A response that only wraps a text is that text."""
    (turn,) = turns({"parts": [{"functionResponse": {"name": "f", "response": response}}]})
    assert (ToolResult("call_0_0", expected, name="f"),) == turn.content  # type: ignore[arg-type]


def test_an_error_result() -> None:
    """A response that tells an error is an error result."""
    (turn,) = turns({"parts": [{"functionResponse": {"id": "x", "name": "f", "response": {"error": "boom"}}}]})
    assert (ToolResult("x", (Text("boom"),), error=True, name="f"),) == turn.content


def test_media_in_a_result() -> None:
    """Media of a result is its content."""
    part = {"inlineData": {"mimeType": "image/png", "data": "eA=="}}
    (turn,) = turns({"parts": [{"functionResponse": {"name": "f", "response": {"output": "see"}, "parts": [part]}}]})
    expected = ToolResult("call_0_0", (Text("see"), Image(Inline("image/png", "eA=="))), name="f")
    assert (expected,) == turn.content


@pytest.mark.parametrize(
    ("content", "param"),
    [
        ({"role": "model", "parts": [{"functionCall": {}}]}, "contents[0].parts[0].functionCall.name"),
        (
            {"role": "model", "parts": [{"functionCall": {"name": "f", "args": []}}]},
            "contents[0].parts[0].functionCall.args",
        ),
        ({"role": "model", "parts": [{"functionResponse": {}}]}, "contents[0].parts[0].functionResponse"),
        ({"parts": [{"functionResponse": {"response": 1}}]}, "contents[0].parts[0].functionResponse.response"),
        ({"parts": [{"functionCall": {"name": "f"}}]}, "contents[0].parts[0].functionCall"),
        ({"parts": [{"fileData": {"fileUri": "https://[::1/a.png"}}]}, "contents[0].parts[0].fileData.fileUri"),
        ({"parts": [{"text": 1}]}, "contents[0].parts[0].text"),
        ({"parts": [{"inlineData": {"data": "?"}}]}, "contents[0].parts[0].inlineData.data"),
    ],
)
def test_wrong_parts_are_refused_by_name(content: Any, param: str) -> None:
    """A part that can't be read is refused with its path."""
    with pytest.raises(InvalidField) as caught:
        turns(content)
    assert param == caught.value.param


@pytest.mark.parametrize(
    "uri", ["gs://b/o", "https://generativelanguage.googleapis.com/v1beta/files/abc", "files/abc", ""]
)
def test_files_of_googles_store_are_refused(uri: str) -> None:
    """A file that only Google can open can't be shown to another provider."""
    with pytest.raises(UnsupportedField):
        turns({"parts": [{"fileData": {"fileUri": uri, "mimeType": "image/png"}}]})


def test_a_cache_is_refused() -> None:
    """Cached content holds a part of the prompt, so it can't be left out."""
    with pytest.raises(UnsupportedField) as caught:
        parsed(cachedContent="cachedContents/x")
    assert "cachedContent" in caught.value.message


@pytest.mark.parametrize(
    ("tier", "expected"), [("standard", "default"), ("FLEX", "flex"), ("priority", "priority"), ("x", None)]
)
def test_service_tier(tier: str, expected: str | None) -> None:
    """Tiers go by OpenAI's names."""
    assert expected == parsed(serviceTier=tier).service_tier


def test_the_request_itself() -> None:
    """Model and stream come from the path, and the family is Google's."""
    request = parsed()
    assert (request.model, request.stream, request.family, request.include_usage) == ("m", True, "google", True)


def test_what_is_left_is_kept() -> None:
    """Fields without a place are kept, but for those that change no answer."""
    request = parsed(safetySettings=[], labels={}, modelArmorConfig={"x": 1}, generationConfig={"speechConfig": {}})
    assert {"modelArmorConfig", "generationConfig.speechConfig"} == set(request.extras)


def test_a_result_is_for_the_latest_calls_only() -> None:
    """A result without an id is not taken for that of an unanswered call from before the model's latest turns."""
    read = turns(
        {"role": "model", "parts": [{"functionCall": {"name": "f"}}]},
        {"parts": [{"text": "never mind"}]},
        {"role": "model", "parts": [{"functionCall": {"name": "g"}}]},
        {"role": "model", "parts": [{"functionCall": {"name": "f"}}]},
        {"parts": [{"functionResponse": {"name": n}} for n in ("f", "g")]},
    )
    assert [b.call_id for b in read[4].content if isinstance(b, ToolResult)] == ["call_3_0", "call_2_0"]


def test_sound_and_film_of_a_result_are_kept() -> None:
    """Media that a result can't hold stand behind all results of the turn, and in no later one."""
    sound = {"inlineData": {"mimeType": "audio/wav", "data": "eA=="}}
    first, second = turns(
        {"parts": [{"functionResponse": {"name": "f", "parts": [sound]}}, {"functionResponse": {"name": "g"}}]},
        {"parts": [{"text": "a"}]},
    )
    assert first.content == (
        ToolResult("call_0_0", (), name="f"),
        ToolResult("call_0_1", (), name="g"),
        Text("[media of the result of f]"),
        Audio(Inline("audio/wav", "eA==")),
    )
    assert second.content == (Text("a"),)
