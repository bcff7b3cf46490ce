"""A Responses provider's answer, read into events: SSE frames one by one, or a body at once.

Terminal evidence is `response.completed` or `response.incomplete` (or a body of such a status). A failed response, an
`error` event or a cancelled response is the provider's failure, told in the dialect's own words, so a pass-through may
forward it. Whatever follows the terminal event is not read. Events and items that are not known are passed over or
opaque, since new ones come without notice; what is known and malformed ends the answer as failed.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from llmgw_domain.errors import GatewayError, UpstreamMalformed
from llmgw_domain.stream import Failed, Finished, FinishReason, Opened, StreamEvent, UsageReported
from llmgw_protocols.dialect import Frame
from llmgw_protocols.responses import decode_wire as wire
from llmgw_protocols.responses import faults, usage
from llmgw_protocols.responses.decode_items import Output
from llmgw_protocols.sse import FrameTooLarge, SseCutter, SseFrame, delimited, is_whole

_CUT_SHORT = {
    "content_filter": FinishReason.CONTENT_FILTER,
    "steered": FinishReason.STOP,
}
"""Why a response is incomplete; for any other reason a limit was reached."""
# Reasons that say nothing more than the canonical one.
_PLAIN = frozenset(("", "max_output_tokens", "content_filter"))
_ENDS = frozenset(("completed", "incomplete", "failed", "cancelled"))
_ERRORS = frozenset(("error", "response.error"))


class ResponsesDecoder:
    """Reads one answer; see `llmgw_protocols.dialect.Decoder`."""

    def __init__(self) -> None:
        self._cutter = SseCutter()
        self._output = Output()
        self._opened = False
        self._complete = False
        self._failed = False
        self._told = False
        """The failure was told in a native frame: what follows it belongs to the provider's own ending."""

    @property
    def complete(self) -> bool:
        return self._complete

    @property
    def closed(self) -> bool:
        return self._complete

    def feed(self, data: bytes) -> list[Frame]:
        if self._failed and not self._told:
            return []
        try:
            return self._frames(self._cutter.feed(data))
        except FrameTooLarge as error:
            return [Frame(b"", self._malformed(str(error)))]

    def finish(self) -> list[Frame]:
        if self._failed and not self._told:
            return []
        return self._frames([delimited(frame) for frame in self._cutter.finish() if is_whole(frame)])

    def whole(self, body: bytes) -> list[StreamEvent]:
        try:
            response = wire.read_response(body)
            if response.output is None and bytes(response.error).strip() not in faults.NO_ERROR:
                return list(self._fail(faults.in_band(body), native=True))
            if response.output is None and response.status is None:
                return list(self._malformed("an answer without output"))
            return self._whole(response)
        except wire.NotUnderstood as error:
            return list(self._malformed(str(error)))

    # --- a stream -----------------------------------------------------------------------------------------------------

    def _frames(self, cut: list[SseFrame]) -> list[Frame]:
        frames: list[Frame] = []
        for frame in cut:
            frames.append(self._frame(frame))
            # What follows a failure is not read, wherever the network split it.
            if self._failed and not self._told:
                break
        return frames

    def _frame(self, frame: SseFrame) -> Frame:
        data = frame.said
        if not data or data.isspace() or frame.event == b"ping":
            return Frame(frame.raw, (), hidden=True)
        if self._failed or self._complete or data.strip() == b"[DONE]":
            return Frame(frame.raw, ())
        try:
            return Frame(frame.raw, tuple(self._event(frame, data)))
        except wire.NotUnderstood as error:
            if _is_unknown(frame, data):
                return Frame(frame.raw, ())
            return Frame(frame.raw, self._malformed(str(error)))

    def _event(self, frame: SseFrame, data: bytes) -> list[StreamEvent]:
        event = wire.read_event(data)
        kind = event.type or (frame.event or b"").decode("utf-8", "replace")
        if act := _PIECES.get(kind):
            return act(self._output, event)
        if event.response is not None and kind in _LIFECYCLE:
            return self._lifecycle(kind, event.response)
        if kind in _ERRORS or (not kind and bytes(event.error).strip() not in faults.NO_ERROR):
            return list(self._fail(faults.in_band(data), native=frame.data is not None))
        if kind in _ENDINGS:
            raise wire.NotUnderstood(f"{kind} without a response")
        return []

    def _lifecycle(self, kind: str, response: wire.Response) -> list[StreamEvent]:
        events = self._open(response)
        if kind not in _ENDINGS:
            return events
        status = response.status if response.status in _ENDS else kind.rpartition(".")[2]
        return [*events, *self._output.rest(response.output or ()), *self._end(response, status)]

    # --- both ---------------------------------------------------------------------------------------------------------

    def _whole(self, response: wire.Response) -> list[StreamEvent]:
        events = [*self._open(response), *self._output.rest(response.output or ())]
        status = response.status or "completed"
        # A response that runs in the background is no answer yet.
        return [*events, *self._end(response, status)] if status in _ENDS else events

    def _open(self, response: wire.Response) -> list[StreamEvent]:
        if self._opened:
            return []
        self._opened = True
        self._output.answer_id = response.id or ""
        return [Opened(response.id or "", response.model or "", response.created)]

    def _end(self, response: wire.Response, status: str) -> list[StreamEvent]:
        events: list[StreamEvent] = []
        if response.usage is not None:
            events.append(UsageReported(usage.read(response.usage)))
        if status in ("failed", "cancelled"):
            return [*events, *self._fail(faults.failed(bytes(response.error), status), native=True)]
        self._complete = True
        return [*events, self._finished(response, status)]

    def _finished(self, response: wire.Response, status: str) -> Finished:
        if status == "completed":
            return Finished(FinishReason.TOOL_CALLS if self._output.calls else FinishReason.STOP)
        reason = (response.incomplete_details and response.incomplete_details.reason) or ""
        detail = None if reason in _PLAIN else reason
        return Finished(_CUT_SHORT.get(reason, FinishReason.LENGTH), detail=detail)

    def _malformed(self, why: str) -> tuple[StreamEvent, ...]:
        return self._fail(UpstreamMalformed(detail=why[:200]), native=False)

    def _fail(self, error: GatewayError, *, native: bool) -> tuple[StreamEvent, ...]:
        self._failed = True
        self._told = native
        return (Failed(error, native),)


_Act = Callable[[Output, wire.Event], list[StreamEvent]]
_PIECES: dict[str, _Act] = {
    "response.output_item.added": Output.added,
    "response.output_item.done": Output.done,
    "response.output_text.delta": Output.text,
    "response.output_text.done": Output.text_done,
    "response.output_text.annotation.added": Output.cited,
    "response.refusal.delta": Output.refusal,
    "response.refusal.done": Output.refusal_done,
    "response.reasoning_summary_text.delta": Output.summary,
    "response.reasoning_summary_text.done": Output.summary_done,
    "response.reasoning_text.delta": Output.raw,
    "response.reasoning_text.done": Output.raw_done,
    "response.function_call_arguments.delta": Output.arguments,
    "response.function_call_arguments.done": Output.arguments_done,
    "response.custom_tool_call_input.delta": Output.arguments,
    "response.custom_tool_call_input.done": Output.arguments_done,
}
_ENDINGS = frozenset(f"response.{status}" for status in _ENDS)
_LIFECYCLE = _ENDINGS | {"response.queued", "response.created", "response.in_progress"}


def _is_unknown(frame: SseFrame, data: bytes) -> bool:
    """Whether a frame that could not be read is an event of a type that nobody here knows."""
    try:
        kind = wire.read_head(msgspec.Raw(data)).type or (frame.event or b"").decode("utf-8", "replace")
    except wire.NotUnderstood:
        return False
    return bool(kind) and kind not in _PIECES and kind not in _LIFECYCLE and kind not in _ERRORS
