"""The composition root: parse, build, run, drain.

`open_gateway` builds the single-process form, one block a component in the order of their dependencies, and takes it
down in reverse. `serve` runs it until a signal asks for the end: the first SIGTERM or SIGINT drains, a second one ends
at once.
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from importlib.metadata import version

import msgspec
import uvloop

from llmgw_admin import AdminConfig, Status, admin_app
from llmgw_balancer import Signals, Slots
from llmgw_control import Control, Records
from llmgw_domain import Account, uuid7
from llmgw_gateway import console, first_start
from llmgw_gateway.bind import Bind
from llmgw_gateway.config import ServerConfig, Settings
from llmgw_gateway.data_dir import UnusableDataDir
from llmgw_gateway.limits import most_streams, raise_descriptors
from llmgw_gateway.model_lists import ModelLists
from llmgw_gateway.secrets import Secrets
from llmgw_gateway.serving import (
    BadCertificate,
    CannotListen,
    Certificate,
    Draining,
    Listener,
    ServeConfig,
    bind,
    renew,
    watched,
)
from llmgw_gateway.serving import serve as listen
from llmgw_gateway.serving.connections import AsgiApp
from llmgw_httpapi import HttpConfig, data_app
from llmgw_httpapi.proxies import Behind, TrustedProxies
from llmgw_pool import ConnectionPool, Fetcher
from llmgw_relay import Relay, RelayConfig
from llmgw_simulator import Simulator, SimulatorConfig
from llmgw_telemetry import LogConfig, LogStream, Metrics, Observer, configure_logging

_log = logging.getLogger(__name__)

_IDS = random.Random()
"""Seeded by the system at import. Request ids are names, not secrets, and the system's own source costs a call each."""


class Gateway(msgspec.Struct, kw_only=True, eq=False):
    """A running gateway: what the signals act on, and what tests look into."""

    control: Control
    certificate: Certificate | None
    relay: Relay
    pool: ConnectionPool
    lists: ModelLists
    slots: Slots
    metrics: Metrics
    data: Listener
    admin: Listener
    records: Records
    first_key: first_start.FirstKey | None
    simulated: bool

    @property
    def data_bind(self) -> Bind:
        """Where the data plane really listens: the port of the socket, not that of the configuration."""
        return Bind.parse(self.data.addresses[0])

    @property
    def admin_bind(self) -> Bind:
        return Bind.parse(self.admin.addresses[0])

    def reload(self) -> None:
        """Reads again what may change while it runs: the certificate."""
        if self.certificate is not None:
            renew(self.certificate)

    async def drain(self, seconds: float) -> None:
        """Stops accepting, lets requests in flight end within `seconds`, then cuts what is left."""
        await self.lists.close()
        await self.data.drain(seconds)
        await self.admin.drain(1.0)


@asynccontextmanager
async def open_gateway(settings: Settings, log: LogStream) -> AsyncIterator[Gateway]:
    """Everything in one process, open and serving.

    Raises `BadCertificate`, `CannotListen`, `Refused`, `UnusableDataDir`.
    """
    server = settings.config.server
    began = time.monotonic()
    async with AsyncExitStack() as stack:
        # The simulator comes first, because its address is part of the records.
        simulated = first_start.needs_simulator(settings.config, settings.environ)
        simulator_url = await stack.enter_async_context(_simulator()) if simulated else None

        key = _first_key(settings)
        records = first_start.complete(settings.config, settings.environ, simulator_url, key)
        control = Control(Secrets.of(settings).reveal)
        catalog = control.load(records)

        metrics = Metrics()
        observer = Observer(metrics, log)
        observer.catalog(catalog.version)

        pool = await stack.enter_async_context(ConnectionPool(settings.config.connections))
        observer.connections(partial(_connections, pool), partial(_leases, pool), lambda: pool.counters().pings)

        lists = await stack.enter_async_context(
            ModelLists(control.current, pool, random.random, settings.config.model_lists)
        )
        slots, signals, draining = Slots(), Signals(time.monotonic, random.random), Draining()
        observer.accounts(partial(_states, control, signals))
        relay = Relay(
            current=control.current,
            upstream=pool,
            slots=slots,
            signals=signals,
            facts=observer,
            clock=time.monotonic,
            wall=time.time,
            rand=random.random,
            advertised=lists.of,
            fetch=Fetcher(settings.config.fetch),
            config=RelayConfig(stream_errors=server.stream_errors),
        )
        app = _data_app(relay, server, control, draining)
        certificate = _certificate(settings)
        if certificate is not None:
            await stack.enter_async_context(watched(certificate))
        serving = _serving(server, certificate)
        data = await stack.enter_async_context(listen(app, bind(server.data_bind), serving, draining))

        status = partial(_status, control, slots, draining, began)
        pages = admin_app(control, metrics.render, status, _admin_config(settings))
        unlimited = ServeConfig(engine=server.engine)
        admin = await stack.enter_async_context(listen(pages, bind(server.admin_bind), unlimited))
        yield Gateway(
            control=control,
            certificate=certificate,
            relay=relay,
            pool=pool,
            lists=lists,
            slots=slots,
            metrics=metrics,
            data=data,
            admin=admin,
            records=records,
            first_key=key,
            simulated=simulated,
        )


def _data_app(relay: Relay, server: ServerConfig, control: Control, draining: Draining) -> AsgiApp:
    """What clients talk to; behind proxies it is told who they are."""
    app = data_app(
        relay,
        _http_config(server),
        new_request_id=new_request_id,
        clock=time.monotonic,
        ready=lambda: _ready(control, draining),
        draining=draining,
    )
    proxies = TrustedProxies(server.trusted_proxies)
    return Behind(app, proxies) if proxies else app


def _certificate(settings: Settings) -> Certificate | None:
    """Raises `BadCertificate`."""
    http2 = settings.config.server.http2
    if http2:
        _log.warning("HTTP/2 to clients is experimental: see docs/configuration.md")
    if settings.tls_files is None:
        return None
    return Certificate(*settings.tls_files, ("h2", "http/1.1") if http2 else ("http/1.1",))


def _serving(server: ServerConfig, certificate: Certificate | None) -> ServeConfig:
    most = server.max_streams or most_streams()
    return ServeConfig(engine=server.engine, max_connections=most, certificate=certificate)


def new_request_id() -> str:
    """A UUIDv7: sortable by time in every log that it ends up in."""
    return uuid7(time.time(), _IDS.getrandbits(74))


def serve(settings: Settings) -> int:
    """Runs the gateway until it is told to stop; the exit code."""
    server = settings.config.server
    log = configure_logging(_log_config(server))
    raise_descriptors()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        try:
            runner.run(_serve(settings, log))
        except (BadCertificate, CannotListen, UnusableDataDir) as error:
            console.complain(f"{error}\n")
            return 1
    return 0


async def _serve(settings: Settings, log: LogStream) -> None:
    stop, now = _signals()
    async with open_gateway(settings, log) as gateway:
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, gateway.reload)
        _announce(settings, gateway)
        await stop.wait()
        seconds = settings.config.server.drain_seconds
        _log.info("draining", extra={"seconds": seconds, "connections": gateway.data.connections})
        await _drain(gateway, seconds, now)
    _log.info("stopped")


async def _drain(gateway: Gateway, seconds: float, now: asyncio.Event) -> None:
    """Drains until done or told to hurry."""

    async def hurry() -> None:
        await now.wait()
        drain.cancel()

    async with asyncio.TaskGroup() as tasks:
        drain = tasks.create_task(gateway.drain(seconds))
        watch = tasks.create_task(hurry())
        drain.add_done_callback(lambda _: watch.cancel())


def _signals() -> tuple[asyncio.Event, asyncio.Event]:
    """Events of the first signal to stop and of the second one."""
    stop, now = asyncio.Event(), asyncio.Event()

    def asked() -> None:
        (now if stop.is_set() else stop).set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, asked)
    return stop, now


def _announce(settings: Settings, gateway: Gateway) -> None:
    _log.info(
        "ready",
        extra={
            "data": str(gateway.data_bind),
            "admin": str(gateway.admin_bind),
            "engine": settings.config.server.engine,
            "catalog": gateway.control.current().version,
        },
    )
    if first_start.wants_secrets(os.environ, sys.stdout.isatty()):
        text = first_start.welcome(
            endpoint=gateway.data_bind.url("https" if gateway.certificate else "http"),
            dashboard=gateway.admin_bind.url(),
            records=gateway.records,
            key=gateway.first_key,
            simulated=gateway.simulated,
            version=version("llmgw-gateway"),
        )
        console.say(f"\n{text}\n")
    elif gateway.first_key is not None:
        _log.info(first_start.whereabouts(gateway.first_key))


def _first_key(settings: Settings) -> first_start.FirstKey | None:
    try:
        return first_start.first_key(settings.config, settings.data_dir)
    except OSError as error:
        raise UnusableDataDir(f"the data folder {settings.data_dir} can't be used: {error.strerror}") from None


@asynccontextmanager
async def _simulator() -> AsyncIterator[str]:
    """The built-in simulator on a free port of loopback; its base URL."""
    async with Simulator(SimulatorConfig()).serve("127.0.0.1", 0) as running:
        yield running.base_url


def _ready(control: Control, draining: Draining) -> tuple[bool, str]:
    if draining():
        return False, "draining"
    return (True, "") if control.loaded else (False, "no catalog is loaded")


def _status(control: Control, slots: Slots, draining: Draining, began: float) -> Status:
    """What the overview page shows; `began` is when the gateway was started, by the monotonic clock."""
    return Status(
        version=version("llmgw-gateway"),
        uptime=time.monotonic() - began,
        ready=_ready(control, draining)[0],
        draining=draining(),
        in_flight={account: slots.held(account) for account in control.current().accounts},
    )


def _states(control: Control, signals: Signals) -> list[tuple[tuple[str, str], int]]:
    """1 for the state that each account is in."""
    return [((account.id, _state(account, signals)), 1) for account in control.current().accounts.values()]


def _state(account: Account, signals: Signals) -> str:
    if not account.enabled:
        return "disabled"
    return "doubted" if signals.doubted(account.id) else "ok"


def _http_config(server: ServerConfig) -> HttpConfig:
    return HttpConfig(
        max_body_bytes=server.max_body_bytes,
        max_upload_bytes=server.max_upload_bytes,
        max_buffered_bytes=server.max_buffered_bytes,
        heartbeat_seconds=server.heartbeat_seconds,
        send_timeout=server.send_timeout_seconds,
    )


def _admin_config(settings: Settings) -> AdminConfig:
    server = settings.config.server
    return AdminConfig(host=Bind.parse(server.admin_bind).host, hosts=server.admin_hosts, token=settings.admin_token)


def _connections(pool: ConnectionPool) -> list[tuple[tuple[str, str, str], int]]:
    return [((c.transport, c.origin, c.state), c.count) for c in pool.counters().connections]


def _leases(pool: ConnectionPool) -> list[tuple[tuple[str, str], int]]:
    return list(pool.counters().leases.items())


def _log_config(server: ServerConfig) -> LogConfig:
    return LogConfig(level=server.log_level, format=server.log_format, requests=server.log_requests)
