"""Events as an Anthropic answer: the stream with its blocks opened and closed in turn, or the whole message.

Anthropic streams one block at a time, while other providers may interleave tool calls: the first open call is streamed
and the others wait until it is over, which is known only when something else begins. Only the first choice is written,
since this dialect has one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from llmgw_domain import Usage
from llmgw_domain.chat import Block, Origin, RedactedThinking, Refusal, Text, Thinking, ToolCall
from llmgw_domain.errors import GatewayError, UpstreamMalformed
from llmgw_domain.stream import (
    Answer,
    Choice,
    Failed,
    Finished,
    FinishReason,
    Opened,
    RefusalDelta,
    StreamEvent,
    TextDelta,
    ThinkingDelta,
    ThinkingRedacted,
    ThinkingSigned,
    ToolDelta,
    ToolOpened,
    UsageReported,
)
from llmgw_protocols import sse
from llmgw_protocols.dialect import EncodeContext
from llmgw_protocols.messages.content import call_input
from llmgw_protocols.messages.errors import error_body
from llmgw_protocols.messages.usage import delta_fields, message_fields

_REASONS = {
    FinishReason.STOP: "end_turn",
    FinishReason.LENGTH: "max_tokens",
    FinishReason.TOOL_CALLS: "tool_use",
    FinishReason.CONTENT_FILTER: "refusal",
}
_encode = msgspec.json.encode
_DELTA = (
    b'event: content_block_delta\ndata: {"type":"content_block_delta","index":%d,"delta":{"type":"%b","%b":%b}}\n\n'
)
_PING = sse.write(b'{"type":"ping"}', b"ping")
_TEXT = {"type": "text", "text": ""}
_THINKING = {"type": "thinking", "thinking": "", "signature": ""}
_OWN = ("anthropic", "")
"""Families whose opaque reasoning may be Anthropic's; a provider that does not say may be one in its place."""


class _Call:
    """A call that waits for its turn, or is being streamed."""

    __slots__ = ("head", "waiting")

    def __init__(self, head: ToolOpened) -> None:
        self.head = head
        self.waiting: list[str] = []


class MessagesEncoder:
    """Writes one answer; see `Encoder`."""

    def __init__(self, context: EncodeContext) -> None:
        self._context = context
        self._id = f"msg_{context.request_id}"
        self._started = False
        self._next = 0
        self._open: str | None = None
        self._queue: list[_Call] = []
        self._closed_calls: set[int] = set()
        self._calls = 0
        self._refused = False
        self._usage: Usage | None = None
        self._finish: Finished | None = None
        self._broken: GatewayError | None = None

    # --- the stream ---------------------------------------------------------------------------------------------------

    def emit(self, events: Sequence[StreamEvent]) -> bytes:
        out: list[bytes] = []
        begun = False
        for event in events:
            if isinstance(event, Opened):
                begun = True
            elif isinstance(event, UsageReported):
                self._usage = event.usage
            elif not isinstance(event, Failed):
                self._start(out)
                self._event(event, out)
        # The head waits for the rest of its read, which may hold the counts of the prompt.
        if begun:
            self._start(out)
        return b"".join(out)

    def observe(self, events: Sequence[StreamEvent]) -> None:
        """Nothing is kept: an error event is a valid ending wherever a forwarded stream stops."""

    def end(self) -> bytes:
        if self._broken is not None:
            return self.fail(self._broken)
        out: list[bytes] = []
        self._start(out)
        self._close(out)
        out.append(_frame("message_delta", {"delta": self._ending(), "usage": delta_fields(self._usage)}))
        out.append(_frame("message_stop", {}))
        return b"".join(out)

    def end_mark(self) -> bytes:
        """None: a stream without its last frame was cut."""
        return b""

    def fail(self, error: GatewayError) -> bytes:
        return sse.write(error_body(error, self._context.request_id), b"error")

    def _start(self, out: list[bytes]) -> None:
        if self._started:
            return
        self._started = True
        usage = message_fields(self._usage)
        usage["output_tokens"] = 0
        usage.pop("output_tokens_details", None)
        message = self._message([], usage)
        out.append(_frame("message_start", {"message": message}))
        out.append(_PING)

    def _message(self, content: list[Any], usage: dict[str, Any]) -> dict[str, Any]:
        head = {"id": self._id, "type": "message", "role": "assistant", "model": self._context.model}
        stop = {"stop_reason": None, "stop_sequence": None, "stop_details": None}
        return {**head, "content": content, **stop, "usage": usage}

    def _event(self, event: StreamEvent, out: list[bytes]) -> None:
        if getattr(event, "choice", 0) != 0:
            return
        match event:
            case TextDelta(text=text):
                self._text(text, out)
            case ToolDelta(call=call, fragment=fragment):
                self._arguments(call, fragment, out)
            case ThinkingDelta(text=text):
                self._switch("thinking", _THINKING, out)
                out.append(self._delta("thinking_delta", "thinking", text))
            case ThinkingSigned(signature=signature, family=family):
                self._signed(signature, family, out)
            case ThinkingRedacted(data=data, family=family) if family in _OWN:
                self._close(out)
                self._begin("redacted", {"type": "redacted_thinking", "data": data}, out)
                self._close(out)
            case RefusalDelta(text=text):
                self._refused = True
                self._text(text, out)
            case ToolOpened():
                self._tool(event, out)
            case Finished():
                self._finish = event

    def _signed(self, signature: str, family: str, out: list[bytes]) -> None:
        """Ends the thinking. Another family's signature is an empty one here, and no block is opened for it alone."""
        if family in _OWN:
            self._switch("thinking", _THINKING, out)
            self._sign(signature, out)
        elif self._open == "thinking":
            self._sign("", out)

    def _text(self, text: str, out: list[bytes]) -> None:
        if text:
            self._switch("text", _TEXT, out)
            out.append(self._delta("text_delta", "text", text))

    # --- blocks -------------------------------------------------------------------------------------------------------

    def _switch(self, kind: str, block: dict[str, Any], out: list[bytes]) -> None:
        if self._open != kind:
            self._close(out)
            self._begin(kind, block, out)

    def _begin(self, kind: str, block: dict[str, Any], out: list[bytes]) -> None:
        self._open = kind
        out.append(_frame("content_block_start", {"index": self._next, "content_block": block}))

    def _close(self, out: list[bytes]) -> None:
        """Closes what is open; of tool calls, also those that wait."""
        if self._open == "thinking":
            # The model of the other side signs nothing, yet this dialect's clients expect the field.
            self._sign("", out)
        elif self._open == "tool":
            while self._queue:
                self._finish_call(out)
                if self._queue:
                    self._open_call(self._queue[0], out)
        elif self._open is not None:
            self._stop(out)

    def _stop(self, out: list[bytes]) -> None:
        out.append(_frame("content_block_stop", {"index": self._next}))
        self._next += 1
        self._open = None

    def _sign(self, signature: str, out: list[bytes]) -> None:
        out.append(self._delta("signature_delta", "signature", signature))
        self._stop(out)

    def _delta(self, kind: str, field: str, value: str) -> bytes:
        # Written by hand, since it is every token's path: only the value needs a JSON encoder.
        return _DELTA % (self._next, kind.encode(), field.encode(), _encode(value))

    # --- tool calls ---------------------------------------------------------------------------------------------------

    def _tool(self, head: ToolOpened, out: list[bytes]) -> None:
        call = _Call(head)
        self._calls += 1
        if self._open != "tool":
            self._close(out)
            self._queue.append(call)
            self._open_call(call, out)
        else:
            self._queue.append(call)

    def _open_call(self, call: _Call, out: list[bytes]) -> None:
        head = call.head
        block = {"type": "tool_use", "id": self._call_id(head.id, head.call), "name": head.name, "input": {}}
        self._begin("tool", block, out)
        if head.custom:
            out.append(self._fragment('{"input":"'))
        if call.waiting:
            out.append(self._fragment(_piece(head, "".join(call.waiting))))
            call.waiting.clear()

    def _call_id(self, given: str, number: int) -> str:
        return given or f"toolu_{self._context.request_id}_{number}"

    def _finish_call(self, out: list[bytes]) -> None:
        call = self._queue.pop(0)
        self._closed_calls.add(call.head.call)
        if call.head.custom:
            out.append(self._fragment('"}'))
        self._stop(out)

    def _arguments(self, number: int, fragment: str, out: list[bytes]) -> None:
        if self._queue and self._queue[0].head.call == number:
            if fragment:
                out.append(self._fragment(_piece(self._queue[0].head, fragment)))
            return
        for call in self._queue:
            if call.head.call == number:
                call.waiting.append(fragment)
                return
        if fragment:
            # Its block is closed or was never opened: the call can't be told whole, so the answer must not end well.
            self._broken = UpstreamMalformed(detail=f"late arguments for tool call {number}")

    def _fragment(self, text: str) -> bytes:
        return self._delta("input_json_delta", "partial_json", text)

    # --- the end and the whole ----------------------------------------------------------------------------------------

    def _ending(self) -> dict[str, Any]:
        finish = self._finish or Finished(FinishReason.STOP)
        reason = _REASONS[finish.reason]
        # Calls come first: a client that reads another reason would leave them unanswered.
        if reason == "end_turn" and self._calls:
            reason = "tool_use"
        if reason == "end_turn" and finish.stop_sequence is not None:
            reason = "stop_sequence"
        if reason == "end_turn" and self._refused:
            reason = "refusal"
        sequence = finish.stop_sequence if reason == "stop_sequence" else None
        return {"stop_reason": reason, "stop_sequence": sequence, "stop_details": _stop_details(reason, finish)}

    def body(self, answer: Answer) -> bytes:
        choice = answer.choices[0] if answer.choices else Choice(index=0)
        self._calls = len(choice.calls)
        self._refused = bool(choice.refusal)
        self._finish = choice.finish
        content = [written for n, b in enumerate(choice.blocks) if (written := self._whole(b, n)) is not None]
        return _encode(self._message(content, message_fields(answer.usage)) | self._ending())

    def _whole(self, block: Block, number: int) -> dict[str, Any] | None:
        match block:
            case Text(text=text) | Refusal(text=text):
                return {"type": "text", "text": text} if text else None
            case Thinking(text=text, signature=signature, origin=origin):
                kept = signature if _is_own(origin) else None
                return {"type": "thinking", "thinking": text, "signature": kept or ""} if text or kept else None
            case RedactedThinking(data=data, origin=origin):
                return {"type": "redacted_thinking", "data": data} if _is_own(origin) else None
            case ToolCall(name=name, arguments=arguments):
                written = {"input": arguments} if block.custom else call_input(arguments)[0]
                return {"type": "tool_use", "id": self._call_id(block.id, number), "name": name, "input": written}
        # Media and other families' opaque blocks have no form here.
        return None


def _is_own(origin: Origin | None) -> bool:
    return origin is None or origin.family in _OWN


def _piece(head: ToolOpened, text: str) -> str:
    """A fragment of arguments; free text goes inside of a JSON string."""
    return _encode(text)[1:-1].decode() if head.custom else text


def _stop_details(reason: str, finish: Finished) -> dict[str, Any] | None:
    if reason != "refusal":
        return None
    explanation = finish.detail if finish.reason is FinishReason.CONTENT_FILTER else None
    return {"type": "refusal", "category": None, "explanation": explanation}


def _frame(kind: str, fields: dict[str, Any]) -> bytes:
    return sse.write(_encode({"type": kind, **fields}), kind.encode())
