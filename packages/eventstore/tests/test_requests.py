import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmgw_domain import Usage
from llmgw_eventstore import Unreadable
from llmgw_eventstore.projection import project
from llmgw_eventstore.requests import REQUESTS, UsageGroup, fold_request, read_attempt, request_of, share_of_usage
from llmgw_eventstore.testing import make_event
from llmgw_relay.facts import CallOpened, CallSettled, SessionFacts

COMMON = {"tenant": "acme", "key": "k1", "dialect": "openai", "model": "fast", "provider": "openai"}
SETTLED = {"stream": True, "status": 200, "attempts": 1, "duration": 2.5, "outcome": "ok", "unknown": [1]}


def opened(number, request="r1", **changes):
    body = {"request_id": request, "at": 1000.0 + number, **COMMON, "account": "a", "target_model": "gpt", "attempt": 1}
    event = make_event(number, body={**body, **changes})
    return msgspec.structs.replace(event, subject=f"request/{request}")


def settled(number, request="r1", **changes):
    body = {"request_id": request, "at": 8000.0, **COMMON, **SETTLED, "account": "a"}
    event = make_event(number, kind="request.settled", body={**body, **changes})
    return msgspec.structs.replace(event, subject=f"request/{request}")


def usage(**tokens):
    return msgspec.to_builtins(Usage(**tokens))


FACTS = [
    opened(1),
    opened(2, attempt=2, account="b"),
    settled(3, account="b", usage=usage(uncached_input=10, cache_read=90, output=5, reasoning=2)),
    settled(4, outcome="crashed", usage=usage(provenance="estimated"), unmetered=True),
    opened(5, "r2", at=7199.0),
    settled(6, "r2", at=7200.0, outcome="refused", account=None, provider=None),
    opened(7, "r3"),
]


def test_a_request_is_one_row():
    """Attempts and settlement come together; the settlement says how it ended, the first attempt when it began."""
    rows = project(REQUESTS, FACTS).rows
    assert {"r1": "ok", "r2": "refused", "r3": "open"} == {key: row.outcome for key, row in rows.items()}
    assert (1001.0, 2, "b") == (rows["r1"].opened_at, rows["r1"].last.attempt, rows["r1"].told.account)
    assert ("a", 1007.0) == (rows["r3"].told.account, rows["r3"].opened_at)


def test_usage_is_summed_by_hour():
    """Each settled request counts once, in the hour of its settlement; open ones not at all."""
    sums = project(REQUESTS, FACTS).sums["usage"]
    group = UsageGroup(7200, "acme", "k1", "fast", "b", "openai")
    nowhere = msgspec.structs.replace(group, account="", provider="")
    zero = dict.fromkeys(sums[msgspec.structs.astuple(group)], 0)
    assert {
        msgspec.structs.astuple(group): {
            **zero, "calls": 1, "uncached_input": 10, "cache_read": 90, "output": 5, "reasoning": 2,
        },
        msgspec.structs.astuple(nowhere): {**zero, "calls": 1, "errors": 1},
    } == sums  # fmt: skip


@given(st.lists(st.sampled_from(FACTS), max_size=20), st.randoms(use_true_random=False))
def test_order_and_repeats_do_not_matter(repeats, chance):
    """Facts in any order, settled before opened, and any of them again: the same rows and the same sums."""
    events = [*FACTS, *repeats]
    chance.shuffle(events)
    tables, expected = project(REQUESTS, events), project(REQUESTS, FACTS)
    assert (expected.rows, expected.sums) == (tables.rows, tables.sums)


def test_a_real_settlement_takes_the_place_of_a_guess():
    """What the guess had added is taken back, also where it was of another account."""
    guess = settled(4, outcome="crashed", account="a", unmetered=True)
    tables = project(REQUESTS, [guess])
    assert ["a"] == [group[4] for group in tables.sums["usage"]]
    tables.apply(settled(3, account="b"))
    assert [("b", 1, 0)] == [(g[4], a["calls"], a["unmetered"]) for g, a in tables.sums["usage"].items()]


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (msgspec.structs.replace(opened(1), v=2), "request.opened of version 2 is not known"),
        (opened(1, attempt="one"), "its body is no request.opened"),
        (settled(1, usage={"output": "many"}), "its body is no request.settled"),
    ],
)
def test_what_cannot_be_read_is_said_and_left_out(event, reason):
    """No row is made of a guess: the event's id and the reason are kept for an operator."""
    with pytest.raises(Unreadable, match=reason):
        fold_request(None, event)
    tables = project(REQUESTS, [event, settled(2)])
    assert ([event.id], ["r1"]) == (list(tables.unreadable), list(tables.rows))


def test_other_facts_are_not_its_own():
    """Only what tells of a request has a request."""
    assert request_of(make_event(1, kind="session.bound")) is None
    assert "r1" == request_of(settled(1))
    assert "b" == read_attempt(opened(1, account="b")).account
    assert share_of_usage(fold_request(None, opened(1))) is None


def test_the_facts_of_the_relay_are_read():
    """What the relay writes has every field that the tables need, by its name; what else it has is passed over."""
    call = {
        "call": "c",
        "request_id": "r1",
        "at": 8000.0,
        "tenant": "acme",
        "key": "k1",
        "dialect": "openai",
        "model": "fast",
    }
    target = {"account": "a", "provider": "openai", "target_model": "gpt"}
    told = CallSettled(
        **call, **target, stream=True, outcome="ok", status=200, attempts=2, duration=2.5, finish="stop",
        first_byte=0.5, usage=Usage(output=7), lossy=("seed",), endpoint="files",
        session=SessionFacts(key="s", placement="moved", reason="gone", expected=9, observed=2, lost=7, cause="drain"),
        queued=0.5,
    )  # fmt: skip
    attempt = CallOpened(**call, **target, attempt=2)
    facts = [("request.opened", attempt), ("request.settled", told)]
    events = [
        msgspec.structs.replace(make_event(n, kind=kind, body=fact), subject="request/r1")
        for n, (kind, fact) in enumerate(facts)
    ]
    row = project(REQUESTS, events).rows["r1"]
    for found, written in ((row.last, attempt), (row.settled, told), (row.settled.session, told.session)):
        names = [name for name in found.__struct_fields__ if name not in ("event", "session")]
        assert [getattr(written, name) for name in names] == [getattr(found, name) for name in names]
