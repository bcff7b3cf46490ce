"""The audit trail: from this node's journal, and from the database."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from llmgw_admin.history import Filters
from llmgw_control.testing import Desk
from llmgw_control.views import Actor
from llmgw_domain import Event
from llmgw_domain.errors import BadRequest, StoreUnavailable
from llmgw_eventstore import StoreAway, Stored, encode
from llmgw_gateway.database import SpoolConfig
from llmgw_gateway.state import spools
from llmgw_gateway.state.history import DatabaseHistory, JournalHistory

OWNER = Actor("admin:o", "owner")
CONFIG = SpoolConfig(segment_bytes=1 << 16, max_bytes=1 << 20)


def administered() -> list[Event]:
    """Three changes of policies and one of a key."""
    desk = Desk(now=time.time())
    for name in ("a", "b", "c"):
        desk.administration.create("policy", name, {}, OWNER)
    desk.administration.create("key", "k", {}, OWNER)
    return list(desk.journal.events)


async def test_a_journal_is_read_backwards_in_pages(tmp_path: Path) -> None:
    """Newest first; the second page goes on where the first one ended."""
    events = administered()
    with spools.open_spool(tmp_path, spools.CONTROL, CONFIG) as spool:
        spool.append([encode(event) for event in events])
        history = JournalHistory(spool.folder)
        first = await history.events(None, 2, Filters(kind="policy"))
        second = await history.events(first.next, 2, Filters(kind="policy"))
    assert ["policy/c", "policy/b"] == [event.subject for event in first.events]
    assert (["policy/a"], None) == ([event.subject for event in second.events], second.next)
    wanted = (events[0].subject, events[0].hlc, events[0].node)
    assert {wanted: events[0]} == await history.written({wanted, ("policy/x", 1, "n")})
    with pytest.raises(BadRequest, match="'next' of a page"):
        await history.events("x", 2, Filters())


class Log:
    """The database's log, as far as it is asked; `asked` is with what."""

    def __init__(self, events: list[Event]) -> None:
        self.events = [Stored(position, event) for position, event in enumerate(events, 1)]
        self.asked: list[dict[str, object]] = []
        self.away = False

    async def recent(self, limit: int, **asked: object) -> list[Stored]:
        if self.away:
            raise StoreAway
        self.asked.append(asked)
        before = asked["before"]
        return [s for s in reversed(self.events) if before is None or s.position < before][:limit]  # type: ignore[operator]

    async def stamped(self, stamps: set[tuple[int, str]]) -> list[Event]:
        if self.away:
            raise StoreAway
        return [s.event for s in self.events if (s.event.hlc, s.event.node) in stamps]


async def test_the_databases_log_shows_what_was_just_commanded() -> None:
    """It is asked for what is behind the last change that this node brought there."""
    log = Log(administered())

    async def written() -> str:
        return "0/42"

    history = DatabaseHistory(log, written)  # type: ignore[arg-type]
    page = await history.events(None, 3, Filters(actor="admin:o", since=10.0))
    assert (["key/k", "policy/c", "policy/b"], "2") == ([e.subject for e in page.events], page.next)
    assert ("0/42", "admin:o", 10_000 << 16) == (log.asked[0]["lsn"], log.asked[0]["actor"], log.asked[0]["hlc"])
    first = log.events[0].event
    wanted = (first.subject, first.hlc, first.node)
    assert {wanted: first} == await history.written([wanted])


async def test_a_database_that_is_away_is_said() -> None:
    """503, and when to come back; nothing of how it is reached."""
    log = Log([])
    log.away = True

    async def written() -> None:
        return None

    history = DatabaseHistory(log, written)  # type: ignore[arg-type]
    with pytest.raises(StoreUnavailable, match="the database is away"):
        await history.events(None, 3, Filters())
    with pytest.raises(StoreUnavailable):
        await history.written([("policy/a", 1, "n")])
