"""Blocks as content parts."""

from typing import Any

import pytest
from msgspec import Raw

from llmgw_domain import Provider
from llmgw_domain.chat import (
    Audio,
    Block,
    CacheMark,
    File,
    Image,
    Inline,
    Opaque,
    RedactedThinking,
    Refusal,
    Remote,
    Stored,
    Text,
    Thinking,
    ToolResult,
    Video,
)
from llmgw_domain.errors import UnsupportedField
from llmgw_protocols.dialect import TargetFacts
from llmgw_protocols.losses import Losses
from llmgw_protocols.responses.render_content import ContentWriter, answered

PNG, PDF, TXT = Inline("image/png", "aGk="), Inline("application/pdf", "aGk="), Inline("text/plain", "aGk=")
MARK = {"prompt_cache_breakpoint": {"mode": "explicit", "ttl": "12h"}}


def writer(model: str = "gpt-5.2", family: str = "openai") -> ContentWriter:
    return ContentWriter(TargetFacts(provider=Provider.OPENAI, model=model), family, Losses(family))


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        (Text("t"), {"type": "input_text", "text": "t"}),
        (Refusal("no"), {"type": "input_text", "text": "no"}),
        (Thinking("hm"), {"type": "input_text", "text": "hm"}),
        (Image(PNG), {"type": "input_image", "image_url": "data:image/png;base64,aGk=", "detail": "auto"}),
        (
            Image(Remote("http://a/b"), "original"),
            {"type": "input_image", "image_url": "http://a/b", "detail": "original"},
        ),
        (Image(Stored("f1")), {"type": "input_image", "file_id": "f1", "detail": "auto"}),
        (
            File(PDF, "a.pdf"),
            {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,aGk="},
        ),
        (
            File(PDF),
            {"type": "input_file", "filename": "document.pdf", "file_data": "data:application/pdf;base64,aGk="},
        ),
        (File(TXT, "a.txt"), {"type": "input_text", "text": "[a.txt]\nhi"}),
        (File(Remote("http://a/b")), {"type": "input_file", "file_url": "http://a/b"}),
        (File(Stored("f1")), {"type": "input_file", "file_id": "f1"}),
    ],
)
def test_input(block: Block, expected: dict[str, Any]) -> None:
    """Each block has its part."""
    assert writer().part(block) == expected


@pytest.mark.parametrize(
    "block", [Audio(Inline("audio/wav", "aGk=")), Video(Remote("http://a/b")), Opaque("anthropic", "x", Raw(b"{}"))]
)
def test_what_has_no_part(block: Block) -> None:
    """An answer without it would be about something else."""
    with pytest.raises(UnsupportedField):
        writer().part(block)


@pytest.mark.parametrize("block", [Image(Stored("f1")), File(Stored("f1"))])
def test_files_of_other_stores(block: Block) -> None:
    """A file of Anthropic's store is unknown here."""
    with pytest.raises(UnsupportedField):
        writer(family="anthropic").part(block)


def test_texts_that_say_nothing() -> None:
    """They are left out."""
    assert writer().parts([Text(""), Text("t"), RedactedThinking("d")]) == [{"type": "input_text", "text": "t"}]


@pytest.mark.parametrize("block", [Text("t", CacheMark("1h")), Image(PNG, cache=CacheMark("1h"))])
def test_cache_marks(block: Block) -> None:
    """Models from gpt-5.6 on take them, to others they are no loss."""
    assert MARK.items() <= writer("gpt-5.6").part(block).items()
    assert "prompt_cache_breakpoint" not in writer("gpt-5.2").part(block)


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        (ToolResult("c", (Text("a"), Text("b"))), "a\nb"),
        (ToolResult("c", ()), ""),
        (ToolResult("c", (Text("a"),), error=True), "Error: a"),
        (ToolResult("c", (Text('{"error":1}'),), error=True), '{"error":1}'),
        (
            ToolResult("c", (Text("a"), Image(PNG)), error=True),
            [
                {"type": "input_text", "text": "Error:"},
                {"type": "input_text", "text": "a"},
                {"type": "input_image", "image_url": "data:image/png;base64,aGk=", "detail": "auto"},
            ],
        ),
    ],
)
def test_outputs(result: ToolResult, expected: Any) -> None:
    """Text where that says it all, parts in their order otherwise; a failure is told in words."""
    assert writer().output(result) == expected


def test_a_mark_on_an_output() -> None:
    """A text can't carry it, its part can."""
    result = ToolResult("c", (Text("a"),), cache=CacheMark("1h"))
    assert writer("gpt-5.6").output(result) == [{"type": "input_text", "text": "a", **MARK}]
    assert writer("gpt-5.2").output(result) == "a"


def test_what_a_model_said() -> None:
    """Its parts have names of their own."""
    assert answered(Text("t")) == {"type": "output_text", "text": "t"}
    assert answered(Refusal("no")) == {"type": "refusal", "refusal": "no"}
