"""An Anthropic answer as events: a stream frame by frame, or a whole body.

Each frame is decoded once, into a struct that fits every event. The end is `message_stop`; a stream that stops before
it was cut. Event and block types that are not known are passed over, since new ones come without notice; what is known
and malformed ends the answer as failed.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from llmgw_domain.errors import GatewayError, UpstreamMalformed
from llmgw_domain.stream import (
    Cited,
    Failed,
    Finished,
    FinishReason,
    OpaqueMade,
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
from llmgw_protocols.dialect import Frame
from llmgw_protocols.messages import _wire as wire
from llmgw_protocols.messages.errors import stream_error
from llmgw_protocols.messages.reading import is_null
from llmgw_protocols.messages.usage import UsageTally
from llmgw_protocols.sse import FrameTooLarge, SseCutter, SseFrame

_REASONS = {
    "end_turn": FinishReason.STOP,
    "stop_sequence": FinishReason.STOP,
    "max_tokens": FinishReason.LENGTH,
    "model_context_window_exceeded": FinishReason.LENGTH,
    "tool_use": FinishReason.TOOL_CALLS,
    "refusal": FinishReason.CONTENT_FILTER,
}
# Reasons that say nothing more than the canonical one.
_PLAIN = frozenset(("end_turn", "stop_sequence", "max_tokens", "tool_use"))
_CITED = "web_search_result_location"
_FAMILY = "anthropic"
_DECLINED = "The model declined to answer."

_event = msgspec.json.Decoder(wire.Event).decode
_message = msgspec.json.Decoder(wire.AnswerMessage).decode
_block = msgspec.json.Decoder(wire.AnswerBlock).decode
_typed = msgspec.json.Decoder(wire.Typed).decode
_redacted = msgspec.json.Decoder(wire.RedactedBlock).decode

_MALFORMED = (msgspec.DecodeError, RecursionError, UnicodeDecodeError)


class _Open:
    """A block of the stream that is not closed yet; `call` is None but for client tools."""

    __slots__ = ("call", "cited", "input", "start")

    def __init__(self, call: int | None = None, input: str = "", start: int = 0) -> None:
        self.call = call
        self.input = input
        self.start = start
        self.cited: list[wire.Citation] = []


class MessagesDecoder:
    """Reads one answer; see `Decoder`."""

    def __init__(self) -> None:
        self._cutter = SseCutter()
        self._blocks: dict[int, _Open] = {}
        self._calls = 0
        self._length = 0
        self._tally = UsageTally()
        self._stop = wire.Delta()
        self._failed = False
        self._complete = False

    @property
    def complete(self) -> bool:
        return self._complete

    @property
    def closed(self) -> bool:
        return self._complete

    def feed(self, data: bytes) -> list[Frame]:
        try:
            return [self._frame(f) for f in self._cutter.feed(data)]
        except FrameTooLarge as error:
            told = self._failed or self._complete
            return [] if told else [Frame(b"", (self._fail(UpstreamMalformed(detail=str(error))),))]

    def finish(self) -> list[Frame]:
        return [self._frame(f) for f in self._cutter.finish()]

    def whole(self, body: bytes) -> list[StreamEvent]:
        try:
            message = _message(body)
            if message.error is not None or message.type == "error":
                return [self._fail(stream_error(message.error))]
            if message.content is None:
                return [self._fail(UpstreamMalformed(detail="an answer without content"))]
            return self._whole(message)
        except _MALFORMED as error:
            return [self._fail(UpstreamMalformed(detail=str(error)[:200]))]

    # --- a frame ------------------------------------------------------------------------------------------------------

    def _frame(self, frame: SseFrame) -> Frame:
        if frame.data is None:
            return Frame(frame.raw, (), hidden=frame.event is None)
        if self._failed or self._complete:
            return Frame(frame.raw, ())
        try:
            event = _event(frame.data)
            handler = _HANDLERS.get(event.type or (frame.event or b"").decode())
            return Frame(frame.raw, tuple(handler(self, event)) if handler else ())
        except _MALFORMED as error:
            if _is_unknown(frame):
                return Frame(frame.raw, ())
            return Frame(frame.raw, (self._fail(UpstreamMalformed(detail=str(error)[:200])),))

    def _fail(self, error: GatewayError) -> Failed:
        self._failed = True
        self._complete = False
        return Failed(error)

    def _message_start(self, event: wire.Event) -> list[StreamEvent]:
        head = event.message or wire.AnswerMessage()
        events: list[StreamEvent] = [Opened(head.id or "", head.model or "")]
        if head.usage:
            events.append(UsageReported(self._tally.update(head.usage)))
        return events

    def _block_start(self, event: wire.Event) -> list[StreamEvent]:
        if not event.content_block:
            return []
        opened = _Open(start=self._length)
        self._blocks[event.index or 0] = opened
        return self._begin(event.content_block, opened)

    def _block_delta(self, event: wire.Event) -> tuple[StreamEvent, ...] | list[StreamEvent]:
        delta = event.delta
        if delta is None:
            return ()
        if delta.type == "text_delta":
            return self._text(delta.text)
        if delta.type == "input_json_delta":
            return self._arguments(event.index or 0, delta.partial_json)
        if delta.type == "thinking_delta":
            return (ThinkingDelta(delta.thinking),) if delta.thinking else ()
        if delta.type == "signature_delta":
            return (_signed(delta.signature),) if delta.signature else ()
        if delta.type == "citations_delta" and delta.citation and (block := self._blocks.get(event.index or 0)):
            block.cited.append(delta.citation)
        return ()

    def _text(self, text: str | None) -> tuple[StreamEvent, ...]:
        if not text:
            return ()
        self._length += len(text)
        return (TextDelta(text),)

    def _arguments(self, index: int, fragment: str | None) -> tuple[StreamEvent, ...]:
        block = self._blocks.get(index)
        if block is None:
            return (self._fail(UpstreamMalformed(detail="arguments for a block that was not started")),)
        if block.call is None or not fragment:
            return ()
        block.input = ""
        return (ToolDelta(block.call, fragment),)

    def _block_stop(self, event: wire.Event) -> list[StreamEvent]:
        block = self._blocks.pop(event.index or 0, None)
        return self._close(block) if block is not None else []

    def _message_delta(self, event: wire.Event) -> list[StreamEvent]:
        if event.delta is not None and event.delta.stop_reason is not None:
            self._stop = event.delta
        return [UsageReported(self._tally.update(event.usage))] if event.usage else []

    def _message_stop(self, _: wire.Event) -> list[StreamEvent]:
        self._complete = True
        stop = self._stop
        return self._end(stop.stop_reason, stop.stop_sequence, stop.stop_details)

    def _error(self, event: wire.Event) -> list[StreamEvent]:
        self._failed = True
        return [Failed(stream_error(event.error), native=True)]

    # --- blocks, of a stream and of a body ----------------------------------------------------------------------------

    def _whole(self, message: wire.AnswerMessage) -> list[StreamEvent]:
        events: list[StreamEvent] = [Opened(message.id or "", message.model or "")]
        for raw in message.content or ():
            block = _Open(start=self._length)
            events += self._begin(raw, block)
            events += self._close(block)
        if message.usage:
            events.append(UsageReported(self._tally.update(message.usage)))
        events += self._end(message.stop_reason, message.stop_sequence, message.stop_details)
        self._complete = True
        return events

    def _begin(self, raw: msgspec.Raw, opened: _Open) -> list[StreamEvent]:
        """What the start of a block says; of a body's block that is everything but its end."""
        kind = _typed(raw).type
        if kind == "redacted_thinking":
            return [ThinkingRedacted(_redacted(raw).data, family=_FAMILY)]
        if kind not in ("text", "thinking", "tool_use"):
            return [OpaqueMade(_FAMILY, kind, raw.copy())]
        block = _block(raw)
        if kind == "tool_use":
            return [self._tool(block, opened)]
        if kind == "text":
            opened.cited += block.citations or ()
            return list(self._text(block.text))
        events: list[StreamEvent] = [ThinkingDelta(block.thinking)] if block.thinking else []
        return [*events, _signed(block.signature)] if block.signature else events

    def _tool(self, block: wire.AnswerBlock, opened: _Open) -> StreamEvent:
        opened.call = self._calls
        # Arguments that came with the start count only if no fragment of them follows.
        opened.input = bytes(block.input).decode() if block.input and not is_null(block.input) else "{}"
        self._calls += 1
        return ToolOpened(opened.call, block.id or "", block.name or "")

    def _close(self, block: _Open) -> list[StreamEvent]:
        if block.call is not None:
            return [ToolDelta(block.call, block.input)] if block.input else []
        return [
            Cited(c.url, c.title or "", block.start, self._length) for c in block.cited if c.type == _CITED and c.url
        ]

    def _end(self, reason: str | None, sequence: str | None, details: wire.StopDetails | None) -> list[StreamEvent]:
        canonical = _REASONS.get(reason or "", FinishReason.STOP)
        if canonical is FinishReason.STOP and self._calls and reason != "pause_turn":
            # Some servers of this dialect say end_turn although calls wait for their results.
            canonical = FinishReason.TOOL_CALLS
        detail = None if reason in _PLAIN else reason
        if reason != "refusal":
            return [Finished(canonical, stop_sequence=sequence, detail=detail)]
        # Anthropic says why beside the content; clients of other dialects look for words.
        details = details or wire.StopDetails()
        detail = details.explanation or details.category or reason
        return [RefusalDelta(details.explanation or _DECLINED), Finished(canonical, detail=detail)]


_Handled = list[StreamEvent] | tuple[StreamEvent, ...]
_HANDLERS: dict[str, Callable[[MessagesDecoder, wire.Event], _Handled]] = {
    "message_start": MessagesDecoder._message_start,
    "content_block_start": MessagesDecoder._block_start,
    "content_block_delta": MessagesDecoder._block_delta,
    "content_block_stop": MessagesDecoder._block_stop,
    "message_delta": MessagesDecoder._message_delta,
    "message_stop": MessagesDecoder._message_stop,
    "error": MessagesDecoder._error,
}


def _signed(signature: str) -> ThinkingSigned:
    return ThinkingSigned(signature, family=_FAMILY)


def _is_unknown(frame: SseFrame) -> bool:
    """Whether a frame that could not be read is of an event or a delta type that nobody here knows."""
    try:
        return _typed(frame.data or b"").type not in _HANDLERS
    except _MALFORMED:
        return False
