"""The tables in PostgreSQL against the pure folds, over the same log."""

from __future__ import annotations

import asyncio
import random

import msgspec
import psycopg
import pytest

from llmgw_domain import uuid7
from llmgw_eventstore import Cursor
from llmgw_eventstore.projection import project
from llmgw_eventstore.requests import REQUESTS, Request
from llmgw_eventstore.testing import make_event, read_all
from llmgw_postgres.errors import StatementRefused
from llmgw_postgres.once import once_in_cluster
from llmgw_postgres.projections import Projections, ReplayRunning

AT = 1_700_000_000.0


def fact(kind, number, body, *, at=AT, v=1):
    """A fact with an id of its own, about the request that the body names."""
    event = make_event(number, kind=kind, body=body)
    return msgspec.structs.replace(
        event, id=uuid7(at, number * 7919), v=v, subject=f"request/{body.get('request_id', number)}"
    )


def opened(request, attempt=1, *, number, at=AT, **changes):
    body = {
        "request_id": request,
        "at": at,
        "tenant": "acme",
        "key": "k1",
        "dialect": "chat",
        "model": "gpt",
        "account": "a",
        "provider": "openai",
        "target_model": "gpt-5",
        "attempt": attempt,
    }
    return fact("request.opened", number, {**body, **changes}, at=at)


def settled(request, outcome="ok", *, number, at=AT, **changes):
    body = {
        "request_id": request,
        "at": at,
        "tenant": "acme",
        "key": "k1",
        "dialect": "chat",
        "model": "gpt",
        "stream": True,
        "outcome": outcome,
        "status": 200,
        "attempts": 1,
        "duration": 1.5,
        "account": "a",
        "provider": "openai",
        "usage": {"uncached_input": 10, "output": 5, "reasoning": None},
        "lossy": ["x"],
    }
    return fact("request.settled", number, {**body, **changes}, at=at)


def broken(event, changes):
    """The same fact with fields in its body that are none."""
    body = {**msgspec.json.decode(event.body), **changes}
    return msgspec.structs.replace(event, body=msgspec.Raw(msgspec.json.encode(body)))


def select(database, sql):
    with psycopg.connect(database) as connection:
        return connection.execute(sql).fetchall()


def requests(database):
    """The table as the pure fold has it."""
    rows = select(
        database,
        "SELECT request_id, json_build_object('opened_at', opened_at, 'last', last, 'settled', settled)::text"
        " FROM llmgw.requests",
    )
    return {request_id: msgspec.json.decode(row, type=Request) for request_id, row in rows}


def usage(database):
    (names,) = (sums.keys() for sums in project(REQUESTS, [settled("x", number=1)]).sums["usage"].values())
    rows = select(database, f"SELECT hour, tenant, key, model, account, provider, {', '.join(names)} FROM llmgw.usage")
    return {row[:6]: dict(zip(names, row[6:], strict=True)) for row in rows}


async def fold_all(projections, limit=5000):
    while await projections.advance(limit):
        pass


async def agree(database, store):
    """Whether both folds say the same of the whole log; gives the pure one's tables."""
    pure = project(REQUESTS, [stored.event for stored in await read_all(store, "fact")])
    assert pure.rows == requests(database)
    assert pure.sums["usage"] == usage(database)
    assert set(pure.unreadable) == {str(event) for (event,) in select(database, "SELECT event FROM llmgw.unreadable")}
    return pure


TURNS = [
    None,
    {"key": "s1", "placement": "new", "reason": "unknown"},
    {"key": "s1", "placement": "home", "reason": "free", "expected": 9, "observed": 7, "later": 1},
    {"key": "s2", "placement": "moved", "reason": "gone", "observed": None, "lost": 5, "cause": "drain"},
]


def chance(seed, size):
    """A log as chance would have it: attempts, settlements, crashes, repeats, later corrections, and rubbish."""
    rand = random.Random(seed)
    events = []
    for number in range(size):
        request, at = f"req_{rand.randrange(size // 4)}", AT + rand.randrange(0, 10_000) + rand.random()
        names = {
            "tenant": rand.choice(["acme", "emca"]),
            "key": rand.choice("kl"),
            "model": rand.choice(["gpt", "a/b"]),
        }
        match rand.randrange(12):
            case 0 | 1 | 2 | 3:
                events.append(opened(request, rand.randrange(1, 4), number=number, at=at, **names))
            case 4 | 5 | 6:
                spent = {
                    "uncached_input": rand.randrange(1000),
                    "output": rand.randrange(100),
                    "reasoning": rand.randrange(9),
                }
                outcome = rand.choice(["ok", "ok", "refused", "failed", "cancelled"])
                turn = {"session": rand.choice(TURNS), "queued": rand.choice([0.0, 1.25])}
                events.append(settled(request, outcome, number=number, at=at, usage=spent, **names, **turn))
            case 7:
                spent = {"cache_read": 7, "provenance": "estimated"}
                events.append(settled(request, "crashed", number=number, at=at, usage=spent, account=None))
            case 8:
                events.append(
                    settled(request, number=number, at=at, usage=None, unmetered=True, provider=None, **names)
                )
            case 9:
                events.append(make_event(number, kind="later.thing", body={"request_id": request}))
            case 10:
                wrong = rand.choice([{"at": "noon"}, {"tenant": 7}, {"attempt": 1.5}, {"account": None}])
                events.append(broken(opened(request, number=number), wrong))
            case 11:
                wrong = rand.choice(
                    [
                        {"usage": []},
                        {"status": None},
                        {"stream": 1},
                        {"usage": {"output": "5"}},
                        {"session": "s"},
                        {"session": {"key": "s", "placement": "home"}},
                        {"session": {**TURNS[1], "lost": None}},
                        {"queued": None},
                    ]
                )
                events.append(broken(settled(request, number=number), wrong))
    return events


@pytest.mark.parametrize("seed", range(4))
async def test_the_tables_are_those_of_the_pure_folds(database, pools, store, seed):
    """Whatever the log and however it is cut into batches, both folds come to the same rows, sums and refusals."""
    rand = random.Random(seed)
    events = chance(seed, 400)
    projections = Projections(pools)
    while events:
        cut = rand.randrange(1, 150)
        await store.append("fact", events[:cut])
        events = events[cut:]
        await fold_all(projections, limit=rand.randrange(1, 100))
    pure = await agree(database, store)
    assert pure.rows
    assert pure.unreadable
    assert [] == await projections.replay()


async def test_a_settlement_before_its_opening_gives_the_same_row(database, pools, store):
    """Order does not count; the last attempt is the one with the greatest number."""
    await store.append("fact", [settled("r", number=3), opened("r", 2, number=2, at=AT + 1), opened("r", 1, number=1)])
    await fold_all(Projections(pools), limit=1)
    row = (await agree(database, store)).rows["r"]
    assert (AT, 2, "ok") == (row.opened_at, row.last.attempt, row.outcome)


async def test_a_real_settlement_takes_back_the_guess_of_a_crash(database, pools, store):
    """What the guess had given to usage is taken back, and its group vanishes if nothing is left."""
    projections = Projections(pools)
    await store.append("fact", [settled("r", "crashed", number=2, at=AT + 7200)])
    await fold_all(projections)
    assert [1] == [row["errors"] for row in usage(database).values()]
    await store.append("fact", [settled("r", number=1)])
    await fold_all(projections)
    assert [(1, 0)] == [(row["calls"], row["errors"]) for row in usage(database).values()]
    await agree(database, store)


async def test_a_body_that_jsonb_can_not_hold_stops_nothing(database, pools, store):
    """Half a surrogate pair or a number beyond measure is noted; NUL characters are replaced, escaped ones are not."""
    strange = msgspec.Raw(b'{"request_id": "x", "at": 1e999999, "tenant": "\\ud800"}')
    nul = opened("nul", number=2, model="a\x00b\\u0000")
    await store.append(
        "fact", [msgspec.structs.replace(opened("x", number=1), body=strange), nul, opened("y", number=3)]
    )
    await fold_all(Projections(pools))
    assert {"nul", "y"} == requests(database).keys()
    assert "a\ufffdb\\u0000" == requests(database)["nul"].last.model
    assert 1 == len(select(database, "SELECT event FROM llmgw.unreadable"))


async def test_an_event_of_a_later_version_is_left_to_a_later_release(database, pools, store):
    """It is noted and not guessed at."""
    event = msgspec.structs.replace(opened("x", number=1), v=2)
    await store.append("fact", [event])
    await fold_all(Projections(pools))
    assert {event.id} == {str(event) for (event,) in select(database, "SELECT event FROM llmgw.unreadable")}


async def test_one_node_folds_at_a_time(database, pools, store):
    """Several at once come to the same tables as one, and none of them waits."""
    await store.append("fact", chance(9, 600))
    async with asyncio.TaskGroup() as group:
        for _ in range(4):
            group.create_task(fold_all(Projections(pools), limit=20))
    await fold_all(Projections(pools))
    await agree(database, store)
    assert [] == await Projections(pools).replay()


async def test_a_crash_in_a_fold_moves_neither_rows_nor_checkpoint(database, pools, store):
    """The transaction holds both: after an error in its middle, the next fold begins where this one did."""
    await store.append("fact", [opened("r", number=1), settled("r", number=2)])
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("ALTER TABLE llmgw.usage ADD CONSTRAINT broken CHECK (calls > 1)")
        with pytest.raises(StatementRefused):
            await Projections(pools).advance()
        assert {} == requests(database)
        connection.execute("ALTER TABLE llmgw.usage DROP CONSTRAINT broken")
    assert 2 == await Projections(pools).advance()
    await agree(database, store)


async def test_a_replay_tells_every_difference_in_words(database, pools, store):
    """A row that was changed, one that was lost, one that was made up, and a sum that is off."""
    projections = Projections(pools)
    await store.append("fact", [settled(name, number=n) for n, name in enumerate(["a", "b", "c"], 1)])
    await fold_all(projections)
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("UPDATE llmgw.requests SET opened_at = 7 WHERE request_id = 'a'")
        connection.execute("DELETE FROM llmgw.requests WHERE request_id = 'b'")
        connection.execute(
            "INSERT INTO llmgw.requests SELECT 'd', opened_at, last, settled FROM llmgw.requests WHERE request_id = 'c'"
        )
        connection.execute("UPDATE llmgw.usage SET calls = calls + 1")
    expected = [
        "requests a: opened_at is 7.0, should be None",
        "requests b: missing",
        "requests d: should not be there",
        "usage 2023-11-14T22 acme k1 gpt a: calls is 4, should be 3",
    ]
    assert expected == await projections.replay()
    assert expected == await projections.replay(repair=True)
    assert [] == await projections.replay()
    await agree(database, store)
    await store.append("fact", [settled("e", number=9)])
    await fold_all(projections)
    await agree(database, store)


async def test_tables_of_an_earlier_version_are_built_anew(database, pools, store):
    """A release with another fold finds them by their version; those of a later release it leaves alone."""
    projections = Projections(pools)
    await store.append("fact", [settled("a", number=1)])
    await fold_all(projections)
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("DELETE FROM llmgw.requests")
        connection.execute("UPDATE llmgw.projections SET version = version - 1")
        async with once_in_cluster(pools, "replay"):
            assert 0 == await projections.advance()
            assert {} == requests(database)
        await projections.advance()
        await agree(database, store)
        connection.execute("UPDATE llmgw.projections SET version = version + 1")
        await store.append("fact", [settled("b", number=2)])
        assert 0 == await projections.advance()
        assert {"a"} == requests(database).keys()


async def test_two_replays_do_not_meet(pools):
    """The second one is told that another node is at it."""
    async with once_in_cluster(pools, "replay"):
        with pytest.raises(ReplayRunning):
            await Projections(pools).replay()


async def test_a_replay_under_writes_and_folds_finds_nothing(database, pools, store):
    """While writers append and a node folds, a replay compares both tables as of one position."""
    projections = Projections(pools)

    async def write():
        for number in range(60):
            await store.append("fact", [settled(f"r{number % 20}", number=number, at=AT + number)])
            await projections.advance(10)

    async with asyncio.TaskGroup() as group:
        group.create_task(write())
        differences = [await projections.replay(repair=number == 1, limit=7) for number in range(4)]
    assert [[]] * 4 == differences
    await fold_all(projections)
    await agree(database, store)
    assert (await store.read("fact", Cursor(), 100)).events
