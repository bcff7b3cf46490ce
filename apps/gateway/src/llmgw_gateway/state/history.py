"""The audit trail of a node: the log in the database, or this node's journal where there is no database."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from pathlib import Path

from llmgw_admin.history import Filters, Slice, Write
from llmgw_domain import Event
from llmgw_domain.errors import BadRequest, StoreUnavailable
from llmgw_eventstore import StoreAway
from llmgw_gateway.state.steward import journaled
from llmgw_postgres.history import PgHistory

Written = Callable[[], Awaitable[str | None]]
"""Waits until what was commanded is in the database, as far as that comes in time, and says where (`Appended.lsn`)."""


class DatabaseHistory:
    """Reads the log of the database, backwards; what was just commanded is among it."""

    def __init__(self, log: PgHistory, written: Written) -> None:
        self._log = log
        self._written = written

    async def events(self, after: str | None, limit: int, filters: Filters) -> Slice:
        """Raises `BadRequest`, `StoreUnavailable`."""
        before = None if after is None else _position(after)
        try:
            found = await self._log.recent(
                limit + 1,
                before=before,
                kind=filters.kind,
                subject=filters.subject,
                actor=filters.actor,
                hlc=None if filters.since is None else int(filters.since * 1000) << 16,
                lsn=await self._written(),
            )
        except StoreAway as error:
            raise _unavailable(error) from None
        page = found[:limit]
        return Slice(tuple(stored.event for stored in page), str(page[-1].position) if len(found) > limit else None)

    async def written(self, writes: Collection[Write]) -> Mapping[Write, Event]:
        """Raises `StoreUnavailable`."""
        try:
            found = await self._log.stamped({(hlc, node) for _, hlc, node in writes})
            return {(event.subject, event.hlc, event.node): event for event in found}
        except StoreAway as error:
            raise _unavailable(error) from None

    def __repr__(self) -> str:
        return f"<DatabaseHistory {self._log!r}>"


class JournalHistory:
    """Reads what the journal still has of this node's changes."""

    def __init__(self, journal: Path) -> None:
        self._journal = journal

    async def events(self, after: str | None, limit: int, filters: Filters) -> Slice:
        """Raises `BadRequest`."""
        events = await asyncio.to_thread(journaled, self._journal)
        end = len(events) if after is None else min(_position(after), len(events))
        taken = [at for at in range(end - 1, -1, -1) if filters.take(events[at])]
        following = str(taken[limit - 1]) if len(taken) > limit else None
        return Slice(tuple(events[at] for at in taken[:limit]), following)

    async def written(self, writes: Collection[Write]) -> Mapping[Write, Event]:
        events = await asyncio.to_thread(journaled, self._journal)
        return {write: event for event in events if (write := (event.subject, event.hlc, event.node)) in writes}

    def __repr__(self) -> str:
        return f"<JournalHistory {self._journal}>"


def _position(after: str) -> int:
    if not after.isdecimal() or len(after) > 18:
        raise BadRequest(f"'after' must be the 'next' of a page, not {after[:40]!r}.", param="after")
    return int(after)


def _unavailable(error: StoreAway) -> StoreUnavailable:
    return StoreUnavailable("The log can't be read now: the database is away.", retry_after=5.0, detail=str(error))
