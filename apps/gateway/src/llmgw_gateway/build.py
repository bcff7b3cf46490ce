"""The composition root of the single-process form: parse, build, run, drain.

`open_gateway` opens the control plane, the data plane and the admin listener on one loop, one block a component in the
order of their dependencies, and takes them down in reverse. `serve` runs it until a signal asks for the end: the first
SIGTERM or SIGINT drains, a second one ends at once. The same components in processes of their own are `processes`.
"""

from __future__ import annotations

import asyncio
import logging
import random
import signal
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from importlib.metadata import version

import msgspec
import uvloop

from llmgw_admin import Status, admin_app
from llmgw_balancer import Balancer
from llmgw_control import Records, Refused
from llmgw_eventstore.spool import SpoolError
from llmgw_gateway import console, first_start
from llmgw_gateway.bind import Bind
from llmgw_gateway.config import Settings
from llmgw_gateway.control_plane import ControlPlane, Unopened, open_control_plane, show
from llmgw_gateway.data_dir import UnusableDataDir
from llmgw_gateway.data_plane import DataPlane, Sessions, Told, open_data_plane
from llmgw_gateway.heap import settle_heap
from llmgw_gateway.home import admin_config, conninfo, keyring, log_config, nothing_spread, ready, simulator, welcome
from llmgw_gateway.limits import raise_descriptors
from llmgw_gateway.model_lists import ModelLists
from llmgw_gateway.node import owned
from llmgw_gateway.reload import Reloads
from llmgw_gateway.serving import BadCertificate, CannotListen, Draining, Listener, ServeConfig, bind
from llmgw_gateway.serving import serve as listen
from llmgw_gateway.signals import hurried, stop_signals
from llmgw_gateway.state import spools
from llmgw_gateway.state.keeping import kept_forms
from llmgw_gateway.state.pauses import WorkerPauses
from llmgw_gateway.state.recorder import Recorder
from llmgw_gateway.state.session_keys import SessionSecret
from llmgw_gateway.state.settling import settle
from llmgw_gateway.tempo import Tempo
from llmgw_pool import ConnectionPool
from llmgw_postgres.embedded import EmbeddedError
from llmgw_relay import Relay
from llmgw_telemetry import LogStream, Metrics, Observer, configure_logging

_log = logging.getLogger(__name__)


class Gateway(msgspec.Struct, kw_only=True, eq=False):
    """A running gateway: what the signals act on, and what tests look into."""

    control: ControlPlane
    plane: DataPlane
    metrics: Metrics
    admin: Listener
    records: Records
    reloads: Reloads
    first_key: first_start.FirstKey | None
    simulated: bool

    @property
    def data(self) -> Listener:
        return self.plane.listener

    @property
    def relay(self) -> Relay:
        return self.plane.relay

    @property
    def pool(self) -> ConnectionPool:
        return self.plane.pool

    @property
    def balancer(self) -> Balancer:
        return self.plane.balancer

    @property
    def lists(self) -> ModelLists:
        return self.plane.lists

    @property
    def data_bind(self) -> Bind:
        """Where the data plane really listens: the port of the socket, not that of the configuration."""
        return Bind.parse(self.data.addresses[0])

    @property
    def admin_bind(self) -> Bind:
        return Bind.parse(self.admin.addresses[0])

    def reload(self) -> None:
        """Reads again what may change while it runs: the configuration's records, the certificate."""
        self.plane.reload()
        self.reloads.now()

    async def drain(self, seconds: float) -> None:
        """Stops accepting, lets requests in flight end within `seconds`, then cuts what is left."""
        await self.plane.drain(seconds)
        await self.admin.drain(1.0)


@asynccontextmanager
async def open_gateway(settings: Settings, log: LogStream) -> AsyncIterator[Gateway]:
    """Everything in one process, open and serving.

    Raises `BadCertificate`, `CannotListen`, `EmbeddedError`, `Refused`, `UnusableDataDir`, `Unopened`.
    """
    server = settings.config.server
    began = time.monotonic()
    async with AsyncExitStack() as stack:
        data_sockets = [stack.enter_context(sock) for sock in bind(server.data_bind)]
        admin_sockets = [stack.enter_context(sock) for sock in bind(server.admin_bind)]
        node = stack.enter_context(owned(settings.data_dir))
        database = await conninfo(settings, stack)
        # The simulator comes first, because its address is part of the records.
        simulated = first_start.needs_simulator(settings.config, settings.environ)
        simulator_url = await stack.enter_async_context(simulator()) if simulated else None
        key = first_start.kept_key(settings.config, settings.data_dir)
        records = first_start.complete(settings.config, settings.environ, simulator_url, key)

        metrics = Metrics()
        observer = Observer(metrics, log)
        slot, spool = spools.open_slot(settings.data_dir, 0, settings.config.spool, 1)
        settle(spool)
        kept = spools.open_spool(settings.data_dir, spools.kept_name(slot), settings.config.spool)
        await stack.enter_async_context(spools.flushed(kept))
        control = await stack.enter_async_context(
            open_control_plane(
                settings,
                node,
                records,
                database,
                published=observer.catalog,
                spread=nothing_spread,
                keeping=spools.frames_into(kept),
            )
        )
        reloads = await stack.enter_async_context(Reloads.watching(settings, control, simulator_url, key))

        recorder = Recorder(
            spool, observer, clock=control.clock, wall=time.time, rand=random.SystemRandom().getrandbits
        )
        await stack.enter_async_context(spools.flushed(spool, recorder.flush))

        draining = Draining()
        pauses = WorkerPauses(control.pauses.heard, Tempo(server.time_scale).clock)
        pauses.heard(control.pauses.current())
        plane = await stack.enter_async_context(
            open_data_plane(
                settings,
                data_sockets,
                current=control.current,
                ready=partial(ready, control.served, recorder),
                facts=recorder,
                observer=observer,
                sessions=Sessions(
                    pins=control.pins,
                    keys=SessionSecret(control.replica, control.secrets.reveal),
                    clock=control.clock,
                ),
                told=Told(pauses=pauses, renewals=control.renewals),
                kept=kept_forms(control.keep, keyring(settings)),
                draining=draining,
            )
        )

        show(control, metrics)

        async def metrics_text() -> bytes:
            return metrics.render()

        pages = admin_app(
            control.current,
            metrics_text,
            partial(_status, control, plane, recorder, draining, began),
            admin_config(settings),
            administration=control.administration,
            history=control.history,
            requests=control.requests,
            replay=control.database.replay,
            sessions=control.sessions,
        )
        unlimited = ServeConfig(engine=server.engine)
        admin = await stack.enter_async_context(listen(pages, admin_sockets, unlimited))
        yield Gateway(
            control=control,
            plane=plane,
            metrics=metrics,
            admin=admin,
            records=records,
            reloads=reloads,
            first_key=key,
            simulated=simulated,
        )


def serve(settings: Settings) -> int:
    """Runs the gateway in this process until it is told to stop; the exit code."""
    log = configure_logging(log_config(settings.config.server))
    raise_descriptors()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        try:
            runner.run(_serve(settings, log))
        except Refused as refused:
            for reason in refused.reasons:
                console.complain(f"{settings.origins.problem(reason.path, reason.message)}\n")
            return 1
        except (BadCertificate, CannotListen, EmbeddedError, SpoolError, UnusableDataDir, Unopened) as error:
            console.complain(f"{error}\n")
            return 1
    return 0


async def _serve(settings: Settings, log: LogStream) -> None:
    stop, now = stop_signals()
    async with open_gateway(settings, log) as gateway:
        settle_heap()
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, gateway.reload)
        welcome(
            settings,
            data=gateway.data_bind,
            admin=gateway.admin_bind,
            catalog=gateway.control.current().version,
            records=gateway.records,
            key=gateway.first_key,
            simulated=gateway.simulated,
        )
        await stop.wait()
        seconds = settings.config.server.drain_seconds
        _log.info("draining", extra={"seconds": seconds, "connections": gateway.data.connections})
        await hurried(gateway.drain(seconds), now)
    _log.info("stopped")


def _status(control: ControlPlane, plane: DataPlane, recorder: Recorder, draining: Draining, began: float) -> Status:
    """What the overview page shows; `began` is when the gateway was started, by the monotonic clock."""
    return Status(
        version=version("llmgw-gateway"),
        uptime=time.monotonic() - began,
        ready=ready(control.served, recorder)[0] and not draining(),
        draining=draining(),
        in_flight=plane.in_flight(),
        states=plane.states(),
    )
