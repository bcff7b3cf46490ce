"""Reading Gemini's answers: SSE or a JSON array in a stream, one object in a body, to events.

Each frame is a whole GenerateContentResponse whose parts continue those before it. Three things are particular:

- A candidate's `finishReason` is not its end: frames with usage may follow. So `Finished` is held back until the
  stream ends, while `complete` already says that the end would be one.
- `STOP` also ends an answer that calls tools, so it is told apart by the calls that were seen.
- A thought signature sits on a part. On a call it goes with `ToolOpened`; on any other part it becomes a
  `ThinkingSigned` right behind that part's content, so that stream and body of an answer give the same.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from functools import partial

import msgspec

from llmgw_domain.errors import ContentRefused, UpstreamMalformed
from llmgw_domain.stream import Failed, Finished, FinishReason, Opened, StreamEvent, UsageReported
from llmgw_protocols import sse
from llmgw_protocols.dialect import Frame, StreamForm
from llmgw_protocols.gemini._wire import Candidate, Chunk, PromptFeedback, RawChunk, UsageMetadata
from llmgw_protocols.gemini.candidate import CandidateReader
from llmgw_protocols.gemini.errors import fault_in_band
from llmgw_protocols.gemini.finish import name_of, usage_of
from llmgw_protocols.gemini.json_array import ArrayCutter

_chunk = msgspec.json.Decoder(Chunk).decode
_chunks = msgspec.json.Decoder(list[Chunk]).decode
_raw_chunk = msgspec.json.Decoder(RawChunk).decode
_array = msgspec.json.Decoder(list[msgspec.Raw]).decode
# msgspec tells invalid UTF-8 by Python's own error.
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class GeminiDecoder:
    """One answer of a Gemini provider; see `llmgw_protocols.dialect.Decoder`."""

    def __init__(self, form: StreamForm = "sse") -> None:
        self._cutter: sse.SseCutter | ArrayCutter = ArrayCutter() if form == "array" else sse.SseCutter()
        self._candidates: dict[int, CandidateReader] = {}
        self._usage = UsageMetadata()
        self._id = ""
        self._opened = False
        self._failed = False
        self._is_body = False

    @property
    def complete(self) -> bool:
        every = self._candidates.values()
        return bool(every) and not self._failed and all(c.end is not None for c in every)

    @property
    def closed(self) -> bool:
        # A stream of events has no last frame of its own: chunks with usage may follow the finish reason.
        return isinstance(self._cutter, ArrayCutter) and self._cutter.closed

    def feed(self, data: bytes) -> list[Frame]:
        try:
            if isinstance(self._cutter, ArrayCutter):
                return [self._array_frame(f.raw, f.data) for f in self._cutter.feed(data)]
            return [self._sse_frame(f) for f in self._cutter.feed(data)]
        except sse.FrameTooLarge as error:
            return [Frame(b"", self._malformed(str(error)))]

    def finish(self) -> list[Frame]:
        frames = [f for frame in self._cutter.finish() if (f := self._last_frame(frame.raw, frame.data)) is not None]
        ends = tuple(self._ends())
        return [*frames, Frame(b"", ends)] if ends else frames

    def whole(self, body: bytes) -> list[StreamEvent]:
        self._is_body = True
        try:
            pieces = _array(body) if body.lstrip()[:1] == b"[" else [msgspec.Raw(body)]
        except _UNREADABLE as error:
            return list(self._malformed(str(error)))
        events: list[StreamEvent] = []
        for piece in pieces:
            events += self._events(bytes(piece))
        if self._failed:
            return events
        if not any(c.said_anything or c.end for c in self._candidates.values()):
            return [*events, *self._malformed("an answer without candidates")]
        for candidate in self._candidates.values():
            # A whole body is its own evidence, so a candidate without a reason has ended all the same.
            candidate.end = candidate.end or Finished(FinishReason.STOP, candidate.choice)
        return [*events, *self._ends()]

    # --- frames -------------------------------------------------------------------------------------------------------

    def _sse_frame(self, frame: sse.SseFrame) -> Frame:
        if frame.data is None:
            text = frame.raw.strip()
            # Google tells an error inside a stream as bare JSON, without `data:`.
            return self._bare(text) if text[:1] in (b"{", b"[") else Frame(frame.raw, (), hidden=True)
        if frame.data.strip() in (b"", b"[DONE]"):
            return Frame(frame.raw, (), hidden=True)
        return Frame(_clean(frame), self._events(frame.data))

    def _array_frame(self, raw: bytes, data: bytes | None) -> Frame:
        return Frame(raw, () if data is None else self._events(data))

    def _last_frame(self, raw: bytes, data: bytes | None) -> Frame | None:
        """What stands at the end without its delimiter: a frame if it is whole, else nothing."""
        if isinstance(self._cutter, ArrayCutter):
            return self._array_frame(raw, data)
        text = raw.strip() if data is None else data.strip()
        try:
            (_chunks if text[:1] == b"[" else _chunk)(text)
        except _UNREADABLE:
            return None
        return self._bare(text)

    def _bare(self, text: bytes) -> Frame:
        """JSON without its SSE frame, put into one."""
        try:
            pieces = [bytes(piece) for piece in _array(text)] if text[:1] == b"[" else [text]
            raw = b"".join(sse.write(msgspec.json.format(piece, indent=-1)) for piece in pieces)
        except _UNREADABLE as error:
            return Frame(text, self._malformed(str(error)))
        return Frame(raw, tuple(event for piece in pieces for event in self._events(piece)))

    # --- what a frame says --------------------------------------------------------------------------------------------

    def _events(self, data: bytes) -> tuple[StreamEvent, ...]:
        if self._failed:
            return ()
        try:
            return tuple(self._read(_chunk(data), data))
        except _UNREADABLE as error:
            return self._malformed(str(error))

    def _read(self, chunk: Chunk, data: bytes) -> list[StreamEvent]:
        if bytes(chunk.error) not in (b"", b"null"):
            self._failed = True
            # Google's SDKs look for errors in the frames of a stream, not in a body that came with status 200.
            return [Failed(fault_in_band(chunk.error), native=not self._is_body)]
        events: list[StreamEvent] = []
        if not self._opened:
            events.append(self._open(chunk))
        self._read_candidates(chunk, data, events)
        if chunk.prompt_feedback is not None and chunk.prompt_feedback.block_reason and not chunk.candidates:
            self._block(chunk.prompt_feedback, events)
        if chunk.usage_metadata is not None:
            self._merge_usage(chunk.usage_metadata, events)
        return events

    def _open(self, chunk: Chunk) -> Opened:
        self._opened = True
        self._id = chunk.response_id or ""
        return Opened(self._id, chunk.model_version or "", _seconds(chunk.create_time))

    def _read_candidates(self, chunk: Chunk, data: bytes, events: list[StreamEvent]) -> None:
        for position, candidate in enumerate(chunk.candidates or ()):
            if candidate is None:
                continue
            index = position if candidate.index is None else candidate.index
            reader = self._candidates.get(index)
            if reader is None:
                reader = self._candidates[index] = CandidateReader(index, self._id)
            reader.read(candidate, partial(_raw_parts, data, position), events)
            self._take_reason(candidate, reader, events)

    def _take_reason(self, candidate: Candidate, reader: CandidateReader, events: list[StreamEvent]) -> None:
        if not candidate.finish_reason:
            return
        error = reader.finish(name_of(candidate.finish_reason))
        if error is not None:
            error.detail = candidate.finish_message
            self._failed = True
            events.append(Failed(error, native=True))

    def _block(self, feedback: PromptFeedback, events: list[StreamEvent]) -> None:
        """The prompt was refused; in an answer that has begun this is a filter's end."""
        reason = str(feedback.block_reason)
        begun = [c for c in self._candidates.values() if c.said_anything]
        for candidate in begun:
            candidate.end = Finished(FinishReason.CONTENT_FILTER, candidate.choice, detail=reason)
        if not begun:
            self._failed = True
            said = feedback.block_reason_message or "The prompt was refused by the provider's content policy."
            error = ContentRefused(f"{said} (blockReason: {reason})", upstream_status=200, upstream_message=said)
            events.append(Failed(error, native=True))

    def _merge_usage(self, counts: UsageMetadata, events: list[StreamEvent]) -> None:
        """Counts are running totals, and a later frame may leave out what an earlier one told."""
        for name in UsageMetadata.__struct_fields__:
            value = getattr(counts, name)
            if value is not None:
                setattr(self._usage, name, value)
        usage = usage_of(self._usage)
        if usage is not None:
            events.append(UsageReported(usage))

    def _ends(self) -> Iterable[StreamEvent]:
        if self._failed:
            return
        for candidate in self._candidates.values():
            if candidate.end is not None:
                yield candidate.upgraded_end()

    def _malformed(self, why: str) -> tuple[StreamEvent, ...]:
        if self._failed:
            return ()
        self._failed = True
        return (Failed(UpstreamMalformed(detail=why)),)

    def __repr__(self) -> str:
        state = "failed" if self._failed else "complete" if self.complete else "open"
        return f"<GeminiDecoder {state}: {len(self._candidates)} candidates>"


def _clean(frame: sse.SseFrame) -> bytes:
    """The frame's own bytes, unless Gemini's clients would choke on them: they know `data: ` and one line of JSON."""
    if frame.raw.startswith(b"data: ") and frame.event is None and frame.raw.rstrip().find(b"\n") < 0:
        return frame.raw
    return sse.write((frame.data or b"").replace(b"\r", b" ").replace(b"\n", b" "))


def _raw_parts(data: bytes, position: int) -> list[msgspec.Raw]:
    candidate = (_raw_chunk(data).candidates or [])[position]
    return [] if candidate is None or candidate.content is None else candidate.content.parts or []


def _seconds(time: str | None) -> int:
    try:
        return int(datetime.fromisoformat(time).timestamp()) if time else 0
    except (ValueError, OverflowError):
        return 0
