"""Months that are closed: their usage stays, live and in every replay, and is never counted twice."""

from __future__ import annotations

import msgspec
import psycopg
import pytest

from llmgw_domain import uuid7
from llmgw_eventstore.testing import make_event, read_all
from llmgw_postgres.once import once_in_cluster
from llmgw_postgres.partitions import Month, make_month, months
from llmgw_postgres.projections import Projections
from llmgw_postgres.upkeep import close_month, upkeep

OCTOBER, NOVEMBER = Month(2023, 10), Month(2023, 11)
MIDNIGHT = float(NOVEMBER.began)
"""Between the two."""


def fact(kind, number, at, body, id_at=None):
    event = make_event(number, kind=kind, body=body)
    return msgspec.structs.replace(
        event, id=uuid7(at if id_at is None else id_at, number), subject=f"request/{body['request_id']}"
    )


def settled(request, number, at, *, id_at=None, model="gpt"):
    body = {
        "request_id": request,
        "at": at,
        "tenant": "acme",
        "key": "k1",
        "dialect": "chat",
        "model": model,
        "stream": False,
        "outcome": "ok",
        "status": 200,
        "attempts": 1,
        "duration": 1.5,
        "account": "a",
        "provider": "openai",
        "usage": {"uncached_input": 10, "output": number},
    }
    return fact("request.settled", number, at, body, id_at)


def opened(request, number, at):
    body = msgspec.json.decode(settled(request, number, at).body)
    return fact("request.opened", number, at, {**body, "target_model": "gpt-5", "attempt": 1})


def select(database, sql):
    with psycopg.connect(database) as connection:
        return connection.execute(sql).fetchall()


def usage(database):
    return select(database, "SELECT hour, model, calls, output FROM llmgw.usage ORDER BY hour, model")


@pytest.fixture
async def log(pools, store):
    """Requests of October and November, and around midnight one that lasts, and two whose ids belong elsewhere."""
    async with pools.writes.connection() as connection:
        await make_month(connection, OCTOBER)
        await make_month(connection, NOVEMBER)
    await store.append(
        "fact",
        [
            settled("oct-1", 1, MIDNIGHT - 86400),
            opened("oct-2", 3, MIDNIGHT - 20),
            settled("oct-2", 2, MIDNIGHT - 10),
            settled("crash", 4, MIDNIGHT + 60, id_at=MIDNIGHT - 60),
            settled("late", 8, MIDNIGHT - 1, id_at=MIDNIGHT + 1),
            settled("nov-1", 16, MIDNIGHT + 7200),
            opened("over", 5, MIDNIGHT - 30),
            settled("over", 64, MIDNIGHT + 30),
        ],
    )
    return Projections(pools)


async def test_a_closed_month_keeps_its_usage(database, pools, store, log):
    """Its requests leave the log and the tables, its sums stay, and a replay of what is left gives the same."""
    while await log.advance():
        pass
    before = usage(database)
    async with pools.writes.connection() as connection:
        assert await close_month(connection, OCTOBER)
        assert OCTOBER not in await months(connection)
    assert before == usage(database)
    assert ["crash", "nov-1", "over"] == [
        name for (name,) in select(database, "SELECT request_id FROM llmgw.requests ORDER BY 1")
    ]
    subjects = [stored.event.subject for stored in await read_all(store, "fact")]
    requests = ["request/crash", "request/late", "request/nov-1", "request/over", "request/over"]
    assert [*requests, "usage/2023-10"] == subjects
    assert [(3,)] == select(database, f"SELECT count(*) FROM llmgw.{OCTOBER.partition}")
    assert [] == await log.replay(repair=True)
    assert before == usage(database)


async def test_the_totals_of_a_month_outlive_the_month_in_which_they_were_told(database, pools, store, log):
    """Closing facts stay when their own month is closed in turn."""
    async with pools.writes.connection() as connection:
        await log.advance()
        before = usage(database)
        assert await close_month(connection, OCTOBER)
        # As if it had been closed in November.
        await connection.execute(
            f"UPDATE llmgw.fact_events SET id = '{uuid7(MIDNIGHT + 86400, 5)}' WHERE kind = 'usage.closed'".encode()
        )
        assert await close_month(connection, NOVEMBER)
    assert ["usage.closed"] * 2 == [stored.event.kind for stored in await read_all(store, "fact")]
    assert before == usage(database)
    assert [] == await log.replay(repair=True)
    assert before == usage(database)


async def test_what_comes_for_a_closed_month_is_not_counted(database, pools, store, log):
    """A spool from long ago offers it again: the month's totals hold, live and in a replay."""
    async with pools.writes.connection() as connection:
        await log.advance()
        assert await close_month(connection, OCTOBER)
    before = usage(database)
    await store.append("fact", [settled("oct-1", 1, MIDNIGHT - 86400), settled("nov-2", 32, MIDNIGHT + 7200)])
    while await log.advance():
        pass
    assert [(*before[-1][:2], before[-1][2] + 1, before[-1][3] + 32)] == usage(database)[-1:]
    assert before[:-1] == usage(database)[:-1]
    assert [] == await log.replay()


async def test_many_groups_are_told_in_parts(database, pools, store, log):
    """A closing fact holds a thousand groups; a fold that is cut between the parts comes to the same."""
    await store.append("fact", [settled(f"m{n}", 100 + n, MIDNIGHT - 5000, model=f"m{n}") for n in range(2500)])
    while await log.advance():
        pass
    before = usage(database)
    async with pools.writes.connection() as connection:
        assert await close_month(connection, OCTOBER)
    facts = [stored.event for stored in await read_all(store, "fact") if stored.event.kind == "usage.closed"]
    assert [1, 2, 3] == [msgspec.json.decode(event.body)["part"] for event in facts]
    assert [1000, 1000, 502] == [len(msgspec.json.decode(event.body)["rows"]) for event in facts]
    assert before == usage(database)
    assert [] == await log.replay(limit=1, repair=True)
    assert before == usage(database)


async def test_a_month_without_usage_is_closed_too(database, pools, store, log):
    """One fact says that there was nothing."""
    september = OCTOBER + -1
    async with pools.writes.connection() as connection:
        await log.advance()
        await make_month(connection, september)
        assert await close_month(connection, september)
    bodies = [msgspec.json.decode(stored.event.body) for stored in await read_all(store, "fact")]
    assert [{"month": "2023-09", "began": september.began, "ended": OCTOBER.began, "part": 1, "rows": []}] == [
        body for body in bodies if "month" in body
    ]


async def test_upkeep_closes_what_is_old_and_makes_what_comes(database, pools, log):
    """All but the last months are closed, oldest first; a second run finds nothing to do."""
    assert [OCTOBER, NOVEMBER] == await upkeep(pools)
    assert [] == await upkeep(pools)
    async with pools.writes.connection() as connection:
        assert 3 == len(await months(connection))
    assert [("2023-10",), ("2023-11",)] == select(database, "SELECT month FROM llmgw.closed ORDER BY month")


async def test_upkeep_is_one_nodes_work(pools, log):
    """While another node is at it, there is nothing to do."""
    async with once_in_cluster(pools, "upkeep"):
        assert [] == await upkeep(pools)


async def test_a_month_is_not_closed_by_a_release_that_does_not_fold_it(database, pools, log):
    """The tables are of a later version: closing is left to the nodes that know it."""
    await log.advance()
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("UPDATE llmgw.projections SET version = version + 1")
    async with pools.writes.connection() as connection:
        assert not await close_month(connection, OCTOBER)
        assert OCTOBER in await months(connection)
