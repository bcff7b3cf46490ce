"""The data plane: what answers clients. A worker is this and a link to the control process."""

from __future__ import annotations

import asyncio
import logging
import random
import socket
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

import msgspec

from llmgw_affinity import SessionKeys
from llmgw_balancer import AccountState, Balancer
from llmgw_balancer.roster import alone
from llmgw_crdt import Clock
from llmgw_domain import Account, Catalog, uuid7
from llmgw_gateway.config import ServerConfig, Settings
from llmgw_gateway.limits import most_streams
from llmgw_gateway.model_lists import ModelLists
from llmgw_gateway.serving import Certificate, Draining, Listener, ServeConfig, renew, watched
from llmgw_gateway.serving import serve as listen
from llmgw_gateway.serving.connections import AsgiApp
from llmgw_gateway.state.loads import WorkerLoads
from llmgw_gateway.state.pauses import WorkerPauses
from llmgw_gateway.state.renewals import Renewal, Renewals
from llmgw_gateway.tempo import Tempo
from llmgw_httpapi import HttpConfig, data_app
from llmgw_httpapi.proxies import Behind, TrustedProxies
from llmgw_pool import ConnectionPool, Fetcher
from llmgw_relay import Relay, RelayConfig
from llmgw_relay.conversations import Conversations
from llmgw_relay.objects import Objects
from llmgw_relay.parts import Parts
from llmgw_relay.pins import Pins
from llmgw_relay.ports import Facts
from llmgw_relay.stash import Stash
from llmgw_telemetry import Observer

_log = logging.getLogger(__name__)

_IDS = random.Random()
"""Seeded by the system at import. Request ids are names, not secrets, and the system's own source costs a call each."""

Ready = Callable[[], tuple[bool, str]]
"""Whether requests can be served, and if not, why."""


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """What outlives a call, by kind; None is the memory of this process."""

    objects: Objects | None = None
    stash: Stash | None = None
    conversations: Conversations | None = None


class Sessions(msgspec.Struct, frozen=True, kw_only=True):
    """Where sessions are: their pins, and what their keys and stamps are made with."""

    pins: Pins
    keys: Callable[[], SessionKeys | None]
    clock: Clock


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """What others tell of accounts: their rests, the operator's changes, and what the host's other workers have there,
    where there are any.
    """

    pauses: WorkerPauses
    renewals: Renewals
    loads: WorkerLoads | None = None


class DataPlane(msgspec.Struct, kw_only=True, eq=False):
    """The open parts of it."""

    relay: Relay
    pool: ConnectionPool
    lists: ModelLists
    balancer: Balancer
    listener: Listener
    current: Callable[[], Catalog]
    certificate: Certificate | None

    def reload(self) -> None:
        """Reads again what may change while it runs: the certificate."""
        if self.certificate is not None:
            renew(self.certificate)

    def in_flight(self) -> dict[str, int]:
        """Calls by account id."""
        return {account: self.balancer.held(account) for account in self.current().accounts}

    def states(self) -> dict[str, str]:
        """What keeps an account from serving, for people, by account id; nothing for one that serves."""
        accounts = self.current().accounts
        told = ((name, in_words(state)) for name, state in self.balancer.states().items() if name in accounts)
        return {name: words for name, words in told if words}

    async def drain(self, seconds: float) -> None:
        """Stops accepting, lets requests in flight end within `seconds`, then cuts what is left."""
        await self.lists.close()
        await self.listener.drain(seconds)


@asynccontextmanager
async def open_data_plane(
    settings: Settings,
    sockets: Sequence[socket.socket],
    *,
    current: Callable[[], Catalog],
    ready: Ready,
    facts: Facts,
    observer: Observer,
    sessions: Sessions,
    told: Told,
    kept: Kept | None = None,
    draining: Draining | None = None,
) -> AsyncIterator[DataPlane]:
    """Serves clients on `sockets`, which belong to it from now on. Raises `BadCertificate`."""
    server = settings.config.server
    kept = kept or Kept()
    draining = draining or Draining()
    async with AsyncExitStack() as stack:
        pool = await stack.enter_async_context(ConnectionPool(settings.config.connections))
        observer.connections(partial(_connections, pool), partial(_leases, pool), lambda: pool.counters().pings)

        lists = await stack.enter_async_context(ModelLists(current, pool, random.random, settings.config.model_lists))
        tempo = Tempo(server.time_scale)
        balancer = Balancer(
            clock=tempo.clock,
            rand=random.random,
            config=settings.config.balance,
            others=alone if told.loads is None else told.loads.others,
        )
        observer.accounts(
            partial(_states, current, balancer), partial(_error_rates, balancer), partial(_account_leases, balancer)
        )
        relay = Relay(_parts(settings, tempo, current, pool, balancer, facts, sessions, kept, lists))
        observer.queue(lambda: relay.waiting)
        await stack.enter_async_context(_told(told, balancer, relay))
        app = _data_app(relay, server, ready, draining)
        certificate = _certificate(settings)
        if certificate is not None:
            await stack.enter_async_context(watched(certificate))
        serving = _serving(server, certificate)
        listener = await stack.enter_async_context(listen(app, sockets, serving, draining))
        yield DataPlane(
            relay=relay,
            pool=pool,
            lists=lists,
            balancer=balancer,
            listener=listener,
            current=current,
            certificate=certificate,
        )


def _parts(
    settings: Settings,
    tempo: Tempo,
    current: Callable[[], Catalog],
    pool: ConnectionPool,
    balancer: Balancer,
    facts: Facts,
    sessions: Sessions,
    kept: Kept,
    lists: ModelLists,
) -> Parts:
    return Parts.of(
        current=current,
        upstream=pool,
        balancer=balancer,
        pins=sessions.pins,
        session_keys=sessions.keys,
        session_wall=tempo.wall,
        stamp=lambda: sessions.clock.tick(time.time()),
        node=sessions.clock.node,
        facts=facts,
        clock=time.monotonic,
        wall=time.time,
        rand=random.random,
        objects=kept.objects,
        stash=kept.stash,
        conversations=kept.conversations,
        advertised=lists.of,
        fetch=Fetcher(settings.config.fetch),
        config=_relay_config(settings),
    )


@asynccontextmanager
async def _told(told: Told, balancer: Balancer, relay: Relay) -> AsyncIterator[None]:
    """Has the balancer hear what others know of accounts, and tells them what it knows, while the context is open."""

    def renewed(renewal: Renewal) -> None:
        balancer.retain(renewal.accounts)
        for account in renewal.resumed:
            told.pauses.resumed(account)
        relay.renewed()

    told.pauses.serve(balancer)
    told.renewals.add(renewed)
    work = [told.pauses.run()] if told.loads is None else [told.pauses.run(), told.loads.run(balancer)]
    # Owned here, and ended with the context.
    tasks = [asyncio.get_running_loop().create_task(each) for each in work]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        told.pauses.look()


def new_request_id() -> str:
    """A UUIDv7: sortable by time in every log that it ends up in."""
    return uuid7(time.time(), _IDS.getrandbits(74))


def _data_app(relay: Relay, server: ServerConfig, ready: Ready, draining: Draining) -> AsgiApp:
    """What clients talk to; behind proxies it is told who they are."""
    app = data_app(
        relay,
        _http_config(server),
        new_request_id=new_request_id,
        clock=time.monotonic,
        ready=lambda: (False, "draining") if draining() else ready(),
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


def _http_config(server: ServerConfig) -> HttpConfig:
    return HttpConfig(
        max_body_bytes=server.max_body_bytes,
        max_upload_bytes=server.max_upload_bytes,
        max_buffered_bytes=server.max_buffered_bytes,
        heartbeat_seconds=server.heartbeat_seconds,
        send_timeout=server.send_timeout_seconds,
    )


def _relay_config(settings: Settings) -> RelayConfig:
    server, sessions = settings.config.server, settings.config.sessions
    return RelayConfig(
        stream_errors=server.stream_errors,
        max_wait_seconds=sessions.max_wait_seconds,
        max_waiting=sessions.max_waiting,
        wait_tokens_per_second=sessions.wait_tokens_per_second,
        fallback_wait_seconds=sessions.fallback_wait_seconds,
        time_scale=server.time_scale,
    )


def in_words(state: AccountState) -> str:
    """What keeps an account, or a model of it, from serving: `open`, `paused: tokens for 17 s`, `gpt-5: forbidden for
    58 min`. Empty where nothing does.
    """
    rests = [f"{p.model + ': ' if p.model else ''}{p.reason} for {_how_long(p.seconds)}" for p in state.pauses]
    word = "" if state.word == "ok" else str(state.word)
    return ": ".join(filter(None, (word, ", ".join(rests))))


def _how_long(seconds: float) -> str:
    if seconds < 120:
        return f"{max(seconds, 1):.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.0f} h"


def _states(current: Callable[[], Catalog], balancer: Balancer) -> list[tuple[tuple[str, str], int]]:
    """1 for the state that each account is in. What an operator said of it counts at once, asked or not."""
    known = balancer.states()

    def word(account: Account) -> str:
        if not account.enabled:
            return "disabled"
        if account.drain:
            return "draining"
        return known[account.id].word if account.id in known else "ok"

    return [((name, word(account)), 1) for name, account in current().accounts.items()]


def _error_rates(balancer: Balancer) -> list[tuple[tuple[str], float]]:
    return [((name,), round(state.error_rate, 4)) for name, state in balancer.states().items()]


def _account_leases(balancer: Balancer) -> list[tuple[tuple[str], int]]:
    return [((name,), state.leases) for name, state in balancer.states().items()]


def _connections(pool: ConnectionPool) -> list[tuple[tuple[str, str, str], int]]:
    return [((c.transport, c.origin, c.state), c.count) for c in pool.counters().connections]


def _leases(pool: ConnectionPool) -> list[tuple[tuple[str, str], int]]:
    return list(pool.counters().leases.items())
