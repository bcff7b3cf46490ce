"""Anthropic's JSON as structs: requests as they are read, and events of a stream.

Only fields that are looked at are named; msgspec skips the rest. What is passed on unread stays `Raw`. Everything
that a provider may leave out or send as null is optional, since an answer must not fail for a field nobody needs.
"""

from __future__ import annotations

from typing import Literal

import msgspec

NOTHING = msgspec.Raw(b"")
"""The default of raw fields: a raw value can't be one branch of a union with None."""

# --- requests ---------------------------------------------------------------------------------------------------------


class Typed(msgspec.Struct):
    type: str


class Cache(msgspec.Struct):
    type: str | None = None
    ttl: str | None = None


class Message(msgspec.Struct):
    role: Literal["user", "assistant", "system"]
    content: str | list[msgspec.Raw]


class TextBlock(msgspec.Struct):
    text: str
    cache_control: Cache | None = None


class Source(msgspec.Struct):
    type: str
    media_type: str | None = None
    data: str | None = None
    url: str | None = None
    file_id: str | None = None
    content: str | list[msgspec.Raw] | None = None


class Citations(msgspec.Struct):
    enabled: bool | None = None


class MediaBlock(msgspec.Struct):
    """An image or a document."""

    source: Source
    title: str | None = None
    context: str | None = None
    citations: Citations | None = None
    cache_control: Cache | None = None


class SearchResult(msgspec.Struct):
    content: list[TextBlock]
    source: str = ""
    title: str = ""
    cache_control: Cache | None = None


class ThinkingBlock(msgspec.Struct):
    thinking: str
    signature: str | None = None


class RedactedBlock(msgspec.Struct):
    data: str


class ToolUse(msgspec.Struct):
    id: str
    name: str
    input: msgspec.Raw = msgspec.Raw(b"{}")
    cache_control: Cache | None = None


class ToolResult(msgspec.Struct):
    tool_use_id: str
    content: str | list[msgspec.Raw] | None = None
    is_error: bool | None = None
    cache_control: Cache | None = None


class ToolHead(msgspec.Struct):
    type: str | None = None


class ClientTool(msgspec.Struct):
    name: str
    input_schema: msgspec.Raw
    description: str | None = None
    strict: bool | None = None
    cache_control: Cache | None = None


class ToolChoice(msgspec.Struct):
    type: Literal["auto", "any", "tool", "none"]
    name: str | None = None
    disable_parallel_tool_use: bool | None = None


class Thinking(msgspec.Struct):
    type: Literal["enabled", "disabled", "adaptive", "between_tools"]
    budget_tokens: int | None = None
    display: str | None = None


class Format(msgspec.Struct):
    type: str
    schema: msgspec.Raw = NOTHING


class Metadata(msgspec.Struct):
    user_id: str | None = None


# --- answers ----------------------------------------------------------------------------------------------------------


class CacheCreation(msgspec.Struct):
    ephemeral_5m_input_tokens: int | None = None
    ephemeral_1h_input_tokens: int | None = None


class OutputDetails(msgspec.Struct):
    thinking_tokens: int | None = None


class WireUsage(msgspec.Struct):
    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cache_creation: CacheCreation | None = None
    output_tokens_details: OutputDetails | None = None


class StopDetails(msgspec.Struct):
    category: str | None = None
    explanation: str | None = None


class Citation(msgspec.Struct):
    type: str | None = None
    url: str | None = None
    title: str | None = None


class AnswerBlock(msgspec.Struct):
    type: str
    text: str | None = None
    thinking: str | None = None
    signature: str | None = None
    id: str | None = None
    name: str | None = None
    input: msgspec.Raw = NOTHING
    citations: list[Citation] | None = None


class Delta(msgspec.Struct):
    """A block's delta, or the message's at its end."""

    type: str | None = None
    text: str | None = None
    thinking: str | None = None
    signature: str | None = None
    partial_json: str | None = None
    citation: Citation | None = None
    stop_reason: str | None = None
    stop_sequence: str | None = None
    stop_details: StopDetails | None = None


class WireError(msgspec.Struct):
    type: str | None = None
    message: str | None = None
    details: msgspec.Raw = NOTHING


class AnswerMessage(msgspec.Struct):
    """A whole answer, or the head of a stream."""

    id: str | None = None
    model: str | None = None
    content: list[msgspec.Raw] | None = None
    stop_reason: str | None = None
    stop_sequence: str | None = None
    stop_details: StopDetails | None = None
    usage: WireUsage | None = None
    type: str | None = None
    error: WireError | None = None


class Event(msgspec.Struct):
    """Any event of a stream."""

    type: str | None = None
    index: int | None = None
    delta: Delta | None = None
    content_block: msgspec.Raw = NOTHING
    message: AnswerMessage | None = None
    usage: WireUsage | None = None
    error: WireError | None = None
