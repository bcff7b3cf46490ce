"""What is told of a session merges into one row, whatever told it."""

from __future__ import annotations

import msgspec
import pytest

from llmgw_affinity import Pin, Stay, merged
from llmgw_affinity.placing import Instant, forgotten
from llmgw_domain import Event
from llmgw_eventstore import Unreadable
from llmgw_eventstore.projection import project
from llmgw_eventstore.testing import make_event
from llmgw_relay.facts import CallSettled, SessionFacts
from llmgw_relay.pin_facts import KEPT_SECONDS, PINS, Arrival, Placed, expires_at, pin_of

KEY = "0" * 32
SECOND = 1000 << 16


def pin(account: str = "a", since: int = SECOND, **more: object) -> Pin:
    stay = Stay(account=account, since=since, node="n", **more)  # type: ignore[arg-type]
    return Pin(key=KEY, epoch=0, home=stay, current=stay)


def event(kind: str, body: object, number: int = 1, v: int = 1) -> Event:
    return msgspec.structs.replace(make_event(number, kind=kind), v=v, body=msgspec.Raw(msgspec.json.encode(body)))


def settled(session: SessionFacts | None) -> CallSettled:
    return CallSettled(
        call="c",
        request_id="r",
        at=1.0,
        tenant="t",
        key="k",
        dialect="chat",
        model="m",
        stream=False,
        outcome="ok",
        status=200,
        attempts=1,
        duration=1.0,
        session=session,
    )


def test_three_facts_tell_of_a_pin() -> None:
    """Bound, moved, and settled as the relay writes it; a call without a session tells of none."""
    told = pin(cached=7, warm_until=9.0, told=SECOND)
    assert told == pin_of(event("session.bound", Placed(pin=told)))
    assert told == pin_of(event("session.moved", Placed(pin=told, call="c", reason="cooldown")))
    turn = SessionFacts(key=KEY, placement="home", reason="home_is_warm", pin=told)
    assert told == pin_of(event("request.settled", settled(turn)))
    assert pin_of(event("request.settled", settled(None))) is None
    assert pin_of(event("request.settled", settled(msgspec.structs.replace(turn, pin=None)))) is None
    assert pin_of(event("request.opened", {})) is None


def test_how_a_session_came_to_where_it_is() -> None:
    """The latest of its placings says, in whatever order they come; turns that stay say nothing."""
    first = event("session.bound", Placed(pin=pin(), model="m", reason="unknown"), 1)
    then = event("session.moved", Placed(pin=pin("b", 2 * SECOND), model="m", reason="gone"), 2)
    turn = SessionFacts(key=KEY, placement="home", reason="free", pin=pin("b", 2 * SECOND, told=3 * SECOND))
    stayed = event("request.settled", settled(turn), 3)
    for events in ([first, then, stayed], [stayed, then, first]):
        (row,) = project(PINS, events).rows.values()
        assert Arrival(since=2 * SECOND, node="n", actor=then.actor, model="m", reason="gone") == row.arrival


def test_a_session_that_is_forgotten_is_told_of_too() -> None:
    """By what anybody who still has its pin must hear."""
    nowhere = forgotten(pin(), Instant(hlc=2 * SECOND, node="n", now=2.0))
    assert nowhere == pin_of(event("session.forgotten", Placed(pin=nowhere, reason="forgotten")))


def test_a_row_is_all_that_was_told() -> None:
    """Merged; it lasts as long as the fact that lasts longest."""
    early, late = pin(warm_until=50.0, cached=1), pin("b", 2 * SECOND)
    events = [event("session.bound", Placed(pin=each), number) for number, each in enumerate((late, early), 1)]
    (row,) = project(PINS, events).rows.values()
    assert (merged(early, late), 50.0 + KEPT_SECONDS) == (row.pin, row.expires)


def test_a_pin_is_of_use_for_a_day() -> None:
    """After it was last heard of, and after it went cold."""
    assert 1.0 + KEPT_SECONDS == expires_at(pin())
    assert 3.0 + KEPT_SECONDS == expires_at(pin(told=3 * SECOND, warm_until=2.0))
    assert 4.5 + KEPT_SECONDS == expires_at(pin(told=3 * SECOND, warm_until=4.5))


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"pin": 7},
        {"pin": msgspec.structs.replace(pin(), key="no key")},
        {"pin": msgspec.structs.replace(pin(), epoch=-1)},
        {"pin": pin(since=10**18)},
        {"pin": pin(warm_until=1e13)},
    ],
)
def test_what_is_no_pin_is_unreadable(body: object) -> None:
    """So is a later version, which is not guessed at."""
    with pytest.raises(Unreadable, match="event"):
        pin_of(event("session.bound", body))
    with pytest.raises(Unreadable, match="version 2"):
        pin_of(event("session.bound", {"pin": pin()}, v=2))
