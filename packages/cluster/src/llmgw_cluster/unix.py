"""Links over a unix socket: one process serves, the others come, and come again after a break.

The socket is the credential: it lies in a folder that only its owner may enter.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from llmgw_cluster.link import Link, Peer

_FIRST_PAUSE = 0.02
_LONGEST_PAUSE = 1.0
"""Seconds between attempts. A control process is back in about one, and nothing is lost by asking often."""

_log = logging.getLogger(__name__)


@asynccontextmanager
async def serving(sock: socket.socket, peer: Callable[[], Peer], met: Callable[[Link], None]) -> AsyncIterator[None]:
    """Takes links from a listening socket while the context is open. `peer` makes the side of each, `met` greets it."""
    links: dict[Link, asyncio.Task[None] | None] = {}

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = Link(reader, writer, peer())
        links[link] = asyncio.current_task()
        try:
            met(link)
            await link.run()
        finally:
            del links[link]

    # asyncio accepts until there is nothing to accept, and would wait for that.
    sock.setblocking(False)
    server = await asyncio.start_unix_server(take, sock=sock)
    try:
        yield
    finally:
        server.close()
        going = [task for task in links.values() if task is not None]
        for link in links:
            link.close()
        if going:
            await asyncio.wait(going)


async def staying(path: Path, peer: Peer, met: Callable[[Link], None]) -> None:
    """Keeps one link to the socket at `path` until it is cancelled. `met` is called with each one that opens."""
    pause = _FIRST_PAUSE
    while True:
        try:
            reader, writer = await asyncio.open_unix_connection(path)
        except OSError as error:
            _log.debug("no link yet: %s", error)
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)
            continue
        pause = _FIRST_PAUSE
        link = Link(reader, writer, peer)
        try:
            met(link)
            await link.run()
        finally:
            link.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
        await asyncio.sleep(pause)
