"""A provider's answer, read into events: SSE frames one by one, or a body at once.

A whole body is read as one chunk whose message is its delta, so both ways give the same events. Compatible servers
bend the format in many ways; each bend is straightened where it is read: calls without index or id, calls that share
an index, reasoning under three names, `stop` in spite of calls, a blank finish reason, usage in odd places.

An error about the request, in an object at the top of a frame, is native: the provider's words say what to change, and
every client of this dialect knows that form. Errors said in any other way (bare JSON, a finish reason, a member of a
choice) are not, since OpenAI's SDKs would pass over them; nor are a provider's own troubles, which break the stream.

Terminal evidence is a finish reason for every choice that was seen, or `[DONE]` after at least one choice. A stream
that just ends gives none, and no `Finished` is invented for it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from llmgw_domain.errors import GatewayError, UpstreamFailed, UpstreamMalformed
from llmgw_domain.stream import (
    Cited,
    Failed,
    Finished,
    FinishReason,
    MediaMade,
    Opened,
    RefusalDelta,
    StreamEvent,
    TextDelta,
    ThinkingDelta,
    ThinkingRedacted,
    ThinkingSigned,
    TokensScored,
    ToolDelta,
    ToolOpened,
    UsageReported,
)
from llmgw_protocols.chat import chunks, errors, formats, usage
from llmgw_protocols.dialect import Frame
from llmgw_protocols.sse import FrameTooLarge, SseCutter, SseFrame, delimited, is_whole

_REASONS = {
    "stop": FinishReason.STOP,
    "eos": FinishReason.STOP,
    "end_turn": FinishReason.STOP,
    "stop_sequence": FinishReason.STOP,
    "length": FinishReason.LENGTH,
    "max_tokens": FinishReason.LENGTH,
    "max_length": FinishReason.LENGTH,
    "model_length": FinishReason.LENGTH,
    "tool_calls": FinishReason.TOOL_CALLS,
    "tool_use": FinishReason.TOOL_CALLS,
    "function_call": FinishReason.TOOL_CALLS,
    "content_filter": FinishReason.CONTENT_FILTER,
    "safety": FinishReason.CONTENT_FILTER,
}
_BROKEN = frozenset(("error", "insufficient_system_resource", "abort", "aborted", "network_error"))
_MOST_WAITING = 1024 * 1024
"""Characters of arguments, in one answer, of calls whose names have not come; and what each piece takes besides."""
_PIECE = 64
_NO_ERROR = (b"", b"null", b"{}", b'""', b"false")


class ChatDecoder:
    """Reads one answer; see `llmgw_protocols.dialect.Decoder`."""

    def __init__(self, *, hide_usage: bool = False) -> None:
        self._is_body = False
        self._cutter = SseCutter()
        self._hide_usage = hide_usage
        self._choices: dict[int, _Choice] = {}
        self._opened = Opened()
        self._done = False
        self._failed = False
        self._told = False
        """The failure was told in a native frame: what follows it belongs to the provider's own ending."""

    @property
    def complete(self) -> bool:
        if self._failed or not self._choices:
            return False
        return self._done or all(c.finished for c in self._choices.values())

    @property
    def closed(self) -> bool:
        return self._done

    def feed(self, data: bytes) -> list[Frame]:
        if self._failed and not self._told:
            return []
        try:
            return self._frames(self._cutter.feed(data))
        except FrameTooLarge as error:
            told = self._failed or self._done
            return [] if told else [Frame(b"", self._fail(UpstreamMalformed(detail=str(error))))]

    def finish(self) -> list[Frame]:
        if self._failed and not self._told:
            return []
        return [self._frame(delimited(frame)) for frame in self._cutter.finish() if is_whole(frame)]

    def whole(self, body: bytes) -> list[StreamEvent]:
        self._is_body = True
        try:
            chunk = chunks.read(body)
        except chunks.NotUnderstood as error:
            return list(self._fail(UpstreamMalformed(detail=str(error))))
        events = self._events(chunk, body)
        if self._failed:
            return events
        if not self._choices:
            return [*events, *self._fail(UpstreamMalformed(detail="an answer without choices"))]
        return [*events, *self._inferred()]

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
        if data.strip() == b"[DONE]":
            self._done = True
            return Frame(frame.raw, tuple(self._inferred()))
        if self._failed:
            return Frame(frame.raw, ())
        return self._chunk(frame, data)

    def _chunk(self, frame: SseFrame, data: bytes) -> Frame:
        try:
            chunk = chunks.read(data)
        except chunks.NotUnderstood as error:
            return Frame(frame.raw, self._fail(UpstreamMalformed(detail=str(error))))
        self._told = frame.data is not None and bytes(chunk.error) not in _NO_ERROR
        hidden = self._hide_usage and not chunk.choices and chunk.usage is not None and not _is_error(chunk)
        return Frame(frame.raw, tuple(self._events(chunk, data)), hidden)

    def _events(self, chunk: chunks.Chunk, data: bytes) -> list[StreamEvent]:
        events: list[StreamEvent] = []
        counts = chunk.usage or (chunk.x_groq and chunk.x_groq.usage)
        if _is_error(chunk):
            if counts:
                events.append(UsageReported(usage.read(counts)))
            return [*events, *self._fail(errors.in_band(data))]
        if (chunk.choices or chunk.id) and not self._opened.id:
            self._open(chunk, events)
        for wire in chunk.choices or ():
            choice = self._choice(wire.index or 0)
            # Perplexity puts both into everything: a full message into chunks, an empty delta into bodies.
            delta = wire.message or wire.delta if self._is_body else wire.delta or wire.message
            if delta is None and wire.text is not None:
                delta = chunks.Delta(content=wire.text)
            error = choice.read(wire, delta, events) or (self._nameless() if choice.waiting else None)
            if error is not None:
                events.extend(self._fail(error))
                return events
        if counts:
            events.append(UsageReported(usage.read(counts)))
        return events

    def _open(self, chunk: chunks.Chunk, events: list[StreamEvent]) -> None:
        opened = Opened(chunk.id or "", chunk.model or "", chunk.created or 0)
        if opened != self._opened or not self._choices:
            self._opened = opened
            events.append(opened)

    def _choice(self, index: int) -> _Choice:
        choice = self._choices.get(index)
        if choice is None:
            choice = self._choices[index] = _Choice(index, self._call_id)
        return choice

    def _nameless(self) -> GatewayError | None:
        if sum(choice.waiting for choice in self._choices.values()) <= _MOST_WAITING:
            return None
        return UpstreamMalformed(detail="arguments of calls without names")

    def _call_id(self, choice: int, call: int) -> str:
        # Chance is not at hand here; the answer's own id makes ids that differ from turn to turn.
        seed = f"{self._opened.id}/{self._opened.created}/{choice}/{call}"
        return "call_" + hashlib.sha256(seed.encode()).hexdigest()[:24]

    def _inferred(self) -> list[StreamEvent]:
        events: list[StreamEvent] = []
        if not self._failed:
            for choice in self._choices.values():
                choice.infer_finish(events)
        return events

    def _fail(self, error: GatewayError) -> tuple[StreamEvent, ...]:
        self._failed = True
        self._told = self._told and error.blame == "request"
        return (Failed(error, self._told),)


class _Call:
    """A tool call that is being written. It is opened once its name is known; arguments before that wait."""

    __slots__ = ("custom", "id", "index", "name", "waiting")

    def __init__(self, index: int) -> None:
        self.index = index
        self.id = ""
        self.name: str | None = None
        self.custom = False
        self.waiting: list[str] = []


class _Choice:
    """What was seen of one choice."""

    __slots__ = ("_by_key", "_calls", "_ids", "_last", "_thinking", "finished", "index", "waiting")

    def __init__(self, index: int, ids: Callable[[int, int], str]) -> None:
        self.index = index
        self.finished = False
        self._ids = ids
        self._calls: list[_Call] = []
        self._by_key: dict[int | str, _Call] = {}
        self._last: _Call | None = None
        self._thinking = False
        self.waiting = 0
        """What is kept of calls that can't be opened yet, in characters."""

    def read(
        self, wire: chunks.WireChoice, delta: chunks.Delta | None, events: list[StreamEvent]
    ) -> GatewayError | None:
        """Appends the events of a piece; an error ends the answer."""
        if delta is not None:
            self._read_delta(delta, events)
        if wire.logprobs and wire.logprobs.content:
            events.append(TokensScored(tuple(token.score for token in wire.logprobs.content), self.index))
        reason = wire.finish_reason
        if bytes(wire.error) not in _NO_ERROR:
            return errors.in_band(b'{"error":' + bytes(wire.error) + b"}")
        if reason is None or reason == "" or self.finished:
            return None
        if reason.lower() in _BROKEN:
            return UpstreamFailed(upstream_message=f"The provider ended its answer with finish_reason {reason!r}.")
        self._finish(wire, reason, events)
        return None

    def infer_finish(self, events: list[StreamEvent]) -> None:
        """A finish that was not said, for an answer that is known to be whole."""
        if not self.finished:
            self._close(Finished(self._or_calls(FinishReason.STOP), self.index), events)

    def _finish(self, wire: chunks.WireChoice, reason: str, events: list[StreamEvent]) -> None:
        said = _REASONS.get(reason.lower())
        detail = wire.native_finish_reason or (None if said and said.value == reason else reason)
        matched = wire.stop_reason if isinstance(wire.stop_reason, str) else None
        finished = Finished(self._or_calls(said or FinishReason.STOP), self.index, matched, detail)
        self._close(finished, events)

    def _or_calls(self, reason: FinishReason) -> FinishReason:
        # Several servers say `stop` although there are calls; a client would not run them.
        return FinishReason.TOOL_CALLS if reason is FinishReason.STOP and self._calls else reason

    def _close(self, finished: Finished, events: list[StreamEvent]) -> None:
        for call in self._calls:
            if call.name is None:
                self._open_call(call, "", None, events)
        self.finished = True
        events.append(finished)

    def _read_delta(self, delta: chunks.Delta, events: list[StreamEvent]) -> None:
        if delta.reasoning_content or delta.reasoning or delta.reasoning_details or delta.thinking_blocks:
            self._read_reasoning(delta, events)
        content = delta.content
        if isinstance(content, str):
            if content:
                self._thinking = False
                events.append(TextDelta(content, self.index))
        elif content:
            for piece in content:
                self._read_piece(piece, events)
        if delta.refusal:
            events.append(RefusalDelta(delta.refusal, self.index))
        if delta.tool_calls or delta.function_call or delta.images or delta.annotations:
            self._read_rest(delta, events)

    def _read_rest(self, delta: chunks.Delta, events: list[StreamEvent]) -> None:
        for image in delta.images or ():
            if inline := image.inline:
                events.append(MediaMade(*inline, self.index))
        for call in delta.tool_calls or ():
            self._read_call(call, events)
        if delta.function_call and not delta.function_call.is_blank:
            self._read_call(chunks.Call(0, None, delta.function_call), events)
        for annotation in delta.annotations or ():
            cited = annotation.url_citation
            if cited and cited.url:
                events.append(Cited(cited.url, cited.title or "", cited.start_index, cited.end_index, self.index))

    def _read_reasoning(self, delta: chunks.Delta, events: list[StreamEvent]) -> None:
        """Servers say the same reasoning two or three times in one delta: plainly, in details and in blocks.

        Where they agree, the entries are followed, because they know where a block ends. A signature may bring the text
        of its whole block once more.
        """
        text = delta.reasoning_content or delta.reasoning
        entries = delta.reasoning_details or delta.thinking_blocks or []
        apart = text and text != "".join(e.words for e in entries)
        if apart:
            self._think(text or "", events)
        streamed = self._thinking
        for entry in entries:
            if not apart and not (entry.signature and streamed):
                self._think(entry.words, events)
            if entry.signature:
                events.append(ThinkingSigned(entry.signature, self.index, formats.family_of(entry.format)))
                self._thinking = streamed = False
            if entry.data:
                events.append(ThinkingRedacted(entry.data, self.index, formats.family_of(entry.format)))

    def _think(self, text: str, events: list[StreamEvent]) -> None:
        if text:
            self._thinking = True
            events.append(ThinkingDelta(text, self.index))

    def _read_piece(self, piece: chunks.Piece, events: list[StreamEvent]) -> None:
        if piece.type == "thinking":
            inner = piece.thinking
            text = inner if isinstance(inner, str) else "".join(p.text or "" for p in inner or ())
            self._think(text, events)
        elif piece.text:
            self._thinking = False
            events.append(TextDelta(piece.text, self.index))

    def _read_call(self, wire: chunks.Call, events: list[StreamEvent]) -> None:
        call = self._call_of(wire)
        function = wire.said
        call.id = call.id or wire.id or ""
        call.custom = call.custom or wire.is_custom
        fragment = function.fragment
        if call.name is None and not function.name:
            call.waiting.append(fragment)
            self.waiting += len(fragment) + _PIECE
            return
        if call.name is None:
            self._open_call(call, function.name or "", wire.signature, events)
        if fragment:
            events.append(ToolDelta(call.index, fragment, self.index))

    def _open_call(self, call: _Call, name: str, signature: str | None, events: list[StreamEvent]) -> None:
        call.name = name
        call.id = call.id or self._ids(self.index, call.index)
        events.append(ToolOpened(call.index, call.id, name, signature, self.index, call.custom))
        if waiting := "".join(call.waiting):
            events.append(ToolDelta(call.index, waiting, self.index))
        self.waiting -= len(waiting) + _PIECE * len(call.waiting)
        call.waiting.clear()

    def _call_of(self, wire: chunks.Call) -> _Call:
        """The call that a piece belongs to: by index, else by id, else the last one.

        Another id together with a name under the same index is another call: Gemini's compatible endpoint gives every
        call the index 0. So is a second name where neither index nor id is given.
        """
        name = wire.said.name
        key: int | str | None = wire.index if wire.index is not None else wire.id or None
        known = self._by_key.get(key) if key is not None else self._last
        if key is None and known is not None and known.name is not None and name:
            known = None
        if known is not None and wire.id and known.id and wire.id != known.id and name:
            known = self._by_key.get(wire.id)
        if known is None:
            known = _Call(len(self._calls))
            self._calls.append(known)
        if key is not None:
            self._by_key[key] = known
        if wire.id:
            self._by_key[wire.id] = known
        self._last = known
        return known


def _is_error(chunk: chunks.Chunk) -> bool:
    if chunk.object == "error" or (chunk.x_groq is not None and chunk.x_groq.error):
        return True
    return bytes(chunk.error) not in _NO_ERROR
