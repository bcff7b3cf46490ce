"""The audit trail over any store of the log, by reading it: the form of `History` that needs nothing but the port.

The log can be read forwards only, so each page costs one pass over the state's log, in bounded memory: a few thousand
changes take milliseconds in memory and tens of them in a database. A store that can read backwards by subject and
position (PostgreSQL has an index for it) may offer a `History` of its own.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Collection, Mapping

from llmgw_admin.history import Filters, Slice, Write
from llmgw_domain import Event
from llmgw_domain.errors import BadRequest, GatewayError
from llmgw_eventstore import Cursor, EventStore, Stored, StoreError

_BATCH = 1000


class HistoryAway(GatewayError):
    """The log of changes can't be read now; ask again in a moment. What is served goes on being served."""

    status = 503
    code = "history_away"


class LogHistory:
    """A `History` over an `EventStore`. What a node has journalled shows once it is in the store."""

    def __init__(self, store: EventStore) -> None:
        self._store = store

    async def events(self, after: str | None, limit: int, filters: Filters) -> Slice:
        end = None if after is None else _parsed(after)
        taken: deque[Stored] = deque(maxlen=limit + 1)
        timeline = 0
        async for current, stored in self._scan():
            timeline = current
            if end is not None and stored.position >= end.position:
                break
            if filters.take(stored.event):
                taken.append(stored)
        if end is not None and timeline and timeline != end.timeline:
            raise BadRequest("'after' is of a log that was replaced; begin again without it.", param="after")
        newest = [*reversed(taken)][:limit]
        following = f"{timeline}.{newest[-1].position}" if len(taken) > limit else None
        return Slice(tuple(stored.event for stored in newest), following)

    async def written(self, writes: Collection[Write]) -> Mapping[Write, Event]:
        found: dict[Write, Event] = {}
        async for _, stored in self._scan():
            write = (stored.event.subject, stored.event.hlc, stored.event.node)
            if write in writes:
                found[write] = stored.event
                if len(found) == len(writes):
                    break
        return found

    async def _scan(self) -> AsyncIterator[tuple[int, Stored]]:
        """Every state event in its order, with the store's timeline. Raises `HistoryAway`."""
        at = Cursor()
        while True:
            try:
                page = await self._store.read("state", at, _BATCH)
            except StoreError as error:
                raise HistoryAway(detail=str(error), retry_after=1.0) from error
            for stored in page.events:
                yield page.cursor.timeline, stored
            if not page.events:
                return
            at = page.cursor

    def __repr__(self) -> str:
        return f"<LogHistory of {self._store!r}>"


def _parsed(after: str) -> Cursor:
    timeline, _, position = after.partition(".")
    if not (timeline.isdecimal() and position.isdecimal() and len(after) < 40):
        raise BadRequest(f"'after' must be the 'next' of a page, not {after[:40]!r}.", param="after")
    return Cursor(int(timeline), int(position))
