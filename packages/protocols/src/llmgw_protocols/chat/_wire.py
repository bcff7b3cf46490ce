"""The request of Chat Completions as typed structs: what is read of it, and the extensions that clients really send.

One decode checks every type and names the place of a wrong one. Types are as loose as the field's users are: text
where a list of parts could stand, an object where JSON text is due. Unknown members are skipped.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Raw

from llmgw_domain.chat import Detail, Effort

Object = dict[str, Raw]
Count = Annotated[int, Meta(gt=0)]


class Cache(msgspec.Struct, frozen=True):
    """`cache_control {type, ttl}` of other gateways and OpenAI's `prompt_cache_breakpoint {mode, ttl}`."""

    ttl: str | None = None


class ImageUrl(msgspec.Struct, frozen=True):
    url: str
    detail: Detail | None = None


class InputAudio(msgspec.Struct, frozen=True):
    data: str
    format: str = "wav"


class FilePart(msgspec.Struct, frozen=True):
    file_id: str | None = None
    file_data: str | None = None
    filename: str | None = None
    format: str | None = None


class Part(msgspec.Struct, frozen=True):
    """A content part; `type` says which of the others is read."""

    type: str = "text"
    text: str | None = None
    refusal: str | None = None
    image_url: ImageUrl | str | None = None
    video_url: ImageUrl | str | None = None
    input_audio: InputAudio | None = None
    file: FilePart | None = None
    document_url: ImageUrl | str | None = None
    thinking: str | list[Part] | None = None
    signature: str | None = None
    data: str | None = None
    cache_control: Cache | None = None
    prompt_cache_breakpoint: Cache | None = None


class ReasoningDetail(msgspec.Struct, frozen=True):
    """OpenRouter's form of reasoning in a message."""

    type: str
    text: str | None = None
    summary: str | None = None
    data: str | None = None
    signature: str | None = None
    format: str | None = None
    index: int | None = None


class Function(msgspec.Struct, frozen=True):
    name: str
    arguments: str | Object | None = None


class Custom(msgspec.Struct, frozen=True):
    name: str
    input: str = ""


class Google(msgspec.Struct, frozen=True):
    thought_signature: str | None = None


class ExtraContent(msgspec.Struct, frozen=True):
    google: Google | None = None


class Call(msgspec.Struct, frozen=True):
    id: str
    type: str = "function"
    function: Function | None = None
    custom: Custom | None = None
    extra_content: ExtraContent | None = None
    provider_specific_fields: Google | None = None
    cache_control: Cache | None = None


class Message(msgspec.Struct, frozen=True):
    role: str
    content: str | list[Part] | None = None
    name: str | None = None
    refusal: str | None = None
    audio: Object | None = None
    tool_calls: list[Call] | None = None
    tool_call_id: str | None = None
    function_call: Function | None = None
    thinking_blocks: list[Part] | None = None
    reasoning_details: list[ReasoningDetail] | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    cache_control: Cache | None = None
    prompt_cache_breakpoint: Cache | None = None


class FunctionTool(msgspec.Struct, frozen=True):
    name: str
    description: str | None = None
    parameters: Object | None = None
    strict: bool | None = None
    cache_control: Cache | None = None


class CustomTool(msgspec.Struct, frozen=True):
    name: str
    description: str | None = None
    format: Raw = Raw(b"null")


class Tool(msgspec.Struct, frozen=True):
    type: str = "function"
    function: FunctionTool | None = None
    custom: CustomTool | None = None
    cache_control: Cache | None = None


class Named(msgspec.Struct, frozen=True):
    name: str


class AllowedTool(msgspec.Struct, frozen=True):
    function: Named | None = None
    custom: Named | None = None


class AllowedTools(msgspec.Struct, frozen=True):
    tools: list[AllowedTool]
    mode: Literal["auto", "required"] = "auto"


class Choice(msgspec.Struct, frozen=True):
    type: str = "function"
    function: Named | None = None
    custom: Named | None = None
    allowed_tools: AllowedTools | None = None


class JsonSchema(msgspec.Struct, frozen=True):
    name: str | None = None
    description: str | None = None
    schema: str | Object | None = None
    strict: bool | None = None


class ResponseFormat(msgspec.Struct, frozen=True):
    type: Literal["text", "json_object", "json_schema"]
    json_schema: JsonSchema | None = None


class StreamOptions(msgspec.Struct, frozen=True):
    include_usage: bool | None = None


class ThinkingConfig(msgspec.Struct, frozen=True):
    """Anthropic's `thinking`, as other gateways take it."""

    type: Literal["enabled", "disabled", "adaptive"] | None = None
    budget_tokens: int | None = None
    display: str | None = None


class ReasoningConfig(msgspec.Struct, frozen=True):
    """OpenRouter's `reasoning`."""

    effort: Effort | None = None
    max_tokens: int | None = None
    enabled: bool | None = None
    exclude: bool | None = None


class GoogleThinking(msgspec.Struct, frozen=True):
    thinking_budget: int | None = None
    thinking_level: str | None = None
    include_thoughts: bool | None = None


class GoogleBody(msgspec.Struct, frozen=True):
    thinking_config: GoogleThinking | None = None


class ExtraBody(msgspec.Struct, frozen=True):
    google: GoogleBody | None = None


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """The top level: only fields that have a place in the canonical request; the others stay raw."""

    model: Annotated[str, Meta(min_length=1)]
    messages: Annotated[list[Message], Meta(min_length=1)]
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: Count | None = None
    max_completion_tokens: Count | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    n: Count | None = None
    seed: int | None = None
    stop: str | list[str] | None = None
    tools: list[Raw] | None = None
    functions: list[FunctionTool] | None = None
    tool_choice: str | Choice | None = None
    function_call: str | Named | None = None
    parallel_tool_calls: bool | None = None
    response_format: ResponseFormat | None = None
    reasoning_effort: Effort | None = None
    reasoning: ReasoningConfig | None = None
    thinking: ThinkingConfig | None = None
    extra_body: ExtraBody | None = None
    user: str | None = None
    safety_identifier: str | None = None
    service_tier: str | None = None
    prompt_cache_key: str | None = None
