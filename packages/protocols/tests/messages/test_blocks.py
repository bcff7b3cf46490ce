"""Content blocks of clients, one by one."""

import base64

import msgspec
import pytest

from llmgw_domain.chat import (
    Block,
    CacheMark,
    File,
    Image,
    Inline,
    Opaque,
    Origin,
    RedactedThinking,
    Remote,
    Stored,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
)
from llmgw_domain.errors import InvalidField
from llmgw_protocols.messages.blocks import content

PNG = {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}
ANTHROPIC = Origin("anthropic")


def _read(*blocks: object) -> tuple[Block, ...]:
    return content([msgspec.Raw(msgspec.json.encode(b)) for b in blocks], "messages.0.content")


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        ({"type": "text", "text": "a"}, [Text("a")]),
        (
            {"type": "text", "text": "a", "cache_control": {"type": "ephemeral", "ttl": "1h"}, "citations": []},
            [Text("a", CacheMark("1h"))],
        ),
        ({"type": "image", "source": PNG}, [Image(Inline("image/png", "iVBORw0KGgo="))]),
        ({"type": "image", "source": {"type": "url", "url": "https://x/a.png"}}, [Image(Remote("https://x/a.png"))]),
        ({"type": "image", "source": {"type": "file", "file_id": "file_1"}}, [Image(Stored("file_1"))]),
        (
            {"type": "document", "source": {**PNG, "media_type": "application/pdf"}, "title": "T"},
            [File(Inline("application/pdf", "iVBORw0KGgo="), "T")],
        ),
        (
            {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "é"}, "context": "C"},
            [Text("C"), File(Inline("text/plain", base64.b64encode("é".encode()).decode()))],
        ),
        (
            {"type": "document", "source": {"type": "content", "content": [{"type": "text", "text": "a"}]}},
            [Text("a")],
        ),
        (
            {"type": "search_result", "title": "T", "source": "S", "content": [{"type": "text", "text": "a"}]},
            [Text("T\nS\na")],
        ),
        ({"type": "thinking", "thinking": "t", "signature": "s"}, [Thinking("t", "s", ANTHROPIC)]),
        ({"type": "thinking", "thinking": "t", "signature": ""}, [Thinking("t")]),
        ({"type": "redacted_thinking", "data": "d"}, [RedactedThinking("d", ANTHROPIC)]),
        (
            {"type": "tool_result", "tool_use_id": "i", "content": "r", "is_error": True},
            [ToolResult("i", (Text("r"),), error=True)],
        ),
        (
            {"type": "tool_result", "tool_use_id": "i", "content": [{"type": "image", "source": PNG}]},
            [ToolResult("i", (Image(Inline("image/png", "iVBORw0KGgo=")),))],
        ),
        ({"type": "tool_result", "tool_use_id": "i"}, [ToolResult("i", ())]),
    ],
)
def test_block(block: object, expected: list[Block]) -> None:
    """Each known type becomes its canonical block."""
    assert expected == list(_read(block))


def test_tool_use_keeps_text() -> None:
    """A call's input stays the client's own JSON text."""
    raw = msgspec.Raw(b'{"type":"tool_use","id":"i","name":"n","input":{"x": 1.50, "y":"\\u00e9"}}')
    assert (ToolCall("i", "n", '{"x": 1.50, "y":"\\u00e9"}'),) == content([raw], "c")


def test_unknown_type() -> None:
    """A block of a type that nobody knows is kept as it came."""
    assert (Opaque("anthropic", "server_tool_use", msgspec.Raw(b'{"type":"server_tool_use","id":5}')),) == _read(
        {"type": "server_tool_use", "id": 5}
    )


def test_strings() -> None:
    """A string is one text, and an empty one is none."""
    assert ((Text("a"),), ()) == (content("a", "c"), content("", "c"))


@pytest.mark.parametrize(
    ("block", "param"),
    [
        ({"text": "a"}, "messages.0.content.0"),
        ({"type": "text", "text": 5}, "messages.0.content.0.text"),
        ({"type": "image", "source": {"type": "base64"}}, "messages.0.content.0.source.data"),
        ({"type": "image", "source": {"type": "moon"}}, "messages.0.content.0.source.type"),
        ({"type": "image", "source": {**PNG, "data": "$$"}}, "messages.0.content.0.source.data"),
        ({"type": "tool_use", "id": "i"}, "messages.0.content.0"),
        (
            {"type": "tool_result", "tool_use_id": "i", "content": [{"type": "text"}]},
            "messages.0.content.0.content.0",
        ),
    ],
)
def test_wrong(block: object, param: str) -> None:
    """A malformed block is named by its path."""
    with pytest.raises(InvalidField) as caught:
        _read(block)
    assert param == caught.value.param


def test_broken_address() -> None:
    """An address that can't be taken apart is refused by its place."""
    with pytest.raises(InvalidField) as caught:
        _read({"type": "image", "source": {"type": "url", "url": "https://[::1/a.png"}})
    assert caught.value.param == "messages.0.content.0.source.url"


def test_null_input() -> None:
    """A call whose input is null has no arguments."""
    assert (ToolCall("i", "f", "{}"),) == _read({"type": "tool_use", "id": "i", "name": "f", "input": None})
