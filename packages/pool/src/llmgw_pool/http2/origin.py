"""The connections to one place, and which of them takes the next request.

The one with the fewest streams does; where all are full, a new one is dialled, and those who wait share it. Nothing is
dialled ahead, and a dial that nobody waits for any more is given up.
"""

from __future__ import annotations

import asyncio
import functools

from yarl import URL

from llmgw_domain.errors import UpstreamUnreachable
from llmgw_pool.config import PoolConfig
from llmgw_pool.http2.codec import Codec
from llmgw_pool.http2.connect import connect
from llmgw_pool.http2.connection import Connection, Pings
from llmgw_pool.transport import Way

_CALMEST = 120.0
"""Seconds: a PING interval is not stretched beyond this by a provider that finds it too short."""
_HEADER_LINES = 4
"""How many of the longest header lines a response may have."""


class Dial:
    """A connection in the making, and those who wait for it."""

    __slots__ = ("task", "waiting")

    def __init__(self, task: asyncio.Task[Connection]) -> None:
        self.task = task
        self.waiting = 0


class Origin:
    """Scheme, host and port, and how they are reached. It owns its connections and what dials them."""

    def __init__(self, url: URL, way: Way, config: PoolConfig, pings: Pings) -> None:
        self.url = url
        self.pings = pings
        self.ping_interval = config.ping_interval_seconds
        self.ping_timeout = config.ping_timeout_seconds
        self.keepalive = config.keepalive_seconds
        self.connections: list[Connection] = []
        self.dials: list[Dial] = []
        self._way = way
        self._config = config
        self._loop = asyncio.get_running_loop()

    async def place(self, *, fresh: bool = False) -> Connection:
        """A connection with a place reserved on it: `open` a stream there, or `give_up_place`.

        `fresh` is one that was never used. Raises as `connect`.
        """
        while True:
            found = None if fresh else self._roomiest()
            if found is None:
                found = await self._dialled(alone=fresh)
            if found.room > 0:
                found.reserved += 1
                return found

    def calm(self) -> None:
        """Asks for signs of life half as often from now on."""
        self.ping_interval = min(self.ping_interval * 2, max(_CALMEST, self._config.ping_interval_seconds))

    def changed(self, connection: Connection) -> None:
        if connection.closed.done() and connection in self.connections:
            self.connections.remove(connection)

    async def close(self, seconds: float) -> None:
        """Ends all of it within `seconds`."""
        tasks = [dial.task for dial in self.dials]
        for task in tasks:
            task.cancel()
        for connection in list(self.connections):
            connection.close()
        ending = [connection.closed for connection in self.connections]
        if ending:
            await asyncio.wait(ending, timeout=seconds)
        for connection in list(self.connections):
            connection.abort()
        if tasks:
            await asyncio.wait(tasks)
        # An abort closes the socket in the loop's next round.
        await asyncio.sleep(0)

    def _roomiest(self) -> Connection | None:
        best, most = None, 0
        for connection in self.connections:
            room = connection.room
            if room > most:
                best, most = connection, room
        return best

    async def _dialled(self, *, alone: bool) -> Connection:
        """A new connection, shared with others who need one now as far as it will have room for them."""
        most = self._config.max_streams_per_connection
        dial = None if alone else next((dial for dial in self.dials if dial.waiting < most), None)
        if dial is None:
            # Owned here: it ends with its last waiter, or with the origin.
            dial = Dial(self._loop.create_task(self._connect()))
            self.dials.append(dial)
            dial.task.add_done_callback(functools.partial(self._ended, dial))
        dial.waiting += 1
        try:
            await asyncio.wait([dial.task])
        finally:
            dial.waiting -= 1
            if not dial.waiting:
                dial.task.cancel()
        if dial.task.cancelled():
            raise UpstreamUnreachable(detail="the pool was closed")
        return dial.task.result()

    def _ended(self, dial: Dial, task: asyncio.Task[Connection]) -> None:
        self.dials.remove(dial)
        if not task.cancelled():
            task.exception()  # Those who wait raise it; if nobody does any more, it was nobody's.

    async def _connect(self) -> Connection:
        config = self._config
        connection = await connect(self.url, self._way, config, self._made)
        self.connections.append(connection)
        return connection

    def _made(self) -> Connection:
        config = self._config
        codec = Codec(
            window=config.stream_window_bytes,
            max_streams=config.max_streams_per_connection,
            max_headers=_HEADER_LINES * config.max_header_bytes,
        )
        return Connection(self._loop, codec, self, config.max_age_seconds or float("inf"))

    def __repr__(self) -> str:
        return f"<Origin {self.url} {self.connections!r} {len(self.dials)} dials>"
