"""A Converse answer as events: an event stream message by message, or a whole body.

The end is `messageStop`, which tells the reason; `metadata` with the usage comes behind it, and a stream that ends
between the two has lost its counts but nothing of the answer. Event types and blocks that are not known are passed
over, since new ones come without notice; what is known and malformed ends the answer as failed.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from llmgw_domain.errors import GatewayError, UpstreamFailed, UpstreamMalformed
from llmgw_domain.stream import Failed, Finished, FinishReason, Opened, StreamEvent, UsageReported
from llmgw_protocols.converse import _wire as wire
from llmgw_protocols.converse.errors import body_error, stream_error
from llmgw_protocols.converse.models import traits_of
from llmgw_protocols.converse.reader import ContentReader, Malformed
from llmgw_protocols.converse.usage import usage_of
from llmgw_protocols.dialect import Frame
from llmgw_protocols.eventstream import CorruptStream, EventStreamCutter, Message

_REASONS = {
    "end_turn": FinishReason.STOP,
    "stop_sequence": FinishReason.STOP,
    "max_tokens": FinishReason.LENGTH,
    "model_context_window_exceeded": FinishReason.LENGTH,
    "tool_use": FinishReason.TOOL_CALLS,
    "guardrail_intervened": FinishReason.CONTENT_FILTER,
    "content_filtered": FinishReason.CONTENT_FILTER,
}
# Reasons that say nothing more than the canonical one.
_PLAIN = frozenset(("end_turn", "stop_sequence", "max_tokens", "tool_use"))
_BROKEN = frozenset(("malformed_model_output", "malformed_tool_use"))

_event = msgspec.json.Decoder(wire.Event).decode
_answer = msgspec.json.Decoder(wire.Answer).decode

_MALFORMED = (msgspec.DecodeError, RecursionError, UnicodeDecodeError, Malformed)


class ConverseDecoder:
    """Reads one answer; see `Decoder`. `model` is the provider's name, which tells whose the signatures are."""

    def __init__(self, model: str = "") -> None:
        self._cutter = EventStreamCutter()
        self._content = ContentReader(traits_of(model))
        self._failed = False
        self._complete = False
        self._closed = False

    @property
    def complete(self) -> bool:
        return self._complete

    @property
    def closed(self) -> bool:
        return self._closed

    def feed(self, data: bytes) -> list[Frame]:
        frames: list[Frame] = []
        try:
            for message in self._cutter.feed(data):
                frames.append(Frame(message.raw, self._events(message)))
        except CorruptStream as error:
            frames.append(Frame(b"", self._malformed(str(error))))
        return frames

    def finish(self) -> list[Frame]:
        # A message is whole or nothing: what is pending has no meaning.
        return []

    def whole(self, body: bytes) -> list[StreamEvent]:
        try:
            answer = _answer(body)
            message = answer.output.message if answer.output is not None else None
            if message is None or message.content is None:
                return [self._fail(body_error(answer.message))]
            return self._whole(answer, message.content)
        except _MALFORMED as error:
            return list(self._malformed(str(error)))

    def _whole(self, answer: wire.Answer, content: list[msgspec.Raw]) -> list[StreamEvent]:
        events: list[StreamEvent] = [Opened(), *self._content.whole(content)]
        end = self._end(answer.stop_reason)
        if answer.usage is not None:
            events.append(UsageReported(usage_of(answer.usage)))
        return [*events, end]

    # --- a stream -----------------------------------------------------------------------------------------------------

    def _events(self, message: Message) -> tuple[StreamEvent, ...]:
        if self._failed:
            return ()
        if message.text(":message-type") != "event":
            return (self._exception(message),)
        read = _READERS.get(message.text(":event-type"))
        if read is None:
            return ()
        try:
            return tuple(read(self, _event(message.payload)))
        except _MALFORMED as error:
            return self._malformed(str(error))

    def _exception(self, message: Message) -> Failed:
        name = message.text(":exception-type") or message.text(":error-code")
        return self._fail(stream_error(name, message.payload, message.text(":error-message")))

    def _message_start(self, _: wire.Event) -> list[StreamEvent]:
        return [Opened()]

    def _block_start(self, event: wire.Event) -> list[StreamEvent]:
        return self._content.start(event.content_block_index, event.start or wire.Start())

    def _block_delta(self, event: wire.Event) -> list[StreamEvent]:
        return self._content.delta(event.content_block_index, event.delta or wire.Delta())

    def _block_stop(self, event: wire.Event) -> list[StreamEvent]:
        return self._content.stop(event.content_block_index)

    def _message_stop(self, event: wire.Event) -> list[StreamEvent]:
        events = self._content.stop_all()
        return [*events, self._end(event.stop_reason)]

    def _metadata(self, event: wire.Event) -> list[StreamEvent]:
        self._closed = self._complete
        return [UsageReported(usage_of(event.usage))] if event.usage is not None else []

    # --- ends ---------------------------------------------------------------------------------------------------------

    def _end(self, reason: str | None) -> Finished | Failed:
        calls, text = self._content.calls > 0, self._content.said_text
        if reason in _BROKEN and (calls or not text):
            # Text may stand although the model then stumbled; a call may not, since its arguments can't be trusted.
            why = f"The model ended its answer with {reason}."
            return self._fail(UpstreamFailed(why, upstream_status=200, upstream_message=reason))
        self._complete = True
        canonical = _REASONS.get(reason or "", FinishReason.STOP)
        if canonical is FinishReason.STOP and calls:
            canonical = FinishReason.TOOL_CALLS
        return Finished(canonical, detail=None if reason in _PLAIN else reason)

    def _fail(self, error: GatewayError) -> Failed:
        self._failed = True
        self._complete = self._closed = False
        return Failed(error)

    def _malformed(self, why: str) -> tuple[StreamEvent, ...]:
        return () if self._failed else (self._fail(UpstreamMalformed(detail=why[:200])),)

    def __repr__(self) -> str:
        state = "failed" if self._failed else "closed" if self._closed else "complete" if self._complete else "open"
        return f"<ConverseDecoder {state}>"


_READERS: dict[str, Callable[[ConverseDecoder, wire.Event], list[StreamEvent]]] = {
    "messageStart": ConverseDecoder._message_start,
    "contentBlockStart": ConverseDecoder._block_start,
    "contentBlockDelta": ConverseDecoder._block_delta,
    "contentBlockStop": ConverseDecoder._block_stop,
    "messageStop": ConverseDecoder._message_stop,
    "metadata": ConverseDecoder._metadata,
}
