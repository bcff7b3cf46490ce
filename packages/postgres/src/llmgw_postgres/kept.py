"""What outlives a call, in PostgreSQL: the store behind `llmgw_relay.buffered`.

Changes come from spools, in batches, in any order and more than once; the table's rule (the latest stamp wins) makes
every repetition harmless. So a batch is not one transaction but two statements, and one that failed is offered again.
The server's clock says what has expired.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from psycopg.rows import TupleRow

from llmgw_eventstore import StoreAway
from llmgw_postgres.pools import Pools
from llmgw_postgres.queries import query
from llmgw_relay.keep import Change, Drop, Found, Put, Sought, Touch

_END_OF_TIME = 32_503_680_000.0
"""The year 3000, in Unix seconds: what is kept for longer than the server can count is kept until then."""


class PgKept:
    """The relay's `KeptStore`. The pools are its caller's, who opens and closes them."""

    def __init__(self, pools: Pools) -> None:
        self._pools = pools
        self._seconds = pools.config.append_seconds

    async def apply(self, changes: Sequence[Change]) -> None:
        """Takes a batch in. Raises `StoreAway`, and then some of it may be there: offer it again."""
        puts = [change for change in changes if not isinstance(change, Touch)]
        touches = [change for change in changes if isinstance(change, Touch)]
        if puts:
            await self._run("put", {**_places(puts), **_contents(puts)})
        if touches:
            await self._run("touch", _places(touches))

    async def find(self, sought: Sought) -> Found:
        """Raises `StoreAway`."""
        name = "of_tenant" if sought.ids is None else "by_ids"
        parameters = {
            "kinds": [_text(kind) for kind in sought.kinds],
            "tenant": None if sought.tenant is None else _text(sought.tenant),
            "limit": sought.limit,
        }
        if sought.ids is not None:
            parameters["ids"] = [_text(named) for named in sought.ids]
        async with self._pools.reads.connection() as connection:
            rows = await connection.execute(query("kept", name), parameters, binary=True)
            return Found(tuple(map(_change, await rows.fetchall())), complete=True)

    async def sweep(self, limit: int = 5_000) -> int:
        """Removes up to `limit` records that have expired, and tells how many there were: a job of one node, to be
        repeated until it is fewer than `limit`. Raises `StoreAway`.
        """
        return await self._run("sweep", {"limit": limit})

    async def _run(self, name: str, parameters: dict[str, Any]) -> int:
        try:
            async with asyncio.timeout(self._seconds), self._pools.writes.connection() as connection:
                return (await connection.execute(query("kept", name), parameters)).rowcount
        except TimeoutError:
            raise StoreAway(f"PostgreSQL did not take in a batch within {self._seconds:g} s") from None

    def __repr__(self) -> str:
        return f"<PgKept {self._pools.reads!r} {self._pools.writes!r}>"


def _places(changes: Sequence[Change]) -> dict[str, Any]:
    return {
        "kinds": [_text(change.kind) for change in changes],
        "tenants": [_text(change.tenant) for change in changes],
        "ids": [_text(change.id) for change in changes],
        "expires": [min(change.expires, _END_OF_TIME) for change in changes],
    }


def _contents(changes: Sequence[Put | Drop]) -> dict[str, Any]:
    return {
        "stamps": [change.stamp for change in changes],
        "writers": [_text(change.writer) for change in changes],
        "bodies": [change.body if isinstance(change, Put) else None for change in changes],
    }


def _change(row: TupleRow) -> Put | Drop:
    kind, tenant, id_, stamp, writer, body, expires = row
    if body is None:
        return Drop(kind=kind, tenant=tenant, id=id_, stamp=stamp, writer=writer, expires=expires)
    return Put(kind=kind, tenant=tenant, id=id_, stamp=stamp, writer=writer, expires=expires, body=body)


def _text(value: str) -> str:
    """PostgreSQL's text has no NUL; a batch is not to fail for a name that has one."""
    return value.replace("\0", "\ufffd") if "\0" in value else value
