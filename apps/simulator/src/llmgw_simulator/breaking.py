"""Ending a connection, or not, as no server would on purpose: on the socket, below every protocol."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from typing import Literal

_LINGER_ZERO = struct.pack("ii", 1, 0)
"""SO_LINGER with a time of 0 makes close() send RST instead of FIN."""

_FLUSH_TRIES = 200
"""How often to wait 5 ms for a slow reader before a reset or an early end goes ahead without the rest."""

_LOOK_SECONDS = 0.1
_LEFT = frozenset({7, 8})
"""TCP_CLOSE and TCP_CLOSE_WAIT, as <netinet/tcp.h> numbers them."""


async def cut(transport: asyncio.Transport, how: Literal["reset", "fin"]) -> None:
    """Ends the connection, once what was written has left."""
    for _ in range(_FLUSH_TRIES):
        await asyncio.sleep(0)
        if not transport.get_write_buffer_size():
            break
        await asyncio.sleep(0.005)
    if how == "fin":
        transport.close()
        return
    # uvloop's transports are none of asyncio's classes, and its sockets take no options.
    with socket.socket(fileno=os.dup(transport.get_extra_info("socket").fileno())) as twin:
        twin.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)
    transport.abort()


async def vanish(transport: asyncio.Transport) -> None:
    """Leaves the connection open and unread, as a process that hangs does; until the other side has closed it.

    What no longer reads learns of that from the kernel alone.
    """
    transport.pause_reading()
    with socket.socket(fileno=os.dup(transport.get_extra_info("socket").fileno())) as twin:
        # Nothing but the socket's own state tells.
        while twin.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] not in _LEFT:  # noqa: ASYNC110
            await asyncio.sleep(_LOOK_SECONDS)
    transport.abort()
