"""`h2` for a server that is not as strict as `h2`, with frames that it would not write. Bytes in, events out.

- A caller's GOAWAY ends nothing: its open streams go on, and what waits to be sent is kept (RFC 9113, 6.8).
- What is announced about windows binds the caller once it has acknowledged that (6.5.3); before, the default does.
- `h2` ends a connection for one stream too many. It is told of no limit here; `http2` refuses such a stream by itself.
"""

from __future__ import annotations

import struct
from contextlib import suppress

from h2.config import H2Configuration
from h2.connection import ConnectionInputs, ConnectionState, H2Connection, H2ConnectionStateMachine
from h2.exceptions import ProtocolError
from h2.settings import SettingCodes, Settings

CONNECTION_WINDOW = 16 * 1024 * 1024
_TRANSITIONS = {
    **H2ConnectionStateMachine._transitions,
    (ConnectionState.SERVER_OPEN, ConnectionInputs.RECV_GOAWAY): (None, ConnectionState.SERVER_OPEN),
}
_GOAWAY = b"\0\0\x08\x07\0"
"""The head of a GOAWAY frame: 8 bytes, type 7, no flags, then stream 0 (RFC 9113, 6.8)."""
_PING, _ACK = 6, 1


class ServerSide(H2Connection):
    """One connection's frames."""

    def __init__(self) -> None:
        super().__init__(H2Configuration(client_side=False, header_encoding="utf-8"))
        self.state_machine._transitions = _TRANSITIONS

    def clear_outbound_data_buffer(self) -> None:
        """Called by `h2` on GOAWAY; the open streams still wait for what is there."""

    def announce(self, max_streams: int, initial_window: int | None) -> None:
        """Says SETTINGS. `initial_window` is in bytes, the protocol's 65,535 if None."""
        wanted = {SettingCodes.MAX_CONCURRENT_STREAMS: max_streams}
        if initial_window is not None:
            wanted[SettingCodes.INITIAL_WINDOW_SIZE] = initial_window
        self.local_settings = Settings(client=False, initial_values=wanted)
        self.initiate_connection()
        self.local_settings = Settings(client=False)
        if initial_window is not None:
            self.local_settings[SettingCodes.INITIAL_WINDOW_SIZE] = initial_window

    def read(self, id: int, size: int) -> None:
        """Opens the windows by `size` bytes, which were read from the stream."""
        self.acknowledge_received_data(size, id)

    def withhold(self, size: int) -> None:
        """Opens the connection's window alone: for bytes of a stream that is to stay shut."""
        self.increment_flow_control_window(size)

    def reset(self, id: int, code: int) -> None:
        """RST_STREAM, unless the stream is over, as it may be when its caller reset it in the same breath."""
        with suppress(ProtocolError):
            self.reset_stream(id, code)


def goaway(last: int, code: int) -> bytes:
    """The frame. `h2` thinks that all is over after its own."""
    return _GOAWAY + struct.pack(">III", 0, last, code)


def without_ping_acks(data: bytes) -> bytes:
    """Whole frames, but for answers to PINGs."""
    kept, place = bytearray(), 0
    while place < len(data):
        size = 9 + int.from_bytes(data[place : place + 3])
        if (data[place + 3], data[place + 4]) != (_PING, _ACK):
            kept += data[place : place + size]
        place += size
    return bytes(kept)
