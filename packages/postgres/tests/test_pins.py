"""The pins of sessions as a table, against the pure fold of the same facts."""

from __future__ import annotations

import asyncio
import time

import msgspec
import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg.conninfo import make_conninfo

from llmgw_affinity import Pin, Stay
from llmgw_affinity.placing import Instant, forgotten
from llmgw_crdt.clock import hlc_at
from llmgw_domain import uuid7
from llmgw_eventstore import StoreAway
from llmgw_eventstore.projection import project
from llmgw_eventstore.testing import make_event, read_all
from llmgw_postgres.config import PostgresConfig
from llmgw_postgres.migrate import migrate
from llmgw_postgres.pins import PgPins, PgSessions
from llmgw_postgres.pools import Pools
from llmgw_postgres.projections import Projections
from llmgw_postgres.queries import queries
from llmgw_postgres.replicas import Replicas
from llmgw_postgres.store import PgEventStore
from llmgw_postgres.testing import Server
from llmgw_relay.pin_facts import KEPT_SECONDS, PINS, Arrival, Pinned

NOW = time.time()
_numbers = iter(range(1, 1_000_000))


def key_of(number):
    return f"{number:032x}"


def stay(account="a", at=NOW, *, node="m", warm=0.0, cached=0, told=None):
    """A stay since `at`, warm for so long after."""
    return Stay(
        account=account,
        since=hlc_at(at),
        node=node,
        warm_until=at + warm if warm else 0.0,
        cached=cached,
        told=0 if told is None else hlc_at(told),
    )


def pin(number=1, home=None, current=None, epoch=0):
    home = home or stay()
    return Pin(key=key_of(number), epoch=epoch, home=home, current=current or home)


def fact(said, kind="session.bound", *, tenant="acme", v=1, body=None, actor="key:k", model="gpt", reason="cold"):
    """What tells of a pin."""
    number = next(_numbers)
    told = msgspec.to_builtins(said)
    if body is None:
        body = (
            {"session": {"pin": told}} if kind == "request.settled" else {"pin": told, "model": model, "reason": reason}
        )
    event = make_event(number, kind=kind, body=body)
    return msgspec.structs.replace(
        event, id=uuid7(NOW, number * 7919), v=v, tenant=tenant, actor=actor, subject=f"session/{told['key']}"
    )


def select(database, sql):
    with psycopg.connect(database, autocommit=True) as connection:
        cursor = connection.execute(sql)
        return cursor.fetchall() if cursor.description else []


def rows(database):
    """The table as the pure fold has it."""
    found = select(
        database,
        "SELECT key, tenant, jsonb_build_object('key', key, 'epoch', epoch, 'home', home, 'current', current)::text,"
        " arrival::text, expires FROM llmgw.pins",
    )
    return {
        key: Pinned(
            tenant=tenant,
            pin=msgspec.json.decode(said, type=Pin),
            arrival=msgspec.json.decode(arrival, type=Arrival),
            expires=expires,
        )
        for key, tenant, said, arrival, expires in found
    }


async def fold_all(projections, limit=5000):
    while await projections.advance(limit):
        pass


times = st.sampled_from([NOW - 3.0, NOW - 2.0, NOW - 1.0, NOW])
stays = st.builds(
    stay,
    st.sampled_from(["a", "B", "ä"]),
    times,
    node=st.sampled_from(["m", "N"]),
    warm=st.sampled_from([0.0, 300.25, 3600.0]),
    cached=st.integers(0, 2),
    told=st.none() | times,
)
placed = st.builds(pin, st.integers(1, 3), stays, stays, st.integers(0, 2))
nowhere = st.builds(lambda said, at: forgotten(said, Instant(hlc=hlc_at(at), node="m", now=at)), placed, times)
pins = placed | nowhere
facts = st.builds(
    fact,
    pins,
    st.sampled_from(["session.bound", "session.moved", "session.forgotten", "request.settled"]),
    tenant=st.sampled_from(["acme", "emca"]),
    actor=st.sampled_from(["key:a", "key:B"]),
    model=st.sampled_from(["gpt", "ä"]),
    reason=st.sampled_from(["cold", "Free"]),
)


@pytest.fixture(scope="module")
def shared(server):
    """One database for all examples: tables are emptied sooner than a database is made."""
    server.execute("CREATE DATABASE pinned TEMPLATE migrated")
    yield make_conninfo(server.conninfo, dbname="pinned")
    server.execute("DROP DATABASE pinned WITH (FORCE)")


async def told(database, events, rand):
    """Both folds of a log that has these events, in any order, some twice, in any batches; and what a replay says."""
    select(database, "TRUNCATE llmgw.fact_events, llmgw.pins, llmgw.projections, llmgw.unreadable")
    again = [msgspec.structs.replace(event, id=uuid7(NOW, next(_numbers) * 7919)) for event in events]
    events = [*events, *rand.sample(again, len(again) // 2)]
    rand.shuffle(events)
    async with Pools(database) as pools, PgEventStore(pools) as store:
        projections = Projections(pools)
        while events:
            cut = rand.randrange(1, 5)
            await store.append("fact", events[:cut])
            events = events[cut:]
            await fold_all(projections, limit=rand.randrange(1, 4))
        log = [stored.event for stored in await read_all(store, "fact")]
        return project(PINS, log).rows, rows(database), await projections.replay()


@settings(max_examples=25, deadline=None)
@given(st.lists(facts, min_size=1, max_size=12), st.randoms(use_true_random=False))
def test_the_table_is_that_of_the_pure_fold(shared, events, rand):
    """Whatever is told, in whatever order and however often; and a replay finds no difference."""
    pure, found, differences = asyncio.run(told(shared, events, rand))
    assert pure == found
    assert [] == differences


@pytest.mark.slow
@pytest.mark.timeout(600)
@settings(max_examples=400, deadline=None)
@given(st.lists(facts, min_size=1, max_size=12), st.randoms(use_true_random=False))
def test_the_table_is_that_of_the_pure_fold_in_many_histories(shared, events, rand):
    """As above, for longer."""
    pure, found, differences = asyncio.run(told(shared, events, rand))
    assert (pure, []) == (found, differences)


@settings(max_examples=10, deadline=None)
@given(
    st.lists(facts, max_size=6),
    st.lists(st.builds(fact, st.builds(pin, st.integers(1, 3), st.builds(stay, at=st.just(NOW - 100_000.0))))),
    st.randoms(use_true_random=False),
)
def test_what_has_expired_says_nothing(shared, events, lapsed, rand):
    """It comes from a spool that was away for days. The table is that of the other facts, and a replay agrees."""
    _, found, differences = asyncio.run(told(shared, [*events, *lapsed], rand))
    assert project(PINS, events).rows == found
    assert [] == differences


async def test_a_swept_session_begins_anew(database, pools, store):
    """What was known of it is gone, and a replay does not miss it."""
    soon = time.time() - KEPT_SECONDS + 0.5
    first = [fact(pin(1, stay("a", soon))), fact(pin(2, stay("a", soon))), fact(pin(3))]
    await store.append("fact", first)
    projections, swept = Projections(pools), PgPins(pools)
    await fold_all(projections)
    assert {key_of(1), key_of(2), key_of(3)} == rows(database).keys()
    assert [] == await projections.replay()
    await asyncio.sleep(0.6)
    assert [] == await projections.replay()
    assert {} == await swept.get([key_of(1)])
    assert [1, 1, 0] == [await swept.sweep(1) for _ in range(3)]
    again = pin(1, stay("b"))
    await store.append("fact", [fact(again), first[1]])
    await fold_all(projections)
    assert {key_of(1): again} == await swept.get([key_of(1), key_of(2)])
    assert [] == await projections.replay()
    assert [] == await projections.replay(repair=True)
    assert {key_of(1), key_of(3)} == rows(database).keys()


async def test_a_row_may_remember_what_a_replay_passes_over(database, pools, store):
    """A home that was told in a fact that has expired since, by a node that nobody heard at the time."""
    soon = time.time() - KEPT_SECONDS + 0.5
    early, late = pin(1, stay("a", soon)), pin(1, stay("b"))
    await store.append("fact", [fact(late), fact(early)])
    projections = Projections(pools)
    await fold_all(projections)
    await asyncio.sleep(0.6)
    assert "a" == rows(database)[key_of(1)].pin.home.account
    assert [] == await projections.replay()
    assert "a" == rows(database)[key_of(1)].pin.home.account
    assert [] == await projections.replay(repair=True)
    assert "b" == rows(database)[key_of(1)].pin.home.account


async def test_a_replay_tells_every_difference_in_words(database, pools, store):
    """A row that was changed, one that was lost, one that was made up."""
    projections = Projections(pools)
    await store.append("fact", [fact(pin(number)) for number in (1, 2, 3)])
    await fold_all(projections)
    wrong = f"UPDATE llmgw.pins SET current = current || '{{\"account\": \"z\"}}' WHERE key = '{key_of(1)}'"
    select(database, wrong)
    select(database, f"DELETE FROM llmgw.pins WHERE key = '{key_of(2)}'")
    select(
        database,
        "INSERT INTO llmgw.pins (key, tenant, epoch, home, current, arrival, expires)"
        f" SELECT '{key_of(4)}', tenant, epoch, home, current, arrival, expires FROM llmgw.pins"
        f" WHERE key = '{key_of(3)}'",
    )
    changed, lost, made_up = await projections.replay()
    assert f"pins {key_of(1)}: pin is " in changed
    assert [f"pins {key_of(2)}: missing", f"pins {key_of(4)}: should not be there"] == [lost, made_up]
    assert 3 == len(await projections.replay(repair=True))
    assert [] == await projections.replay()


BROKEN = [
    {"pin": None},
    {"pin": {}},
    {"pin": {**msgspec.to_builtins(pin()), "key": "short"}},
    {"pin": {**msgspec.to_builtins(pin()), "epoch": "1"}},
    {"pin": {**msgspec.to_builtins(pin()), "home": {"account": "a", "since": -1, "node": "n"}}},
    {"pin": {**msgspec.to_builtins(pin()), "home": {"account": "a", "since": 1.5, "node": "n"}}},
    {"pin": {**msgspec.to_builtins(pin()), "current": {"account": "a", "since": 1, "node": "n", "warm_until": 1e300}}},
    {"pin": {**msgspec.to_builtins(pin()), "current": {"account": 7, "since": 1, "node": "n"}}},
]

UNTOLD = [
    {"pin": msgspec.to_builtins(pin()), name: value} for name in ("model", "reason", "call") for value in (7, None)
]


async def test_what_is_no_pin_is_noted(database, pools, store):
    """It is left out, an operator hears of it, and nothing else is held up."""
    log = [fact(pin(), body=body) for body in (*BROKEN, *UNTOLD)]
    log += [fact(pin(), "request.settled", body={"session": body}) for body in BROKEN[1:]]
    log += [fact(pin(), "request.settled", body={"session": 7}), fact(pin(), v=2), fact(pin(9), tenant="acme")]
    settled = {"session": {"key": "x", "placement": "none", "pin": None}}
    log += [fact(pin(), "request.settled", body=body) for body in ({}, {"session": None}, settled)]
    await store.append("fact", log)
    await fold_all(Projections(pools))
    pure = project(PINS, log)
    assert {key_of(9)} == pure.rows.keys() == rows(database).keys()
    noted = {str(event) for (event,) in select(database, "SELECT event FROM llmgw.unreadable")}
    calls = {event.id for event in log if event.kind == "request.settled"}
    # The request log misses other things in the same bodies.
    assert set(pure.unreadable) | calls == noted | calls
    assert calls - set(pure.unreadable) == {event.id for event in log[-3:]}


async def test_pages_of_sessions(database, pools, store):
    """In the order of their keys, of a tenant or at an account; those that have expired are not shown."""
    said = [
        fact(pin(1)),
        fact(pin(2, current=stay("b")), tenant="emca"),
        fact(pin(3, stay("b"))),
        fact(pin(4, stay("b", time.time() - KEPT_SECONDS + 0.3))),
    ]
    await store.append("fact", said)
    await fold_all(Projections(pools))
    await asyncio.sleep(0.4)
    async with Replicas(pools, []) as replicas:
        sessions = PgSessions(replicas)

        async def numbers(**asked):
            return [int(row.pin.key, 16) for row in await sessions.page(asked.pop("limit", 10), **asked)]

        assert [1, 2, 3] == await numbers()
        assert [[1, 2], [3]] == [await numbers(limit=2), await numbers(limit=2, after=key_of(2))]
        assert [[1, 3], [2, 3], [2]] == [
            await numbers(tenant="acme"),
            await numbers(account="b"),
            await numbers(account="b", tenant="emca"),
        ]
        assert [[2], []] == [await numbers(key=key_of(2)), await numbers(key=key_of(9))]
        (row,) = await sessions.page(1, key=key_of(1))
        arrival = Arrival(since=hlc_at(NOW), node="m", actor="key:k", model="gpt", reason="cold")
        assert Pinned(tenant="acme", pin=pin(1), arrival=arrival, expires=row.expires) == row
        assert [[1, 2, 3], []] == [await numbers(actor="key:k"), await numbers(actor="key:other")]


async def test_a_session_that_is_forgotten_is_found_by_those_who_must_drop_it(database, pools, store):
    """It is no session any more, whatever is told of it afterwards, until a turn has bound it anew."""
    known = pin(1, stay(warm=300.0, cached=7, told=NOW))
    nowhere = forgotten(known, Instant(hlc=hlc_at(time.time()), node="m", now=time.time()))
    found = PgPins(pools)
    assert ([], 0) == await found.forgotten(0)
    await store.append("fact", [fact(known)])
    _, before = await found.forgotten(0)
    await store.append("fact", [fact(nowhere, "session.forgotten", actor="admin:ci"), fact(known, "request.settled")])
    assert ([nowhere], 3) == await found.forgotten(before)
    assert ([], 3) == await found.forgotten(3)
    await fold_all(Projections(pools))
    assert {key_of(1): nowhere} == await found.get([key_of(1)])
    async with Replicas(pools, []) as replicas:
        assert [] == await PgSessions(replicas).page(10)
        anew = msgspec.structs.replace(pin(1, stay("b", time.time())), epoch=nowhere.epoch + 1)
        await store.append("fact", [fact(anew)])
        await fold_all(Projections(pools))
        assert [anew] == [row.pin for row in await PgSessions(replicas).page(10)]


@pytest.mark.parametrize("name", ["by_keys", "page", "sweep"])
async def test_no_look_reads_the_whole_table(name, database, pools, store):
    """Each question has its index."""
    log = [fact(pin(number, stay(f"a{number % 50}")), tenant=f"t{number % 50}") for number in range(3000)]
    await store.append("fact", log)
    await fold_all(Projections(pools))
    values = {
        "keys": [key_of(1)],
        "limit": 10,
        "after": None,
        "key": None,
        "tenant": "t7",
        "account": None,
        "actor": None,
    }
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("ANALYZE llmgw.pins")
        asked = [values, {**values, "tenant": None, "account": "a7"}] if name == "page" else [values]
        for parameters in asked:
            plan = connection.execute(b"EXPLAIN " + queries("pins")[name], parameters).fetchall()
            assert not [line for (line,) in plan if "Seq Scan" in line], plan


async def test_a_sweep_waits_for_nobody(database, pools, store):
    """A row that is being folded is left for the next time."""
    soon = time.time() - KEPT_SECONDS + 0.3
    await store.append("fact", [fact(pin(number, stay("a", soon))) for number in (1, 2)])
    await fold_all(Projections(pools))
    await asyncio.sleep(0.4)
    with psycopg.connect(database) as writer:
        writer.execute(f"SELECT 1 FROM llmgw.pins WHERE key = '{key_of(1)}' FOR UPDATE")
        async with asyncio.timeout(5):
            assert 1 == await PgPins(pools).sweep()
    assert 1 == await PgPins(pools).sweep()


async def test_a_server_that_is_gone_is_away():
    """And its pins are there again when it is back."""
    config = PostgresConfig(checkout_seconds=0.5, connect_seconds=1)
    with Server() as own:
        await migrate(own.conninfo)
        async with Pools(own.conninfo, config) as pools, PgEventStore(pools) as store:
            await store.append("fact", [fact(pin(1))])
            await fold_all(Projections(pools))
            await asyncio.to_thread(own.kill)
            for attempt in (PgPins(pools).get([key_of(1)]), PgPins(pools).sweep()):
                with pytest.raises(StoreAway):
                    await attempt
            await asyncio.to_thread(own.start)
            async with asyncio.timeout(20):
                while True:
                    try:
                        found = await PgPins(pools).get([key_of(1)])
                        break
                    except StoreAway:
                        await asyncio.sleep(0.1)
            assert {key_of(1): pin(1)} == found
