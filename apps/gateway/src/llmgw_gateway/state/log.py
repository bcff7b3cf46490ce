"""The database of a node, opened: the log of events, what is kept for clients, and where dashboards read.

Opening waits for nothing. The schema is brought up in the background, as soon as the database can be reached and as
often as it takes; `prepared` is set then. Without a database (`database.url = "none"`) everything that is written is
taken and forgotten, and the node lives from its own disk.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

import msgspec

from llmgw_affinity import Pin
from llmgw_domain import Event
from llmgw_domain.errors import StoreUnavailable
from llmgw_eventstore import Appended, Cursor, EventStore, Log, Page, StoreAway, StoreError
from llmgw_postgres.config import PostgresConfig
from llmgw_postgres.kept import PgKept
from llmgw_postgres.migrate import migrate
from llmgw_postgres.pins import PgPins, PgSessions
from llmgw_postgres.pools import Pools
from llmgw_postgres.projections import Projections, ReplayRunning
from llmgw_postgres.replicas import Replicas
from llmgw_postgres.store import PgEventStore
from llmgw_postgres.upkeep import upkeep
from llmgw_relay.keep import KeptStore
from llmgw_relay.memory_kept import MemoryKept

_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 10.0
_UPKEEP_SECONDS = 3600.0
_SWEPT_AT_ONCE = 5000
_FOLD_SECONDS = 0.5
"""Between two folds: what a dashboard may be behind."""

_log = logging.getLogger(__name__)


class Database(msgspec.Struct, kw_only=True, eq=False):
    """Its parts. `replicas` is where dashboards read, `sessions` too; they, `pins` and `projections` are None without a
    database.
    """

    store: EventStore
    kept: KeptStore
    prepared: asyncio.Event
    pins: PgPins | None = None
    sessions: PgSessions | None = None
    replicas: Replicas | None = None
    projections: Projections | None = None

    async def find_pins(self, keys: Collection[str]) -> dict[str, Pin]:
        """The pins of these sessions, as far as there are any; the caller bounds the time. Raises `StoreError`."""
        if self.pins is None:
            return {}
        # At a start it is ready in a moment, and a session that is taken for a new one meanwhile pays for its prompt.
        await self.prepared.wait()
        return await self.pins.get(keys)

    async def replay(self, repair: bool) -> list[str]:
        """Folds the whole log anew; how the tables differ from that, a line each. With `repair` it takes their place.

        Raises `StoreUnavailable`, also where there is no database.
        """
        if self.projections is None:
            raise StoreUnavailable("There is no log to replay: the gateway runs without a database.")
        try:
            return await self.projections.replay(repair=repair)
        except ReplayRunning:
            raise StoreUnavailable("The log is being replayed already; try again.", retry_after=5.0) from None
        except StoreAway as error:
            raise StoreUnavailable(
                "The log can't be read now: the database is away.", retry_after=5.0, detail=str(error)
            ) from None


@asynccontextmanager
async def open_database(
    conninfo: str | None, replicas: Sequence[str], config: PostgresConfig
) -> AsyncIterator[Database]:
    """The database at `conninfo`, or none."""
    prepared = asyncio.Event()
    if conninfo is None:
        prepared.set()
        yield Database(store=Nowhere(), kept=MemoryKept(time.time), prepared=prepared)
        return
    async with AsyncExitStack() as stack:
        pools = await stack.enter_async_context(Pools(conninfo, config))
        store = await stack.enter_async_context(PgEventStore(pools))
        # Owned here, and ended with the context.
        task = asyncio.get_running_loop().create_task(_prepare(conninfo, config, prepared))
        stack.push_async_callback(_ended, task)
        for work in (_jobs(pools, prepared), _project(pools, prepared)):
            stack.push_async_callback(_ended, asyncio.get_running_loop().create_task(work))
        reads = await stack.enter_async_context(Replicas(pools, replicas))
        yield Database(
            store=store,
            kept=PgKept(pools),
            prepared=prepared,
            pins=PgPins(pools),
            sessions=PgSessions(reads),
            replicas=reads,
            projections=Projections(pools),
        )


async def _prepare(conninfo: str, config: PostgresConfig, prepared: asyncio.Event) -> None:
    pause = _FIRST_PAUSE
    while True:
        try:
            applied = await migrate(conninfo, config)
        except StoreAway as error:
            _log.log(logging.WARNING if pause > _FIRST_PAUSE else logging.INFO, "no database yet: %s", error)
        except StoreError as error:
            _log.error("the database can't be used: %s", error)
        else:
            _log.info("database is ready", extra={"migrations": applied})
            prepared.set()
            return
        await asyncio.sleep(pause)
        pause = min(pause * 2, _LONGEST_PAUSE)


async def _jobs(pools: Pools, prepared: asyncio.Event) -> None:
    """What one node of the cluster does now and then: partitions ahead, months closed, what has expired."""
    await prepared.wait()
    kept, pins = PgKept(pools), PgPins(pools)
    while True:
        try:
            await upkeep(pools)
            for sweep in (kept.sweep, pins.sweep):
                while await sweep(_SWEPT_AT_ONCE) == _SWEPT_AT_ONCE:
                    pass
        except StoreError as error:
            _log.info("upkeep of the database is put off: %s", error)
        await asyncio.sleep(_UPKEEP_SECONDS)


async def _project(pools: Pools, prepared: asyncio.Event) -> None:
    """Folds the facts into the request log and the usage, as they come. Of several nodes one does."""
    await prepared.wait()
    projections, pause = Projections(pools), _FIRST_PAUSE
    while True:
        try:
            while await projections.advance():
                pass
            pause = _FIRST_PAUSE
            await asyncio.sleep(_FOLD_SECONDS)
        except StoreError as error:
            _log.info("the request log waits for the database: %s", error)
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)


async def _ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


class Nowhere:
    """A log that takes everything and holds nothing: that of a node without a database."""

    async def append(self, log: Log, events: Sequence[Event]) -> Appended:
        return Appended(Cursor(), len(events))

    async def read(self, log: Log, after: Cursor, limit: int) -> Page:
        return Page((), after)

    async def wait(self, log: Log, after: Cursor, timeout: float) -> bool:
        await asyncio.sleep(timeout)
        return False

    async def save_snapshot(self, name: str, cursor: Cursor, body: bytes) -> None:
        """The node's own snapshot is on its disk."""

    async def load_snapshot(self, name: str) -> tuple[Cursor, bytes] | None:
        return None

    def __repr__(self) -> str:
        return "<Nowhere>"
