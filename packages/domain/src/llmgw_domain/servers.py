"""Servers that speak OpenAI's Chat Completions in their own way: what each of them does differently, as data.

`Server()` with nothing said is the generic one: it gets what every server is known to take. Each flag is here because
some server needs it; where a flag's default is not what OpenAI itself does, it is what is safe with everybody else.
What servers do differently in their *answers* needs no flags, because the decoder reads every form that was ever seen.

A server's facts are written down in a file of its name; where they come from stands there, next to them.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from llmgw_domain.chat import Effort

Input = Literal["image", "audio", "file", "video"]
Format = Literal["json_object", "json_schema"]
ReasoningForm = Literal["effort", "none", "thinking", "enabled", "template", "object"]
ReasoningBack = Literal["by_model", "none", "reasoning_content", "reasoning", "reasoning_details"]


class Variant(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Flags that some of a server's models have otherwise. None is as the server; each is described there.

    `models` are names in which stars stand for anything, compared without regard to case.
    """

    models: tuple[str, ...]
    refuses: tuple[str, ...] | None = None
    inputs: tuple[Input, ...] | None = None
    strict_tools: bool | None = None
    reasoning: ReasoningForm | None = None
    efforts: tuple[Effort, ...] | None = None
    reasoning_fields: dict[str, str] | None = None
    reasoning_back: ReasoningBack | None = None

    def covers(self, model: str) -> bool:
        name = model.lower()
        return any(_matches(pattern.lower(), name) for pattern in self.models)

    def flags(self) -> dict[str, Any]:
        """What it says, by the server's names."""
        said = {name: getattr(self, name) for name in self.__struct_fields__ if name != "models"}
        return {name: value for name, value in said.items() if value is not None}


class Server(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How one kind of OpenAI-compatible server differs from the others."""

    name: str = ""
    """What accounts call it; empty for the generic one."""

    # --- where it is --------------------------------------------------------------------------------------------------

    base_url: str | None = None
    """The address of an account that gives none, as OpenAI's SDK takes it. None for servers of one's own."""
    credential_header: str = "authorization"
    """The request header of the credential. It is sent as a bearer token in `authorization`, as it is in any other."""
    headers: dict[str, str] = msgspec.field(default_factory=dict)
    """Headers that every request carries, by lower-case name. No secrets: they are shown like the rest."""
    has_responses: bool = False
    """It has OpenAI's `/responses` too (DeepSeek, Groq, OpenRouter, Ollama, vLLM, xAI)."""
    has_completions: bool = True
    """It has the old `/completions`. Groq and Mistral have not."""

    # --- fields of the request ----------------------------------------------------------------------------------------

    output_limit: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    """The name of the output limit. Mistral answers 422 to the newer one; Cerebras and Groq deprecate the older."""
    stream_options: bool = True
    """It takes `stream_options`. Those that don't report the usage of every stream unasked (Mistral)."""
    refuses: tuple[str, ...] = ()
    """Fields that it answers with an error. They are left out and told as lost; `tools` and `n` above 1 are refused
    instead, because the answer would be another one."""
    takes: tuple[str, ...] = ()
    """Fields that it takes and other servers don't, such as `top_k`, `service_tier` or `prompt_cache_key`."""
    renames: dict[str, str] = msgspec.field(default_factory=dict)
    """Fields that it knows under another name: OpenAI's to its own (Mistral's `seed` is `random_seed`)."""
    unknown_fields: bool = True
    """It passes over fields that it doesn't know. Otherwise only what `takes` names is sent of a client's own."""
    formats: tuple[Format, ...] = ("json_object", "json_schema")
    """The kinds of `response_format` that it takes. What it lacks is asked for in words, and told as lost."""

    # --- tools --------------------------------------------------------------------------------------------------------

    required_choice: Literal["required", "any"] = "required"
    """How `tool_choice` says that some tool must be called (Mistral: `any`)."""
    strict_tools: bool = False
    """It takes `strict` in functions."""
    call_ids: Literal["any", "alnum9"] = "any"
    """The form of tool call ids: Mistral takes exactly nine letters or digits."""

    # --- messages -----------------------------------------------------------------------------------------------------

    developer_role: bool = False
    """It knows the role `developer`; others get `system`."""
    system: Literal["any", "first"] = "any"
    """Where system messages may stand: several chat templates, and Perplexity, refuse one behind the first turn."""
    alternates: bool = False
    """User and assistant messages must take turns (Perplexity)."""
    message_names: bool = True
    """It takes `name` in messages (Groq answers 400)."""
    text_parts: bool = True
    """It takes a message of several texts as an array; others get one text."""
    inputs: tuple[Input, ...] = ("image", "audio", "file", "video")
    """What else than text it takes. The rest is refused by name, before it is sent."""
    file_part: Literal["file", "document_url"] = "file"
    """The part that a document is sent in (Mistral: `document_url`)."""
    prefill: Literal["plain", "prefix", "refused"] = "plain"
    """What becomes of an assistant message at the end: it is sent as it is, is marked with `prefix: true` (Mistral), or
    is followed by a user message that asks to go on."""

    # --- reasoning ----------------------------------------------------------------------------------------------------

    reasoning: ReasoningForm = "effort"
    """How reasoning is asked for: by `reasoning_effort`; not at all (`none`); by the effort and a switch, which is
    `thinking: {type}` (DeepSeek), `reasoning: {enabled}` (Together) or `chat_template_kwargs: {enable_thinking}`
    (vLLM, as `template`); by the one object `reasoning: {effort, max_tokens, enabled, exclude}` (OpenRouter)."""
    efforts: tuple[Effort, ...] = ()
    """The efforts that it takes; the nearest is sent. Empty: all of them."""
    reasoning_fields: dict[str, str] = msgspec.field(default_factory=dict)
    """Further fields of a request that asks for reasoning (Groq: `reasoning_format = "parsed"`)."""
    reasoning_back: ReasoningBack = "by_model"
    """The field in which an answer's reasoning goes back with its tool calls; DeepSeek demands it, Groq refuses it.
    `by_model` goes by the model's name: `reasoning_content` for DeepSeek's and Kimi, none for others."""

    # --- limits -------------------------------------------------------------------------------------------------------

    rate_windows: dict[str, float] = msgspec.field(default_factory=dict)
    """Seconds that a limit is counted over, by its kind (`requests`, `tokens`), where its headers do not say so."""

    variants: tuple[Variant, ...] = ()
    """What is otherwise for some models; the first that covers a model counts."""

    def for_model(self, model: str) -> Server:
        """The server as it is for this model."""
        for variant in self.variants:
            if variant.covers(model):
                return msgspec.structs.replace(self, **variant.flags())
        return self

    def __repr__(self) -> str:
        return f"<Server {self.name or 'generic'}>"


GENERIC = Server()
"""The server that nothing is known of."""


def _matches(pattern: str, name: str) -> bool:
    head, *middle = pattern.split("*")
    if not middle:
        return name == pattern
    tail = middle.pop()
    if not (len(name) >= len(head) + len(tail) and name.startswith(head) and name.endswith(tail)):
        return False
    at, end = len(head), len(name) - len(tail)
    for part in middle:
        at = name.find(part, at, end)
        if at < 0:
            return False
        at += len(part)
    return True
