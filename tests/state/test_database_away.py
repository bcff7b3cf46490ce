"""PostgreSQL goes away under load, in every way that it can: clients notice nothing, and the log has it all."""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from psycopg.conninfo import make_conninfo

from llmgw_postgres.testing import Server, has_mounts

from .conftest import CLIENT_KEY, Node, ask, rows, until

MASTER_KEY = base64.b64encode(b"1" * 32).decode()


@pytest.fixture
def database() -> Iterator[Callable[..., Server]]:
    """Starts PostgreSQL servers."""
    servers: list[Server] = []

    def started(**options: Any) -> Server:
        server = Server(**options)
        server.__enter__()
        servers.append(server)
        server.execute("CREATE DATABASE gateway")
        return server

    yield started
    for server in reversed(servers):
        server.__exit__(None, None, None)


def url_of(server: Server) -> str:
    return make_conninfo(server.conninfo, dbname="gateway")


def external(url: str, **environ: str) -> dict[str, str]:
    return {"GATEWAY_DATABASE__URL": "env:DB", "DB": url, "GATEWAY_MASTER_KEY": MASTER_KEY, **environ}


class Load:
    """Clients that call one after the other, whole and streamed, and count what they got."""

    def __init__(self, node: Node, clients: int = 4) -> None:
        self._node = node
        self._over = threading.Event()
        self.ok = 0
        self.failures: list[str] = []
        self._threads = [threading.Thread(target=self._run, args=(number,)) for number in range(clients)]

    def _run(self, number: int) -> None:
        headers = {"authorization": f"Bearer {CLIENT_KEY}"}
        while not self._over.is_set():
            body = {"model": "gpt", "stream": number % 2 == 0, "messages": [{"role": "user", "content": "hi"}]}
            try:
                reply = ask(self._node.data, "POST", "/v1/chat/completions", body, headers)
            except OSError as error:
                self.failures.append(repr(error))
                continue
            if reply.status == 200 and (not body["stream"] or reply.body.rstrip().endswith(b"[DONE]")):
                self.ok += 1
            else:
                self.failures.append(f"{reply.status} {reply.body[:200]!r}")
            time.sleep(0.01)

    @contextmanager
    def running(self) -> Iterator[Load]:
        for thread in self._threads:
            thread.start()
        try:
            yield self
        finally:
            self._over.set()
            for thread in self._threads:
                thread.join(20)


def made(node: Node, *policies: str) -> None:
    for policy in policies:
        assert node.command("POST", "policies", {"id": policy}).status == 201


def settled(node: Node, url: str, calls: int, listings: int = 0) -> None:
    """Every call is in the log once, opened and settled, and in the request log; nothing else is. A listing asks no
    provider, so that it is settled only.
    """
    until(lambda: node.spooled() == 0, 30, lambda: f"{node.spooled()} bytes wait")
    found = rows(
        url,
        "SELECT kind, count(*), count(DISTINCT subject) FROM llmgw.fact_events WHERE kind LIKE 'request.%'"
        " GROUP BY 1 ORDER BY 1",
    )
    both = calls + listings
    assert [("request.opened", calls, calls), ("request.settled", both, both)] == found
    until(lambda: rows(url, "SELECT count(*) FROM llmgw.requests") == [(both,)], 20)


def policies_in(url: str) -> list[str]:
    found = rows(url, "SELECT subject FROM llmgw.state_events WHERE subject LIKE 'policy/%' ORDER BY position")
    return [subject.removeprefix("policy/") for (subject,) in found]


def newest(node: Node) -> str:
    """The policy that the audit trail says was changed last. What the gateway makes for itself comes at any moment."""
    reply = node.command("GET", "events?limit=9")
    assert reply.status == 200, reply.body
    subjects: list[str] = [event["subject"] for event in reply.json()["data"]]
    return next(subject for subject in subjects if subject.startswith("policy/"))


def survive(node: Node, server: Server, seconds: float) -> None:
    """A stop, a kill, and a kill in the middle of commits; between them the database works for a moment."""
    node.start()
    node.ready()
    url = url_of(server)
    with Load(node).running() as load:
        until(lambda: load.ok > 50, 30)
        made(node, "before")
        server.stop()
        time.sleep(seconds)
        made(node, "while-stopped")
        assert ask(node.data, "GET", "/readyz").status == 200
        assert node.command("GET", "events").status == 503
        server.start()
        until(lambda: "while-stopped" in policies_in(url), 30)
        for _ in range(2):
            time.sleep(0.5)
            server.kill()
            made(node, f"while-killed-{_}")
            time.sleep(min(seconds, 2))
            server.restart()
        count = load.ok
        until(lambda: load.ok > count + 50, 30)
    assert [] == load.failures
    settled(node, url, load.ok)
    assert ["before", "while-stopped", "while-killed-0", "while-killed-1"] == policies_in(url)
    print(f"{load.ok} calls, none failed; all in the log once")


def test_a_database_that_stops_and_is_killed(node, simulated, database):
    """No call fails, no event is lost or doubled, commands given meanwhile hold."""
    server = database()
    survive(node(simulated().url, environ=external(url_of(server))), server, 3.0)


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_minute_without_a_database(node, simulated, database):
    """The same, for a minute."""
    server = database()
    survive(node(simulated().url, environ=external(url_of(server))), server, 60.0)


@pytest.mark.skipif(not has_mounts(), reason="mounting a small file system needs root on Linux")
def test_a_database_whose_disk_is_full(node, simulated, database):
    """It takes nothing until there is room again, and then everything, in order."""
    server = database(disk_bytes=256 << 20)
    url = url_of(server)
    running = node(simulated().url, environ=external(url))
    running.start()
    running.ready()
    with Load(running).running() as load:
        until(lambda: load.ok > 50, 30)
        _fill(server)
        until(lambda: "the database takes no events; they wait in the spool" in _said(running), 30)
        time.sleep(1)
        made(running, "while-full")
        server.empty_disk()
        if not server.running:
            server.restart()
        until(lambda: "while-full" in _policies_or_none(url), 60)
        count = load.ok
        until(lambda: load.ok > count + 50, 30)
    assert [] == load.failures
    settled(running, url, load.ok)


def _fill(server: Server) -> None:
    """The server itself takes room at the same time."""
    for leave in (1 << 20, 4 << 20, 16 << 20):
        try:
            server.fill_disk(leave)
            return
        except OSError:
            continue
    raise AssertionError("the disk can't be filled")


def _said(node: Node) -> list[str]:
    return [line.get("event", "") for line in node.lines]


def _policies_or_none(url: str) -> list[str]:
    import psycopg

    try:
        return policies_in(url)
    except psycopg.Error:
        return []


def test_a_start_without_the_database_serves_from_the_snapshot(node, simulated, database):
    """A key that was made before works, one that was deleted does not; what happens is in the log once it is back."""
    server = database()
    url = url_of(server)
    running = node(simulated().url, environ=external(url))
    running.start()
    running.ready()
    keys = [running.command("POST", "keys", {"name": name}).json() for name in ("kept", "gone")]
    assert running.command("DELETE", f"keys/{keys[1]['id']}").status == 204
    running.stop()
    server.stop()
    running.start()
    running.ready()
    listed = [
        ask(running.data, "GET", "/v1/models", headers={"authorization": f"Bearer {key['secret']}"}).status
        for key in keys
    ]
    assert [200, 401] == listed
    with Load(running, 1).running() as load:
        until(lambda: load.ok > 5, 20)
        made(running, "without-database")
    server.start()
    until(lambda: "without-database" in policies_in(url), 30)
    assert [] == load.failures
    settled(running, url, load.ok, listings=1)


def test_a_standby_takes_over(node, simulated, database):
    """Synchronous replication: the audit trail is read from the replica with one's own writes in it; the replica is
    killed and comes back; the primary is killed and the replica promoted. Nothing that was acknowledged is missing."""
    primary = database(tcp=True)
    with Server.replica_of(primary, synchronous=True) as replica:
        hosts = f"postgresql://postgres@127.0.0.1:{primary.port},127.0.0.1:{replica.port}/gateway"
        standby = f"postgresql://postgres@127.0.0.1:{replica.port}/gateway"
        running = node(simulated().url, environ=external(hosts, GATEWAY_DATABASE__REPLICAS=f'["{standby}"]'))
        running.start()
        running.ready()
        with Load(running).running() as load:
            until(lambda: load.ok > 50, 30)
            for number in range(5):
                made(running, f"p{number}")
                assert f"policy/p{number}" == newest(running)
            assert _reads(standby) > 0
            replica.kill()
            made(running, "without-replica")
            replica.restart()
            until(lambda: "without-replica" in _policies_or_none(standby), 40)
            primary.kill()
            made(running, "without-primary")
            replica.promote()
            until(lambda: "without-primary" in _policies_or_none(standby), 40)
            count = load.ok
            until(lambda: load.ok > count + 50, 30)
        assert [] == load.failures
        settled(running, standby, load.ok)
        expected = [*(f"p{n}" for n in range(5)), "without-replica", "without-primary"]
        assert expected == policies_in(standby)


def test_an_asynchronous_replica_that_was_behind_takes_over(node, simulated, database):
    """It has lost what it had not heard; the node's kept segments bring it back, and no position is skipped."""
    primary = database(tcp=True)
    with Server.replica_of(primary) as replica:
        hosts = f"postgresql://postgres@127.0.0.1:{primary.port},127.0.0.1:{replica.port}/gateway"
        standby = f"postgresql://postgres@127.0.0.1:{replica.port}/gateway"
        running = node(simulated().url, environ=external(hosts))
        running.start()
        running.ready()
        with Load(running).running() as load:
            until(lambda: load.ok > 50, 30)
            made(running, "heard")
            until(lambda: "heard" in _policies_or_none(standby), 20)
            replica.pause_streaming()
            made(running, "unheard")
            count = load.ok
            until(lambda: load.ok > count + 50, 30)
            until(lambda: "unheard" in policies_in(url_of(primary)), 20)
            primary.kill()
            replica.promote()
            count = load.ok
            until(lambda: load.ok > count + 50, 30)
            made(running, "after")
            until(lambda: {"unheard", "after"} <= set(_policies_or_none(standby)), 60)
        assert [] == load.failures
        settled(running, standby, load.ok)
        assert sorted(["heard", "unheard", "after"]) == sorted(policies_in(standby))


def _reads(url: str) -> int:
    """Transactions that this server's database has seen of clients."""
    ((count,),) = rows(url, "SELECT xact_commit FROM pg_stat_database WHERE datname = 'gateway'")
    return int(count)
