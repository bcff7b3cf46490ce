"""Why a call went where it went: asked of a running gateway, from what it wrote into its database."""

from __future__ import annotations

import subprocess
from typing import Any

from .conftest import CLIENT_KEY, COMMANDS, Node, Reply, ask, until

PROMPT = "All that was said before. " * 400
"""Long enough to be cached."""


def turn(node: Node, session: str, request: str) -> Reply:
    headers = {"authorization": f"Bearer {CLIENT_KEY}", "x-session-id": session, "x-request-id": request}
    # What one session has left in a cache is of no use to another.
    system = {"role": "system", "content": f"{session}: {PROMPT}"}
    body = {"model": "gpt", "messages": [system, {"role": "user", "content": "go on"}]}
    return ask(node.data, "POST", "/v1/chat/completions", body, headers)


def explained(node: Node, request: str) -> dict[str, Any]:
    """Once it is in the log as settled."""
    replies: list[Reply] = []

    def told() -> bool:
        replies.append(node.command("GET", f"requests/{request}/explain"))
        return replies[-1].status == 200 and replies[-1].json()["request"]["outcome"] != "open"

    until(told, 30)
    found: dict[str, Any] = replies[-1].json()
    return found


def test_a_session_that_had_to_move_is_explained(node, simulated):
    """Its first turn is bound, its second is refused at home and served elsewhere; the story tells both attempts, what
    the provider said, where the session went, and what its cache lost. A terminal shows the same.
    """
    simulator = simulated()
    running = node(simulator.url, workers=1)
    running.start()
    running.ready()
    other = {"id": "openai-b", "provider": "openai", "pool": "openai", "credential": "sk-b"}
    made = running.command("POST", "accounts", {**other, "base_url": f"{simulator.url}/v1"})
    assert made.status == 201, made.body

    def begun() -> bool:
        """Whether the worker has the account, and the database has given it what sessions are named with."""
        catalog = running.command("GET", "catalog").json()["version"]
        headers = turn(running, "other", "other").headers
        return headers["x-gw-config-version"] == catalog and headers["x-gw-session"] != "none"

    until(begun, 30)
    first = turn(running, "one", "first")
    home = first.headers["x-gw-account"]
    credential = {"openai-a": "sk-upstream", "openai-b": "sk-b"}[home]
    rule = {"match": {"credential": credential}, "times": None, "fault": {"status": 429, "retry-after": 50}}
    assert ask(simulator.port, "POST", "/_sim/faults", rule).status == 200
    second = turn(running, "one", "second")
    assert (200, "moved", "2") == (second.status, second.headers["x-gw-session"], second.headers["x-gw-attempts"])
    away = second.headers["x-gw-account"]

    bound = explained(running, "first")
    [attempt] = bound["attempts"]
    assert ("new", "unknown", home) == (attempt["chosen"]["placement"], attempt["chosen"]["reason"], attempt["account"])
    assert [("session.bound", home)] == [(move["event"], move["current"]) for move in attempt["moved"]]
    assert home in [looked["account"] for looked in attempt["chosen"]["looked_at"] if looked["taken"]]

    story = explained(running, "second")
    tried, served = story["attempts"]
    assert (home, "home", "rate_limit_exceeded", 429) == (
        tried["account"],
        tried["chosen"]["placement"],
        tried["ended"]["error_code"],
        tried["ended"]["upstream_status"],
    )
    assert ("pause", 50.0) == (tried["ended"]["said"]["verdict"], tried["ended"]["said"]["seconds"])
    assert (away, "moved", home, "ok") == (
        served["account"],
        served["chosen"]["placement"],
        served["chosen"]["home"],
        served["ended"]["outcome"],
    )
    assert [(home, away)] == [(move["home"], move["current"]) for move in served["moved"]]
    assert story["cache"]["lost_tokens"] > 1000
    assert "cooldown" == story["cache"]["cause"]

    listed = running.command("GET", f"requests?session={tried['chosen']['session']}&limit=9").json()["data"]
    assert ["second", "first"] == [request["request_id"] for request in listed]
    everywhere = {"match": {}, "times": None, "fault": {"status": 429, "retry-after": 50}}
    assert ask(simulator.port, "POST", "/_sim/faults", everywhere).status == 200
    assert 429 == turn(running, "one", "last").status
    nobody = explained(running, "last")["left_out"]
    assert {home: "paused", away: "paused"} == {each["account"]: each["word"] for each in nobody}
    assert 404 == running.command("GET", "requests/third/explain").status
    said = subprocess.run(
        [COMMANDS / "gateway", "explain", "second", "--admin-url", f"http://127.0.0.1:{running.admin}"],
        env={"GATEWAY_ADMIN_TOKEN": (running.data_dir / "owner.token").read_text().strip()},
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    assert f"attempt 2: {away} / sim-gpt" in said.stdout
    assert "rate_limit_exceeded, status 429" in said.stdout
