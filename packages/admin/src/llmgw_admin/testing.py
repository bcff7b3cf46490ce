"""In-memory forms of what the admin listener is given: a history and a request log, over lists of events."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

import msgspec

from llmgw_admin.history import Filters, Slice, Write
from llmgw_admin.requests import LogSlice
from llmgw_domain import Event
from llmgw_domain.errors import BadRequest
from llmgw_eventstore.projection import project
from llmgw_eventstore.requests import REQUESTS, Logged, RequestFilters


class MemoryHistory:
    """A `History` over a list of events, oldest first, which may grow: a journal in memory is one."""

    def __init__(self, log: Sequence[Event] = ()) -> None:
        self.log = log

    async def events(self, after: str | None, limit: int, filters: Filters) -> Slice:
        end = len(self.log) if after is None else self._position(after)
        taken = [at for at in range(end - 1, -1, -1) if filters.take(self.log[at])]
        following = str(taken[limit - 1]) if len(taken) > limit else None
        return Slice(tuple(self.log[at] for at in taken[:limit]), following)

    async def written(self, writes: Collection[Write]) -> Mapping[Write, Event]:
        return {write: event for event in self.log if (write := (event.subject, event.hlc, event.node)) in writes}

    def _position(self, after: str) -> int:
        if not after.isdecimal() or int(after) > len(self.log):
            raise BadRequest(f"'after' must be the 'next' of a page, not {after[:40]!r}.", param="after")
        return int(after)

    def __repr__(self) -> str:
        return f"<MemoryHistory of {len(self.log)} events>"


class MemoryRequestLog:
    """A `RequestLog` over `facts`, in the order in which they were told; they may grow."""

    def __init__(self, facts: Iterable[Event] = ()) -> None:
        self.facts = list(facts)

    async def page(self, after: str | None, limit: int, filters: RequestFilters) -> LogSlice:
        taken = [logged for logged in self._newest() if _fits(logged, filters)]
        ids = [logged.id for logged in taken]
        if after is not None and after not in ids:
            raise BadRequest(f"'after' must be the 'next' of a page, not {after[:40]!r}.", param="after")
        begin = 0 if after is None else ids.index(after) + 1
        page = tuple(taken[begin : begin + limit])
        return LogSlice(page, page[-1].id if len(taken) > begin + limit else None)

    async def find(self, id: str) -> Logged | None:
        rows = self._newest()
        matching = [row for row in rows if row.id == id] or [row for row in rows if row.row.told.request_id == id]
        return msgspec.structs.replace(matching[0], matches=len(matching)) if matching else None

    async def told(self, logged: Logged) -> Sequence[Event]:
        def about(event: Event) -> bool:
            if event.subject.startswith("session/"):
                return bool(msgspec.json.decode(event.body).get("call") == logged.id)
            return event.subject == f"request/{logged.id}"

        return [event for event in self.facts if about(event)]

    def _newest(self) -> list[Logged]:
        rows = [Logged(id=call, row=row) for call, row in project(REQUESTS, self.facts).rows.items()]
        return sorted(rows, key=lambda logged: (logged.at, logged.id), reverse=True)

    def __repr__(self) -> str:
        return f"<MemoryRequestLog of {len(self.facts)} facts>"


def _fits(logged: Logged, filters: RequestFilters) -> bool:
    told, settled = logged.row.told, logged.row.settled
    session = settled.session.key if settled and settled.session else None
    asked_and_found = (
        (filters.tenant, told.tenant),
        (filters.key, told.key),
        (filters.account, told.account),
        (filters.model, told.model),
        (filters.outcome, logged.row.outcome),
        (filters.session, session),
    )
    late = filters.since is None or logged.at >= filters.since
    return late and all(asked in (None, found) for asked, found in asked_and_found)
