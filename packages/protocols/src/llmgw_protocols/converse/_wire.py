"""Converse's JSON as structs: the answers of a stream and of a body.

Only fields that are looked at are named; msgspec skips the rest. Everything that Bedrock may leave out or send as null
is optional, since an answer must not fail for a field nobody needs.
"""

from __future__ import annotations

import msgspec

NOTHING = msgspec.Raw(b"")
"""The default of raw fields: a raw value can't be one branch of a union with None."""


class Wire(msgspec.Struct, rename="camel"):
    pass


class Web(Wire):
    url: str | None = None


class Location(Wire):
    web: Web | None = None


class Citation(Wire):
    title: str | None = None
    location: Location | None = None


class CitedText(Wire):
    text: str | None = None


class CitationsContent(Wire):
    content: list[CitedText] | None = None
    citations: list[Citation] | None = None


class ReasoningText(Wire):
    text: str | None = None
    signature: str | None = None


class Reasoning(Wire):
    """A block of a body has `reasoningText`, a delta of a stream its members; `redactedContent` is base64 in both."""

    reasoning_text: ReasoningText | None = None
    text: str | None = None
    signature: str | None = None
    redacted_content: str | None = None


class ToolUse(Wire):
    """A call, the start of one, or a fragment of its arguments: `input` is an object in a body and text in a stream."""

    tool_use_id: str | None = None
    name: str | None = None
    type: str | None = None
    input: msgspec.Raw = NOTHING


class MediaSource(Wire):
    bytes: str | None = None


class Media(Wire):
    format: str | None = None
    source: MediaSource | None = None


class Block(Wire):
    """A content block of a body."""

    text: str | None = None
    tool_use: ToolUse | None = None
    reasoning_content: Reasoning | None = None
    citations_content: CitationsContent | None = None
    image: Media | None = None


class Start(Wire):
    tool_use: ToolUse | None = None
    image: Media | None = None
    tool_result: msgspec.Raw = NOTHING


class Delta(Wire):
    text: str | None = None
    tool_use: ToolUse | None = None
    reasoning_content: Reasoning | None = None
    citation: Citation | None = None
    image: Media | None = None
    tool_result: msgspec.Raw = NOTHING


class CacheDetail(Wire):
    ttl: str | None = None
    input_tokens: int | None = None


class WireUsage(Wire):
    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_write_input_tokens: int | None = None
    cache_details: list[CacheDetail] | None = None


class Event(Wire):
    """Any event of a stream."""

    content_block_index: int = 0
    start: Start | None = None
    delta: Delta | None = None
    stop_reason: str | None = None
    usage: WireUsage | None = None


class Message(Wire):
    content: list[msgspec.Raw] | None = None


class Output(Wire):
    message: Message | None = None


class Answer(Wire):
    """A whole body; one without `output` is an error that came with status 200."""

    output: Output | None = None
    stop_reason: str | None = None
    usage: WireUsage | None = None
    message: str | None = None
