"""The database fails over below two gateways: each reads what the other wrote, however the log was cut in between."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from llmgw_postgres.testing import Server

from .conftest import Node, rows, until
from .test_database_away import Load, database, external, made, newest, policies_in, settled, url_of

__all__ = ["database"]

Pair = tuple[Server, Server, str, str]


@pytest.fixture
def pair(database: Callable[..., Server]) -> Iterator[Pair]:
    """A primary, its asynchronous replica that logs every statement, the address of both, and the replica's own."""
    primary = database(tcp=True)
    with Server.replica_of(primary, settings={"log_statement": "all"}) as replica:
        both = f"postgresql://postgres@127.0.0.1:{primary.port},127.0.0.1:{replica.port}/gateway"
        yield primary, replica, both, f"postgresql://postgres@127.0.0.1:{replica.port}/gateway"


def known(node: Node) -> set[str]:
    """The policies that a node knows."""
    return {policy["id"] for policy in node.command("GET", "policies").json()["data"]}


def test_the_audit_trail_is_read_from_the_replica_if_it_shows_ones_own_writes(node, simulated, pair):
    """The statement is seen there; while the replica applies nothing, the newest change is shown all the same."""
    _, replica, both, standby = pair
    running = node(simulated().url, environ=external(both, GATEWAY_DATABASE__REPLICAS=f'["{standby}"]'))
    running.start()
    running.ready()
    made(running, "before")
    until(lambda: "before" in policies_in(standby), 20)
    asked = reads_of(replica)
    assert newest(running) == "policy/before"
    assert reads_of(replica) > asked

    replica.pause_replay()
    made(running, "while-behind")
    asked = reads_of(replica)
    assert newest(running) == "policy/while-behind"
    assert reads_of(replica) == asked
    assert "while-behind" not in policies_in(standby)
    replica.resume_replay()


def reads_of(replica: Server) -> int:
    """How often the log was read backwards here, by what the server says."""
    return replica.log.count("ORDER BY position DESC")


def positions_in(url: str) -> dict[int, str]:
    """Which event is at which position of the state's log."""
    return dict(rows(url, "SELECT position, id::text FROM llmgw.state_events"))


@pytest.mark.parametrize(
    "asleep", [pytest.param(False, id="serving"), pytest.param(True, id="stopped", marks=pytest.mark.slow)]
)
def test_no_reader_skips_a_position_that_was_given_again(node, simulated, pair, asleep):
    """A standby that was behind takes over and gives positions of what was lost to new events. The other node has read
    those positions before, while it served, or before it was stopped; it comes to know all that is there now."""
    primary, replica, both, standby = pair
    # PostgreSQL's sequences are 32 numbers ahead on a standby: fewer than that would be lost without any reuse.
    unheard = [f"unheard-{number}" for number in range(70)]
    simulator = simulated().url
    writer, reader = (node(simulator, workers=1, environ=external(both)) for _ in range(2))
    for each in (writer, reader):
        each.start()
    for each in (writer, reader):
        each.ready()
    made(writer, "heard")
    until(lambda: "heard" in known(reader) and "heard" in policies_in(standby), 30)

    replica.pause_streaming()
    with Load(writer, 2).running() as load:
        made(writer, *unheard)
        until(lambda: unheard[-1] in known(reader), 30)
        until(lambda: load.ok > 20, 30)
        until(lambda: unheard[-1] in policies_in(url_of(primary)), 20)
        lost = positions_in(url_of(primary))
        if asleep:
            reader.stop()
        primary.kill()
        made(writer, "of-writer")
        if not asleep:
            made(reader, "of-reader")
        replica.promote()
        expected = {"heard", "of-writer", *unheard} | (set() if asleep else {"of-reader"})
        until(lambda: expected <= set(policies_in(standby)), 60, lambda: repr(policies_in(standby)))
        if asleep:
            reader.start()
            reader.ready()
        made(writer, "after")
        for each in (reader, writer):
            until(lambda each=each: known(each) >= expected | {"after"}, 30, lambda each=each: repr(known(each)))
        made(reader, "from-reader")
        until(lambda: "from-reader" in known(writer), 30)
        count = load.ok
        until(lambda: load.ok > count + 20, 30)
    assert [] == load.failures
    settled(writer, standby, load.ok)
    assert sorted(expected | {"after", "from-reader"}) == sorted(policies_in(standby))
    now = positions_in(standby)
    assert [position for position in lost if position in now and now[position] != lost[position]]


def test_a_node_that_was_stopped_at_the_failover_offers_its_kept_segments_at_its_next_start(node, simulated, pair):
    """What only the lost primary had is brought back by the node that wrote it, once it runs again."""
    primary, replica, both, standby = pair
    running = node(simulated().url, workers=1, environ=external(both))
    running.start()
    running.ready()
    made(running, "heard")
    until(lambda: "heard" in policies_in(standby), 20)
    replica.pause_streaming()
    with Load(running, 2).running() as load:
        made(running, "unheard")
        until(lambda: load.ok > 20, 30)
        until(lambda: "unheard" in policies_in(url_of(primary)), 20)
    until(lambda: running.spooled() == 0, 20)
    running.stop()
    primary.kill()
    replica.promote()
    assert ["heard"] == policies_in(standby)
    running.start()
    running.ready()
    until(lambda: "unheard" in policies_in(standby), 60)
    assert [] == load.failures
    settled(running, standby, load.ok)


def test_while_the_database_is_away_the_audit_trail_says_so_and_the_rest_answers(node, simulated, database):
    """Events are a 503 with a time to come back; lists and commands work; `/readyz` asks no database."""
    server = database()
    running = node(simulated().url, workers=1, environ=external(url_of(server)))
    running.start()
    running.ready()
    server.stop()
    reply = running.command("GET", "events")
    error: dict[str, Any] = reply.json()["error"]
    assert (503, "5") == (reply.status, {k.lower(): v for k, v in reply.headers.items()}["retry-after"])
    assert "the database is away" in error["message"]
    made(running, "meanwhile")
    assert "meanwhile" in known(running)
