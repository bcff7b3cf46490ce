"""The request log for those who look into it, and all that was told of one request; from a replica if there is one."""

from __future__ import annotations

import msgspec
from psycopg.rows import TupleRow

from llmgw_domain import Event, uuid7
from llmgw_eventstore.requests import Logged, Request, RequestFilters
from llmgw_postgres.pools import Connection
from llmgw_postgres.queries import query
from llmgw_postgres.replicas import Replicas
from llmgw_postgres.store import event_of

_MARGIN_SECONDS = 1.0
"""Events have their times from the facts that they tell; this is for what rounding does to them."""
_MOST_EVENTS = 1000
"""Of one request. Attempts are few; whoever has more is not shown all of them."""
_LAST = "ffffffff-ffff-ffff-ffff-ffffffffffff"


class PgRequests:
    """Reads through `replicas`. Every method raises `StoreAway`."""

    def __init__(self, replicas: Replicas) -> None:
        self._replicas = replicas

    async def page(self, limit: int, filters: RequestFilters, before: tuple[float, str] | None = None) -> list[Logged]:
        """Up to `limit` requests, newest first, below that moment and id."""
        below = {"before": before and before[0], "id": before and before[1]}
        rows = await self._read("page", {**msgspec.structs.asdict(filters), "limit": limit, **below})
        return [Logged(id=call, row=msgspec.json.decode(row, type=Request)) for call, row in rows]

    async def find(self, id: str) -> Logged | None:
        """The request with this id, else the newest of those that clients gave this id to."""
        for call, row, matches in await self._read("find", {"id": id}):
            return Logged(id=call, row=msgspec.json.decode(row, type=Request), matches=matches)
        return None

    async def told(self, logged: Logged) -> list[Event]:
        """The facts of a request and of its sessions' moves by it, in the order in which they were told."""
        row = logged.row
        first = row.told.at if row.opened_at is None else min(row.opened_at, row.told.at)
        parameters = {
            "call": logged.id,
            "subject": f"request/{logged.id}",
            "low": uuid7(first - _MARGIN_SECONDS, 0),
            # More may have been told of one that is open.
            "high": _LAST if row.settled is None else uuid7(logged.at + _MARGIN_SECONDS, 0),
            "limit": _MOST_EVENTS,
        }
        return [event_of(event) for event in await self._read("told", parameters)]

    async def _read(self, name: str, parameters: dict[str, object]) -> list[TupleRow]:
        # A text of PostgreSQL holds no NUL characters, so nothing fits one that does.
        if any(isinstance(value, str) and "\0" in value for value in parameters.values()):
            return []

        async def work(connection: Connection) -> list[TupleRow]:
            # Planned for these very values: which index serves depends on which filters there are.
            rows = await connection.execute(query("requests", name), parameters, prepare=False)
            return await rows.fetchall()

        return await self._replicas.read(work)

    def __repr__(self) -> str:
        return f"<PgRequests {self._replicas!r}>"
