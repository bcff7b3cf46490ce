"""Canonical blocks as Anthropic's."""

import base64
from typing import Any

import msgspec
import pytest

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
    ToolCall,
    ToolResult,
    Video,
)
from llmgw_domain.errors import InvalidField, UnsupportedField
from llmgw_protocols.losses import Losses
from llmgw_protocols.messages.content import ContentWriter, Marks, call_input

PNG = Inline("image/png", "iVBORw0KGgo=")
PNG_SOURCE = {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}
PDF = Inline("application/pdf", "JVBERi0=")
PDF_SOURCE = {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="}


def _written(block: Block, family: str = "openai") -> tuple[Any, tuple[str, ...]]:
    losses = Losses(family)
    writer = ContentWriter(family, Marks(), losses)
    return msgspec.json.decode(msgspec.json.encode(writer.block(block))), losses.names()


def _text_file(text: str) -> Inline:
    return Inline("text/markdown; charset=utf-8", base64.b64encode(text.encode()).decode())


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        (Text("a"), {"type": "text", "text": "a"}),
        (Refusal("a"), {"type": "text", "text": "a"}),
        (
            Text("a", CacheMark("1h")),
            {"type": "text", "text": "a", "cache_control": {"type": "ephemeral", "ttl": "1h"}},
        ),
        (Thinking("t", "s"), {"type": "thinking", "thinking": "t", "signature": "s"}),
        (RedactedThinking("d"), {"type": "redacted_thinking", "data": "d"}),
        (Opaque("anthropic", "x", msgspec.Raw(b'{"type":"x"}')), {"type": "x"}),
        (Image(PNG), {"type": "image", "source": PNG_SOURCE}),
        (Image(Remote("https://x/a.png")), {"type": "image", "source": {"type": "url", "url": "https://x/a.png"}}),
        (Image(PDF), {"type": "document", "source": PDF_SOURCE}),
        (
            Image(Remote("https://x/a.PDF?b")),
            {"type": "document", "source": {"type": "url", "url": "https://x/a.PDF?b"}},
        ),
        (File(PDF, "T"), {"type": "document", "source": PDF_SOURCE, "title": "T"}),
        (File(PNG), {"type": "image", "source": PNG_SOURCE}),
        (
            File(_text_file("é")),
            {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "é"}},
        ),
        (ToolCall("i", "n", '{"a": 1}'), {"type": "tool_use", "id": "i", "name": "n", "input": {"a": 1}}),
        (
            ToolResult("i", (Text("r"),), error=True),
            {"type": "tool_result", "tool_use_id": "i", "content": "r", "is_error": True},
        ),
        (ToolResult("i", ()), {"type": "tool_result", "tool_use_id": "i"}),
        (
            ToolResult("i", (Text("a"), Text(""), Image(PNG))),
            {
                "type": "tool_result",
                "tool_use_id": "i",
                "content": [{"type": "text", "text": "a"}, {"type": "image", "source": PNG_SOURCE}],
            },
        ),
    ],
)
def test_block(block: Block, expected: object) -> None:
    """Each block has its form, and nothing is lost."""
    assert (expected, ()) == _written(block)


@pytest.mark.parametrize(
    "block",
    [
        Audio(Inline("audio/wav", "aa")),
        Video(Remote("https://x")),
        Image(Inline("image/bmp", "aa")),
        Image(Remote("gs://bucket/a.png")),
        Image(Stored("file-abc")),
        File(Inline("application/zip", "aa")),
        File(Inline("text/plain", "/w==")),
    ],
)
def test_refused(block: Block) -> None:
    """Media without a form is refused, in the name of the client's field."""
    with pytest.raises(UnsupportedField) as caught:
        _written(block, "google")
    assert caught.value.param == "contents"


def test_own_files() -> None:
    """Files of Anthropic's own store are named, and the store's beta is asked for."""
    writer = ContentWriter("anthropic", Marks(), Losses("anthropic"))
    written = writer.block(File(Stored("file_1")))
    assert (
        written,
        writer.uses_files,
    ) == ({"type": "document", "source": {"type": "file", "file_id": "file_1"}}, True)


@pytest.mark.parametrize(
    ("arguments", "expected", "valid"),
    [
        ("", b"{}", True),
        (" ", b"{}", True),
        ('{"a": 1.50, "b":"\\u00e9"}', b'{"a": 1.50, "b":"\\u00e9"}', True),
        ("5", b'{"value":5}', True),
        ("[1", b'{"__raw_arguments":"[1"}', False),
        ('{"a":', b'{"__raw_arguments":"{\\"a\\":"}', False),
        ('{"a":1e400,"b":1.50}', b'{"a":1e400,"b":1.50}', True),
        ("[" * 5000, b'{"__raw_arguments":"' + b"[" * 5000 + b'"}', False),
    ],
)
def test_call_input(arguments: str, expected: bytes, valid: bool) -> None:
    """Arguments are an object: as they are, or wrapped."""
    written, is_valid = call_input(arguments)
    assert (expected, valid) == (msgspec.json.encode(written), is_valid)


def test_invalid_arguments_lost() -> None:
    """Arguments that are no JSON are named as lost."""
    assert _written(ToolCall("i", "n", "{"))[1] == ("messages.tool_calls.function.arguments",)


@pytest.mark.parametrize(
    ("marks", "expected"),
    [
        (["5m", "1h", None], ["5m", "5m", None]),
        (["1h", "1h", "5m"], ["1h", "1h", "5m"]),
        (["1h", None, "5m", "1h", "5m", "1h"], ["-", "-", "5m", "5m", "5m", "5m"]),
    ],
)
def test_marks(marks: list[Any], expected: list[str | None]) -> None:
    """The latest four marks stay, and none is longer than one before it."""
    kept = Marks()
    blocks: list[dict[str, Any]] = [{} for _ in marks]
    for block, ttl in zip(blocks, marks, strict=True):
        kept.put(block, CacheMark(ttl))
    kept.settle()
    assert expected == [b["cache_control"].get("ttl") if "cache_control" in b else "-" for b in blocks]


@pytest.mark.parametrize("kind", [Image, File])
def test_broken_address(kind: Any) -> None:
    """An address that can't be taken apart is the client's mistake, under the client's name for the field."""
    with pytest.raises(InvalidField) as caught:
        _written(kind(Remote("https://[::1/a.png")), "google")
    assert caught.value.param == "contents"
