"""Waking those who wait for the log: one connection that listens, and looks for itself once a second.

A notification can be lost with its connection, so it only makes things faster: every `poll_seconds` the ends of both
logs are asked for on the same connection, which also finds out that the connection is dead. While there is none, it is
made again and again; waiting then ends in `StoreAway` and not in silence.
"""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self

import psycopg

from llmgw_eventstore import Cursor, Log, StoreAway
from llmgw_postgres.errors import first_line
from llmgw_postgres.pools import Connection, Connector
from llmgw_postgres.timelines import ends

_CHANNELS: dict[str, Log] = {"llmgw_state": "state", "llmgw_fact": "fact"}

_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 2.0
"""Seconds between attempts to connect: short, for a failover is over in seconds and readers wait for its end."""


_LOOK_SECONDS = 5.0
"""How long the question for the ends of the logs may take: a frozen server keeps its connections and says nothing."""


class Listener:
    """The ends of the logs, as far as they are known. `async with` starts it, and does not wait for the server."""

    def __init__(self, connector: Connector, poll_seconds: float) -> None:
        self._connector = connector
        self._poll_seconds = poll_seconds
        self._ends: dict[Log, Cursor] = {}
        self._connections = 0
        self._trouble = ""
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        # Owned by this object: cancelled and joined when the context is left.
        self._task = asyncio.get_running_loop().create_task(self._run(), name="llmgw-listener")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def wait(self, log: Log, after: Cursor, timeout: float) -> bool:
        """True as soon as there may be something behind `after`; False after `timeout` seconds, or `StoreAway`."""
        connections = self._connections
        try:
            async with asyncio.timeout(timeout):
                # Behind a new connection may be another server: whoever waited through that goes and looks.
                while not self._news(log, after) and connections in (0, self._connections):
                    await self._changed.wait()
        except TimeoutError:
            if self._task is not None and self._task.done():
                self._task.result()
            if self._trouble:
                raise StoreAway(f"PostgreSQL is away: {self._trouble}") from None
            return False
        return True

    def _news(self, log: Log, after: Cursor) -> bool:
        end = self._ends.get(log)
        if end is None:
            return False
        return end.position > after.position or (after.position > 0 and end.timeline != after.timeline)

    async def _run(self) -> None:
        pause = _FIRST_PAUSE
        while True:
            try:
                async with await self._connector.connect() as connection:
                    pause = _FIRST_PAUSE
                    await self._listen(connection)
            except psycopg.Error as error:
                self._trouble = first_line(error)
            except TimeoutError:
                self._trouble = f"it did not answer within {_LOOK_SECONDS:g} s"
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)

    async def _listen(self, connection: Connection) -> None:
        """Until the connection fails. Listens before it looks, so that nothing falls in between."""
        for channel in _CHANNELS:
            await connection.execute(f"LISTEN {channel}".encode())
        self._connections += 1
        while True:
            await self._look(connection)
            async for notification in connection.notifies(timeout=self._poll_seconds):
                # Every user of the database may notify whatever it likes.
                if notification.payload.isdecimal():
                    self._advance(_CHANNELS[notification.channel], int(notification.payload))

    async def _look(self, connection: Connection) -> None:
        async with asyncio.timeout(_LOOK_SECONDS):
            self._ends = await ends(connection)
        self._trouble = ""
        self._wake()

    def _advance(self, log: Log, position: int) -> None:
        end = self._ends[log]
        self._ends[log] = Cursor(end.timeline, max(position, end.position))
        self._wake()

    def _wake(self) -> None:
        """Wake everyone who waits; each looks for itself whether there is something for it."""
        self._changed.set()
        self._changed = asyncio.Event()

    def __repr__(self) -> str:
        return f"<Listener {self._trouble or 'listening'}>"
