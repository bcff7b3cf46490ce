"""The request of OpenAI Responses as typed structs: what is read of it to translate it.

Items and parts come in dozens of types, so each is one wide struct whose `type` says which members are read. Types are
as loose as clients are; unknown members are skipped, and items of unknown types survive as raw JSON elsewhere.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Raw

from llmgw_domain.chat import Detail, Effort

Object = dict[str, Raw]
Count = Annotated[int, Meta(gt=0)]


class Breakpoint(msgspec.Struct, frozen=True):
    """`prompt_cache_breakpoint {mode, ttl}`; ttl is `30m` or `12h`."""

    ttl: str | None = None


class InputAudio(msgspec.Struct, frozen=True):
    data: str
    format: str = "wav"


class Part(msgspec.Struct, frozen=True):
    """A content part of a message or of a tool's output."""

    type: str = "input_text"
    text: str | None = None
    refusal: str | None = None
    image_url: str | None = None
    detail: Detail | None = None
    file_id: str | None = None
    file_data: str | None = None
    file_url: str | None = None
    filename: str | None = None
    input_audio: InputAudio | None = None
    prompt_cache_breakpoint: Breakpoint | None = None


class Thought(msgspec.Struct, frozen=True):
    """A part of a reasoning item: `summary_text` or `reasoning_text`."""

    text: str = ""


class Head(msgspec.Struct, frozen=True):
    """What tells an item's type; easy messages have a role only, references maybe an id only."""

    type: str | None = None
    role: str | None = None
    id: str | None = None


class Message(msgspec.Struct, frozen=True):
    content: str | list[Part] | None = None


class ReasoningItem(msgspec.Struct, frozen=True):
    summary: list[Thought] | None = None
    content: list[Thought] | None = None
    encrypted_content: str | None = None


class FunctionCall(msgspec.Struct, frozen=True):
    call_id: Annotated[str, Meta(min_length=1)]
    name: str
    arguments: str = ""
    namespace: str | None = None


class CustomCall(msgspec.Struct, frozen=True):
    call_id: Annotated[str, Meta(min_length=1)]
    name: str
    input: str = ""
    namespace: str | None = None


class CallOutput(msgspec.Struct, frozen=True):
    call_id: Annotated[str, Meta(min_length=1)]
    output: str | list[Part] | None = None


class MadeImage(msgspec.Struct, frozen=True):
    result: str | None = None


class MoreTools(msgspec.Struct, frozen=True):
    """`additional_tools` and `tool_search_output`: tools that the model got on the way."""

    tools: list[Raw] | None = None


class Tool(msgspec.Struct, frozen=True, rename={"async_": "async"}):
    """A tool of any type: functions, custom tools, and namespaces of these; others run at the provider."""

    type: str = "function"
    name: str | None = None
    description: str | None = None
    parameters: Object | None = None
    strict: bool | None = None
    format: CustomFormat | None = None
    tools: list[Raw] | None = None
    output_schema: Object | None = None
    allowed_callers: list[str] | None = None
    async_: bool | None = None


class CustomFormat(msgspec.Struct, frozen=True):
    """The input of a custom tool: free text, or a grammar."""

    type: str = "text"
    definition: str | None = None
    syntax: str | None = None


class NamedTool(msgspec.Struct, frozen=True):
    """A tool in a choice."""

    type: str = "function"
    name: str | None = None
    namespace: str | None = None


class Choice(msgspec.Struct, frozen=True):
    type: str
    name: str | None = None
    namespace: str | None = None
    mode: Literal["auto", "required"] = "auto"
    tools: list[NamedTool] | None = None


class Format(msgspec.Struct, frozen=True):
    type: Literal["text", "json_object", "json_schema"]
    name: str | None = None
    description: str | None = None
    schema: Object | None = None
    strict: bool | None = None


class TextConfig(msgspec.Struct, frozen=True):
    format: Format | None = None
    verbosity: Raw = Raw(b"null")


class ReasoningConfig(msgspec.Struct, frozen=True):
    """`summary` null asks for none; it is deprecated `generate_summary`'s successor."""

    effort: Effort | None = None
    summary: str | msgspec.UnsetType | None = msgspec.UNSET
    generate_summary: str | None = None
    mode: str | None = None
    context: str | None = None


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """The top level: only fields that have a place in the canonical request; the others stay raw."""

    model: Annotated[str, Meta(min_length=1)]
    input: str | list[Raw] | None = None
    instructions: str | list[Raw] | None = None
    stream: bool | None = None
    max_output_tokens: Count | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_logprobs: int | None = None
    tools: list[Raw] | None = None
    tool_choice: str | Choice | None = None
    parallel_tool_calls: bool | None = None
    text: TextConfig | None = None
    reasoning: ReasoningConfig | None = None
    include: list[str] | None = None
    user: str | None = None
    safety_identifier: str | None = None
    service_tier: str | None = None
    prompt_cache_key: str | None = None
