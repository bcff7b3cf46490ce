"""The control plane: what is administered, and the way of every event to the database.

The control process is this and the links to its workers; a single process has it beside the data plane. It opens in the
order of what needs what: the journal, the state from the disk, the configuration over it, and last the database, which
nothing waits for.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import msgspec

from llmgw_admin.history import History
from llmgw_admin.requests import RequestLog
from llmgw_admin.sessions import Sessions
from llmgw_affinity import Pin
from llmgw_control import Administration, Records, Refused, Replica, Unrevealed, compile_catalog
from llmgw_control.refusal import NotWritable
from llmgw_control.views import SYSTEM
from llmgw_crdt import Clock
from llmgw_domain import Catalog, Event
from llmgw_eventstore import encode
from llmgw_eventstore.spool import Spool
from llmgw_gateway.config import Settings
from llmgw_gateway.database import SpoolConfig, address
from llmgw_gateway.keyring import Keyring
from llmgw_gateway.node import Node
from llmgw_gateway.sealing import PREFIX, SealingError, key_id_of
from llmgw_gateway.secrets import Secrets
from llmgw_gateway.state import spools
from llmgw_gateway.state.feeder import Feeder
from llmgw_gateway.state.history import DatabaseHistory, JournalHistory
from llmgw_gateway.state.log import Database, open_database
from llmgw_gateway.state.messages import Overlay
from llmgw_gateway.state.pauses import HostPauses
from llmgw_gateway.state.pins import HostPins, hear_forgotten, recalled
from llmgw_gateway.state.rejecting import Rejecting
from llmgw_gateway.state.renewals import Renewals
from llmgw_gateway.state.requests import requests_of
from llmgw_gateway.state.served import Served
from llmgw_gateway.state.sessions import sessions_of
from llmgw_gateway.state.settling import settle_abandoned
from llmgw_gateway.state.steward import Steward
from llmgw_gateway.tempo import Tempo
from llmgw_postgres.history import PgHistory
from llmgw_relay.buffered import BufferedKeep
from llmgw_telemetry import Metrics

_SEEN_SECONDS = 1.0
"""How long a reader of the log waits for what was just commanded to be in it."""

_FOUND_SECONDS = 0.75
"""How long whoever looks for what is kept waits for the database."""

_log = logging.getLogger(__name__)

Spread = Callable[[Sequence[Event]], Awaitable[None]]
"""Brings events of the state to whoever follows, and returns once they serve what comes of them."""


class Unopened(Exception):
    """The node's state can't be used with what was given; the text says what to do. Nothing was changed."""


class ControlPlane(msgspec.Struct, kw_only=True, eq=False):
    """The open parts of it."""

    node: Node
    replica: Replica
    served: Served
    administration: Administration
    steward: Steward
    feeder: Feeder
    database: Database
    journal: Spool
    keep: BufferedKeep
    pins: HostPins
    sessions: Sessions | None
    pauses: HostPauses
    renewals: Renewals
    secrets: Secrets
    spreading: Spreading
    clock: Clock
    overlaid: Overlay
    data_dir: Path
    spool_config: SpoolConfig
    history: History
    requests: RequestLog

    def current(self) -> Catalog:
        return self.served.current()

    def lay(self, records: Records, file: str) -> Catalog:
        """Puts other records of the file in place of those before.

        Raises `Refused` with every reason; what was served before goes on being served.
        """
        compile_catalog(records, self.secrets.reveal)
        self.overlaid = Overlay(records=records, file=file)
        self.served.know(records.servers)
        self.served.take(self.replica.overlay(records, file))
        self.served.flush()
        return self.served.current()

    async def finish(self, seconds: float) -> None:
        """Brings what is left to the database, within that time, and the state to the disk."""
        if self.database.prepared.is_set() and not await self.feeder.drained(seconds):
            _log.warning("events wait in the spool for the next start", extra={"bytes": self.feeder.backlog()})
        await self.steward.save()
        await asyncio.to_thread(self.pauses.save)


def show(plane: ControlPlane, metrics: Metrics) -> None:
    """Shows how the way to the database is doing. Once a process."""
    feeder = plane.feeder
    metrics.callback(
        "gateway_events_spooled",
        "Bytes of events that wait in the spools for the database.",
        (),
        lambda: [((), feeder.backlog())],
    )
    metrics.callback(
        "gateway_database_away",
        "1 while the database takes no events.",
        (),
        lambda: [((), int(feeder.away is not None or not plane.database.prepared.is_set()))],
        merge="max",
    )
    metrics.callback(
        "gateway_quarantined_records",
        "Records that are broken, and not served.",
        (),
        lambda: [((), len(plane.served.compiler.reasons))],
        merge="max",
    )


class Spreading:
    """Changes on their way to the workers. `done` waits for those that have begun."""

    def __init__(self, spread: Spread) -> None:
        self._spread = spread
        self._going: set[asyncio.Task[None]] = set()

    def begin(self, events: Sequence[Event]) -> None:
        # Owned by this set, which `done` waits for.
        task = asyncio.get_running_loop().create_task(self._run(events))
        self._going.add(task)
        task.add_done_callback(self._going.discard)

    async def done(self) -> None:
        if self._going:
            await asyncio.wait(self._going)

    async def _run(self, events: Sequence[Event]) -> None:
        await self._spread(events)


def keeps_nothing(frame: bytes) -> None:
    """The journal of a process that serves no clients. Raises OSError."""
    raise OSError("this process keeps nothing for clients")


@asynccontextmanager
async def open_control_plane(
    settings: Settings,
    node: Node,
    records: Records,
    conninfo: str | None,
    *,
    published: Callable[[Catalog], None] = lambda catalog: None,
    spread: Spread,
    pinned: Callable[[Sequence[Pin]], None] = lambda pins: None,
    keeping: Callable[[bytes], object] = keeps_nothing,
) -> AsyncIterator[ControlPlane]:
    """The node's state, with `records` of the file over it. `published` hears of each catalog, `pinned` of what the
    workers must know of sessions; `keeping` is the journal for what this process itself keeps for clients.

    Raises `Refused` (the file's records), `Unopened` (the master key), OSError and `SpoolError` (the data folder).
    """
    async with AsyncExitStack() as stack:
        secrets = Secrets.of(settings)
        journal = spools.open_spool(settings.data_dir, spools.CONTROL, settings.config.spool)
        await stack.enter_async_context(spools.flushed(journal))

        replica, clock = Replica(node.id), Clock(node.id)
        renewals = Renewals()

        def publish(catalog: Catalog) -> None:
            published(catalog)
            renewals.published(catalog)

        served = Served(secrets.reveal, publish, time.monotonic)
        database = await stack.enter_async_context(
            open_database(conninfo, _replicas(settings), settings.config.database)
        )
        feeder = Feeder(
            spools.folder_of(settings.data_dir),
            database.store,
            database.kept,
            keep_seconds=settings.config.spool.keep_seconds,
        )
        steward = Steward(settings.data_dir, replica, served, clock, wall=time.time, spread=spread, lost=feeder.rewind)
        spreading = Spreading(spread)

        def write(events: Sequence[Event]) -> None:
            journal.append([encode(event) for event in events])
            spreading.begin(events)

        administration = Administration(
            replica,
            served.compiler,
            journal=write,
            clock=clock,
            wall=time.time,
            rand=os.urandom,
            sealing=secrets,
            publish=served.publish,
            clock_trouble=lambda: feeder.clock_off,
        )
        tempo = Tempo(settings.config.server.time_scale)
        pauses = HostPauses(settings.data_dir, tempo.wall, Rejecting(administration, served.current))
        pauses.load()
        renewals.add(lambda renewal: pauses.forget((*renewal.gone, *renewal.resumed)))
        pins = HostPins(database.find_pins, time.monotonic, tempo.wall, tell=pinned)
        plane = ControlPlane(
            node=node,
            replica=replica,
            served=served,
            administration=administration,
            steward=steward,
            feeder=feeder,
            database=database,
            journal=journal,
            keep=_keep(database, keeping, clock),
            pins=pins,
            sessions=sessions_of(database, pins, journal, clock, tempo.wall),
            pauses=pauses,
            renewals=renewals,
            secrets=secrets,
            spreading=spreading,
            clock=clock,
            overlaid=Overlay(records=Records(), file=""),
            data_dir=settings.data_dir,
            spool_config=settings.config.spool,
            history=_history(database, feeder, journal),
            requests=requests_of(database),
        )
        stack.push_async_callback(plane.keep.close)
        stack.push_async_callback(plane.pins.close)
        await asyncio.to_thread(lambda: plane.pins.recall(recalled(spools.folder_of(settings.data_dir))))
        steward.begin(journal.folder)
        check_keys(replica, secrets.keyring())
        plane.lay(records, str(settings.file or "the environment"))
        await stack.enter_async_context(_running(plane))
        yield plane


def _keep(database: Database, keeping: Callable[[bytes], object], clock: Clock) -> BufferedKeep:
    return BufferedKeep(
        database.kept,
        keeping,
        writer=clock.node,
        stamps=clock,
        clock=time.monotonic,
        wall=time.time,
        patience=_FOUND_SECONDS,
    )


def _replicas(settings: Settings) -> list[str]:
    reveal = Secrets.of(settings).reveal
    return [address(url, reveal) for url in settings.config.database.replicas]


def _history(database: Database, feeder: Feeder, journal: Spool) -> History:
    if database.replicas is None:
        return JournalHistory(journal.folder)

    async def written() -> str | None:
        await feeder.brought(spools.CONTROL, _SEEN_SECONDS)
        return feeder.lsn

    return DatabaseHistory(PgHistory(database.replicas), written)


@asynccontextmanager
async def _running(plane: ControlPlane) -> AsyncIterator[None]:
    """What goes on in the background while the plane is open."""

    async def feed() -> None:
        await plane.database.prepared.wait()
        await plane.feeder.run()

    async def follow() -> None:
        await plane.database.prepared.wait()
        await plane.steward.follow(plane.database.store)

    loop = asyncio.get_running_loop()

    async def tend_secrets() -> None:
        # Whoever has not read the log yet does not know what there is.
        if plane.database.replicas is not None:
            await plane.steward.caught_up.wait()
        _tend_secrets(plane)

    async def hear() -> None:
        await plane.database.prepared.wait()
        if plane.database.pins is not None:
            await hear_forgotten(plane.database.pins.forgotten, plane.pins)

    work = (
        feed(),
        follow(),
        hear(),
        plane.steward.keep_snapshots(),
        plane.pauses.keep(),
        tend_secrets(),
        settle_abandoned(plane.data_dir, plane.spool_config),
    )
    # Owned here, and ended with the context.
    tasks = [loop.create_task(each) for each in work]
    for task in tasks:
        task.add_done_callback(_report)
    try:
        yield
    finally:
        await plane.finish(5.0)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _tend_secrets(plane: ControlPlane) -> None:
    """Seals anew what is sealed with a previous master key, and makes the secret of sessions, once for all nodes."""
    try:
        found = plane.secrets.keyring()
        check_keys(plane.replica, found)
        if found is not None and len(found.ids) > 1:
            events = plane.administration.reseal(plane.secrets, plane.secrets, SYSTEM).events
            if events:
                _log.warning("sealed anew", extra={"records": len(events), "master_key": found.current.id})
        plane.administration.session_secret()
    except (NotWritable, Refused, SealingError, Unopened, Unrevealed) as error:
        _log.error("the secrets of the state are not in order", extra={"reason": str(error)})


def _report(task: asyncio.Task[None]) -> None:
    """A task that ends by itself has failed, and nothing else would say so before the end of the process."""
    if not task.cancelled() and (error := task.exception()) is not None:
        _log.critical("a part of the control plane has ended", exc_info=error)


def check_keys(replica: Replica, keyring: Keyring | None) -> None:
    """Sees that what is sealed in the state can be opened. Raises `Unopened`."""
    for kind in replica.map.kinds():
        for record in replica.map.records(kind):
            for sealed in _sealed_in(record.fields):
                _check_key(sealed, keyring)


def _sealed_in(value: object) -> Iterator[str]:
    """Credentials of several parts are sealed part by part."""
    if isinstance(value, Mapping):
        for part in value.values():
            yield from _sealed_in(part)
    elif isinstance(value, str) and value.startswith(PREFIX):
        yield value


def _check_key(sealed: str, keyring: Keyring | None) -> None:
    try:
        wanted = key_id_of(sealed)
    except SealingError:
        return  # Damaged by something else; the compiler puts its record into quarantine.
    if keyring is None:
        raise Unopened(
            f"the state of this node is sealed with master key {wanted}, and there is no master key: give it with "
            "GATEWAY_MASTER_KEY or --master-key, or put it back as master.key into the data folder. Nothing was changed"
        )
    if not keyring.opens(sealed):
        raise Unopened(
            f"the state of this node is sealed with master key {wanted}, and the master key here is "
            f"{keyring.current.id}: give the right one. After a rotation the old one is needed too, as "
            "GATEWAY_MASTER_KEY_PREVIOUS. Nothing was changed"
        )
