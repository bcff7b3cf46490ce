"""Content blocks of a client's message, read into the canonical ones: one small reader per type of block.

Blocks of types that are not in the table (server-side tools and their results, whatever is new) become `Opaque`, so
that they survive to a provider of the same family and can be named elsewhere.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from urllib.parse import urlsplit

import msgspec

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
from llmgw_protocols import data_url
from llmgw_protocols.messages import _wire as wire
from llmgw_protocols.messages.reading import is_null, read

FAMILY = "anthropic"
_ORIGIN = Origin(FAMILY)


def content(value: str | list[msgspec.Raw], path: str) -> tuple[Block, ...]:
    """The blocks of a message's content. `path` is where it stands, e.g. `messages.0.content`."""
    if isinstance(value, str):
        return (Text(value),) if value else ()
    found: list[Block] = []
    for at, raw in enumerate(value):
        found += _block(raw, f"{path}.{at}")
    return tuple(found)


def mark(cache: wire.Cache | None) -> CacheMark | None:
    """The cache mark of a `cache_control`; a lifetime that is not known is the provider's default."""
    if cache is None or cache.type != "ephemeral":
        return None
    if cache.ttl == "1h":
        return CacheMark("1h")
    return CacheMark("5m") if cache.ttl == "5m" else CacheMark()


def _block(raw: msgspec.Raw, path: str) -> list[Block]:
    kind: str = read(raw, wire.Typed, path).type
    reader = _READERS.get(kind)
    if reader is None:
        return [Opaque(FAMILY, kind, raw.copy())]
    return reader(raw, path)


def _text(raw: msgspec.Raw, path: str) -> list[Block]:
    block: wire.TextBlock = read(raw, wire.TextBlock, path)
    return [Text(block.text, mark(block.cache_control))]


def _image(raw: msgspec.Raw, path: str) -> list[Block]:
    block: wire.MediaBlock = read(raw, wire.MediaBlock, path)
    return [Image(_source(block.source, f"{path}.source"), cache=mark(block.cache_control))]


def _document(raw: msgspec.Raw, path: str) -> list[Block]:
    block: wire.MediaBlock = read(raw, wire.MediaBlock, path)
    cache = mark(block.cache_control)
    head: list[Block] = [Text(block.context)] if block.context else []
    if block.source.type == "content":
        return [*head, *_own_content(block, f"{path}.source.content", cache)]
    return [*head, File(_source(block.source, f"{path}.source"), block.title, cache)]


def _own_content(block: wire.MediaBlock, path: str, cache: CacheMark | None) -> list[Block]:
    blocks = list(content(block.source.content or "", path))
    if blocks and cache and isinstance(blocks[-1], Text):
        blocks[-1] = Text(blocks[-1].text, cache)
    return [Text(block.title), *blocks] if block.title else blocks


def _source(source: wire.Source, path: str) -> Inline | Remote | Stored:
    match source.type:
        case "base64":
            data = _needed(source.data, f"{path}.data")
            return data_url.of_base64(data, source.media_type, f"{path}.data")
        case "text":
            text = _needed(source.data, f"{path}.data").encode()
            return Inline(source.media_type or "text/plain", base64.b64encode(text).decode())
        case "url":
            return Remote(_address(source.url, f"{path}.url"))
        case "file":
            return Stored(_needed(source.file_id, f"{path}.file_id"))
    raise InvalidField(f"{path}.type: {source.type!r} is not a source this gateway knows.", param=f"{path}.type")


def _address(value: str | None, path: str) -> str:
    url = _needed(value, path)
    try:
        urlsplit(url)
    except ValueError:
        raise InvalidField(f"{path}: not a valid address.", param=path) from None
    return url


def _needed(value: str | None, path: str) -> str:
    if value is None:
        raise InvalidField(f"{path}: field required.", param=path)
    return value


def _search_result(raw: msgspec.Raw, path: str) -> list[Block]:
    block: wire.SearchResult = read(raw, wire.SearchResult, path)
    lines = [line for line in (block.title, block.source) if line]
    text = "\n".join([*lines, *(part.text for part in block.content)])
    return [Text(text, mark(block.cache_control))]


def _thinking(raw: msgspec.Raw, path: str) -> list[Block]:
    block: wire.ThinkingBlock = read(raw, wire.ThinkingBlock, path)
    # Thinking of other families reaches this dialect's clients with an empty signature and comes back with it.
    return [Thinking(block.thinking, block.signature or None, _ORIGIN if block.signature else None)]


def _redacted(raw: msgspec.Raw, path: str) -> list[Block]:
    block: wire.RedactedBlock = read(raw, wire.RedactedBlock, path)
    return [RedactedThinking(block.data, _ORIGIN)]


def _tool_use(raw: msgspec.Raw, path: str) -> list[Block]:
    block: wire.ToolUse = read(raw, wire.ToolUse, path)
    arguments = "{}" if is_null(block.input) else bytes(block.input).decode()
    return [ToolCall(block.id, block.name, arguments, cache=mark(block.cache_control))]


def _tool_result(raw: msgspec.Raw, path: str) -> list[Block]:
    block: wire.ToolResult = read(raw, wire.ToolResult, path)
    parts = content(block.content or "", f"{path}.content")
    return [
        ToolResult(
            block.tool_use_id, tuple(_part(p) for p in parts), bool(block.is_error), cache=mark(block.cache_control)
        )
    ]


def _part(block: Block) -> Text | Image | File:
    if isinstance(block, Text | Image | File):
        return block
    # A reference to a tool and the like: the model still sees what the result said.
    return Text(bytes(block.json).decode() if isinstance(block, Opaque) else "")


_READERS: dict[str, Callable[[msgspec.Raw, str], list[Block]]] = {
    "text": _text,
    "image": _image,
    "document": _document,
    "search_result": _search_result,
    "thinking": _thinking,
    "redacted_thinking": _redacted,
    "tool_use": _tool_use,
    "tool_result": _tool_result,
}
