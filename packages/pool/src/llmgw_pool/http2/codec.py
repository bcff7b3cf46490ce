"""HTTP/2's frames: bytes in, events out; calls in, bytes out. No socket, no clock. `h2` is known here and nowhere else.

Two things differ from `h2` as it comes:

- A GOAWAY does not end the connection. `h2` takes any for the end, and every open stream with it; but a server that is
  restarted sends one and then serves its open streams to their end (RFC 9113, 6.8).
- What was to be sent is not thrown away when a GOAWAY comes: among it may be the window that open streams wait for.

The windows are large from the first byte on: a provider's answer never waits for one unless its client does not read.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import msgspec
from h2.config import H2Configuration
from h2.connection import ConnectionInputs, ConnectionState, H2Connection, H2ConnectionStateMachine
from h2.errors import ErrorCodes
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    PingAckReceived,
    RemoteSettingsChanged,
    ResponseReceived,
    StreamEnded,
    StreamReset,
    WindowUpdated,
)
from h2.exceptions import H2Error, ProtocolError, StreamClosedError
from h2.settings import SettingCodes, Settings
from hpack import NeverIndexedHeaderTuple

from llmgw_pool.credentials import CREDENTIAL_HEADERS

NO_ERROR = int(ErrorCodes.NO_ERROR)
REFUSED_STREAM = int(ErrorCodes.REFUSED_STREAM)
CANCEL = int(ErrorCodes.CANCEL)
ENHANCE_YOUR_CALM = int(ErrorCodes.ENHANCE_YOUR_CALM)

_BREAKS = re.compile(r"[\r\n\0]")
_CONNECTION_WINDOW = 2**24
_MOST_STREAMS = 2**30
"""Streams on one connection. Ids are odd and below 2**31; a connection is long too old by then."""


class BadFrames(Exception):
    """The other side breaks the protocol; the connection can't be used any more."""


class NoRoom(Exception):
    """The other side allows no more streams on this connection now."""


class Head(msgspec.Struct, frozen=True, gc=False):
    """The response's headers; names are lower-case. Interim ones (1xx) and trailers are not told."""

    stream: int
    status: int
    headers: tuple[tuple[str, str], ...]


class Piece(msgspec.Struct, frozen=True, gc=False):
    """A part of a body. `size` is what it takes of the window: with its padding."""

    stream: int
    data: bytes
    size: int


class End(msgspec.Struct, frozen=True, gc=False):
    """The response is whole."""

    stream: int


class Reset(msgspec.Struct, frozen=True, gc=False):
    """The provider gave the stream up."""

    stream: int
    code: int


class Away(msgspec.Struct, frozen=True, gc=False):
    """GOAWAY: no new streams. Those above `last` were not processed; the others go on, if it is no error."""

    last: int
    code: int


class Ponged(msgspec.Struct, frozen=True, gc=False):
    """A PING was answered."""


class Opened(msgspec.Struct, frozen=True, gc=False):
    """Something more may be sent: on one stream, or on all of them (0)."""

    stream: int


class Settled(msgspec.Struct, frozen=True, gc=False):
    """The provider's settings came, or changed."""


Heard = Head | Piece | End | Reset | Away | Ponged | Opened | Settled


class Codec:
    """One connection's frames, from the client's side. `pending` is to be sent after every call."""

    def __init__(self, *, window: int, max_streams: int, max_headers: int) -> None:
        """`window` is each stream's, in bytes; `max_headers` bounds a response's headers together."""
        # Ours are written as they must be (`open`), which is a third of what checking them again costs.
        config = H2Configuration(
            client_side=True,
            header_encoding=None,
            validate_outbound_headers=False,
            normalize_outbound_headers=False,
        )
        self._h2 = _Connection(config)
        self._window = window
        self._cap = max_streams
        self._max_headers = max_headers
        self._opened = 0

    def start(self) -> None:
        """Says hello: the preface, the settings, and a window for the whole connection."""
        h2 = self._h2
        said = {
            SettingCodes.ENABLE_PUSH: 0,
            SettingCodes.INITIAL_WINDOW_SIZE: self._window,
            SettingCodes.MAX_HEADER_LIST_SIZE: self._max_headers,
        }
        # In force at once, not when they are acknowledged: what we promise we keep from the first stream on.
        h2.local_settings = Settings(client=True, initial_values=said)
        h2.decoder.max_header_list_size = self._max_headers
        h2.initiate_connection()
        # All streams together can be stalled by their clients, and one more still gets on.
        room = max(_CONNECTION_WINDOW, (self._cap + 1) * self._window)
        h2.increment_flow_control_window(min(room, 2**31 - 1) - 65535)

    def open(self, headers: Sequence[tuple[str, str]], *, end: bool) -> int:
        """Begins a stream; `end` says that no body follows. Its id. Names are lower-case, pseudo-headers first.

        Raises `ValueError` for a value that would break out of its line where somebody writes HTTP/1.1 of it, and
        `NoRoom` if the other side allows no more streams.
        """
        if any(_BREAKS.search(value) for _, value in headers):
            raise ValueError("a header's value holds a line break")
        # What authenticates is kept out of the compression's memory, which other requests' headers could probe.
        lines = [NeverIndexedHeaderTuple(*line) if line[0] in CREDENTIAL_HEADERS else line for line in headers]
        try:
            stream = self._h2.get_next_available_stream_id()
            self._h2.send_headers(stream, lines, end_stream=end)
        except H2Error as error:
            raise NoRoom(type(error).__name__) from error
        self._opened += 1
        return stream

    def room(self, stream: int) -> int:
        """How many bytes of a body may be sent now, in one call of `send`."""
        try:
            return min(self._h2.local_flow_control_window(stream), self._h2.max_outbound_frame_size)
        except H2Error:
            return 0

    def send(self, stream: int, data: bytes | memoryview, *, end: bool) -> None:
        """A part of a request's body, no longer than `room`."""
        self._h2.send_data(stream, bytes(data), end_stream=end)

    def reset(self, stream: int, code: int) -> None:
        """Gives a stream up. One that is over already is left alone."""
        try:
            self._h2.reset_stream(stream, code)
        except (StreamClosedError, ProtocolError):
            pass

    def taken(self, stream: int, size: int) -> None:
        """The reader has taken `size` bytes of the window: there is room for as much again."""
        try:
            self._h2.acknowledge_received_data(size, stream)
        except H2Error:
            pass  # The connection is over, and nothing comes any more.

    def ping(self, mark: bytes) -> None:
        """Asks for a sign of life; `mark` is 8 bytes."""
        self._h2.ping(mark)

    def close(self) -> None:
        """Says goodbye. Nothing can be sent after it."""
        try:
            self._h2.close_connection()
        except H2Error:
            pass

    def feed(self, data: bytes) -> list[Heard]:
        """What a network read brought. Raises `BadFrames`; then `pending` holds the farewell."""
        try:
            events: Iterable[Event] = self._h2.receive_data(data)
            told = [heard for event in events if (heard := _told(event)) is not None]
        except (H2Error, ValueError, IndexError, KeyError) as error:
            raise BadFrames(type(error).__name__) from error
        self._refuse_overlong()
        return told

    def _refuse_overlong(self) -> None:
        """A frame is refused by its announced length: `h2` would hold all of it first, up to 16 MiB.

        This also finds a server that answers in HTTP/1.1: `HTT` is an announcement of 4 MiB.
        """
        rest = self._h2.incoming_buffer._data
        if len(rest) > 3 and int.from_bytes(rest[:3], "big") > self._h2.max_inbound_frame_size:
            raise BadFrames("no HTTP/2" if rest.startswith(b"HTTP/") else "a frame is too long")

    def pending(self) -> bytes:
        """What is to be sent now."""
        return self._h2.data_to_send()

    @property
    def max_streams(self) -> int:
        """Streams at a time that both sides agree to."""
        return int(min(self._cap, self._h2.remote_settings.max_concurrent_streams))

    @property
    def exhausted(self) -> bool:
        """Whether its numbers for streams are used up."""
        return self._opened >= _MOST_STREAMS

    def __repr__(self) -> str:
        return f"<Codec {self._opened} streams opened>"


class _States(H2ConnectionStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self._transitions = _TRANSITIONS


_TRANSITIONS = {
    **H2ConnectionStateMachine._transitions,
    (ConnectionState.CLIENT_OPEN, ConnectionInputs.RECV_GOAWAY): (None, ConnectionState.CLIENT_OPEN),
}


class _Connection(H2Connection):
    def __init__(self, config: H2Configuration) -> None:
        super().__init__(config)
        self.state_machine = _States()

    def clear_outbound_data_buffer(self) -> None:
        pass


def _told(event: Event) -> Heard | None:
    match event:
        case DataReceived():
            return Piece(event.stream_id or 0, event.data or b"", event.flow_controlled_length or 0)
        case ResponseReceived():
            return _head(event)
        case StreamEnded():
            return End(event.stream_id or 0)
        case StreamReset():
            return Reset(event.stream_id or 0, int(event.error_code or 0))
        case ConnectionTerminated():
            return Away(event.last_stream_id or 0, int(event.error_code or 0))
        case PingAckReceived():
            return Ponged()
        case WindowUpdated():
            return Opened(event.stream_id or 0)
        case RemoteSettingsChanged():
            return Settled()
    return None


def _head(event: ResponseReceived) -> Head:
    status = 0
    headers: list[tuple[str, str]] = []
    for name, value in event.headers or ():
        if name == b":status":
            status = int(value)
        else:
            headers.append((name.decode("latin-1"), value.decode("latin-1")))
    return Head(event.stream_id or 0, status, tuple(headers))
