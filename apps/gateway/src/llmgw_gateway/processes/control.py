"""The control process: the control plane, the admin listener, and the links to the workers."""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from importlib.metadata import version

import msgspec

from llmgw_admin import Status, admin_app
from llmgw_cluster import serving
from llmgw_gateway import first_start
from llmgw_gateway.bind import Bind
from llmgw_gateway.config import Settings
from llmgw_gateway.control_plane import ControlPlane, open_control_plane, show
from llmgw_gateway.heap import settle_heap
from llmgw_gateway.home import admin_config, keyring, simulator, welcome
from llmgw_gateway.processes.setup import Setup
from llmgw_gateway.reload import Reloads
from llmgw_gateway.serving import ServeConfig
from llmgw_gateway.serving import serve as listen
from llmgw_gateway.serving.sockets import inherited, taken_name
from llmgw_gateway.signals import reload_on_hangup
from llmgw_gateway.state.hub import Hub
from llmgw_telemetry import Metrics, Totals, text

_STATUS_SECONDS = 1.0
"""Between two looks at what the workers count: what a worker that is killed had counted since is lost to the metrics,
and in the log all the same."""

_log = logging.getLogger(__name__)


class Control(msgspec.Struct, kw_only=True, eq=False):
    """An open control process."""

    plane: ControlPlane
    hub: Hub
    reloads: Reloads
    complete: asyncio.Event
    """Set once every worker serves."""
    greet: Callable[[], None]


@asynccontextmanager
async def open_control(settings: Settings, setup: Setup) -> AsyncIterator[Control]:
    """Administers on the inherited sockets. Raises `Refused`, `Unopened`, `UnusableDataDir`, `SpoolError`, OSError."""
    began = time.monotonic()
    async with AsyncExitStack() as stack:
        simulated = first_start.needs_simulator(settings.config, settings.environ)
        simulator_url = await stack.enter_async_context(simulator()) if simulated else None
        key = first_start.kept_key(settings.config, settings.data_dir)
        records = first_start.complete(settings.config, settings.environ, simulator_url, key)
        keyring(settings)

        hub: Hub
        plane = await stack.enter_async_context(
            open_control_plane(
                settings,
                setup.node,
                records,
                setup.database,
                spread=lambda events: hub.spread(events),
                pinned=lambda pins: hub.tell_pins(pins),
            )
        )
        totals, complete = Totals(), asyncio.Event()

        def looked() -> None:
            if len(hub.serving) >= setup.workers:
                complete.set()

        hub = Hub(plane.replica, lambda: plane.overlaid, plane.keep, plane.pins, plane.pauses, totals, looked)
        assert setup.listening is not None
        link = socket.socket(fileno=setup.listening)
        await stack.enter_async_context(serving(link, lambda: hub, lambda link: None))
        await stack.enter_async_context(_gathering(hub))
        reloads = await stack.enter_async_context(Reloads.watching(settings, plane, simulator_url, key, hub.lay))

        metrics = Metrics()
        show(plane, metrics)

        async def metrics_text() -> bytes:
            await hub.gather()
            totals.put("control", metrics.collect())
            return text(totals.collect())

        pages = admin_app(
            plane.current,
            metrics_text,
            partial(_status, plane, hub, setup, began),
            admin_config(settings),
            administration=plane.administration,
            history=plane.history,
            requests=plane.requests,
            replay=plane.database.replay,
            sessions=plane.sessions,
            settled=plane.spreading.done,
        )
        sockets = [inherited(number) for number in setup.admin]
        unlimited = ServeConfig(engine=settings.config.server.engine)
        admin = await stack.enter_async_context(listen(pages, sockets, unlimited))

        data = taken_name(setup.data)

        def greet() -> None:
            welcome(
                settings,
                data=Bind.parse(data),
                admin=Bind.parse(admin.addresses[0]),
                catalog=plane.current().version,
                records=records,
                key=key,
                simulated=simulated,
            )

        yield Control(plane=plane, hub=hub, reloads=reloads, complete=complete, greet=greet)


async def run_control(settings: Settings, setup: Setup, stop: asyncio.Event) -> None:
    """Administers until it is told to stop."""
    async with open_control(settings, setup) as control:
        settle_heap()
        reload_on_hangup(control.reloads.now)
        # Owned here, and ended with the process's work.
        greeting = asyncio.get_running_loop().create_task(_greet(control, setup))
        try:
            await stop.wait()
        finally:
            greeting.cancel()
            await asyncio.gather(greeting, return_exceptions=True)


async def _greet(control: Control, setup: Setup) -> None:
    """Says that the gateway is ready once every worker serves."""
    await control.complete.wait()
    if setup.announce:
        control.greet()
    else:
        _log.info("control process is back", extra={"catalog": control.plane.current().version})


@asynccontextmanager
async def _gathering(hub: Hub) -> AsyncIterator[None]:
    """Looks at what the workers count now and then, while the context is open."""

    async def rounds() -> None:
        while True:
            await asyncio.sleep(_STATUS_SECONDS)
            await hub.gather()

    # Owned here, and ended with the context.
    task = asyncio.get_running_loop().create_task(rounds())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def _status(plane: ControlPlane, hub: Hub, setup: Setup, began: float) -> Status:
    """What the overview page shows of all workers; `began` is when this process began, by the monotonic clock."""
    statuses = hub.statuses.values()
    in_flight: Counter[str] = Counter()
    for status in statuses:
        in_flight.update(status.in_flight)
    return Status(
        version=version("llmgw-gateway"),
        uptime=time.monotonic() - began,
        ready=bool(hub.serving) and plane.served.loaded,
        draining=any(status.draining for status in statuses),
        in_flight=dict(in_flight),
        states={account: state for status in statuses for account, state in status.states.items()},
    )
