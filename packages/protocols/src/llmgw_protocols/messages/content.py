"""Canonical blocks as Anthropic's content blocks.

Media that Anthropic has no form for is refused, since an answer about an image that was never shown is worse than none.
Arguments of calls are embedded as they are: no number in them is re-read.
"""

from __future__ import annotations

import base64
from typing import Any
from urllib.parse import SplitResult, urlsplit

import msgspec

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
    Source,
    Stored,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
    Video,
)
from llmgw_domain.errors import InvalidField
from llmgw_protocols import exact
from llmgw_protocols.losses import Losses

MAX_MARKS = 4
"""Cache marks that a request may hold."""
FILES_BETA = "files-api-2025-04-14"
_IMAGES = frozenset(("image/jpeg", "image/png", "image/gif", "image/webp"))
_TEXTUAL = frozenset(("application/json", "application/xml", "application/yaml", "application/javascript"))
_PDF = "application/pdf"


class Marks:
    """Cache marks, in the order of the prompt. Only the latest few are kept, which cache the longest prefixes."""

    def __init__(self) -> None:
        self._blocks: list[dict[str, Any]] = []

    def put(self, block: dict[str, Any], mark: CacheMark | None) -> None:
        if mark is None:
            return
        block["cache_control"] = {"type": "ephemeral"} | ({"ttl": mark.ttl} if mark.ttl else {})
        self._blocks.append(block)

    def settle(self) -> None:
        """Drops the marks over the limit, and shortens long ones behind a short one, which Anthropic refuses."""
        for block in self._blocks[:-MAX_MARKS]:
            del block["cache_control"]
        short = False
        for block in self._blocks[-MAX_MARKS:]:
            if block["cache_control"].get("ttl") != "1h":
                short = True
            elif short:
                block["cache_control"]["ttl"] = "5m"


class ContentWriter:
    """Writes blocks; remembers the cache marks, what was lost, and whether the file store's beta is needed."""

    def __init__(self, family: str, marks: Marks, losses: Losses) -> None:
        self._family = family
        self._marks = marks
        self._losses = losses
        self.uses_files = False

    def text(self, block: Text) -> dict[str, Any]:
        written: dict[str, Any] = {"type": "text", "text": block.text}
        self._marks.put(written, block.cache)
        return written

    def block(self, block: Block) -> dict[str, Any] | msgspec.Raw:
        """One content block. Raises `UnsupportedField` for media that Anthropic does not take."""
        match block:
            case Text():
                return self.text(block)
            case Refusal(text=text):
                return {"type": "text", "text": text}
            case Image() | File():
                return self._media(block)
            case Thinking(text=text, signature=signature):
                return {"type": "thinking", "thinking": text, "signature": signature}
            case RedactedThinking(data=data):
                return {"type": "redacted_thinking", "data": data}
            case ToolCall():
                return self._call(block)
            case ToolResult():
                return self._result(block)
            case Opaque(json=json):
                return json
            case Audio():
                raise self._losses.unsupported("messages", "The model's provider takes no audio input.")
            case Video():
                raise self._losses.unsupported("messages", "The model's provider takes no video input.")

    def _call(self, block: ToolCall) -> dict[str, Any]:
        written = {"type": "tool_use", "id": block.id, "name": block.name, "input": self._input(block.arguments)}
        self._marks.put(written, block.cache)
        return written

    def _input(self, arguments: str) -> dict[str, Any] | msgspec.Raw:
        written, valid = call_input(arguments)
        if not valid:
            self._losses.add("messages.tool_calls.function.arguments")
        return written

    def _result(self, block: ToolResult) -> dict[str, Any]:
        written: dict[str, Any] = {"type": "tool_result", "tool_use_id": block.call_id}
        if content := self._result_content(block):
            written["content"] = content
        if block.error:
            written["is_error"] = True
        self._marks.put(written, block.cache)
        return written

    def _result_content(self, block: ToolResult) -> str | list[Any]:
        parts = [p for p in block.content if not isinstance(p, Text) or p.text.strip()]
        if len(parts) == 1 and isinstance(parts[0], Text) and parts[0].cache is None:
            return parts[0].text
        return [self.block(part) for part in parts]

    # --- images and documents -----------------------------------------------------------------------------------------

    def _media(self, block: Image | File) -> dict[str, Any]:
        source = block.source
        pictured = isinstance(block, Image) and not _is_pdf(source)
        if isinstance(source, Inline) and source.media_type.startswith("image/"):
            pictured = True
        written: dict[str, Any] = {"type": "image" if pictured else "document"}
        written["source"] = self._source(source, pictured)
        if isinstance(block, File) and block.filename and not pictured:
            written["title"] = block.filename
        self._marks.put(written, block.cache)
        return written

    def _source(self, source: Source, pictured: bool) -> dict[str, Any]:
        match source:
            case Inline(media_type=media_type, data=data):
                return self._inline(media_type, data, pictured)
            case Remote(url=url):
                if (address := _split(url)) is None:
                    param = self._losses.name("messages")
                    raise InvalidField(f"{param}: the address of a medium is not valid.", param=param)
                if address.scheme not in ("http", "https"):
                    raise self._losses.unsupported("messages", "Media must be inline or at an http(s) address.")
                return {"type": "url", "url": url}
            case Stored(file_id=file_id):
                if self._family != "anthropic":
                    why = "The model's provider does not have this file; send it inline."
                    raise self._losses.unsupported("messages", why)
                self.uses_files = True
                return {"type": "file", "file_id": file_id}

    def _inline(self, media_type: str, data: str, pictured: bool) -> dict[str, Any]:
        bare = media_type.partition(";")[0].strip().lower()
        if pictured:
            bare = "image/jpeg" if bare == "image/jpg" else bare
            if bare not in _IMAGES:
                why = f"Images of type {bare!r} are not supported; send image/jpeg, image/png, image/gif or image/webp."
                raise self._losses.unsupported("messages", why)
            return {"type": "base64", "media_type": bare, "data": data}
        if bare == _PDF:
            return {"type": "base64", "media_type": _PDF, "data": data}
        if bare.startswith("text/") or bare in _TEXTUAL:
            return {"type": "text", "media_type": "text/plain", "data": self._decoded(data)}
        why = f"Files of type {bare!r} are not supported; send a PDF or text."
        raise self._losses.unsupported("messages", why)

    def _decoded(self, data: str) -> str:
        try:
            return base64.b64decode(data).decode()
        except ValueError:
            raise self._losses.unsupported("messages", "The text file is not valid UTF-8.") from None


def call_input(arguments: str) -> tuple[dict[str, Any] | msgspec.Raw, bool]:
    """A call's arguments as the object that Anthropic wants, and whether they were valid JSON."""
    if not arguments.strip():
        return {}, True
    raw = arguments.encode("utf-8", "replace")
    try:
        value = exact.read(raw)
    except (msgspec.DecodeError, RecursionError):
        return {"__raw_arguments": raw.decode()}, False
    return (msgspec.Raw(raw) if isinstance(value, dict) else {"value": msgspec.Raw(raw)}), True


def _is_pdf(source: Source) -> bool:
    match source:
        case Inline(media_type=media_type):
            return media_type.startswith(_PDF)
        case Remote(url=url, media_type=media_type):
            address = _split(url)
            return media_type == _PDF or (address is not None and address.path.lower().endswith(".pdf"))
    return False


def _split(url: str) -> SplitResult | None:
    """The parts of an address; None for one that is not valid, as one with an open bracket."""
    try:
        return urlsplit(url)
    except ValueError:
        return None
