"""Events written as an answer for a client: a stream of typed events, or a `response` body.

The grammar: `response.created`, `response.in_progress`, then each item between its `added` and `done`, text in parts
between theirs, and a terminal event with the whole response. Every `done` repeats the whole value, so the answer is
kept in memory, up to a bound. A message or reasoning ends where something else begins. Calls stay open to the end:
providers may send the arguments of several in turns, and nothing tells that one is over.

In a pass-through the same items are built from what is observed, without writing: a broken stream's ending has to hold
what came so far. They have ids of ours, since events carry none, and stop growing at `_LARGEST_PARTIAL` bytes.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import msgspec

from llmgw_domain import Usage
from llmgw_domain.errors import GatewayError, UpstreamMalformed
from llmgw_domain.stream import (
    Answer,
    Choice,
    Cited,
    Failed,
    Finished,
    FinishReason,
    MediaMade,
    OpaqueMade,
    Opened,
    RefusalDelta,
    StreamEvent,
    TextDelta,
    ThinkingDelta,
    ThinkingRedacted,
    ThinkingSigned,
    TokenScore,
    TokensScored,
    ToolDelta,
    ToolOpened,
    UsageReported,
)
from llmgw_protocols import sse
from llmgw_protocols.dialect import EncodeContext
from llmgw_protocols.responses.errors import failure
from llmgw_protocols.responses.namespaces import places
from llmgw_protocols.responses.output import (
    FAMILY,
    Call,
    Item,
    Message,
    Part,
    PartKind,
    Picture,
    Reasoning,
    Status,
    Texts,
    Whole,
)
from llmgw_protocols.responses.replay import events_of
from llmgw_protocols.responses.response import ResponseObject, mint
from llmgw_protocols.responses.sealed import Kind

_LARGEST = 64 * 1024 * 1024
_LARGEST_PARTIAL = 4 * 1024 * 1024
"""Bytes kept of an answer, about: of one that is written here, and of one that is only watched."""
_PIECE = 64
"""What each piece of text takes besides its characters: streams may consist of single letters."""
_REASONS = {FinishReason.LENGTH: "max_output_tokens", FinishReason.CONTENT_FILTER: "content_filter"}
_TEXT_DELTA = (
    b"event: response.output_text.delta\n"
    b'data: {"type":"response.output_text.delta","sequence_number":%d,"item_id":"%b","output_index":%d,'
    b'"content_index":%d,"delta":%b,"logprobs":[]}\n\n'
)
_encode = msgspec.json.Encoder().encode

_Out = list[bytes] | None
"""Where frames go; None while an answer is only watched."""


class ResponsesEncoder:
    """Writes one answer; see `llmgw_protocols.dialect.Encoder`."""

    def __init__(self, context: EncodeContext) -> None:
        self._mint = mint(context.request_id)
        self._object = ResponseObject(context)
        self._places = places(context.request.fields if context.request else {})
        self._sequence = 0
        self._started = False
        self._items: list[Item] = []
        self._open: Message | Reasoning | None = None
        self._calls: dict[int, Call] = {}
        self._texts = Texts()
        self._size = 0
        self._most = _LARGEST
        self._usage: Usage | None = None
        self._finish: Finished | None = None
        self._broken: GatewayError | None = None
        self.response: bytes | None = None
        """The response as it ended, for storing; None as long as it has not ended well here."""

    # --- the stream ---------------------------------------------------------------------------------------------------

    def emit(self, events: Sequence[StreamEvent]) -> bytes:
        out: list[bytes] = []
        for event in events:
            self._take(event, out)
        return b"".join(out)

    def observe(self, events: Sequence[StreamEvent]) -> None:
        # Each frame has one number, counted from 0, so this stays above what the client has seen. A usage that comes by
        # itself was in no frame of a provider's: it is the estimate for a stream that broke.
        if [event.__class__ for event in events] != [UsageReported]:
            self._sequence += 1
        self._most = _LARGEST_PARTIAL
        for event in events:
            if isinstance(event, Opened):
                self._adopt(event)
            self._take(event, None)

    def end(self) -> bytes:
        if self._broken is not None:
            return self.fail(self._broken)
        out: list[bytes] = []
        self._start(out)
        status, response = self._ending(out)
        self._write(out, f"response.{status}", response=response)
        return b"".join(out)

    def end_mark(self) -> bytes:
        """None: the terminal event is the last frame."""
        return b""

    def fail(self, error: GatewayError) -> bytes:
        out: list[bytes] = []
        self._start(out)
        for item in self._items:
            if item.is_open:
                item.status = "incomplete"
        output = [item.write() for item in self._items]
        response = self._object.write("failed", output, usage=self._usage, error=failure(error))
        self._write(out, "response.failed", response=response)
        return b"".join(out)

    def body(self, answer: Answer) -> bytes:
        """A whole answer: its blocks, taken as the events that they were."""
        choice = answer.choices[0] if answer.choices else Choice(index=0)
        self._started = True
        self._most = sys.maxsize  # It is in memory already.
        for block in choice.blocks:
            for event in events_of(block, len(self._calls)):
                self._take(event, None)
        self._score(choice.scores, None)
        for cited in choice.citations:
            self._take(cited, None)
        self._finish, self._usage = choice.finish, answer.usage
        return bytes(self._ending(None)[1])

    def _take(self, event: StreamEvent, out: _Out) -> None:
        kind = event.__class__
        if kind is TextDelta:
            self._start(out)
            if event.choice == 0:  # type: ignore[union-attr]
                self._speak("output_text", event.text, out)  # type: ignore[union-attr]
        elif kind is UsageReported:
            self._usage = event.usage  # type: ignore[union-attr]
        elif kind is not Failed:
            self._start(out)
            if kind is not Opened and event.choice == 0:  # type: ignore[union-attr]
                self._add(event, out)

    def _start(self, out: _Out) -> None:
        if self._started:
            return
        self._started = True
        response = self._object.write("in_progress")
        self._write(out, "response.created", response=response)
        self._write(out, "response.in_progress", response=response)

    def _adopt(self, opened: Opened) -> None:
        """The ending of a forwarded stream belongs to the response that the provider began."""
        response = self._object
        response.id = opened.id or response.id
        response.created = opened.created or response.created
        response.model = opened.model or response.model

    def _add(self, event: StreamEvent, out: _Out) -> None:
        match event:
            case ToolDelta(call=number, fragment=fragment):
                self._arguments(number, fragment, out)
            case ThinkingDelta(text=text):
                self._think(text, out)
            case ToolOpened():
                self._call(event, out)
            case ThinkingSigned(signature=signature, family=family):
                self._sign("signature", signature, family, out)
            case ThinkingRedacted(data=data, family=family):
                self._close(out)
                self._sign("redacted", data, family, out)
            case RefusalDelta(text=text):
                self._speak("refusal", text, out)
            case Finished():
                self._finish = event
            case _:
                self._add_whole(event, out)

    def _add_whole(self, event: StreamEvent, out: _Out) -> None:
        """What comes in one piece. Other families' own things have no word here."""
        match event:
            case MediaMade(media_type=kind, data=data) if kind.startswith("image/"):
                self._picture(data, out)
            case Cited():
                self._cite(event, out)
            case TokensScored(tokens=tokens):
                self._score(tokens, out)
            case OpaqueMade(family=family, json=json) if family == FAMILY:
                self._whole(json, out)

    # --- messages -----------------------------------------------------------------------------------------------------

    def _speak(self, kind: PartKind, text: str, out: _Out) -> None:
        if not text:
            return
        part = self._part(kind, out)
        if kind == "output_text":
            self._texts.length += len(text)
        if self._fits(text):
            part.pieces.append(text)
        if out is None:
            return
        if kind == "output_text":
            # Written by hand, since it is every token's path: only the text needs a JSON encoder.
            item = part.item
            out.append(_TEXT_DELTA % (self._sequence, item.id.encode(), item.index, part.index, _encode(text)))
            self._sequence += 1
        else:
            self._write(out, "response.refusal.delta", **part.place, delta=text)

    def _part(self, kind: PartKind, out: _Out) -> Part:
        """The open part of this kind; begins it, and its message, where there is none."""
        message = self._open if isinstance(self._open, Message) else None
        if message is None:
            self._close(out)
            message = self._open = Message(*self._next("msg"))
            self._begin(message, out)
        if message.parts and message.parts[-1].kind == kind:
            return message.parts[-1]
        self._close_part(message, out)
        part = message.begin(kind, self._texts.length)
        if kind == "output_text":
            self._texts.parts.append(part)
        self._write(out, "response.content_part.added", **part.place, part=part.write(empty=True))
        self._score((), out)
        return part

    def _close_part(self, message: Message, out: _Out) -> None:
        if not message.parts or out is None:
            return
        part = message.parts[-1]
        if part.kind == "refusal":
            self._write(out, "response.refusal.done", **part.place, refusal=part.text)
        else:
            self._write(out, "response.output_text.done", **part.place, text=part.text, logprobs=part.scores)
        self._write(out, "response.content_part.done", **part.place, part=part.write())

    def _score(self, tokens: Sequence[TokenScore], out: _Out) -> None:
        for token in tokens:
            self._fits(token.token + "".join(other for other, _ in token.top))
        for part, scores in self._texts.score(tokens):
            self._write(out, "response.output_text.delta", **part.place, delta="", logprobs=scores)

    def _cite(self, cited: Cited, out: _Out) -> None:
        """Bounds are those of the whole text; a citation that comes late is told with the part it is about."""
        if part := self._texts.about(cited.start):
            kind, number = "response.output_text.annotation.added", len(part.annotations)
            self._write(out, kind, **part.place, annotation_index=number, annotation=part.cite(cited))

    # --- reasoning ----------------------------------------------------------------------------------------------------

    def _think(self, text: str, out: _Out) -> None:
        if not text:
            return
        item = self._reasoning(out)
        if not item.pieces:
            part = {"type": "summary_text", "text": ""}
            self._write(out, "response.reasoning_summary_part.added", **item.place, part=part)
        if self._fits(text) or not item.pieces:
            item.pieces.append(text)
        self._write(out, "response.reasoning_summary_text.delta", **item.place, delta=text)

    def _reasoning(self, out: _Out) -> Reasoning:
        if not isinstance(self._open, Reasoning):
            self._close(out)
            self._open = Reasoning(*self._next("rs"))
            self._begin(self._open, out)
        return self._open

    def _sign(self, kind: Kind, value: str, family: str, out: _Out, of: str = "") -> None:
        """Ends the reasoning with its opaque form."""
        self._reasoning(out).sign(kind, value, family, of)
        self._close(out)

    # --- calls and other items ----------------------------------------------------------------------------------------

    def _call(self, head: ToolOpened, out: _Out) -> None:
        self._close(out)
        call_id = self._call_id(head)
        if head.signature:
            # A call has no member for it, while reasoning comes back with the next request.
            self._sign("call", head.signature, "google", out, of=call_id)
        place = self._places.get(head.name, (None, head.name))
        index_id = self._next("ctc" if head.custom else "fc")
        self._calls[head.call] = call = Call(*index_id, call_id, place, custom=head.custom)
        self._begin(call, out)

    def _call_id(self, head: ToolOpened) -> str:
        """The provider's id, once: some give none or the same to several calls, which the SDK's helper refuses."""
        taken = {call.call_id for call in self._calls.values()}
        return head.id if head.id and head.id not in taken else f"call_{self._mint}_{head.call}"

    def _arguments(self, number: int, fragment: str, out: _Out) -> None:
        call = self._calls.get(number)
        if call is None:
            self._broken = UpstreamMalformed(detail=f"arguments for call {number}, which was never opened")
        elif fragment:
            if self._fits(fragment):
                call.pieces.append(fragment)
            self._write(out, call.event("delta"), **call.place, delta=fragment)

    def _picture(self, data: str, out: _Out) -> None:
        self._close(out)
        picture = Picture(*self._next("ig"), data if self._fits(data) else "")
        self._begin(picture, out)
        self._write(out, "response.image_generation_call.completed", **picture.place)
        self._done(picture, out)

    def _whole(self, json: msgspec.Raw, out: _Out) -> None:
        self._close(out)
        if self._fits(bytes(json).decode()):
            self._begin(Whole(len(self._items), json.copy()), out)
            self._done(self._items[-1], out)

    # --- beginnings and ends ------------------------------------------------------------------------------------------

    def _next(self, prefix: str) -> tuple[int, str]:
        index = len(self._items)
        return index, f"{prefix}_{self._mint}_{index}"

    def _begin(self, item: Item, out: _Out) -> None:
        self._items.append(item)
        self._write(out, "response.output_item.added", output_index=item.index, item=_written(item, out))

    def _close(self, out: _Out, status: Status = "completed") -> None:
        if self._open is not None:
            item, self._open = self._open, None
            self._done(item, out, status)

    def _done(self, item: Item, out: _Out, status: Status = "completed") -> None:
        match item:
            case Message():
                self._close_part(item, out)
            case Reasoning(pieces=pieces) if pieces and out is not None:
                part = {"type": "summary_text", "text": item.text}
                self._write(out, "response.reasoning_summary_text.done", **item.place, text=item.text)
                self._write(out, "response.reasoning_summary_part.done", **item.place, part=part)
            case Call() if out is not None:
                member = "input" if item.custom else "arguments"
                self._write(out, item.event("done"), **item.place, **{member: item.text})
        item.status = status
        self._write(out, "response.output_item.done", output_index=item.index, item=_written(item, out))

    def _ending(self, out: _Out) -> tuple[str, msgspec.Raw]:
        """Ends what is open; the response's status, and the response."""
        incomplete = _REASONS.get(self._finish.reason) if self._finish else None
        status: Status = "incomplete" if incomplete else "completed"
        for item in self._items:
            if item.is_open:
                self._done(item, out, status if item is self._items[-1] else "completed")
        output = [item.write() for item in self._items]
        response = self._object.write(status, output, usage=self._usage, incomplete=incomplete)
        self.response = bytes(response)
        return status, response

    def _fits(self, text: str) -> bool:
        """Counts what is kept. An answer that can't be told whole at its end must not end well."""
        self._size += len(text) + _PIECE
        if self._size <= self._most:
            return True
        self._broken = UpstreamMalformed(detail=f"an answer of more than {self._most} bytes")
        return False

    def _write(self, out: _Out, kind: str, **members: Any) -> None:
        if out is None:
            return
        out.append(sse.write(_encode({"type": kind, "sequence_number": self._sequence, **members}), kind.encode()))
        self._sequence += 1


def _written(item: Item, out: _Out) -> Any:
    return None if out is None else item.write()
