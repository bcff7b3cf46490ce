"""The parts of an assistant message as clients read them, shared by stream deltas and whole bodies.

Reasoning goes out in the three forms that clients know: plain `reasoning_content`, `thinking_blocks` (LiteLLM's) and
`reasoning_details` (OpenRouter's). The latter two hold the signatures, without which the provider refuses its own
reasoning on the next turn.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from llmgw_domain.chat import Image, Inline, RedactedThinking, Thinking, ToolCall
from llmgw_domain.stream import Choice, Cited, FinishReason, TokenScore
from llmgw_protocols import data_url
from llmgw_protocols.chat import formats


def choice(answered: Choice, model: str, *, functions: bool = False) -> dict[str, Any]:
    """An entry of `choices` in a whole body. `functions`: the client knows functions only."""
    reason = finish(answered.finish.reason, functions=functions) if answered.finish else None
    likely = logprobs(answered.scores) if answered.scores else None
    message = _message(answered, model, functions=functions)
    return {"index": answered.index, "message": message, "finish_reason": reason, "logprobs": likely}


def finish(reason: FinishReason, *, functions: bool) -> str:
    """The finish reason in the client's words."""
    return "function_call" if functions and reason is FinishReason.TOOL_CALLS else reason.value


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


def logprobs(tokens: Iterable[TokenScore]) -> dict[str, Any]:
    """The scores of a choice's tokens."""
    return {"content": scores(tokens), "refusal": None}


def scores(tokens: Iterable[TokenScore]) -> list[dict[str, Any]]:
    """Scores in the form that Chat and Responses share."""
    return [
        {**_scored(s.token, s.logprob), "top_logprobs": [_scored(token, logprob) for token, logprob in s.top]}
        for s in tokens
    ]


def _scored(token: str, logprob: float) -> dict[str, Any]:
    return {"token": token, "logprob": logprob, "bytes": list(token.encode())}


def image(media_type: str, data: str) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": data_url.to_url(Inline(media_type, data))}}


def signed(text: str, signature: str, family: str, model: str, index: int) -> dict[str, Any]:
    """A signed thinking block in both of its forms."""
    detail = {"type": "reasoning.text", "text": text, "signature": signature}
    return _forms({"type": "thinking", "thinking": text, "signature": signature}, detail, family, model, index)


def redacted(data: str, family: str, model: str, index: int) -> dict[str, Any]:
    """Reasoning that only its provider can read, in both forms."""
    detail = {"type": "reasoning.encrypted", "data": data}
    return _forms({"type": "redacted_thinking", "data": data}, detail, family, model, index)


def _forms(block: dict[str, Any], detail: dict[str, Any], family: str, model: str, index: int) -> dict[str, Any]:
    """`reasoning_details` say whose they are; `thinking_blocks` can't, so clients take them for Anthropic's."""
    forms: dict[str, Any] = {"thinking_blocks": [block]} if family in ("anthropic", "") else {}
    forms["reasoning_details"] = [{**detail, "format": formats.format_of(family, model), "index": index}]
    return forms


def _message(answered: Choice, model: str, *, functions: bool) -> dict[str, Any]:
    text, refusal, calls = answered.text, answered.refusal, answered.calls
    message: dict[str, Any] = {
        "role": "assistant",
        "content": None if not text and (calls or refusal) else text,
        "refusal": refusal or None,
        "annotations": [annotation(c) for c in answered.citations],
    }
    if calls and functions:
        # There is room for one; if more were made, they stand where clients of today look.
        message["function_call"] = {"name": calls[0].name, "arguments": calls[0].arguments}
        calls = calls[1:]
    if calls:
        message["tool_calls"] = [_call(c) for c in calls]
    if images := [b.source for b in answered.blocks if isinstance(b, Image)]:
        message["images"] = [image(s.media_type, s.data) for s in images if isinstance(s, Inline)]
    return {**message, **_reasoning(answered, model)}


def _call(made: ToolCall) -> dict[str, Any]:
    return call(made.id, made.name, made.arguments, made.signature, made.custom)


def _reasoning(answered: Choice, model: str) -> dict[str, Any]:
    members: dict[str, Any] = {"reasoning_content": answered.thinking} if answered.thinking else {}
    index = 0
    for block in answered.blocks:
        match block:
            case Thinking(signature=str(signature)) if signature:
                made = signed(block.text, signature, _family(block), model, index)
            case RedactedThinking(data=data):
                made = redacted(data, _family(block), model, index)
            case _:
                continue
        index += 1
        for name, entries in made.items():
            members.setdefault(name, []).extend(entries)
    return members


def _family(block: Thinking | RedactedThinking) -> str:
    return block.origin.family if block.origin else ""
