"""OpenAI Responses, the stream: every event of an answer, in order and numbered.

`response.created` and `in_progress`, then for each output item `output_item.added`, the deltas of its kind with their
`done`, and `output_item.done`; at last `response.completed`, `incomplete` or `failed` with the whole object.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from llmgw_simulator.ask import Answers, Part
from llmgw_simulator.dialects.responses_object import (
    SERVER_ERROR,
    begun,
    call_text,
    content_of,
    item_of,
    logprobs,
    response_object,
    status_of,
    summaries,
)
from llmgw_simulator.dialects.responses_request import Draft
from llmgw_simulator.opaque import token
from llmgw_simulator.tokens import bursts, pieces
from llmgw_simulator.wire import Frame

_WIDTH = 16
"""Deltas are padded to lengths that tell nothing of the token."""

Event = tuple[dict[str, Any], int]
"""An event without its number, and the output tokens that it stands for."""


class Progress(msgspec.Struct):
    """How far a stream has come: the number of the next event and the response as it was last shown."""

    sequence: int = 0
    response: dict[str, Any] | None = None

    def frame(self, event: dict[str, Any], tokens: int = 0) -> Frame:
        """The event on the wire, numbered."""
        self.response = event.get("response", self.response)
        numbered = {"type": event["type"], "sequence_number": self.sequence, **event}
        self.sequence += 1
        data = f"event: {event['type']}\ndata: ".encode() + msgspec.json.encode(numbered) + b"\n\n"
        return Frame(data, tokens)


def events(draft: Draft, answers: Answers) -> Iterator[Event]:
    """All events but the last."""
    states = ("queued", "in_progress") if draft.background else ("in_progress",)
    yield {"type": "response.created", "response": response_object(draft, answers, states[0], [])}, 0
    for state in states:
        yield {"type": f"response.{state}", "response": response_object(draft, answers, state, [])}, 0
    for index, part in enumerate(answers.choices[0].parts):
        item = item_of(draft, answers.id, index, part)
        yield {"type": "response.output_item.added", "output_index": index, "item": begun(item)}, 0
        hidden = len(pieces(part.text)) if part.kind == "reasoning" and not item["summary"] else 0
        for event, tokens in _inside(draft, part, item, answers.burst):
            where = {"item_id": item["id"], "output_index": index}
            yield {"type": event.pop("type"), **where, **event}, tokens
        yield {"type": "response.output_item.done", "output_index": index, "item": item}, hidden


def last_event(draft: Draft, answers: Answers, output: list[dict[str, Any]]) -> dict[str, Any]:
    """The event that ends the stream, with the whole response."""
    status = status_of(answers.choices[0])
    return {"type": f"response.{status}", "response": response_object(draft, answers, status, output)}


def failure(progress: Progress) -> dict[str, Any]:
    """The event that ends a stream that broke: of the response if there is one yet, else a bare error."""
    if progress.response is None:
        return {"type": "error", **SERVER_ERROR, "param": None}
    failed = {**progress.response, "status": "failed", "error": SERVER_ERROR}
    return {"type": "response.failed", "response": failed}


def _inside(draft: Draft, part: Part, item: dict[str, Any], burst: int) -> Iterator[Event]:
    if part.kind == "reasoning":
        return _summary(draft, part, burst)
    return _text(draft, part, burst) if part.kind == "text" else _call(draft, part, item, burst)


def _summary(draft: Draft, part: Part, burst: int) -> Iterator[Event]:
    for index, text in enumerate(summaries(draft, part)):
        where = {"summary_index": index}
        empty, full = {"type": "summary_text", "text": ""}, {"type": "summary_text", "text": text}
        yield {"type": "response.reasoning_summary_part.added", **where, "part": empty}, 0
        for piece, tokens in bursts(text, burst):
            yield {"type": "response.reasoning_summary_text.delta", **where, "delta": piece}, tokens
        yield {"type": "response.reasoning_summary_text.done", **where, "text": text}, 0
        yield {"type": "response.reasoning_summary_part.done", **where, "part": full}, 0


def _text(draft: Draft, part: Part, burst: int) -> Iterator[Event]:
    where, full = {"content_index": 0}, content_of(draft, part)
    kind = "refusal" if draft.refuses else "output_text"
    field = "refusal" if draft.refuses else "text"
    empty = {name: [] if isinstance(value, list) else value for name, value in full.items()} | {field: ""}
    yield {"type": "response.content_part.added", **where, "part": empty}, 0
    for piece, tokens in bursts(part.text, burst):
        extra = {} if draft.refuses else {"logprobs": logprobs(draft, piece)}
        yield {"type": f"response.{kind}.delta", **where, **_delta(draft, piece), **extra}, tokens
    extra = {} if draft.refuses else {"logprobs": full["logprobs"]}
    yield {"type": f"response.{kind}.done", **where, field: part.text, **extra}, 0
    yield {"type": "response.content_part.done", **where, "part": full}, 0


def _call(draft: Draft, part: Part, item: dict[str, Any], burst: int) -> Iterator[Event]:
    custom = item["type"] == "custom_tool_call"
    kind, field = ("custom_tool_call_input", "input") if custom else ("function_call_arguments", "arguments")
    text = call_text(draft, part)
    for piece, tokens in bursts(text, burst):
        yield {"type": f"response.{kind}.delta", **_delta(draft, piece)}, tokens
    yield {"type": f"response.{kind}.done", field: text}, 0


def _delta(draft: Draft, piece: str) -> dict[str, Any]:
    if (draft.body.get("stream_options") or {}).get("include_obfuscation") is False:
        return {"delta": piece}
    return {"delta": piece, "obfuscation": token(piece, max(1, _WIDTH - len(piece)))}
