"""The request log, read: pages, single requests, and all that was told of one."""

from __future__ import annotations

import msgspec
import psycopg
import pytest

from llmgw_domain import uuid7
from llmgw_eventstore import StoreAway
from llmgw_eventstore.requests import RequestFilters
from llmgw_eventstore.testing import make_event
from llmgw_postgres.pools import Pools
from llmgw_postgres.projections import Projections
from llmgw_postgres.queries import query
from llmgw_postgres.replicas import Replicas
from llmgw_postgres.requests import PgRequests

AT = 1_764_000_000.0
COMMON = {"tenant": "acme", "key": "k", "dialect": "chat", "model": "gpt", "provider": "openai", "account": "a"}
_numbers = iter(range(1, 1_000_000))


def fact(kind, subject, at, body):
    number = next(_numbers)
    event = make_event(number, kind=kind, body=body)
    return msgspec.structs.replace(event, id=uuid7(at, number), subject=subject)


def opened(call, at=AT, attempt=1, **changes):
    body = {"request_id": call, "at": at, **COMMON, "target_model": "gpt-5", "attempt": attempt, **changes}
    return fact("request.opened", f"request/{call}", at, body)


def settled(call, at=AT, **changes):
    body = {"request_id": call, "at": at, **COMMON, "stream": True, "outcome": "ok", "status": 200, "attempts": 1}
    return fact("request.settled", f"request/{call}", at, {**body, "duration": 1.0, **changes})


def turn(key):
    return {"key": key, "placement": "home", "reason": "free"}


@pytest.fixture
async def log(store, pools):
    """Tells facts, and reads what the log has then."""

    class Log:
        async def tell(self, *events):
            await store.append("fact", events)
            while await Projections(pools).advance():
                pass

    async with Replicas(pools, []) as replicas:
        log = Log()
        log.requests = PgRequests(replicas)
        yield log


async def test_pages_go_backwards_and_do_not_move(log):
    """Newest first; the next page goes on below the last one's end, also among those of one moment."""
    await log.tell(*(settled(f"r{n}", AT + n // 2) for n in range(6)))
    first = await log.requests.page(4, RequestFilters())
    await log.tell(settled("r9", AT + 9))
    second = await log.requests.page(4, RequestFilters(), (first[-1].at, first[-1].id))
    assert ["r5", "r4", "r3", "r2", "r1", "r0"] == [logged.id for logged in (*first, *second)]
    assert ("ok", "a") == (first[0].row.outcome, first[0].row.told.account)


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"tenant": "emca"}, ["tenant"]),
        ({"key": "other"}, ["key"]),
        ({"account": "b"}, ["account"]),
        ({"model": "claude"}, ["model"]),
        ({"outcome": "refused"}, ["outcome"]),
        ({"outcome": "open"}, ["open"]),
        ({"session": "s1"}, ["session"]),
        ({"session": "s1", "tenant": "emca"}, []),
        ({"since": AT + 8}, ["since"]),
    ],
)
async def test_filters_narrow_a_page(log, filters, expected):
    """Each by itself, and all that are given together."""
    await log.tell(
        settled("plain"),
        settled("tenant", AT + 1, tenant="emca"),
        settled("key", AT + 2, key="other"),
        settled("account", AT + 3, account="b"),
        settled("model", AT + 4, model="claude"),
        settled("outcome", AT + 5, outcome="refused"),
        opened("open", AT + 6),
        settled("session", AT + 7, session=turn("s1")),
        settled("since", AT + 8, session=turn("s2")),
    )
    assert expected == [logged.id for logged in await log.requests.page(9, RequestFilters(**filters))]


async def test_a_request_is_found_by_its_clients_id(log):
    """The newest of several, and how many there are; an id of the gateway's own means that very request."""
    await log.tell(
        settled("c1", AT, request_id="mine"),
        settled("c2", AT + 2, request_id="mine"),
        opened("c3", AT + 1, request_id="mine"),
        settled("c4", AT + 9, request_id="c1"),
        settled("long", AT, request_id="x" * 500),
    )
    found = await log.requests.find("mine")
    assert ("c2", 3) == (found.id, found.matches)
    found = await log.requests.find("c1")
    assert ("c1", 1) == (found.id, found.matches)
    assert "long" == (await log.requests.find("x" * 500)).id
    assert None is await log.requests.find("x" * 499)


async def test_all_that_was_told_of_a_request(log):
    """Its own facts and where it placed sessions, in their order; nothing of other requests."""
    choice = {"choice": {"session": "s1"}}
    facts = [
        opened("c1", AT, **choice),
        fact("session.bound", "session/s1", AT, {"call": "c1", "reason": "unknown"}),
        fact("request.attempt_ended", "request/c1", AT + 1, {"attempt": 1}),
        opened("c1", AT + 1, 2, choice={"session": "s2"}),
        fact("session.moved", "session/s2", AT + 1, {"call": "c1", "reason": "gone"}),
        settled("c1", AT + 2),
    ]
    others = [
        opened("c2", AT, **choice),
        fact("session.moved", "session/s1", AT, {"call": "c2", "reason": "gone"}),
        fact("session.moved", "session/s3", AT, {"call": "c1", "reason": "gone"}),
    ]
    await log.tell(*facts, *others)
    told = await log.requests.told(await log.requests.find("c1"))
    assert [event.id for event in facts] == [event.id for event in told]


async def test_an_open_request_shows_what_came_after_its_last_opening(log):
    """How its attempt failed is told later than that, and by nothing else yet."""
    await log.tell(opened("c1", AT), fact("request.attempt_ended", "request/c1", AT + 900, {"attempt": 1}))
    told = await log.requests.told(await log.requests.find("c1"))
    assert ["request.opened", "request.attempt_ended"] == [event.kind for event in told]


@pytest.mark.parametrize(
    ("filters", "index"),
    [
        ({"session": "s1"}, "left_at_request_id_idx"),
        ({"account": "quiet"}, "left_at_request_id_idx"),
        ({"key": "quiet"}, "left_at_request_id_idx"),
    ],
)
async def test_who_was_rarely_seen_is_found_by_an_index(log, database, filters, index):
    """However many requests there are of others."""
    with psycopg.connect(database) as connection:
        connection.execute(
            "INSERT INTO llmgw.requests (request_id, opened_at, last, settled)"
            " SELECT 'r' || n, n, NULL, jsonb_build_object('at', n, 'tenant', 't', 'key', 'k', 'model', 'm',"
            " 'account', 'a', 'request_id', 'r' || n, 'outcome', 'ok', 'session', jsonb_build_object('key', 's' || n))"
            " FROM generate_series(10000, 40000) AS n"
        )
        connection.execute("ANALYZE llmgw.requests")
        empty = {**msgspec.structs.asdict(RequestFilters(**filters)), "limit": 10, "before": None, "id": None}
        plan = connection.execute(b"EXPLAIN " + query("requests", "page"), empty).fetchall()
        found = connection.execute(b"EXPLAIN " + query("requests", "find"), {"id": "chosen"}).fetchall()
    assert index in str(plan)
    assert "Seq Scan" not in str(found)


async def test_a_database_that_is_away_is_said(nowhere):
    """As the store says it."""
    async with Pools(nowhere) as pools, Replicas(pools, []) as replicas:
        with pytest.raises(StoreAway):
            await PgRequests(replicas).find("c1")
