"""SIGKILL, to every process of the gateway, at random moments under load: the log has all of it, once."""

from __future__ import annotations

import http.client
import itertools
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec
import pytest

from .conftest import CLIENT_KEY, Node, Simulated, ask, rows, until

ROLES = ("worker", "control", "worker", "control", "supervisor", "postmaster", "all")


class Traffic:
    """Clients whose calls carry their own ids in the header and in the prompt, and an administrator who writes down
    what was acknowledged."""

    def __init__(self, node: Node, clients: int = 4) -> None:
        self._node = node
        self._over = threading.Event()
        self._numbers = itertools.count(1)
        self.answered: set[str] = set()
        self.broken = 0
        self.acknowledged: list[tuple[str, str]] = []
        self._threads = [
            *(threading.Thread(target=self._call, args=(number,)) for number in range(clients)),
            threading.Thread(target=self._administrate),
        ]

    def _call(self, number: int) -> None:
        while not self._over.is_set():
            name = f"kill-{next(self._numbers)}"
            body = {"model": "gpt", "stream": number % 2 == 0, "messages": [{"role": "user", "content": name}]}
            headers = {"authorization": f"Bearer {CLIENT_KEY}", "x-request-id": name}
            try:
                reply = ask(self._node.data, "POST", "/v1/chat/completions", body, headers)
            except (OSError, http.client.HTTPException):
                self.broken += 1
                time.sleep(0.02)
                continue
            whole = not body["stream"] or reply.body.rstrip().endswith(b"[DONE]")
            if reply.status == 200 and whole:
                self.answered.add(name)
            else:
                self.broken += 1
            time.sleep(0.005)

    def _administrate(self) -> None:
        for number in itertools.count():
            if self._over.is_set():
                return
            name = f"p-{number}"
            try:
                if self._node.command("POST", "policies", {"id": name}).status == 201:
                    self.acknowledged.append(("created", name))
                if number % 3 == 0 and self._node.command("DELETE", f"policies/{name}").status == 204:
                    self.acknowledged.append(("deleted", name))
            except (OSError, http.client.HTTPException):
                pass
            time.sleep(0.02)

    @contextmanager
    def running(self) -> Iterator[Traffic]:
        for thread in self._threads:
            thread.start()
        try:
            yield self
        finally:
            self._over.set()
            for thread in self._threads:
                thread.join(30)


def kill_at_random(node: Node, simulated: Simulated, moments: int, rand: random.Random) -> Counter[str]:
    """Kills one role after the other; the gateway is started again when its supervisor went."""
    killed: Counter[str] = Counter()
    for number in range(moments):
        role = ROLES[number % len(ROLES)]
        time.sleep(rand.uniform(0.05, 1.5))
        until(lambda role=role: node.over or node.pids(role), 20)
        found = node.pids(role)
        node.kill(*(found if role == "all" or not found else [rand.choice(found)]))
        killed[role] += bool(found)
        simulated.look()
        if node.over:
            # Children of a supervisor that is gone end by themselves; the next one waits for that.
            node.start()
            time.sleep(rand.uniform(0.0, 4.0))
    return killed


def texts_of(simulated: Simulated) -> Counter[str]:
    """The prompts that the provider has seen, and how often."""
    seen: Counter[str] = Counter()
    for entry in simulated.look().values():
        if isinstance(entry.get("body"), dict):
            seen[entry["body"]["messages"][0]["content"]] += 1
    return seen


def prove(node: Node, simulated: Simulated, moments: int, seed: int) -> None:
    node.start()
    node.ready()
    with Traffic(node).running() as traffic:
        until(lambda: len(traffic.answered) > 20, 30)
        killed = kill_at_random(node, simulated, moments, random.Random(seed))
        if node.over:
            node.start()
        before = len(traffic.answered)
        until(lambda: len(traffic.answered) > before + 20, 60)
    seen = texts_of(simulated)
    node.stop()
    node.start()
    node.ready()
    # Spools that no worker takes again are looked at every five seconds.
    until(lambda: node.spooled() == 0, 60, lambda: f"{node.spooled()} bytes wait")
    until(lambda: unsettled(node) == [], 40, lambda: f"open: {unsettled(node)[:5]}")
    until(lambda: node.spooled() == 0, 30)

    facts = rows(node.conninfo, "SELECT kind, subject, body FROM llmgw.fact_events WHERE kind LIKE 'request.%'")
    opened = Counter(subject for kind, subject, _ in facts if kind == "request.opened")
    settled = Counter(subject for kind, subject, _ in facts if kind == "request.settled")
    outcomes = Counter(body["outcome"] for kind, _, body in facts if kind == "request.settled")
    named = {kind: {body["request_id"] for told, _, body in facts if told == kind} for kind, _, _ in facts}
    assert set() == set(seen) - named["request.opened"]
    assert set(opened) == {subject for subject in settled if subject in opened}
    assert [] == [subject for subject, count in settled.items() if count != 1]
    assert set() == set(traffic.answered) - named["request.settled"]

    states = rows(node.conninfo, "SELECT kind, subject FROM llmgw.state_events")
    written = Counter((kind, subject.removeprefix("policy/")) for kind, subject in states if "policy/" in subject)
    expected = [({"created": "state.written", "deleted": "state.deleted"}[what], p) for what, p in traffic.acknowledged]
    assert [] == [pair for pair in expected if written[pair] != 1]

    report = node.command("POST", "replay", {}, seconds=60)
    assert (200, []) == (report.status, report.json()["differences"])
    print(
        f"{sum(killed.values())} kills {dict(killed)}, {node.starts} starts; {len(traffic.answered)} calls answered, "
        f"{traffic.broken} broken, {sum(seen.values())} seen by the provider, {len(opened)} opened and settled once "
        f"({dict(outcomes)}); {len(traffic.acknowledged)} commands acknowledged, each in the log once"
    )


def unsettled(node: Node) -> list[str]:
    found = rows(
        node.conninfo,
        "SELECT subject FROM llmgw.fact_events GROUP BY subject HAVING count(*) FILTER (WHERE kind = 'request.settled')"
        " = 0 AND count(*) FILTER (WHERE kind = 'request.opened') > 0",
    )
    return [subject for (subject,) in found]


@pytest.mark.timeout(240)
def test_kills_at_random(node, simulated):
    """Each role is killed twice."""
    simulator = simulated()
    prove(node(simulator.url, workers=2), simulator, 2 * len(ROLES), seed=1)


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_two_hundred_kills_at_random(node, simulated):
    """Two hundred moments."""
    simulator = simulated()
    prove(node(simulator.url, workers=2), simulator, 200, seed=int(time.time()))


def test_the_ids_are_seen_on_both_sides(node, simulated):
    """What the other tests compare: the client's id is the log's subject, and its text is what the provider sees."""
    simulator = simulated()
    running = node(simulator.url, workers=1, environ={"GATEWAY_DATABASE__URL": "none"})
    running.start()
    running.ready()
    body = {"model": "gpt", "messages": [{"role": "user", "content": "kill-0"}]}
    headers = {"authorization": f"Bearer {CLIENT_KEY}", "x-request-id": "kill-0"}
    assert ask(running.data, "POST", "/v1/chat/completions", body, headers).headers["x-request-id"] == "kill-0"
    assert Counter({"kill-0": 1}) == texts_of(simulator)
    assert msgspec.json.encode(body)
