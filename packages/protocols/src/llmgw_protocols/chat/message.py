"""The parts of an assistant message as clients read them, shared by stream deltas and whole bodies.

Reasoning goes out in the three forms that clients know: plain `reasoning_content`, `thinking_blocks` (LiteLLM's) and
`reasoning_details` (OpenRouter's). The latter two hold the signatures, without which the provider refuses its own
reasoning on the next turn.
"""

from __future__ import annotations

from typing import Any

from llmgw_domain.chat import Image, Inline, RedactedThinking, Thinking, ToolCall
from llmgw_domain.stream import Choice, Cited
from llmgw_protocols import data_url

_FORMATS = (("claude", "anthropic-claude-v1"), ("gemini", "google-gemini-v1"), ("gpt", "openai-responses-v1"))


def format_of(model: str) -> str:
    """OpenRouter's name for whose reasoning it is, as far as the provider's model tells."""
    return next((form for part, form in _FORMATS if part in model), "unknown")


def choice(answered: Choice, form: str) -> dict[str, Any]:
    """An entry of `choices` in a whole body."""
    finish = answered.finish.reason.value if answered.finish else None
    return {"index": answered.index, "message": _message(answered, form), "finish_reason": finish, "logprobs": None}


def call(id_: str, name: str, text: str, signature: str | None, custom: bool) -> dict[str, Any]:
    """A tool call; `text` is the JSON text of its arguments, or the input of a custom tool."""
    if custom:
        return {"id": id_, "type": "custom", "custom": {"name": name, "input": text}}
    made: dict[str, Any] = {"id": id_, "type": "function", "function": {"name": name, "arguments": text}}
    if signature:
        made["extra_content"] = {"google": {"thought_signature": signature}}
        made["provider_specific_fields"] = {"thought_signature": signature}
    return made


def annotation(cited: Cited) -> dict[str, Any]:
    """A citation. Unknown bounds are those of an empty span, because the field has no null."""
    span = {"start_index": cited.start or 0, "end_index": cited.end or 0}
    return {"type": "url_citation", "url_citation": {"url": cited.url, "title": cited.title, **span}}


def image(media_type: str, data: str) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": data_url.to_url(Inline(media_type, data))}}


def signed(text: str, signature: str | None, form: str, index: int) -> dict[str, Any]:
    """A closed thinking block in both of its forms."""
    return {
        "thinking_blocks": [{"type": "thinking", "thinking": text, "signature": signature or ""}],
        "reasoning_details": [
            {"type": "reasoning.text", "text": text, "signature": signature, "format": form, "index": index}
        ],
    }


def redacted(data: str, form: str, index: int) -> dict[str, Any]:
    """Reasoning that only its provider can read, in both forms."""
    return {
        "thinking_blocks": [{"type": "redacted_thinking", "data": data}],
        "reasoning_details": [{"type": "reasoning.encrypted", "data": data, "format": form, "index": index}],
    }


def _message(answered: Choice, form: str) -> dict[str, Any]:
    text, refusal, calls = answered.text, answered.refusal, answered.calls
    message: dict[str, Any] = {
        "role": "assistant",
        "content": None if not text and (calls or refusal) else text,
        "refusal": refusal or None,
        "annotations": [annotation(c) for c in answered.citations],
    }
    if calls:
        message["tool_calls"] = [_call(c) for c in calls]
    if images := [b.source for b in answered.blocks if isinstance(b, Image)]:
        message["images"] = [image(s.media_type, s.data) for s in images if isinstance(s, Inline)]
    return {**message, **_reasoning(answered, form)}


def _call(made: ToolCall) -> dict[str, Any]:
    return call(made.id, made.name, made.arguments, made.signature, made.custom)


def _reasoning(answered: Choice, form: str) -> dict[str, Any]:
    members: dict[str, Any] = {"reasoning_content": answered.thinking} if answered.thinking else {}
    blocks: list[Any] = []
    details: list[Any] = []
    for block in answered.blocks:
        if isinstance(block, Thinking):
            both = signed(block.text, block.signature, form, len(details))
        elif isinstance(block, RedactedThinking):
            both = redacted(block.data, form, len(details))
        else:
            continue
        blocks += both["thinking_blocks"]
        details += both["reasoning_details"]
    if blocks:
        members |= {"thinking_blocks": blocks, "reasoning_details": details}
    return members
