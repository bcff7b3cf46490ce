"""Sessions as the admin API has them: from a real database, with what the host knows better."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import msgspec
import pytest

from llmgw_admin.sessions import SessionFilters, UnknownSession
from llmgw_affinity import Pin, Stay
from llmgw_affinity.placing import Instant, moved
from llmgw_control.refusal import NotWritable
from llmgw_control.views import Actor
from llmgw_crdt import Clock
from llmgw_crdt.clock import hlc_at
from llmgw_domain import Event, uuid7
from llmgw_domain.errors import StoreUnavailable
from llmgw_gateway.state.log import Database, open_database
from llmgw_gateway.state.pins import HostPins
from llmgw_gateway.state.sessions import DatabaseSessions
from llmgw_postgres.config import PostgresConfig
from llmgw_postgres.testing import Server
from llmgw_relay.pin_facts import Placed, pin_of

NOW = time.time()
CONFIG = PostgresConfig(connect_seconds=1, checkout_seconds=5)
OPERATOR = Actor("admin:ci", "operator")
ALL = SessionFilters()
_numbers = itertools.count(1)


def pin(number: int, account: str = "a") -> Pin:
    stay = Stay(account=account, since=hlc_at(NOW), node="n", warm_until=NOW + 86_400, cached=4096, told=hlc_at(NOW))
    return Pin(key=f"{number:032x}", epoch=0, home=stay, current=stay)


def bound(said: Pin, tenant: str = "acme", key: str = "web") -> Event:
    return Event(
        id=uuid7(NOW, next(_numbers)),
        hlc=hlc_at(NOW),
        node="n",
        v=1,
        kind="session.bound",
        tenant=tenant,
        actor=f"key:{key}",
        cause=None,
        subject=f"session/{said.key}",
        body=msgspec.Raw(msgspec.json.encode(Placed(pin=said, model="gpt", reason="unknown"))),
    )


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server() as server:
        yield server


class Desk:
    """What stands behind the sessions: a host, and a journal that may be full."""

    def __init__(self, database: Database) -> None:
        assert database.sessions is not None
        self.database = database
        self.told: list[Pin] = []
        self.host = HostPins(database.find_pins, time.monotonic, time.time, tell=self.told.extend)
        self.journal: list[Event] = []
        self.full = False
        self.sessions = DatabaseSessions(
            database.sessions,
            self.host,
            self._write,
            clock=Clock("here"),
            wall=time.time,
            session_wall=time.time,
            rand=lambda bits: 7,
        )

    def _write(self, event: Event) -> None:
        if self.full:
            raise OSError("no space left on device")
        self.journal.append(event)

    async def heard(self, *events: Event) -> None:
        """The log has these events, and the table is folded from them."""
        assert self.database.pins is not None
        await self.database.store.append("fact", events)
        said = sorted((pin.key, pin.current.since) for pin in map(pin_of, events) if pin is not None)
        latest = dict(said)
        async with asyncio.timeout(20):
            while True:
                found = await self.database.pins.get(latest)
                if all(key in found and found[key].current.since >= since for key, since in latest.items()):
                    return
                await asyncio.sleep(0.02)

    async def listed(self, filters: SessionFilters = ALL) -> list[int]:
        return [int(session.session, 16) for session in (await self.sessions.page(None, 10, filters)).data]


@asynccontextmanager
async def desk(server: Server, name: str) -> AsyncIterator[Desk]:
    server.execute(f"CREATE DATABASE {name}")
    async with open_database(server.conninfo.replace("dbname=postgres", f"dbname={name}"), [], CONFIG) as database:
        await database.prepared.wait()
        yield Desk(database)


async def test_sessions_are_as_the_host_knows_them(server: Server) -> None:
    """A move that the table does not have yet is shown, and looked for no more where it was."""
    async with desk(server, "known") as there:
        await there.heard(bound(pin(1)), bound(pin(2), "emca", "ci"))
        first = (await there.sessions.page(None, 1, ALL)).data[0]
        assert ("acme", "web", "gpt", "a", "a", "unknown", 4096) == (
            first.tenant,
            first.key,
            first.model,
            first.home,
            first.current,
            first.reason,
            first.expected_cached_tokens,
        )
        assert [[1, 2], [2], [2], [1]] == [
            await there.listed(),
            await there.listed(SessionFilters(tenant="emca")),
            await there.listed(SessionFilters(key="ci")),
            await there.listed(SessionFilters(key="web", account="a")),
        ]
        there.host.put(moved(pin(1), "b", Instant(hlc=hlc_at(NOW + 1), node="n", now=NOW + 1)), changed=True)
        found = await there.sessions.get(pin(1).key)
        assert ("a", "b", None, 0) == (found.home, found.current, found.warm_until, found.expected_cached_tokens)
        assert [2] == await there.listed(SessionFilters(account="a"))
        page = await there.sessions.page(None, 1, ALL)
        assert [2] == [int(s.session, 16) for s in (await there.sessions.page(page.next, 1, ALL)).data]


async def test_forgetting_is_a_fact_with_its_actor(server: Server) -> None:
    """The workers are told at once; from then on there is no such session, and the table comes to say so too."""
    async with desk(server, "forgotten") as there:
        await there.heard(bound(pin(1)), bound(pin(2)))
        there.full = True
        with pytest.raises(NotWritable, match="no space left"):
            await there.sessions.forget(pin(1).key, OPERATOR)
        assert ([1, 2], []) == (await there.listed(), there.told)
        there.full = False
        await there.sessions.forget(pin(1).key, OPERATOR)
        (said,), (nowhere,) = there.journal, there.told
        assert ("session.forgotten", "admin:ci", "acme", f"session/{pin(1).key}") == (
            said.kind,
            said.actor,
            said.tenant,
            said.subject,
        )
        assert nowhere.forgotten
        assert [2] == await there.listed()
        for key in (pin(1).key, pin(3).key, "no key", ""):
            with pytest.raises(UnknownSession):
                await there.sessions.get(key)
            with pytest.raises(UnknownSession):
                await there.sessions.forget(key, OPERATOR)
        await there.heard(*there.journal, bound(pin(1)))
        anybody = Desk(there.database)
        assert [2] == await anybody.listed()
        assert nowhere == await anybody.host.find(pin(1).key)


async def test_a_database_that_is_away_is_said() -> None:
    """With a time to come back."""
    config = PostgresConfig(connect_seconds=1, checkout_seconds=0.2)
    async with open_database("host=127.0.0.1 port=1 user=x", [], config) as database:
        there = Desk(database)
        for asked in (there.sessions.page(None, 10, ALL), there.sessions.forget(pin(1).key, OPERATOR)):
            with pytest.raises(StoreUnavailable) as caught:
                await asked
            assert 5.0 == caught.value.retry_after
