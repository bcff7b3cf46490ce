"""In-memory forms of what the admin listener is given: a history and a request log, over lists of events; sessions."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from llmgw_admin.history import Filters, Slice, Write
from llmgw_admin.requests import LogSlice
from llmgw_admin.sessions import Session, SessionFilters, SessionPage, UnknownSession
from llmgw_control.views import Actor
from llmgw_domain import Event
from llmgw_domain.errors import BadRequest
from llmgw_eventstore.projection import project
from llmgw_eventstore.requests import REQUESTS, Logged, RequestFilters
from llmgw_eventstore.testing import make_event


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

    def tell(self, call: str, at: float, **settled: Any) -> None:
        """Adds a request that was opened and settled at this moment, with these fields in its settlement."""
        told = {"call": call, "request_id": call, "at": at, **_TOLD}
        for kind, body in (
            ("request.opened", {**told, "attempt": 1}),
            ("request.settled", {**told, **_END, **settled}),
        ):
            event = make_event(len(self.facts) + 1, kind=kind, body=body)
            self.facts.append(msgspec.structs.replace(event, subject=f"request/{call}"))

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


_TOLD = {
    "tenant": "t",
    "key": "k",
    "dialect": "chat",
    "model": "gpt",
    "account": "a",
    "provider": "openai",
    "target_model": "gpt-5",
}
_END = {"stream": False, "outcome": "ok", "status": 200, "attempts": 1, "duration": 0.25}


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


class MemorySessions:
    """`Sessions` over those that are given. `forgotten` says which were, and by whom."""

    def __init__(self, sessions: Sequence[Session] = ()) -> None:
        self.held = {session.session: session for session in sessions}
        self.forgotten: list[tuple[str, str]] = []

    async def page(self, after: str | None, limit: int, filters: SessionFilters) -> SessionPage:
        wanted = [(filters.account, "current"), (filters.tenant, "tenant"), (filters.key, "key")]
        found = [
            session
            for key, session in sorted(self.held.items())
            if (after is None or key > after) and all(value in (None, getattr(session, name)) for value, name in wanted)
        ]
        return SessionPage(data=found[:limit], next=found[limit - 1].session if len(found) > limit else None)

    async def get(self, session: str) -> Session:
        if session not in self.held:
            raise UnknownSession()
        return self.held[session]

    async def forget(self, session: str, actor: Actor) -> None:
        self.forgotten.append(((await self.get(session)).session, actor.id))
        del self.held[session]

    def __repr__(self) -> str:
        return f"<MemorySessions {len(self.held)}>"


def a_session(number: int, **fields: str | int | None) -> Session:
    """A session with this number for its key, and these fields."""
    said = Session(
        session=f"{number:032x}",
        tenant="acme",
        key="ci",
        model="gpt",
        home="a",
        current="a",
        since="2026-11-25T12:00:00.000Z",
        reason="unknown",
        warm_until="2026-11-25T12:30:00.000Z",
        expected_cached_tokens=4096,
    )
    return msgspec.structs.replace(said, **fields)
