"""Sessions for the admin API: read from the database, with what this host has heard since; forgotten by a fact."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Awaitable, Callable

import msgspec

from llmgw_admin.history import instant
from llmgw_admin.sessions import Session, SessionFilters, SessionPage, Sessions, UnknownSession
from llmgw_affinity import merged
from llmgw_affinity.placing import Instant, forgotten
from llmgw_control.refusal import NotWritable
from llmgw_control.views import Actor
from llmgw_crdt import Clock
from llmgw_domain import Event, uuid7
from llmgw_domain.errors import StoreUnavailable
from llmgw_eventstore import KINDS, StoreAway, encode
from llmgw_eventstore.spool import Spool, SpoolError
from llmgw_gateway.state.log import Database
from llmgw_gateway.state.pins import HostPins
from llmgw_postgres.pins import PgSessions
from llmgw_relay.pin_facts import FORGOTTEN, Pinned, Placed

_KEY = re.compile(r"[0-9a-f]{32}")
_CLIENT = "key:"
"""Before the id of a client's key, where events name who did something."""


class DatabaseSessions:
    """The `Sessions` of a node. `journal` is its own spool; `wall` gives Unix seconds, `session_wall` those by which
    sessions are warm; `rand` that many random bits.
    """

    def __init__(
        self,
        sessions: PgSessions,
        host: HostPins,
        journal: Callable[[Event], object],
        *,
        clock: Clock,
        wall: Callable[[], float],
        session_wall: Callable[[], float],
        rand: Callable[[int], int],
    ) -> None:
        self._sessions = sessions
        self._host = host
        self._journal = journal
        self._clock = clock
        self._wall = wall
        self._session_wall = session_wall
        self._rand = rand

    async def page(self, after: str | None, limit: int, filters: SessionFilters) -> SessionPage:
        """Raises `StoreUnavailable`."""
        actor = None if filters.key is None else _CLIENT + filters.key
        found = await _read(
            self._sessions.page(limit + 1, after=after, tenant=filters.tenant, account=filters.account, actor=actor)
        )
        page = [self._heard(row) for row in found[:limit]]
        shown = [self._shown(row) for row in page if _fits(row, filters)]
        return SessionPage(data=shown, next=found[limit - 1].pin.key if len(found) > limit else None)

    async def get(self, session: str) -> Session:
        """Raises `StoreUnavailable`, `UnknownSession`."""
        return self._shown(await self._one(session))

    async def forget(self, session: str, actor: Actor) -> None:
        """Raises `NotWritable`, `StoreUnavailable`, `UnknownSession`."""
        row, now = await self._one(session), self._wall()
        at = Instant(hlc=self._clock.tick(now), node=self._clock.node, now=self._session_wall())
        nowhere = forgotten(row.pin, at)
        said = Placed(pin=nowhere, model=row.arrival.model, reason="forgotten")
        event = Event(
            id=uuid7(now, self._rand(74)),
            hlc=at.hlc,
            node=at.node,
            v=KINDS.version_of(FORGOTTEN),
            kind=FORGOTTEN,
            tenant=row.tenant,
            actor=actor.id,
            cause=None,
            subject=f"session/{session}",
            body=msgspec.Raw(msgspec.json.encode(said)),
        )
        try:
            self._journal(event)
        except (OSError, SpoolError) as error:
            raise NotWritable(f"The journal can't be written, so nothing was forgotten: {error}") from error
        self._host.forget([nowhere])

    async def _one(self, session: str) -> Pinned:
        found = await _read(self._sessions.page(1, key=session)) if _KEY.fullmatch(session) else []
        row = self._heard(found[0]) if found else None
        if row is None or row.pin.forgotten:
            raise UnknownSession()
        return row

    def _heard(self, row: Pinned) -> Pinned:
        """The row with what has been heard here of the session since."""
        known = self._host.known(row.pin.key)
        return row if known is None else msgspec.structs.replace(row, pin=merged(row.pin, known))

    def _shown(self, row: Pinned) -> Session:
        pin, arrival = row.pin, row.arrival
        current, warm = pin.current, pin.current.warm(self._session_wall())
        return Session(
            session=pin.key,
            tenant=row.tenant,
            key=arrival.actor.removeprefix(_CLIENT) if arrival.actor.startswith(_CLIENT) else None,
            model=arrival.model or None,
            home=pin.home.account or None,
            current=current.account,
            since=instant((current.since >> 16) / 1000),
            reason=arrival.reason or None,
            warm_until=instant(current.warm_until) if warm else None,
            expected_cached_tokens=current.cached if warm else 0,
        )

    def __repr__(self) -> str:
        return f"<DatabaseSessions {self._sessions!r} {self._host!r}>"


def sessions_of(
    database: Database, host: HostPins, journal: Spool, clock: Clock, session_wall: Callable[[], float]
) -> Sessions | None:
    """Those of a node, whose journal this is; None without a database, which alone knows whose sessions are."""
    if database.sessions is None:
        return None
    return DatabaseSessions(
        database.sessions,
        host,
        lambda event: journal.append([encode(event)]),
        clock=clock,
        wall=time.time,
        session_wall=session_wall,
        rand=random.SystemRandom().getrandbits,
    )


def _fits(row: Pinned, filters: SessionFilters) -> bool:
    """Whether it still is what was asked for."""
    return not row.pin.forgotten and filters.account in (None, row.pin.current.account)


async def _read(reading: Awaitable[list[Pinned]]) -> list[Pinned]:
    try:
        return await reading
    except StoreAway as error:
        raise StoreUnavailable(
            "Sessions can't be read now: the database is away.", retry_after=5.0, detail=str(error)
        ) from None
