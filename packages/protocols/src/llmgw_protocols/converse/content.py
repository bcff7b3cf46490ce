"""Turns as Converse's messages: blocks, cache points behind them, results that never are empty."""

from __future__ import annotations

import base64
from typing import Any

from llmgw_domain.chat import (
    Block,
    File,
    Image,
    Opaque,
    RedactedThinking,
    Refusal,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
)
from llmgw_protocols.converse.marks import Blocks, Marks
from llmgw_protocols.converse.media import MediaWriter
from llmgw_protocols.converse.models import Traits
from llmgw_protocols.losses import Losses
from llmgw_protocols.messages.content import call_input
from llmgw_protocols.messages.turns import WireTurn

_NOTHING = "(empty)"
"""The content of a result without any; Bedrock refuses none, and blank text."""


class ContentWriter:
    """Writes the system text and the messages of one request."""

    def __init__(self, traits: Traits, marks: Marks, losses: Losses) -> None:
        self._traits = traits
        self._marks = marks
        self._losses = losses
        self._media = MediaWriter(traits, losses)

    def system(self, texts: list[Text]) -> Blocks:
        blocks: Blocks = []
        for text in texts:
            blocks.append({"text": text.text})
            self._marks.put("system", blocks, text.cache)
        return blocks

    def message(self, turn: WireTurn) -> dict[str, Any]:
        """One message. Raises `UnsupportedField` for media that the model or Bedrock does not take."""
        blocks: Blocks = []
        for block in turn.blocks:
            blocks.append(self._block(block))
            self._marks.put("messages", blocks, _mark_of(block))
        return {"role": turn.role, "content": blocks}

    def _block(self, block: Block) -> Any:
        match block:
            case Text(text=text) | Refusal(text=text):
                return {"text": text}
            case Thinking(text=text, signature=signature):
                return {"reasoningContent": {"reasoningText": {"text": text, "signature": signature}}}
            case RedactedThinking():
                return {"reasoningContent": {"redactedContent": _redacted(block)}}
            case ToolCall():
                return {"toolUse": {"toolUseId": block.id, "name": block.name, "input": self._input(block)}}
            case ToolResult():
                return {"toolResult": self._result(block)}
            case Opaque(json=json):
                return json
        return self._media.block(block)

    def _input(self, call: ToolCall) -> Any:
        written, valid = call_input(call.arguments)
        if not valid:
            self._losses.add("messages.tool_calls.function.arguments")
        return written

    def _result(self, result: ToolResult) -> dict[str, Any]:
        content = [self._block(part) for part in result.content if not isinstance(part, Text) or part.text.strip()]
        written: dict[str, Any] = {"toolUseId": result.call_id, "content": content or [{"text": _NOTHING}]}
        if result.error and self._traits.status:
            written["status"] = "error"
        elif result.error:
            content.insert(0, {"text": "Error:"})
            written["content"] = content
        return written


def _redacted(block: RedactedThinking) -> str:
    """Redacted reasoning as Bedrock's bytes; for Claude's these are the text that Anthropic's own API has."""
    if block.origin is not None and block.origin.family == "anthropic":
        return base64.b64encode(block.data.encode()).decode()
    return block.data


def _mark_of(block: Block) -> Any:
    match block:
        case Text(cache=cache) | Image(cache=cache) | File(cache=cache) | ToolCall(cache=cache):
            return cache
        case ToolResult(cache=cache, content=content):
            # A point can't stand inside of a result.
            return cache or next((part.cache for part in reversed(content) if part.cache), None)
    return None
