"""Sessions stay on their accounts, whatever becomes of the processes and of the database."""

from __future__ import annotations

import random

import msgspec
import pytest

from llmgw_affinity import Pin
from llmgw_domain import Event
from llmgw_eventstore.projection import project
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
    informed(node)


def informed(node: Node) -> None:
    """Waits until its worker, if it is one, serves from what the log has."""
    until(lambda: len(node.command("GET", "accounts").json()["data"]) == len(ACCOUNTS), 30)
    version = node.command("GET", "catalog").json()["version"]
    headers = {"authorization": f"Bearer {CLIENT_KEY}"}
    until(lambda: ask(node.data, "GET", "/v1/models", None, headers).headers["x-gw-config-version"] == version, 30)


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
    names = ("hlc", "node", "v", "kind", "tenant", "actor", "cause", "subject")
    found = rows(url, f"SELECT id::text, body::text, {', '.join(names)} FROM llmgw.fact_events")
    return [
        Event(id=event, body=msgspec.Raw(body.encode()), **dict(zip(names, rest, strict=True)))
        for event, body, *rest in found
    ]


def test_sessions_stay_over_the_end_of_every_process(node, simulated, database):
    """After a restart in good order, after a SIGKILL of a worker, and of all; whichever worker has the next turn, and
    at another node that asks the database."""
    simulator, environ, clients = simulated().url, external(url_of(database())), Clients(8)
    running = node(simulator, environ=environ)
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

    until(lambda: homes_in(environ["DB"]) == sorted(first.values()), 20)
    other = node(simulator, workers=1, environ=environ)
    other.start()
    other.ready()
    informed(other)
    assert (first, clients.all("home")) == clients.turn(other)


def test_what_is_bound_without_a_database_is_kept_all_the_same(node, simulated, database):
    """The database is away when sessions are bound and when everything is killed: the spools know where they are. It
    hears of them once it is back."""
    server = database()
    running, clients = node(simulated().url, environ=external(url_of(server))), Clients(6)
    furnished(running)
    until(lambda: running.spooled() == 0, 30)
    server.stop()
    first, placements = clients.turn(running)
    assert clients.all("new") == placements
    assert (first, clients.all("home")) == clients.turn(running)

    running.kill(*running.pids("all"))
    running.start()
    running.ready()
    assert (first, clients.all("home")) == clients.turn(running)

    server.start()
    until(lambda: homes_in(url_of(server)) == sorted(first.values()), 60, lambda: repr(pins_in(url_of(server))))


@pytest.mark.slow
@pytest.mark.parametrize("away", ["deleted", "disabled", "drained"])
def test_nobody_is_sent_to_an_account_that_is_gone(node, simulated, database, away):
    """Those of its sessions get another home; the others stay. What is known of it from before changes nothing."""
    running, clients = node(simulated().url, workers=1, environ=external(url_of(database()))), Clients(9)
    furnished(running)
    first, _ = clients.turn(running)
    gone = max(ACCOUNTS[1:], key=list(first.values()).count)
    left = {name for name, account in first.items() if account == gone}
    assert left
    method, path = {"deleted": ("DELETE", ""), "disabled": ("POST", "/disable"), "drained": ("POST", "/drain")}[away]
    assert running.command(method, f"accounts/{gone}{path}").status in (200, 204)
    second, placements = clients.turn(running)
    assert gone not in second.values()
    assert {name: "moved" if name in left else "home" for name in first} == placements
    assert {name: account for name, account in first.items() if name not in left}.items() <= second.items()
    running.kill(*running.pids("all"))
    running.start()
    running.ready()
    assert (second, clients.all("home")) == clients.turn(running)


@pytest.mark.slow
def test_the_facts_of_two_nodes_give_the_same_pins_in_any_order(node, simulated, database):
    """Each binds the same sessions while the database is away. The table has what both spools say, merged; so has the
    node that is started again, and finds its sessions where the first of the two had them."""
    server, simulator = database(), simulated().url
    nodes = [node(simulator, workers=1, environ=external(url_of(server))) for _ in range(2)]
    furnished(nodes[0])
    nodes[1].start()
    nodes[1].ready()
    informed(nodes[1])
    until(lambda: not any(each.spooled() for each in nodes), 30)
    server.stop()
    clients = Clients(6)
    first, _ = clients.turn(nodes[0])
    # So that the two do not agree by themselves.
    unwanted = max(ACCOUNTS, key=list(first.values()).count)
    assert nodes[1].command("POST", f"accounts/{unwanted}/drain").status == 200
    second, placements = clients.turn(nodes[1])
    assert clients.all("new") == placements
    assert first != second
    assert nodes[1].command("POST", f"accounts/{unwanted}/undrain").status == 200
    server.start()
    url = url_of(server)
    until(lambda: not any(each.spooled() for each in nodes), 60)
    facts = facts_in(url)
    assert {"session.bound", "request.settled"} <= {fact.kind for fact in facts}
    until(lambda: pins_in(url) == folded(facts), 20, lambda: f"{pins_in(url)}\n{folded(facts)}")
    for seed in range(20):
        shuffled = random.Random(seed).sample(facts, len(facts))
        assert folded(facts) == folded([*shuffled, *shuffled[: len(facts) // 2]])
    assert sorted(first.values()) == homes_in(url)
    nodes[1].kill(*nodes[1].pids("all"))
    nodes[1].start()
    nodes[1].ready()
    informed(nodes[1])
    assert (first, clients.all("home")) == clients.turn(nodes[1])


@pytest.mark.slow
def test_a_session_that_is_forgotten_begins_anew_at_every_node(node, simulated, database):
    """Also where it is known to be warm, and where its next turn has nothing but the spools to know it from: what was
    told before does not bring it back."""
    server, simulator, clients = database(), simulated().url, Clients(1)
    nodes = [node(simulator, workers=workers, environ=external(url_of(server))) for workers in (1, 2)]
    for each in nodes:
        each.start()
    for each in nodes:
        each.ready()
    for _ in range(3):
        clients.turn(nodes[0])
    assert clients.all("home") == clients.turn(nodes[0])[1]
    until(lambda: sessions(nodes[1]), 20)
    (shown,) = sessions(nodes[1])
    assert ("openai-a", "openai-a", "gpt", "test", "unknown") == tuple(
        shown[name] for name in ("home", "current", "model", "key", "reason")
    )
    path = f"sessions/{shown['session']}"
    assert shown["session"] == nodes[1].command("GET", path).json()["session"]
    assert 204 == nodes[1].command("DELETE", path).status
    assert ([], 404) == (sessions(nodes[1]), nodes[1].command("GET", path).status)
    until(lambda: nodes[1].spooled() == 0, 30)
    (said,) = [fact for fact in facts_in(url_of(server)) if fact.kind == "session.forgotten"]
    assert (f"session/{shown['session']}", "admin:@data-folder") == (said.subject, said.actor)

    until(lambda: clients.turn(nodes[0])[1] == clients.all("new"), 20)
    assert clients.all("home") == clients.turn(nodes[0])[1]
    assert 204 == forgotten_at(nodes[0], path)
    nodes[0].kill(*nodes[0].pids("all"))
    nodes[0].start()
    nodes[0].ready()
    assert clients.all("new") == clients.turn(nodes[0])[1]


def forgotten_at(node: Node, path: str) -> int:
    """Has the session forgotten, once it is heard of."""
    until(lambda: node.command("GET", path).status == 200, 20)
    return node.command("DELETE", path).status


def sessions(node: Node) -> list[dict[str, object]]:
    """What the admin API lists."""
    listed: list[dict[str, object]] = node.command("GET", "sessions").json().get("data", [])
    return listed


def folded(facts: list[Event]) -> dict[str, Pin]:
    return {key: row.pin for key, row in project(PINS, facts).rows.items()}
