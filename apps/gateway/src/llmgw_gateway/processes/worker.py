"""A worker: the data plane, and a link to the control process.

It has no connection to the database. What it needs to know comes over the link; what it has to tell goes to its spool.
While the control process is away it serves from the catalog that it has; before it has one, it is not ready.
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path

import msgspec

from llmgw_cluster import staying
from llmgw_control import Replica
from llmgw_crdt import Clock
from llmgw_domain import Catalog
from llmgw_gateway.config import Settings
from llmgw_gateway.data_plane import DataPlane, Sessions, Told, open_data_plane
from llmgw_gateway.heap import settle_heap
from llmgw_gateway.home import keyring, ready
from llmgw_gateway.processes.setup import Setup
from llmgw_gateway.secrets import Secrets
from llmgw_gateway.serving import Draining
from llmgw_gateway.serving.sockets import inherited
from llmgw_gateway.signals import hurried, reload_on_hangup, until_either
from llmgw_gateway.state import spools
from llmgw_gateway.state.follower import Follower
from llmgw_gateway.state.keeping import kept_forms
from llmgw_gateway.state.messages import WorkerStatus
from llmgw_gateway.state.recorder import Recorder
from llmgw_gateway.state.renewals import Renewals
from llmgw_gateway.state.served import Served
from llmgw_gateway.state.session_keys import SessionSecret
from llmgw_gateway.state.settling import settle
from llmgw_gateway.tempo import Tempo
from llmgw_relay.buffered import BufferedKeep
from llmgw_telemetry import LogStream, Metrics, Observer

_PATIENCE_SECONDS = 1.5
"""How long a call waits for what the control process finds; above control's own wait for the database, so that a
database that is away is not taken for a control process that is."""

_log = logging.getLogger(__name__)


class Withdrawn(Exception):
    """The worker was told to stop before there was anything to serve."""


class Worker(msgspec.Struct, kw_only=True, eq=False):
    """An open worker."""

    plane: DataPlane
    follower: Follower
    served: Served
    recorder: Recorder


@asynccontextmanager
async def open_worker(settings: Settings, setup: Setup, log: LogStream, stop: asyncio.Event) -> AsyncIterator[Worker]:
    """Serves clients on the inherited sockets, as soon as control has sent the state.

    Raises `BadCertificate`, `SpoolError`, `Unopened`, `Withdrawn` (on `stop`), OSError.
    """
    async with AsyncExitStack() as stack:
        keys = keyring(settings)
        slot, spool = spools.open_slot(settings.data_dir, setup.slot, settings.config.spool, setup.workers)
        settle(spool)
        clock = Clock(setup.node.id)
        metrics = Metrics()
        observer = Observer(metrics, log)
        recorder = Recorder(spool, observer, clock=clock, wall=time.time, rand=random.SystemRandom().getrandbits)
        await stack.enter_async_context(spools.flushed(spool, recorder.flush))

        replica, renewals = Replica(setup.node.id), Renewals()

        def published(catalog: Catalog) -> None:
            observer.catalog(catalog)
            renewals.published(catalog)

        served = Served(Secrets.of(settings).reveal, published, time.monotonic, observer.changed)
        draining = Draining()
        status = _Status(setup.slot, served, metrics, draining)
        follower = Follower(setup.slot, replica, served, status, Tempo(settings.config.server.time_scale).clock)

        keeping = spools.open_spool(settings.data_dir, spools.kept_name(slot), settings.config.spool)
        await stack.enter_async_context(spools.flushed(keeping))

        write = spools.frames_into(keeping)

        def journal(frame: bytes) -> None:
            write(frame)
            follower.note(frame)

        keep = BufferedKeep(
            follower,
            journal,
            writer=f"{setup.node.id}/{slot}",
            stamps=clock,
            clock=time.monotonic,
            wall=time.time,
            patience=_PATIENCE_SECONDS,
        )
        stack.push_async_callback(keep.close)
        await stack.enter_async_context(_linked(Path(setup.link), follower))
        # Until there is a catalog connections wait, rather than being told that their keys are not known.
        await until_either(stop, follower.loaded.wait())
        if not follower.loaded.is_set():
            raise Withdrawn
        plane = await stack.enter_async_context(
            open_data_plane(
                settings,
                [inherited(number) for number in setup.data],
                current=served.current,
                ready=partial(ready, served, recorder),
                facts=recorder,
                observer=observer,
                sessions=Sessions(
                    pins=follower.pins, keys=SessionSecret(replica, Secrets.of(settings).reveal), clock=clock
                ),
                told=Told(
                    pauses=follower.pauses,
                    renewals=renewals,
                    loads=follower.loads if setup.workers > 1 else None,
                ),
                kept=kept_forms(keep, keys),
                draining=draining,
            )
        )
        status.plane = plane
        follower.serving()
        yield Worker(plane=plane, follower=follower, served=served, recorder=recorder)


async def run_worker(settings: Settings, setup: Setup, log: LogStream, stop: asyncio.Event, now: asyncio.Event) -> None:
    """Serves until it is told to stop; then it drains."""
    try:
        async with open_worker(settings, setup, log, stop) as worker:
            settle_heap()
            reload_on_hangup(worker.plane.reload)
            await stop.wait()
            seconds = settings.config.server.drain_seconds
            connections = worker.plane.listener.connections
            _log.info("draining", extra={"slot": setup.slot, "seconds": seconds, "connections": connections})
            await hurried(worker.plane.drain(seconds), now)
    except Withdrawn:
        _log.info("stopped before it served", extra={"slot": setup.slot})


class _Status:
    """What control is told of this worker when it asks."""

    def __init__(self, slot: int, served: Served, metrics: Metrics, draining: Draining) -> None:
        self._slot = slot
        self._served = served
        self._metrics = metrics
        self._draining = draining
        self.plane: DataPlane | None = None

    def __call__(self) -> WorkerStatus:
        plane = self.plane
        return WorkerStatus(
            slot=self._slot,
            pid=os.getpid(),
            addresses=tuple(plane.listener.addresses) if plane else (),
            catalog=self._served.current().version,
            draining=self._draining(),
            connections=plane.listener.connections if plane else 0,
            in_flight=plane.in_flight() if plane else {},
            states=plane.states() if plane else {},
            metrics=self._metrics.collect(),
        )


@asynccontextmanager
async def _linked(path: Path, follower: Follower) -> AsyncIterator[None]:
    """Keeps a link to control while the context is open."""
    # Owned here, and ended with the context.
    task = asyncio.get_running_loop().create_task(staying(path, follower, follower.met))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
