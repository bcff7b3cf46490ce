"""Timelines: stretches of positions that no other copy of the log has given to other events.

A log that comes to another place (a standby takes over, a dump is restored) begins a new one, and so does one that no
longer reaches as far as one of its readers. Whoever notices first says so, under the append's lock: an append, a
reader, or the listener.
"""

from __future__ import annotations

from llmgw_eventstore import Cursor, Log
from llmgw_postgres.pools import Connection
from llmgw_postgres.queries import query


async def claim(connection: Connection) -> None:
    """Begins a new timeline if the log has come to another place. The connection must be in autocommit."""
    async with connection.transaction():
        await connection.execute(query("log", "lock"))
        await connection.execute(query("log", "claim"))


async def put_back(connection: Connection, log: Log, cursor: Cursor) -> bool:
    """Begins a new timeline if this one does not reach as far as a cursor of it; whether it did.

    Someone has put an older copy of the server's files in their place, or its disk has lost what it had confirmed. The
    server itself knows nothing of that, and would give the same positions again.
    """
    if cursor.position <= (await ends(connection))[log].position:
        return False
    bounds = {"timeline": cursor.timeline, "position": cursor.position}
    async with connection.transaction():
        await connection.execute(query("log", "lock"))
        return bool((await connection.execute(query("log", "put_back", log=log), bounds)).rowcount)


async def ends(connection: Connection) -> dict[Log, Cursor]:
    """Where both logs end."""
    while True:
        timeline, state, fact = await (await connection.execute(query("log", "ends"))).fetchone() or (None, 0, 0)
        if timeline is not None:
            return {"state": Cursor(timeline, state), "fact": Cursor(timeline, fact)}
        await claim(connection)


async def common(connection: Connection, log: Log, cursor: Cursor) -> Cursor:
    """How far a cursor of another timeline still holds on this one."""
    await claim(connection)
    rows = await connection.execute(
        query("log", "common", log=log), {"timeline": cursor.timeline, "position": cursor.position}
    )
    row = await rows.fetchone()
    assert row is not None
    timeline, position = row
    return Cursor(timeline, position)
