"""Jobs that run once in a cluster: retention, closing months, webhooks.

Whoever holds the job's advisory lock runs it. The lock belongs to a session, so it is free again the moment its holder
dies; and the job's own statements run on that very session, so a holder that lost the lock unknowingly can't write.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psycopg
from psycopg.pq import TransactionStatus

from llmgw_postgres.errors import translated
from llmgw_postgres.pools import Connection, Pools
from llmgw_postgres.queries import query


@asynccontextmanager
async def once_in_cluster(
    pools: Pools, name: str, *, statement_seconds: float | None = None
) -> AsyncIterator[Connection | None]:
    """The connection that holds the lock of job `name` for as long as the context lasts; None: another one runs it.

    Do the job on this connection. It is in autocommit, and has the timeouts of background work unless
    `statement_seconds` says otherwise. Raises the store's errors, also for what the job does with the connection.
    """
    with translated():
        # A connection of its own: a job may take long, and closing it frees the lock whatever happened.
        connection = await pools.connector(statement_seconds=statement_seconds).connect()
        try:
            row = await (await connection.execute(query("once", "take"), {"name": f"llmgw/job/{name}"})).fetchone()
            assert row is not None
            yield connection if row[0] else None
        finally:
            await _close(connection)


async def _close(connection: Connection) -> None:
    try:
        # The server notices a closed connection a moment later, and whoever comes next would find the lock held.
        if connection.info.transaction_status is TransactionStatus.IDLE:
            await connection.execute("SELECT pg_advisory_unlock_all()")
        await connection.close()
    except psycopg.Error:
        pass  # it is gone already, and the lock with it
