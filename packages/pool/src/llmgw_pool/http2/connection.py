"""One connection: its streams, and the proof that its other side is there.

While streams are open and nothing was read for `ping_interval`, a PING is sent; any byte within `ping_timeout` is the
answer, and without one the connection is dead, whatever the kernel says. RFC 9113, 6.7 demands the answer, so this
finds a host that is gone, a flow that a middlebox has forgotten, and a process that hangs while its kernel still
acknowledges. Idle connections are not pinged: some edges take that for abuse.

A connection ends in one of three ways: it is idle for too long; it is draining (GOAWAY, or too old) and its last stream
is over; or it breaks, and every stream hears of it.
"""

from __future__ import annotations

import asyncio
from typing import Protocol, cast

from llmgw_domain.errors import GatewayError, UpstreamMalformed, UpstreamReset
from llmgw_pool.http2 import codec as wire
from llmgw_pool.http2.codec import BadFrames, Codec, Heard, NoRoom
from llmgw_pool.http2.stream import Stream
from llmgw_pool.transport import Unheard, Unprocessed

_MARK = b"llmgw-hi"
_SUSPECT_SECONDS = 2.0
"""A PING unanswered for this long makes the connection suspect: nobody is told any more that all is well."""
_EARLY = 0.002
"""uvloop's clock counts whole milliseconds, so a timer may go off that much early."""


class Pings:
    """What a pool counts of them."""

    __slots__ = ("answered", "sent", "unanswered")

    def __init__(self) -> None:
        self.sent = self.answered = self.unanswered = 0

    def counts(self) -> dict[str, int]:
        return {"answered": self.answered, "unanswered": self.unanswered}


class Owner(Protocol):
    """Who holds the connection: its origin."""

    pings: Pings

    @property
    def ping_interval(self) -> float:
        """Seconds; 0 for no PING."""
        ...

    ping_timeout: float
    keepalive: float

    def calm(self) -> None:
        """The provider finds that there are too many PINGs."""
        ...

    def changed(self, connection: Connection) -> None:
        """It has room again, or is over."""
        ...


class Connection(asyncio.Protocol):
    """Made for a socket that is about to be connected; usable once `connection_made` was called."""

    def __init__(self, loop: asyncio.AbstractEventLoop, codec: Codec, owner: Owner, max_age: float) -> None:
        self.loop = loop
        self.codec = codec
        self.streams: dict[int, Stream] = {}
        self.reserved = 0
        """Places promised to requests that have not opened their stream yet."""
        self.draining = False
        self.closed: asyncio.Future[None] = loop.create_future()
        self.paused = False
        self.opened = 0
        """Streams ever opened."""
        self._owner = owner
        self._old_at = loop.time() + max_age
        self._transport: asyncio.Transport | None = None
        self._heard = 0
        """Reads so far."""
        self._heard_at = loop.time()
        self._pinged_at: float | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._idle_timer: asyncio.TimerHandle | None = None
        self._goaway: wire.Away | None = None
        self._failure: Exception | None = None

    # --- asyncio's side ---------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self.codec.start()
        self._flush()
        self._rest()

    def data_received(self, data: bytes) -> None:
        self._heard += 1
        self._heard_at = self.loop.time()
        if self._pinged_at is not None:
            self._pinged_at = None
            self._owner.pings.answered += 1
        try:
            for event in self.codec.feed(data):
                self._on(event)
        except BadFrames as error:
            self._flush()
            self.fail(UpstreamMalformed(detail=f"HTTP/2: {error}"))
            return
        self._flush()

    def connection_lost(self, exc: Exception | None) -> None:
        self.draining = True
        for timer in (self._timer, self._idle_timer):
            if timer is not None:
                timer.cancel()
        for stream in list(self.streams.values()):
            stream.broke(self._why(stream, exc), exc if isinstance(exc, OSError) else None)
        self.streams.clear()
        if not self.closed.done():
            self.closed.set_result(None)
        self._owner.changed(self)

    def pause_writing(self) -> None:
        self.paused = True

    def resume_writing(self) -> None:
        self.paused = False
        for stream in list(self.streams.values()):
            stream.may_send()

    # --- what the origin asks ---------------------------------------------------------------------------------------

    @property
    def room(self) -> int:
        """How many more requests it can take."""
        if self.draining or self.codec.exhausted or self.loop.time() >= self._old_at:
            return 0
        return self.codec.max_streams - len(self.streams) - self.reserved

    @property
    def aged(self) -> bool:
        return self.loop.time() >= self._old_at

    @property
    def state(self) -> str:
        if self.draining or self.aged:
            return "draining"
        return "leased" if self.streams or self.reserved else "idle"

    @property
    def alive(self) -> bool:
        """Whether its other side has answered all that it should have by now."""
        if self.closed.done() or self._transport is None or self._transport.is_closing():
            return False
        return self._pinged_at is None or self.loop.time() - self._pinged_at < self._suspect_after

    @property
    def _suspect_after(self) -> float:
        return min(_SUSPECT_SECONDS, self._owner.ping_timeout / 2)

    def retire(self) -> None:
        """Takes no more requests, and ends with its last one."""
        self.draining = True
        self._rest()

    def close(self) -> None:
        """Ends it politely; streams that are left are broken."""
        self.draining = True
        if self._transport is not None and not self._transport.is_closing():
            self.codec.close()
            self._flush()
            self._transport.close()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def fail(self, error: Exception) -> None:
        """Ends it at once: it is of no use to any of its streams."""
        self._failure = self._failure or error
        self.abort()

    # --- what streams ask -------------------------------------------------------------------------------------------

    def open(self, headers: list[tuple[str, str]], *, end: bool) -> Stream:
        """Begins a stream in a place that was reserved. Raises `Unprocessed` if the place is gone after all."""
        # It is used up either way.
        self.reserved -= 1
        if self.draining:
            raise Unprocessed("the connection is about to end")
        try:
            stream = Stream(self, self.codec.open(headers, end=end), self._heard)
        except NoRoom as error:
            raise Unprocessed(str(error)) from error
        self.streams[stream.id] = stream
        self.opened += 1
        if self._idle_timer is not None:
            self._idle_timer.cancel()
            self._idle_timer = None
        if self._timer is None:
            self._watch()
        self._flush()
        return stream

    def give_up_place(self) -> None:
        """A place was reserved and is not needed."""
        self.reserved -= 1
        self._rest()
        self._owner.changed(self)

    def send(self, stream: int, data: bytes | memoryview, *, end: bool) -> None:
        self.codec.send(stream, data, end=end)
        self._flush()

    def taken(self, stream: Stream, size: int) -> None:
        self.codec.taken(stream.id, size)
        self._flush()

    def cancel(self, stream: Stream, code: int) -> None:
        self.codec.reset(stream.id, code)
        self._flush()

    def release(self, stream: Stream) -> None:
        """The stream is over, for its reader as well."""
        if self.streams.pop(stream.id, None) is not None:
            self._rest()
            self._owner.changed(self)

    # --- what is heard ----------------------------------------------------------------------------------------------

    def _on(self, event: Heard) -> None:
        match event:
            case wire.Piece(stream=id, data=data, size=size):
                stream = self.streams.get(id)
                if stream is not None:
                    stream.came(data, size)
                else:
                    self.codec.taken(id, size)
            case wire.Head(stream=id):
                if (stream := self.streams.get(id)) is not None:
                    stream.began(event)
            case wire.End(stream=id):
                if (stream := self.streams.get(id)) is not None:
                    stream.ended()
            case wire.Reset(stream=id, code=code):
                if (stream := self.streams.get(id)) is not None:
                    stream.broke(_given_up(code))
            case wire.Opened(stream=id):
                for stream in self.streams.values() if id == 0 else filter(None, [self.streams.get(id)]):
                    stream.may_send()
            case wire.Settled():
                for stream in self.streams.values():
                    stream.may_send()
                self._owner.changed(self)
            case wire.Away():
                self._go_away(event)

    def _go_away(self, away: wire.Away) -> None:
        self._goaway = away
        self.draining = True
        if away.code == wire.ENHANCE_YOUR_CALM:
            self._owner.calm()
        for stream in list(self.streams.values()):
            if stream.id > away.last:
                stream.broke(Unprocessed(f"GOAWAY above stream {away.last}"))
        self._rest()
        self._owner.changed(self)

    def _why(self, stream: Stream, exc: Exception | None) -> Exception:
        """What the connection's end means to one of its streams."""
        if self._failure is None and self.opened > 1 and self._heard == stream.heard_before:
            return Unheard()
        if self._failure is not None:
            return _again(self._failure)
        if self._goaway is not None and self._goaway.code != wire.NO_ERROR:
            return UpstreamReset(detail=f"HTTP/2: connection ended by GOAWAY, code {self._goaway.code}")
        return exc or UpstreamReset(detail="HTTP/2: connection closed in the middle of the answer")

    # --- timers -----------------------------------------------------------------------------------------------------

    def _watch(self) -> None:
        """Looks again when it will have been silent for too long: one timer, however many bytes come meanwhile."""
        if not self.streams or not self._owner.ping_interval:
            self._timer = None
            return
        due = self._heard_at + self._owner.ping_interval
        if self._pinged_at is not None:
            due = self._pinged_at + self._owner.ping_timeout
        self._timer = self.loop.call_at(max(due, self.loop.time()), self._look)

    def _look(self) -> None:
        self._timer = None
        now = self.loop.time() + _EARLY
        if self._pinged_at is not None:
            if now >= self._pinged_at + self._owner.ping_timeout:
                self._owner.pings.unanswered += 1
                silent = f"PING unanswered for {self._owner.ping_timeout:g} s"
                self.fail(UpstreamReset(detail=f"HTTP/2: no sign of life, {silent}"))
                return
        elif self.streams and now >= self._heard_at + self._owner.ping_interval:
            self._pinged_at = self.loop.time()
            self._owner.pings.sent += 1
            self.codec.ping(_MARK)
            self._flush()
        self._watch()

    def _rest(self) -> None:
        """Nothing to do: ends now if it is draining, otherwise when nothing has come to do for a while."""
        if self.streams or self.reserved or self._transport is None:
            return
        if self.draining or self.aged:
            self.close()
        elif self._idle_timer is None:
            self._idle_timer = self.loop.call_later(self._owner.keepalive, self.close)

    def _flush(self) -> None:
        data = self.codec.pending()
        if data and self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def __repr__(self) -> str:
        return f"<Connection {self.state} {len(self.streams)} streams of {self.opened}>"


def _given_up(code: int) -> Exception:
    """What a RST_STREAM means."""
    if code == wire.REFUSED_STREAM:
        return Unprocessed("REFUSED_STREAM")
    return UpstreamReset(detail=f"HTTP/2: stream reset, code {code}")


def _again(error: Exception) -> Exception:
    """An error of its own for each stream: what is written upon one must not show on another."""
    return type(error)(detail=error.detail) if isinstance(error, GatewayError) else error
