"""Sessions stay on their accounts, whatever becomes of the processes and of the database."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

import msgspec
import pytest

from llmgw_affinity import Pin
from llmgw_domain import Event
from llmgw_eventstore.projection import project
from llmgw_postgres.testing import Server
from llmgw_relay.pin_facts import PINS

from .conftest import CLIENT_KEY, Node, ask, rows, until
from .test_database_away import database, external, url_of

__all__ = ["database"]

ACCOUNTS = ("openai-a", "openai-b", "openai-c")


class Clients:
    """Some conversations, each long enough to be cached, and where their turns were served."""

    def __init__(self, count: int, name: str = "client") -> None:
        self._names = [f"{name}-{number}" for number in range(count)]
        self._turns = 0

    def turn(self, node: Node) -> tuple[dict[str, str], dict[str, str]]:
        """A turn of each; their accounts, and the placements that the gateway says."""
        self._turns += 1
        accounts, placements = {}, {}
        for name in self._names:
            reply = ask(node.data, "POST", "/v1/chat/completions", self._body(name), self._headers(name))
            assert reply.status == 200, reply.body
            accounts[name], placements[name] = (reply.headers[f"x-gw-{word}"] for word in ("account", "session"))
        return accounts, placements

    def all(self, placement: str) -> dict[str, str]:
        return dict.fromkeys(self._names, placement)

    def _headers(self, name: str) -> dict[str, str]:
        return {"authorization": f"Bearer {CLIENT_KEY}", "x-session-id": name}

    def _body(self, name: str) -> dict[str, object]:
        said = [{"role": "user", "content": f"question {number}"} for number in range(self._turns)]
        return {"model": "gpt", "messages": [{"role": "system", "content": f"{name} says words. " * 400}, *said]}


def furnished(node: Node) -> None:
    """Starts it, with as many accounts as there are names."""
    node.start()
    node.ready()
    for name in ACCOUNTS[1:]:
        own = node.command("GET", "accounts/openai-a").json()
        account = {"id": name, "provider": "openai", "pool": "openai", "base_url": own["base_url"]}
        reply = node.command("POST", "accounts", {**account, "credential": f"sk-{name}"})
        assert reply.status == 201, reply.body


def pins_in(url: str) -> dict[str, Pin]:
    """The pins of the database, by the key of the session."""
    sql = (
        "SELECT jsonb_build_object('key', key, 'epoch', epoch, 'home', home, 'current', current)::text FROM llmgw.pins"
    )
    pins = (msgspec.json.decode(text, type=Pin) for (text,) in rows(url, sql))
    return {pin.key: pin for pin in pins}


def homes_in(url: str) -> list[str]:
    return sorted(pin.home.account for pin in pins_in(url).values())


def facts_in(url: str) -> list[Event]:
    sql = "SELECT id::text, hlc, node, v, kind, tenant, actor, cause, subject, body::text FROM llmgw.fact_events"
    return [Event(*row[:-1], msgspec.Raw(row[-1].encode())) for row in rows(url, sql)]


def test_sessions_stay_over_the_end_of_every_process(node, simulated, database):
    """After a restart in good order, after a SIGKILL of a worker, and of all; whichever worker has the next turn."""
    running, clients = node(simulated().url, environ=external(url_of(database()))), Clients(12)
    furnished(running)
    first, placements = clients.turn(running)
    assert clients.all("new") == placements
    assert len(set(first.values())) > 1
    for _ in range(2):
        assert (first, clients.all("home")) == clients.turn(running)

    running.kill(running.pids("worker")[0])
    until(lambda: len(running.pids("worker")) == 2, 30)
    assert (first, clients.all("home")) == clients.turn(running)

    running.stop()
    running.start()
    running.ready()
    assert (first, clients.all("home")) == clients.turn(running)

    running.kill(*running.pids("all"))
    running.start()
    running.ready()
    assert (first, clients.all("home")) == clients.turn(running)
