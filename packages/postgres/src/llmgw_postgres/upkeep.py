"""What a database of ours needs once a day: the next months' partitions, and old months closed.

A month is closed in one transaction: its usage totals become facts (`usage.closed`), its requests leave the request
log, its partition is detached. From then on its usage comes from the totals alone, live and in every replay; what still
comes for it is not counted. The detached table (`llmgw.fact_events_YYYY_MM`) is left to the operator to keep or drop.
"""

from __future__ import annotations

import secrets
import time

from llmgw_domain import uuid7
from llmgw_postgres.once import once_in_cluster
from llmgw_postgres.partitions import Month, make_months, months
from llmgw_postgres.pools import Connection, Pools
from llmgw_postgres.projections import LIVE, VERSION, Projections, fold_all
from llmgw_postgres.queries import query


async def upkeep(pools: Pools) -> list[Month]:
    """Makes the months ahead, and closes all but the last `keep_months` full ones; those that were closed.

    Does nothing while another node is at it. Raises `StoreAway`.
    """
    async with once_in_cluster(pools, "upkeep") as connection:
        if connection is None:
            return []
        await make_months(connection)
        row = await (await connection.execute(query("partitions", "now"))).fetchone()
        assert row is not None
        old = [month for month in await months(connection) if month < Month(*row) + -pools.config.keep_months]
        if old:
            # What can be folded before everyone has to wait.
            projections = Projections(pools)
            while await projections.advance():
                pass
        return [month for month in old if await close_month(connection, month)]


async def close_month(connection: Connection, month: Month) -> bool:
    """Puts a month's totals into the log and detaches its partition; False if it can't be done yet.

    Appends wait meanwhile: a second or two, for a month with many requests. It can't be done before its facts are
    folded by this release.
    """
    bounds: dict[str, object] = {"month": str(month), "began": month.began, "ended": (month + 1).began}
    async with connection.transaction():
        await connection.execute(query("log", "lock"))
        row = await (await connection.execute(query("projections", "hold"))).fetchone()
        if row is None or row[0] != VERSION:
            return False
        position = await fold_all(connection, LIVE, row[1])
        await _total(connection, bounds)
        position = await fold_all(connection, LIVE, position)
        await connection.execute(query("projections", "move"), {"version": VERSION, "upto": position})
        await connection.execute(query("closing", "detach", partition=month.partition, month=str(month)))
    return True


async def _total(connection: Connection, bounds: dict[str, object]) -> None:
    """Appends the month's totals, unless they are there: a month is closed once."""
    row = await (await connection.execute(query("closing", "is_closed"), bounds)).fetchone()
    parts = await (await connection.execute(query("closing", "parts"), bounds)).fetchone()
    assert row is not None
    assert parts is not None
    if not row[0]:
        ids = [uuid7(time.time(), secrets.randbits(74)) for _ in range(parts[0])]
        await connection.execute(query("closing", "facts"), {**bounds, "ids": ids})
