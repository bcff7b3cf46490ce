"""The content of one answer as events: blocks of a stream piece by piece, blocks of a body at once.

Text and reasoning blocks of a stream have no start of their own, and what is opaque, an image or redacted reasoning may
come in pieces that mean nothing alone: those are held until their block ends. Citations are told at the end of the
block whose text they are about.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable

import msgspec

from llmgw_domain.stream import (
    Cited,
    MediaMade,
    OpaqueMade,
    StreamEvent,
    TextDelta,
    ThinkingDelta,
    ThinkingRedacted,
    ThinkingSigned,
    ToolDelta,
    ToolOpened,
)
from llmgw_protocols.converse import _wire as wire
from llmgw_protocols.converse.models import Traits

FAMILY = "bedrock"
"""Whose the opaque values are that no maker beyond Bedrock takes back."""
_CLAUDE = "anthropic"
# How all of Anthropic's signatures begin: the tag of their first field, in base64.
_CLAUDE_MADE = re.compile(r"E[A-Za-z0-9+/_-]{16,}={0,2}")
_SERVER_TOOL = "server_tool_use"

_block = msgspec.json.Decoder(wire.Block).decode
_text = msgspec.json.Decoder(str).decode
_kinds = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class Malformed(Exception):
    """A block that contradicts what came before it, or that can't be read."""


class _Open:
    """A block of a stream that has not ended. `call` is None but for the client's tools."""

    __slots__ = ("call", "cited", "fragments", "image", "pieces", "results", "server", "start")

    def __init__(self, start: int) -> None:
        self.start = start
        self.call: int | None = None
        self.cited: list[wire.Citation] = []
        self.fragments: list[str] = []
        self.image: str | None = None
        self.pieces: list[bytes] = []
        self.server: wire.Start | None = None
        self.results: list[msgspec.Raw] = []


class ContentReader:
    """Reads the blocks of one answer of a model."""

    def __init__(self, traits: Traits) -> None:
        self._traits = traits
        self._open: dict[int, _Open] = {}
        self._length = 0
        self.calls = 0

    @property
    def said_text(self) -> bool:
        return self._length > 0

    # --- a stream -----------------------------------------------------------------------------------------------------

    def start(self, index: int, start: wire.Start) -> list[StreamEvent]:
        block = self._open[index] = _Open(self._length)
        if start.image is not None:
            block.image = start.image.format or "png"
        elif start.tool_result or (start.tool_use is not None and start.tool_use.type == _SERVER_TOOL):
            start.tool_result = start.tool_result.copy()
            block.server = start
        elif start.tool_use is not None:
            return [self._call(block, start.tool_use)]
        return []

    def delta(self, index: int, delta: wire.Delta) -> list[StreamEvent]:
        """What a delta says. Raises `Malformed`."""
        block = self._open.get(index)
        if block is None:
            block = self._open[index] = _Open(self._length)
        if delta.text is not None:
            return self._said(delta.text)
        if delta.reasoning_content is not None:
            return self._reasoned(block, delta.reasoning_content)
        if delta.tool_use is not None:
            return self._argued(block, delta.tool_use)
        if delta.citation is not None:
            block.cited.append(delta.citation)
        elif delta.image is not None and delta.image.source is not None:
            block.pieces.append(_decoded(delta.image.source.bytes))
        elif delta.tool_result:
            block.results += _items(delta.tool_result)
        return []

    def stop(self, index: int) -> list[StreamEvent]:
        """What was held until the end of a block."""
        block = self._open.pop(index, None)
        return [] if block is None else [*self._held(block), *self._citations(block.cited, block.start)]

    def stop_all(self) -> list[StreamEvent]:
        return [event for index in list(self._open) for event in self.stop(index)]

    def _argued(self, block: _Open, tool: wire.ToolUse) -> list[StreamEvent]:
        fragment = _text(tool.input) if tool.input else ""
        if block.call is None and block.server is None:
            raise Malformed("arguments of a call that was not opened")
        block.fragments.append(fragment)
        return [ToolDelta(block.call, fragment)] if block.call is not None and fragment else []

    def _reasoned(self, block: _Open, reasoning: wire.Reasoning) -> list[StreamEvent]:
        if reasoning.redacted_content:
            block.pieces.append(_decoded(reasoning.redacted_content))
        return self._thought(reasoning.text, reasoning.signature)

    def _held(self, block: _Open) -> list[StreamEvent]:
        if block.call is not None:
            return [] if any(block.fragments) else [ToolDelta(block.call, "{}")]
        if block.server is not None:
            return [_opaque_of(block, block.server)]
        if not block.pieces:
            return []
        content = b"".join(block.pieces)
        if block.image is None:
            return [self._redacted(content)]
        return [MediaMade(f"image/{block.image}", base64.b64encode(content).decode())]

    # --- a body -------------------------------------------------------------------------------------------------------

    def whole(self, blocks: Iterable[msgspec.Raw]) -> list[StreamEvent]:
        """What the blocks of a body say. Raises `Malformed`."""
        return [event for raw in blocks for event in self._whole(raw)]

    def _whole(self, raw: msgspec.Raw) -> list[StreamEvent]:
        block = _block(raw)
        if block.text is not None:
            return self._said(block.text)
        if block.citations_content is not None:
            return self._cited_text(block.citations_content)
        if block.reasoning_content is not None:
            return self._whole_reasoning(block.reasoning_content)
        if block.tool_use is not None and block.tool_use.type != _SERVER_TOOL:
            return self._whole_call(block.tool_use)
        if block.image is not None and block.image.source is not None and block.image.source.bytes:
            return [MediaMade(f"image/{block.image.format or 'png'}", block.image.source.bytes)]
        kind = next(iter(_kinds(raw)), None)
        return [OpaqueMade(FAMILY, kind, raw.copy())] if kind else []

    def _cited_text(self, content: wire.CitationsContent) -> list[StreamEvent]:
        start = self._length
        events = [event for piece in content.content or () for event in self._said(piece.text or "")]
        return [*events, *self._citations(content.citations or (), start)]

    def _whole_reasoning(self, reasoning: wire.Reasoning) -> list[StreamEvent]:
        if reasoning.redacted_content:
            return [self._redacted(_decoded(reasoning.redacted_content))]
        said = reasoning.reasoning_text or wire.ReasoningText()
        return self._thought(said.text, said.signature)

    def _whole_call(self, tool: wire.ToolUse) -> list[StreamEvent]:
        block = _Open(self._length)
        arguments = bytes(tool.input).decode() if tool.input and bytes(tool.input) != b"null" else "{}"
        opened = self._call(block, tool)
        return [opened, ToolDelta(opened.call, arguments)]

    # --- both ---------------------------------------------------------------------------------------------------------

    def _said(self, text: str) -> list[StreamEvent]:
        self._length += len(text)
        return [TextDelta(text)] if text else []

    def _call(self, block: _Open, tool: wire.ToolUse) -> ToolOpened:
        block.call = self.calls
        self.calls += 1
        return ToolOpened(block.call, tool.tool_use_id or "", tool.name or "")

    def _thought(self, text: str | None, signature: str | None) -> list[StreamEvent]:
        events: list[StreamEvent] = [ThinkingDelta(text)] if text else []
        if signature:
            made_by_claude = self._is_claude(signature)
            events.append(ThinkingSigned(signature, family=_CLAUDE if made_by_claude else FAMILY))
        return events

    def _redacted(self, content: bytes) -> ThinkingRedacted:
        """Redacted reasoning; for Claude's, Bedrock's bytes are the text that Anthropic's own API calls `data`."""
        text = content.decode("latin-1")
        if self._is_claude(text):
            return ThinkingRedacted(text, family=_CLAUDE)
        return ThinkingRedacted(base64.b64encode(content).decode(), family=FAMILY)

    def _is_claude(self, opaque: str) -> bool:
        if self._traits.named and self._traits.claude is None:
            return False
        # An id may not tell the model, but Anthropic's values tell themselves.
        return _CLAUDE_MADE.fullmatch(opaque) is not None

    def _citations(self, citations: Iterable[wire.Citation], start: int) -> list[StreamEvent]:
        # A block of citations alone is about the text before it, and does not say how much of it.
        span = (start, self._length) if self._length > start else (None, None)
        return [
            Cited(c.location.web.url, c.title or "", *span)
            for c in citations
            if c.location is not None and c.location.web is not None and c.location.web.url
        ]


def _opaque_of(block: _Open, start: wire.Start) -> OpaqueMade:
    """A server tool's call or result, put together as it stands in a body."""
    if start.tool_use is not None:
        call = start.tool_use
        arguments = "".join(block.fragments) or "{}"
        written = {
            "toolUseId": call.tool_use_id,
            "name": call.name,
            "type": call.type,
            "input": msgspec.Raw(arguments.encode()),
        }
        return OpaqueMade(FAMILY, "toolUse", msgspec.Raw(msgspec.json.encode({"toolUse": written})))
    result = {**_kinds(start.tool_result), "content": block.results}
    return OpaqueMade(FAMILY, "toolResult", msgspec.Raw(msgspec.json.encode({"toolResult": result})))


def _items(raw: msgspec.Raw) -> list[msgspec.Raw]:
    return [item.copy() for item in msgspec.json.decode(raw, type=list[msgspec.Raw])]


def _decoded(data: str | None) -> bytes:
    try:
        return base64.b64decode(data or "")
    except (binascii.Error, ValueError):
        raise Malformed("content that is no base64") from None
