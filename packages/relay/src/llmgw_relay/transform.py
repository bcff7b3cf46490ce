"""Turning what a provider sends into what the client gets: untouched between equal dialects, event by event otherwise.

Both forms have one interface, so the exchange does not know which one it runs. A step returns the bytes to send and
whether the answer broke; it never raises.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import msgspec

from llmgw_domain import Usage
from llmgw_domain.errors import GatewayError, UpstreamTruncated
from llmgw_domain.stream import Answer, Failed, StreamEvent, ToolOpened, UsageReported
from llmgw_protocols import Decoder, Encoder, Frame, Rendered
from llmgw_protocols.customs import Unwrapper
from llmgw_protocols.enquiry import Told
from llmgw_protocols.redaction import holds_secret
from llmgw_protocols.signatures import Keeper
from llmgw_relay.goes import Goes, ending_later
from llmgw_relay.meter import Meter

_ANSWERED = 200
"""The status of a failure that is an answer: the model was asked and gave nothing that can be used."""


class Step(msgspec.Struct, frozen=True):
    """`out` goes to the client; `error` says that the answer broke here; `over` that nothing more need be read.

    `further` is the request with which the answer goes on, where the provider gives it in several goes.
    """

    out: bytes
    error: GatewayError | None = None
    over: bool = False
    further: Rendered | None = None


class Transform(Protocol):
    keeper: Keeper | None
    """What collects the reasoning that the client may not bring back; None where the client's dialect carries it."""

    @property
    def response(self) -> bytes | None:
        """The whole answer as an object of the client's dialect, where that is one that can be continued by its id.

        Of a stream that passes through, it is the last frame of the provider's.
        """
        ...

    def feed(self, data: bytes) -> Step:
        """One network read."""
        ...

    def eof(self) -> Step:
        """The provider's stream ended: the normal ending, or an error if the terminal evidence is missing."""
        ...

    def further(self, body: bytes) -> Rendered | None:
        """The request with which an answer that is not a stream goes on after one of its bodies; mostly none."""
        ...

    def whole(self, bodies: Sequence[bytes]) -> Step:
        """An answer that is not a stream: one body for each request that was sent, mostly one."""
        ...

    def fail(self, error: GatewayError, usage: Usage) -> bytes:
        """The ending of a stream that broke, with what it is taken to have used."""
        ...


class Passthrough:
    """The provider's own bytes, minus hidden frames; only a broken stream's ending is ours."""

    def __init__(self, decoder: Decoder, encoder: Encoder, meter: Meter) -> None:
        self._decoder, self._encoder, self._meter = decoder, encoder, meter
        self.keeper: Keeper | None = None
        self._last = b""

    @property
    def response(self) -> bytes | None:
        return self._last or None

    def feed(self, data: bytes) -> Step:
        return self._pass(_read(self._decoder, data))

    def eof(self) -> Step:
        step = self._pass(self._decoder.finish())
        if step.error:
            return step
        if not self._decoder.complete and self._meter.failure is None:
            return Step(step.out, UpstreamTruncated())
        return step if self._decoder.closed else Step(step.out + self._encoder.end_mark())

    def further(self, body: bytes) -> Rendered | None:
        return None

    def whole(self, bodies: Sequence[bytes]) -> Step:
        (body,) = bodies
        self._meter.see(self._decoder.whole(body))
        self._last = body
        return Step(body, self._breaking(body))

    def fail(self, error: GatewayError, usage: Usage) -> bytes:
        return ending(self._encoder, error, usage)

    def _breaking(self, raw: bytes) -> GatewayError | None:
        """The failure that ends the pass-through; None where the provider's own frame may go on to the client.

        It may where the dialect's words tell the client all there is to tell: of its own request, of an answer that the
        model failed at, or in a stream that has begun. Before that, an error of the provider's is ours to answer,
        perhaps from another account; and what is the account's, or quotes its key, is never the client's to read.
        """
        failure = self._meter.failure
        if failure is None:
            return None
        error = failure.error
        answered = error.blame == "request" or error.upstream_status == _ANSWERED or self._meter.semantic
        may_pass = failure.native and answered and error.blame != "account" and not holds_secret(raw)
        return None if may_pass else error

    def _pass(self, frames: list[Frame]) -> Step:
        out: list[bytes] = []
        for frame in frames:
            self._meter.see(frame.events)
            error = self._breaking(frame.raw)
            if error is not None:
                return Step(b"".join(out), error)
            self._encoder.observe(frame.events)
            self._last = frame.raw if frame.events else self._last
            if not frame.hidden:
                out.append(frame.raw)
        return Step(b"".join(out), over=self._decoder.closed)


class Translation:
    """Events decoded from one dialect, encoded in another.

    `aliases` are tools' names on the wire to the client's, `customs` the client's names of custom tools that were
    written as functions.
    """

    def __init__(
        self,
        goes: Goes,
        encoder: Encoder,
        meter: Meter,
        aliases: Mapping[str, str] | None = None,
        customs: frozenset[str] = frozenset(),
    ) -> None:
        self._goes, self._encoder, self._meter = goes, encoder, meter
        self._aliases = aliases or {}
        self._unwrapper = Unwrapper(customs) if customs else None
        self._events: list[StreamEvent] = []
        """Of the bodies that were read already, where the answer is not a stream."""
        self.keeper: Keeper | None = Keeper()

    @property
    def response(self) -> bytes | None:
        return getattr(self._encoder, "response", None)

    def feed(self, data: bytes) -> Step:
        return self._emit(_read(self._goes.decoder, data))

    def eof(self) -> Step:
        decoder = self._goes.decoder
        step = self._emit(decoder.finish())
        if step.error or step.over or step.further:
            return step
        if not decoder.complete:
            return Step(step.out, UpstreamTruncated())
        return Step(step.out + self._encoder.end(), over=True)

    def further(self, body: bytes) -> Rendered | None:
        events, further = self._goes.read(body)
        self._events += events
        return further

    def whole(self, bodies: Sequence[bytes]) -> Step:
        """Every body was given to `further` before."""
        events = self._seen(self._events)
        answer = Answer.fold(events)
        if answer.error is not None:
            return Step(b"", answer.error)
        if not answer.complete:
            return Step(b"", UpstreamTruncated())
        return Step(self._encoder.body(answer))

    def fail(self, error: GatewayError, usage: Usage) -> bytes:
        return ending(self._encoder, error, usage)

    def _emit(self, frames: list[Frame]) -> Step:
        decoder = self._goes.decoder
        self._goes.see(frames)
        events = self._goes.join([event for frame in frames for event in frame.events])
        further = self._goes.further(events)
        if further is not None:
            return Step(self._encoder.emit(self._seen(ending_later(events))), further=further)
        events = self._seen(events)
        failure = self._meter.failure
        if failure is not None:
            good = events[: next((i for i, e in enumerate(events) if isinstance(e, Failed)), 0)]
            return Step(self._encoder.emit(good), failure.error)
        out = self._encoder.emit(events)
        if decoder.closed:
            return Step(out + self._encoder.end(), over=True)
        return Step(out)

    def _seen(self, events: list[StreamEvent]) -> list[StreamEvent]:
        events = self._named(events)
        if self._unwrapper is not None:
            events = self._unwrapper.events(events)
        self._meter.see(events)
        if self.keeper is not None:
            self.keeper.see(events)
        return events

    def _named(self, events: list[StreamEvent]) -> list[StreamEvent]:
        """The events with tools by the client's names for them."""
        if not self._aliases:
            return events
        return [
            msgspec.structs.replace(e, name=self._aliases.get(e.name, e.name)) if isinstance(e, ToolOpened) else e
            for e in events
        ]


class Conversion:
    """A whole answer to one of the smaller questions: read by `read`, written by it as the client wants it."""

    def __init__(self, read: Callable[[Sequence[bytes]], Told], meter: Meter) -> None:
        self._read, self._meter = read, meter
        self.keeper: Keeper | None = None

    @property
    def response(self) -> bytes | None:
        return None

    def feed(self, data: bytes) -> Step:
        raise NotImplementedError("only chats are streamed")

    def eof(self) -> Step:
        raise NotImplementedError("only chats are streamed")

    def further(self, body: bytes) -> Rendered | None:
        return None

    def whole(self, bodies: Sequence[bytes]) -> Step:
        try:
            told = self._read(bodies)
        except GatewayError as error:
            return Step(b"", error)
        if told.usage is not None:
            self._meter.see((UsageReported(told.usage),))
        return Step(told.body)

    def fail(self, error: GatewayError, usage: Usage) -> bytes:
        raise NotImplementedError("only chats are streamed")


def ending(encoder: Encoder, error: GatewayError, usage: Usage) -> bytes:
    """The ending of a stream that broke, with what it is taken to have used."""
    # Most providers count at the end only, so what a broken stream is told to have used is an estimate.
    encoder.observe((UsageReported(usage),))
    return encoder.fail(error)


def _read(decoder: Decoder, data: bytes) -> list[Frame]:
    """The frames of a read. Nothing is read behind a stream's last frame, so what was held back comes with it."""
    frames = decoder.feed(data)
    return frames + decoder.finish() if decoder.closed else frames
