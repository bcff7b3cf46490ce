"""The log in PostgreSQL: `EventStore` on the primary.

An append is one transaction a batch: COPY into a staging table of the connection, then in one message the store-wide
lock, the insert, one notification and the commit. The lock is held for a few milliseconds and never over a round trip;
positions taken under it become visible in their order, so a reader's whole memory is a cursor. What was appended twice
is there once, by the unique id, so after any failure the same batch is simply appended again.

A commit that its synchronous standby did not confirm is no success: PostgreSQL then only warns, and here that is
`StoreAway`. Reads of the log go to the primary; a replica may not have what the reader was just told of.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Any, Self

import msgspec
from psycopg import AsyncCursor
from psycopg.errors import Diagnostic
from psycopg.rows import TupleRow

from llmgw_domain import Event
from llmgw_eventstore import Appended, ClockOff, Cursor, Log, Page, StoreAway, Stored, TimelineChanged
from llmgw_postgres.listener import Listener
from llmgw_postgres.pools import Connection, Pools
from llmgw_postgres.queries import query
from llmgw_postgres.timelines import claim, common, put_back

_FIELDS = ("id", "hlc", "node", "v", "kind", "tenant", "actor", "cause", "subject", "body")
"""Of an event, as `read` selects them."""

_HLC_MILLISECONDS = 16
"""Bits below the milliseconds in a hybrid logical clock."""


class PgEventStore:
    """Open and close it with `async with`; it opens while the server is away, and then raises `StoreAway`."""

    def __init__(self, pools: Pools) -> None:
        self._pools = pools
        self._config = pools.config
        self._listener = Listener(
            pools.connector(statement_seconds=self._config.read_seconds), self._config.poll_seconds
        )
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        await self._stack.enter_async_context(self._listener)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def append(self, log: Log, events: Sequence[Event]) -> Appended:
        """Store a batch in one transaction. Raises `StoreAway`, `ClockOff`, `StatementRefused` (an id is no UUID)."""
        async with self._pools.writes.connection() as connection:
            return await _Append(connection, log, events, self._config.clock_tolerance_seconds).run()

    async def read(self, log: Log, after: Cursor, limit: int) -> Page:
        """Up to `limit` events behind `after`. Raises `StoreAway`, `TimelineChanged`."""
        async with self._pools.reads.connection() as connection:
            rows = await _page(connection, log, after.position, limit)
            if rows[0][0] is None:
                await claim(connection)
                rows = await _page(connection, log, after.position, limit)
            at_end = rows[0][1] is None and after.position > 0
            if at_end and after.timeline == rows[0][0] and await put_back(connection, log, after):
                rows = await _page(connection, log, after.position, limit)
        timeline = rows[0][0]
        if after.position > 0 and after.timeline != timeline:
            raise TimelineChanged(timeline, after.timeline)
        events = tuple(Stored(row[1], event_of(row[2:])) for row in rows if row[1] is not None)
        return Page(events, Cursor(timeline, events[-1].position if events else after.position))

    async def wait(self, log: Log, after: Cursor, timeout: float) -> bool:
        """True as soon as there may be something behind `after`, False after `timeout` seconds; raises `StoreAway`."""
        return await self._listener.wait(log, after, timeout)

    async def common(self, log: Log, cursor: Cursor) -> Cursor:
        """How far a cursor of another timeline still holds on the store's own.

        Up to there this log is the one that its reader has read; behind it events may be lost, or positions given to
        others. A reader goes on from there after `TimelineChanged`. It is the beginning where the cursor's timeline is
        not known here. Raises `StoreAway`.
        """
        async with self._pools.reads.connection() as connection:
            return await common(connection, log, cursor)

    async def save_snapshot(self, name: str, cursor: Cursor, body: bytes) -> None:
        """Keep `body` in place of the snapshot of that name. Raises `StoreAway`."""
        async with self._pools.writes.connection() as connection:
            await connection.execute(
                query("log", "save_snapshot"),
                {"name": name, "timeline": cursor.timeline, "position": cursor.position, "body": body},
            )

    async def load_snapshot(self, name: str) -> tuple[Cursor, bytes] | None:
        """The snapshot of that name as it was last saved. Raises `StoreAway`."""
        async with self._pools.reads.connection() as connection:
            rows = await connection.execute(query("log", "load_snapshot"), {"name": name}, binary=True)
            row = await rows.fetchone()
        return None if row is None else (Cursor(row[0], row[1]), row[2])

    def __repr__(self) -> str:
        return f"<PgEventStore {self._pools.writes!r} {self._listener!r}>"


class _Append:
    """One batch on its way in, over one connection."""

    def __init__(self, connection: Connection, log: Log, events: Sequence[Event], tolerance: float) -> None:
        self._connection = connection
        self._log: Log = log
        self._events = events
        self._tolerance = tolerance
        self._warnings: list[str] = []

    async def run(self) -> Appended:
        """Raises psycopg's errors, `ClockOff`, and `StoreAway` for a commit that the standby did not confirm."""
        connection = self._connection
        clock = await _results(await connection.execute(query("log", "begin")))
        self._check(clock[-1][0])
        await self._stage()
        results = await self._insert()
        fresh, last, timeline, _ = results[-2]
        if fresh < len(self._events):
            last = max(last or 0, await self._last())
        return Appended(Cursor(timeline, last or 0), fresh, results[-1][0])

    def _check(self, now: float) -> None:
        if self._log != "state":
            return
        for event in self._events:
            ahead = (event.hlc >> _HLC_MILLISECONDS) / 1000 - now
            if ahead > self._tolerance:
                raise ClockOff(event, ahead)

    async def _stage(self) -> None:
        async with self._connection.cursor().copy(query("log", "stage")) as copy:
            for n, event in enumerate(self._events):
                await copy.write_row(
                    (
                        n,
                        event.id,
                        event.hlc,
                        _text(event.node),
                        event.v,
                        _text(event.kind),
                        _text(event.tenant),
                        _text(event.actor),
                        None if event.cause is None else _text(event.cause),
                        _text(event.subject),
                        bytes(event.body).decode(),
                    )
                )

    async def _insert(self) -> list[TupleRow]:
        """The last message: lock, insert, notify, commit."""
        statement = query("log", "append", log=self._log, lock=_text_of("lock"), claim=_text_of("claim"))
        self._connection.add_notice_handler(self._hear)
        try:
            results = await _results(await self._connection.execute(statement))
        finally:
            self._connection.remove_notice_handler(self._hear)
        if self._warnings:
            raise StoreAway(f"PostgreSQL committed a batch on the primary alone: {self._warnings[0]}")
        return results

    def _hear(self, notice: Diagnostic) -> None:
        """A cancelled wait for the standby ends in a commit and a warning, which has no code of its own."""
        if notice.severity_nonlocalized == "WARNING":
            self._warnings.append(notice.message_primary or "")

    async def _last(self) -> int:
        rows = await self._connection.execute(
            query("log", "last_of", log=self._log), {"ids": [event.id for event in self._events]}
        )
        (position,) = await _one(rows)
        return int(position)


async def _page(connection: Connection, log: Log, after: int, limit: int) -> list[TupleRow]:
    rows = await connection.execute(query("log", "read", log=log), {"after": after, "limit": limit})
    return await rows.fetchall()


async def _results(cursor: AsyncCursor[TupleRow]) -> list[TupleRow]:
    """The one row of each statement that gave one."""
    found: list[TupleRow] = []
    while True:
        if cursor.description is not None:
            found += await cursor.fetchall()
        if not cursor.nextset():
            return found


async def _one(cursor: AsyncCursor[TupleRow]) -> TupleRow:
    row = await cursor.fetchone()
    assert row is not None
    return row


def _text_of(name: str) -> str:
    return query("log", name).decode()


def _text(value: str) -> str:
    """PostgreSQL's text has no NUL; a batch is not to fail for a name that has one."""
    return value.replace("\0", "\ufffd") if "\0" in value else value


def event_of(row: Sequence[Any]) -> Event:
    """The event of a row with `_FIELDS`, in their order."""
    *_, body = row
    fields = dict(zip(_FIELDS, row, strict=True))
    return Event(**{**fields, "body": msgspec.Raw(body.encode())})
