"""The canonical chat request: what every dialect is parsed to and rendered from.

It is made of blocks, because OpenAI's message form is too poor to hold the others: thinking with its signature, several
texts in a turn, results that hold images. It is lossless for what the dialects share; what only one of them knows is
kept raw in `extras` under its own name, so that a renderer can pass it on, report it as lost, or refuse it.

Texts of JSON values that nobody has to look into (tool schemas, arguments) stay `Raw` or text: no number is re-read, no
key re-ordered.
"""

from __future__ import annotations

from typing import Literal

import msgspec

Role = Literal["system", "developer", "user", "assistant"]
CacheTtl = Literal["5m", "1h"]
Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]
Detail = Literal["auto", "low", "high", "original"]


class CacheMark(msgspec.Struct, frozen=True):
    """Asks the provider to cache the prompt up to and including the marked block; no ttl is the provider's default."""

    ttl: CacheTtl | None = None


# --- where media is ---------------------------------------------------------------------------------------------------


class Inline(msgspec.Struct, frozen=True, tag=True):
    """Media in the request itself: base64 text in the standard alphabet, with padding, without white space."""

    media_type: str
    data: str


class Remote(msgspec.Struct, frozen=True, tag=True):
    """Media at an address that the provider fetches; `media_type` is None where the client did not say."""

    url: str
    media_type: str | None = None


class Stored(msgspec.Struct, frozen=True, tag=True):
    """A file of the provider's own file store."""

    file_id: str


Source = Inline | Remote | Stored


class Origin(msgspec.Struct, frozen=True):
    """Who made an opaque value. It is sent back only to a matching origin.

    `family` is `anthropic`, `google` or `openai`; `account` is who can read it (`Account.reader`). It and the model are
    None where they are not known.
    """

    family: str
    model: str | None = None
    account: str | None = None


# --- blocks -----------------------------------------------------------------------------------------------------------


class Text(msgspec.Struct, frozen=True, tag=True):
    """`phase` is what OpenAI says of a model's message: `commentary` on the way, or `final_answer`."""

    text: str
    cache: CacheMark | None = None
    phase: str | None = None


class Image(msgspec.Struct, frozen=True, tag=True):
    source: Source
    detail: Detail | None = None
    cache: CacheMark | None = None


class Audio(msgspec.Struct, frozen=True, tag=True):
    source: Source


class Video(msgspec.Struct, frozen=True, tag=True):
    source: Source


class File(msgspec.Struct, frozen=True, tag=True):
    """A document. `filename` is the client's name or title for it."""

    source: Source
    filename: str | None = None
    cache: CacheMark | None = None


class Thinking(msgspec.Struct, frozen=True, tag=True):
    """Reasoning in the clear; `signature` is the provider's proof that it made this text, opaque and unaltered."""

    text: str
    signature: str | None = None
    origin: Origin | None = None


class RedactedThinking(msgspec.Struct, frozen=True, tag=True):
    """Reasoning that only its provider can read."""

    data: str
    origin: Origin | None = None


class ToolCall(msgspec.Struct, frozen=True, tag=True):
    """A call that the model makes. `arguments` is JSON text exactly as the model or client wrote it, maybe empty.

    `signature` is Google's thought signature of the call. `custom` calls carry free text instead of JSON.
    """

    id: str
    name: str
    arguments: str
    signature: str | None = None
    custom: bool = False
    cache: CacheMark | None = None


class ToolResult(msgspec.Struct, frozen=True, tag=True):
    """What a tool call gave: texts, images and files. `name` is the tool's, where the dialect says it."""

    call_id: str
    content: tuple[Text | Image | File, ...]
    error: bool = False
    name: str | None = None
    cache: CacheMark | None = None


class Refusal(msgspec.Struct, frozen=True, tag=True):
    text: str


class Opaque(msgspec.Struct, frozen=True, tag=True):
    """A block that only its own family understands, e.g. a server-side tool's result; `json` is as it came."""

    family: str
    kind: str
    json: msgspec.Raw


Block = Text | Image | Audio | Video | File | Thinking | RedactedThinking | ToolCall | ToolResult | Refusal | Opaque


class Turn(msgspec.Struct, frozen=True):
    """One message. Tool results stand in user turns, as in Anthropic's form. `name` is OpenAI's participant name."""

    role: Role
    content: tuple[Block, ...]
    name: str | None = None


# --- tools and wishes -------------------------------------------------------------------------------------------------


class Tool(msgspec.Struct, frozen=True, kw_only=True):
    """A tool that the client runs. `schema` is plain JSON Schema as raw JSON; None takes no parameters.

    `custom` tools take free text; their `grammar` is raw JSON in OpenAI's chat form.
    """

    name: str
    description: str | None = None
    schema: msgspec.Raw | None = None
    strict: bool | None = None
    cache: CacheMark | None = None
    custom: bool = False
    grammar: msgspec.Raw | None = None


class HostedTool(msgspec.Struct, frozen=True, kw_only=True):
    """A tool that a provider runs (web search, code execution): only its own `family` can serve it. `json` is as it
    came.
    """

    family: str
    kind: str
    json: msgspec.Raw


class ToolChoice(msgspec.Struct, frozen=True):
    """`named` forces the one tool in `names`; `allowed` limits to `names`, `required` then says whether one must be
    called.
    """

    mode: Literal["auto", "none", "required", "named", "allowed"]
    names: tuple[str, ...] = ()
    required: bool = False


class OutputFormat(msgspec.Struct, frozen=True, kw_only=True):
    kind: Literal["text", "json_object", "json_schema"]
    name: str | None = None
    description: str | None = None
    schema: msgspec.Raw | None = None
    strict: bool | None = None


class Reasoning(msgspec.Struct, frozen=True, kw_only=True):
    """How much the model should think. An explicit budget (in tokens) wins over the effort.

    `mode`: `adaptive` lets the model decide, `enabled` and `disabled` force it; None where the client said nothing.
    `show`: whether the client wants to see the reasoning; None where it did not say.
    """

    effort: Effort | None = None
    budget: int | None = None
    mode: Literal["adaptive", "enabled", "disabled"] | None = None
    show: bool | None = None


class ChatRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One request for a chat completion, in no provider's terms. None is always "the client did not say"."""

    model: str
    turns: tuple[Turn, ...]
    stream: bool = False
    include_usage: bool = False
    """A chat stream should end with a usage chunk. The other dialects always report usage."""
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    n: int | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()
    tools: tuple[Tool | HostedTool, ...] = ()
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    format: OutputFormat | None = None
    reasoning: Reasoning | None = None
    user: str | None = None
    service_tier: str | None = None
    cache_key: str | None = None
    family: str = "openai"
    """The family of the dialect that the client spoke: `openai`, `anthropic` or `google`."""
    dialect: str = ""
    """The client's dialect where its family has more than one: `responses`; empty for Chat and the other families'."""
    extras: dict[str, msgspec.Raw] = msgspec.field(default_factory=dict)
    """Top-level fields without a place above, by the client's name for them."""
