"""Writing answers for Gemini clients, as SSE, as a JSON array, or as one body.

What these clients can't take decides the form: no `event:` lines, no comments, no `[DONE]`; each frame is `data: `,
one line of JSON and a blank line. All events of one `emit` go into one object. Calls are held back until they are
whole, and the last object carries them with the reasons and the usage, as Gemini's own does.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import Any

import msgspec

from llmgw_domain import Usage
from llmgw_domain.chat import Block, Image, Inline, Opaque, Refusal, Text, Thinking, ToolCall
from llmgw_domain.errors import GatewayError
from llmgw_domain.stream import (
    Answer,
    Cited,
    Finished,
    MediaMade,
    OpaqueMade,
    RefusalDelta,
    StreamEvent,
    TextDelta,
    ThinkingDelta,
    ThinkingSigned,
    TokenScore,
    TokensScored,
    ToolDelta,
    ToolOpened,
    UsageReported,
)
from llmgw_protocols import sse
from llmgw_protocols.dialect import EncodeContext
from llmgw_protocols.gemini.arguments import object_of
from llmgw_protocols.gemini.errors import error_envelope
from llmgw_protocols.gemini.finish import reason_for, usage_metadata
from llmgw_protocols.gemini.offsets import Offsets

Part = dict[str, Any]

_json = msgspec.json.Encoder().encode


class _Open:
    """A choice that is being written."""

    __slots__ = ("calls", "cited", "end", "offsets", "parts", "scores", "thinking")

    def __init__(self) -> None:
        self.parts: list[Part] = []
        """Not yet sent."""
        self.calls: dict[int, tuple[ToolOpened, list[str]]] = {}
        self.cited: list[Cited] = []
        self.scores: list[TokenScore] = []
        """Not yet sent: they go with the next parts."""
        self.end: Finished | None = None
        self.offsets = Offsets()
        self.thinking = False
        """The last part was a thought, so a signature is its."""


class GeminiEncoder:
    """One answer for a Gemini client; see `llmgw_protocols.dialect.Encoder`."""

    def __init__(self, context: EncodeContext) -> None:
        self._context = context
        self._array = context.form == "array"
        self._opened = False
        self._choices: dict[int, _Open] = {}
        self._usage: Usage | None = None

    def emit(self, events: Sequence[StreamEvent]) -> bytes:
        for event in events:
            self._take(event)
        ready = [(n, c) for n, c in self._choices.items() if c.parts]
        candidates = [_candidate(n, c.parts, c.scores) for n, c in ready]
        for _, choice in ready:
            choice.parts, choice.scores = [], []
        return self._frame(self._object(candidates)) if candidates else b""

    def observe(self, events: Sequence[StreamEvent]) -> None:
        # Whatever frame was forwarded, the bracket of the array went out with the first.
        self._opened = True

    def end(self) -> bytes:
        last = self._object([self._last(n, c) for n, c in sorted(self._choices.items())])
        if self._usage is not None:
            last["usageMetadata"] = usage_metadata(self._usage)
        return self._frame(last) + self.end_mark()

    def end_mark(self) -> bytes:
        return b"\r\n]" if self._array else b""

    def fail(self, error: GatewayError) -> bytes:
        return self._frame(error_envelope(error)) + self.end_mark()

    def body(self, answer: Answer) -> bytes:
        whole = self._object([])
        for choice in answer.choices:
            offsets = Offsets()
            offsets.add(choice.text)
            parts = [p for b in choice.blocks if (p := _part(b)) is not None]
            candidate = _candidate(choice.index, parts, choice.scores)
            _add_end(candidate, choice.finish, choice.citations, offsets)
            whole["candidates"].append(candidate)
        if answer.usage is not None:
            whole["usageMetadata"] = usage_metadata(answer.usage)
        return _json(whole)

    # --- events -------------------------------------------------------------------------------------------------------

    def _take(self, event: StreamEvent) -> None:
        if isinstance(event, UsageReported):
            self._usage = event.usage
            return
        number = getattr(event, "choice", None)
        if number is None:
            return
        choice = self._choices.get(number)
        if choice is None:
            choice = self._choices[number] = _Open()
        match event:
            case TextDelta(text=text) | RefusalDelta(text=text):
                choice.offsets.add(text)
                _grow(choice, text, thought=False)
            case ThinkingDelta(text=text):
                _grow(choice, text, thought=True)
            case ThinkingSigned(signature=signature, family="google"):
                _sign(choice, signature)
            case ToolOpened(call=call):
                choice.calls[call] = (event, [])
            case ToolDelta(call=call, fragment=fragment):
                choice.calls[call][1].append(fragment)
            case _:
                _take_rarer(choice, event)

    def _last(self, number: int, choice: _Open) -> Part:
        parts = [*choice.parts, *(_call_part(head, "".join(said)) for head, said in choice.calls.values())]
        candidate = _candidate(number, parts or [{"text": ""}], choice.scores)
        _add_end(candidate, choice.end, choice.cited, choice.offsets)
        return candidate

    # --- frames -------------------------------------------------------------------------------------------------------

    def _object(self, candidates: list[Part]) -> Part:
        return {
            "candidates": candidates,
            "modelVersion": self._context.model,
            "responseId": self._context.request_id,
        }

    def _frame(self, value: Part) -> bytes:
        data = _json(value)
        if not self._array:
            return sse.write(data)
        opening, self._opened = (b",\r\n" if self._opened else b"["), True
        return opening + data

    def __repr__(self) -> str:
        return f"<GeminiEncoder {self._context.form} {'opened' if self._opened else 'new'}>"


def _candidate(number: int, parts: list[Part], scores: Sequence[TokenScore]) -> Part:
    candidate: Part = {"content": {"role": "model", "parts": parts}, "index": number}
    return {**candidate, "logprobsResult": _logprobs(scores)} if scores else candidate


def _logprobs(scores: Sequence[TokenScore]) -> Part:
    return {
        "chosenCandidates": [_scored(s.token, s.logprob) for s in scores],
        "topCandidates": [{"candidates": [_scored(token, logprob) for token, logprob in s.top]} for s in scores],
    }


def _scored(token: str, logprob: float) -> Part:
    return {"token": token, "logProbability": logprob}


def _grow(choice: _Open, text: str, *, thought: bool) -> None:
    last = choice.parts[-1] if choice.parts else None
    kind = {"text", "thought"} if thought else {"text"}
    choice.thinking = thought
    if last is not None and last.keys() == kind:
        last["text"] += text
    else:
        choice.parts.append({"text": text, "thought": True} if thought else {"text": text})


def _sign(choice: _Open, signature: str) -> None:
    last = choice.parts[-1] if choice.parts else None
    if choice.thinking and last is not None and last.keys() == {"text", "thought"}:
        last["thoughtSignature"] = _signature(signature)
    else:
        choice.parts.append({"text": "", **({"thought": True} if choice.thinking else {}), **_signed(signature)})
    choice.thinking = False


def _take_rarer(choice: _Open, event: StreamEvent) -> None:
    match event:
        case MediaMade(media_type=media_type, data=data):
            choice.parts.append({"inlineData": {"mimeType": media_type, "data": data}})
        case OpaqueMade(family="google", json=json):
            choice.parts.append(_opaque(json))
        case Cited():
            choice.cited.append(event)
        case TokensScored(tokens=tokens):
            choice.scores += tokens
        case Finished():
            choice.end = event


def _part(block: Block) -> Part | None:
    """A finished block as a part; None for what only another provider can read."""
    match block:
        case Text(text=text) | Refusal(text=text):
            return {"text": text}
        case Thinking(text=text, signature=signature, origin=origin):
            signed = _signed(signature) if origin is not None and origin.family == "google" else {}
            return {"text": text, **({"thought": True} if text else {}), **signed} if text or signed else None
        case ToolCall():
            head = ToolOpened(0, block.id, block.name, block.signature, custom=block.custom)
            return _call_part(head, block.arguments)
        case Image(source=Inline(media_type=media_type, data=data)):
            return {"inlineData": {"mimeType": media_type, "data": data}}
        case Opaque(family="google", json=json):
            return _opaque(json)
    return None


def _opaque(json: msgspec.Raw) -> Part:
    fields = msgspec.json.decode(json, type=dict[str, msgspec.Raw])
    return dict(fields)


def _call_part(head: ToolOpened, arguments: str) -> Part:
    args = {"input": arguments} if head.custom else object_of(arguments)
    return {"functionCall": {"id": head.id, "name": head.name, "args": args}, **_signed(head.signature)}


def _signed(signature: str | None) -> Part:
    return {} if not signature else {"thoughtSignature": _signature(signature)}


def _signature(signature: str) -> str:
    """A signature as the base64 that the field must be; another provider's may be any text."""
    try:
        base64.b64decode(signature.translate(_STANDARD) + "=" * (-len(signature) % 4), validate=True)
        return signature
    except (binascii.Error, ValueError):
        return base64.b64encode(signature.encode()).decode()


_STANDARD = str.maketrans("-_", "+/")


def _add_end(candidate: Part, end: Finished | None, cited: list[Cited], offsets: Offsets) -> None:
    if cited:
        candidate["groundingMetadata"] = _grounding(cited, offsets)
    if end is not None:
        candidate["finishReason"] = reason_for(end)


def _grounding(cited: list[Cited], offsets: Offsets) -> Part:
    chunks: dict[str, tuple[int, Part]] = {}
    supports: list[Part] = []
    for source in cited:
        number, _ = chunks.setdefault(source.url, (len(chunks), {"web": {"uri": source.url, "title": source.title}}))
        start = None if source.start is None else offsets.byte_at(source.start)
        end = None if source.end is None else offsets.byte_at(source.end)
        if start is not None and end is not None:
            segment = {"startIndex": start, "endIndex": end}
            supports.append({"segment": segment, "groundingChunkIndices": [number]})
    grounding: Part = {"groundingChunks": [chunk for _, chunk in chunks.values()]}
    return {**grounding, "groundingSupports": supports} if supports else grounding
