"""What was changed, newest first: the log of state read backwards, from a replica where there is one."""

from __future__ import annotations

from collections.abc import Collection

from psycopg.rows import TupleRow

from llmgw_domain import Event
from llmgw_eventstore import Stored
from llmgw_postgres.pools import Connection
from llmgw_postgres.queries import query
from llmgw_postgres.replicas import Replicas
from llmgw_postgres.store import event_of


class PgHistory:
    """Reads through `replicas`. Both methods raise `StoreAway`; `lsn` is what must be seen (`Appended.lsn`)."""

    def __init__(self, replicas: Replicas) -> None:
        self._replicas = replicas

    async def recent(
        self,
        limit: int,
        *,
        before: int | None = None,
        kind: str | None = None,
        subject: str | None = None,
        actor: str | None = None,
        hlc: int | None = None,
        lsn: str | None = None,
    ) -> list[Stored]:
        """Up to `limit` events below position `before`; `hlc` is the least reading of their clocks."""
        parameters = {
            "limit": limit,
            "before": before,
            "kind": kind,
            "subject": subject,
            "subjects": None if subject is None else [subject, f"switch/{subject.replace('/', ':', 1)}"],
            "actor": actor,
            "hlc": hlc,
        }

        async def work(connection: Connection) -> list[TupleRow]:
            return await (await connection.execute(query("history", "recent"), parameters)).fetchall()

        return [Stored(row[0], event_of(row[1:])) for row in await self._replicas.read(work, lsn)]

    async def stamped(self, stamps: Collection[tuple[int, str]], lsn: str | None = None) -> list[Event]:
        """The events with these stamps (hlc and node), as far as they are in the log."""
        parameters = {"hlcs": [hlc for hlc, _ in stamps], "nodes": [node for _, node in stamps]}

        async def work(connection: Connection) -> list[TupleRow]:
            return await (await connection.execute(query("history", "stamped"), parameters)).fetchall()

        return [event_of(row[1:]) for row in await self._replicas.read(work, lsn)]

    def __repr__(self) -> str:
        return f"<PgHistory {self._replicas!r}>"
