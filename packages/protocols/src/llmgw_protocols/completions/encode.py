"""Events written as a `text_completion`: chunks of it, or a body.

Only text can be said. Thinking, refusals and calls have no place; a client that offers no tools gets no calls.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from llmgw_domain import StreamErrors, Usage
from llmgw_domain.errors import GatewayError
from llmgw_domain.stream import Answer, Finished, Opened, RefusalDelta, StreamEvent, TextDelta, UsageReported
from llmgw_protocols.chat import usage
from llmgw_protocols.chat.encode import DONE, gateway_error
from llmgw_protocols.chat.errors import error_object
from llmgw_protocols.dialect import EncodeContext

_encode = msgspec.json.Encoder().encode


class CompletionsEncoder:
    """Writes one answer; see `llmgw_protocols.dialect.Encoder`."""

    def __init__(self, context: EncodeContext) -> None:
        self._context = context
        self._id = "cmpl-" + context.request_id.replace("-", "")
        self._created = context.created
        self._model = context.model
        self._finished: dict[int, str] = {}
        self._usage: Usage | None = None

    def emit(self, events: Sequence[StreamEvent]) -> bytes:
        out: list[bytes] = []
        for event in events:
            match event:
                case TextDelta(text=text, choice=index) | RefusalDelta(text=text, choice=index) if text:
                    out.append(self._chunk([_choice(index, text)]))
                case Finished(reason=reason, choice=index):
                    self._finished.setdefault(index, _reason(reason.value))
                case UsageReported(usage=counted):
                    self._usage = counted
        return b"".join(out)

    def observe(self, events: Sequence[StreamEvent]) -> None:
        for event in events:
            match event:
                case Opened():
                    self._id, self._model = event.id or self._id, event.model or self._model
                    self._created = event.created or self._created
                case Finished(reason=reason, choice=index):
                    self._finished.setdefault(index, _reason(reason.value))
                case UsageReported(usage=counted):
                    self._usage = counted

    def end(self) -> bytes:
        finishes = [self._chunk([_choice(index, "", reason)]) for index, reason in sorted(self._finished.items())]
        return b"".join(finishes) + self._usage_chunk() + DONE

    def end_mark(self) -> bytes:
        return DONE

    def fail(self, error: GatewayError) -> bytes:
        """As in Chat Completions: each unfinished choice ends in `error`; `strict` has the error object alone."""
        if self._context.stream_errors is StreamErrors.STRICT:
            return b"data: " + _encode({"error": error_object(error)}) + b"\n\n" + DONE
        more: dict[str, Any] = {"gateway_error": gateway_error(error)}
        if self._context.stream_errors is StreamErrors.RAISE:
            more["error"] = error_object(error)
        broken = [i for i in range(self._context.choices) if i not in self._finished] or [0]
        ends = [self._chunk([_choice(index, "", "error")], more) for index in broken]
        return b"".join(ends) + self._usage_chunk() + DONE

    def body(self, answer: Answer) -> bytes:
        choices = [
            _choice(c.index, c.text + c.refusal, _reason(c.finish.reason.value) if c.finish else None)
            for c in answer.choices
        ]
        body = self._head(choices)
        if answer.usage is not None:
            body["usage"] = usage.write(answer.usage)
        return _encode(body)

    def _head(self, choices: list[dict[str, Any]]) -> dict[str, Any]:
        return {
            "id": self._id,
            "object": "text_completion",
            "created": self._created,
            "model": self._model,
            "choices": choices,
        }

    def _chunk(self, choices: list[dict[str, Any]], more: dict[str, Any] | None = None) -> bytes:
        return b"data: " + _encode({**self._head(choices), **(more or {})}) + b"\n\n"

    def _usage_chunk(self) -> bytes:
        if not self._context.include_usage or self._usage is None:
            return b""
        return self._chunk([], {"usage": usage.write(self._usage)})


def _choice(index: int, text: str, finish: str | None = None) -> dict[str, Any]:
    return {"text": text, "index": index, "logprobs": None, "finish_reason": finish}


def _reason(reason: str) -> str:
    # The legacy format knows `stop`, `length` and `content_filter`; calls are nothing that its clients could make.
    return "stop" if reason == "tool_calls" else reason
