"""In-memory forms of what the admin listener is given: a history over a list of events, and sessions."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import msgspec

from llmgw_admin.history import Filters, Slice, Write
from llmgw_admin.sessions import Session, SessionFilters, SessionPage, UnknownSession
from llmgw_control.views import Actor
from llmgw_domain import Event
from llmgw_domain.errors import BadRequest


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
