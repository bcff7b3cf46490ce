import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmgw_domain import uuid7
from llmgw_eventstore import Unreadable
from llmgw_eventstore.ledger import Unsettled, derived_id, settlement_of, unsettled
from llmgw_eventstore.projection import project
from llmgw_eventstore.requests import REQUESTS
from llmgw_eventstore.testing import make_event

ATTEMPT = {
    "at": 1000.5,
    "tenant": "acme",
    "key": "k1",
    "dialect": "openai",
    "model": "fast",
    "account": "a",
    "provider": "openai",
    "target_model": "gpt",
    "attempt": 1,
}


def opened(request, number, **changes):
    event = make_event(number, body={"request_id": request, **ATTEMPT, **changes})
    return msgspec.structs.replace(event, subject=f"request/{request}")


def settled(request, number):
    event = make_event(number, kind="request.settled", body={})
    return msgspec.structs.replace(event, subject=f"request/{request}")


def test_what_was_opened_and_not_settled_is_settled():
    """One settlement for each open request, from its last attempt, and none for what was settled or tells of others."""
    events = [
        opened("r1", 1),
        opened("r2", 2),
        settled("r1", 3),
        opened("r3", 4, account="a"),
        opened("r3", 5, attempt=2, account="b"),
        make_event(6, kind="session.bound"),
    ]
    bodies = [msgspec.json.decode(event.body) for event in unsettled(events)]
    assert [("r2", "a", 1), ("r3", "b", 2)] == [(b["request_id"], b["account"], b["attempts"]) for b in bodies]


def test_a_settlement_of_a_crash():
    """It says what is known of the request, that its tokens are an estimate, and which event it follows from."""
    event = settlement_of(opened("r1", 1))
    assert ("request.settled", 1, "system", "request/r1", "acme") == (
        event.kind, event.v, event.actor, event.subject, event.tenant,
    )  # fmt: skip
    assert make_event(1).id == event.cause
    body = msgspec.json.decode(event.body)
    assert ("crashed", 0, "fast", True, 1000.5) == (
        body["outcome"], body["status"], body["model"], body["unmetered"], body["at"],
    )  # fmt: skip
    assert "estimated" == body["usage"]["provenance"]


@given(st.permutations(range(6)))
def test_settling_twice_is_harmless(order):
    """In whatever order the events are seen, the settlements are the same; once they are seen too there are none."""
    events = [opened(f"r{number % 3}", number, attempt=number // 3 + 1) for number in range(6)]
    first = unsettled(events)
    assert 3 == len(first)
    assert first == unsettled([events[number] for number in order])
    assert [] == unsettled([*first, *(events[number] for number in order)])


def test_the_settlement_of_a_crash_is_one_of_the_request_log():
    """The row is settled, and a real settlement that comes later counts more."""
    (settlement,) = unsettled([opened("r1", 1)])
    tables = project(REQUESTS, [opened("r1", 1), settlement, settlement])
    assert "crashed" == tables.rows["r1"].outcome
    ((group, amounts),) = tables.sums["usage"].items()
    assert ((0, "acme", "k1", "fast", "a", "openai"), 1, 1, 1) == (
        group, amounts["calls"], amounts["errors"], amounts["unmetered"],
    )  # fmt: skip


@given(st.integers(0, 2**48 - 1), st.integers(0, 2**74 - 1))
def test_a_derived_id_is_a_uuid_of_the_same_millisecond(milliseconds, rand):
    """Version 7, the time of the other id, and different for each purpose and each id."""
    origin = uuid7((milliseconds + 0.5) / 1000, rand)
    derived = derived_id(origin, "crashed")
    assert (origin[:13], "7", True) == (derived[:13], derived[14], derived[19] in "89ab")
    assert derived == derived_id(origin, "crashed")
    assert 3 == len({origin, derived, derived_id(origin, "other")})


def test_an_opening_of_a_later_release_is_said():
    """What this release can't read it does not settle by a guess."""
    later = msgspec.structs.replace(opened("r1", 1), v=2)
    with pytest.raises(Unreadable, match=r"request.opened of version 2"):
        unsettled([later])


def test_the_books_say_how_they_stand():
    """Their length is what is open; their repr says both sides."""
    books = Unsettled()
    for event in (opened("r1", 1), opened("r2", 2), settled("r2", 3)):
        books.add(event)
    assert (1, "<Unsettled 1 open, 1 settled>") == (len(books), repr(books))
