"""Facts that are on the disk before anybody acts on them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from llmgw_affinity import Pin, Stay
from llmgw_crdt import Clock
from llmgw_domain import Event
from llmgw_domain.errors import GatewayBusy
from llmgw_eventstore import decode
from llmgw_eventstore.spool import Spool, SpoolCursor, SpoolFull, SpoolReader
from llmgw_gateway.state.recorder import Recorder
from llmgw_relay.facts import AttemptEnded, CallOpened, CallSettled, Fact, SessionFacts, SessionPlaced


class Told:
    """What comes after the spool."""

    def __init__(self) -> None:
        self.facts: list[Fact] = []

    def append(self, fact: Fact) -> None:
        self.facts.append(fact)


class Narrow:
    """A spool that can be full, and whose segments change when it is told so."""

    def __init__(self) -> None:
        self.segment = 1
        self.full = False
        self.reserve = False
        self.payloads: list[bytes] = []

    def append(self, payloads: Sequence[bytes], *, urgent: bool = False) -> None:
        if self.full and not (urgent and self.reserve):
            raise SpoolFull("no room")
        self.payloads += payloads

    @property
    def events(self) -> list[Event]:
        return [decode(payload) for payload in self.payloads]

    def said(self) -> list[tuple[str, str]]:
        return [(event.kind, event.subject) for event in self.events]


def recorder(spool: Spool | Narrow, told: Told | None = None) -> Recorder:
    rand = random.Random(1)
    return Recorder(spool, told or Told(), clock=Clock("n-1"), wall=lambda: 1_700_000_000.0, rand=rand.getrandbits)


STAY = Stay(account="a", since=7, node="n-1")
PIN = Pin(key="0" * 32, epoch=0, home=STAY, current=STAY)


def opened(id: str = "r1", attempt: int = 1) -> CallOpened:
    return CallOpened(
        call=id,
        request_id="chosen",
        at=1_700_000_000.0,
        tenant="t",
        key="k",
        dialect="chat",
        model="m",
        account="a",
        provider="openai",
        target_model="m",
        attempt=attempt,
    )


def settled(id: str = "r1", key: str = "k") -> CallSettled:
    return CallSettled(
        call=id,
        request_id="chosen",
        at=1_700_000_001.0,
        tenant="t",
        key=key,
        dialect="chat",
        model="m",
        stream=False,
        outcome="ok",
        status=200,
        attempts=1,
        duration=1.0,
    )


def placed(moved: bool = False) -> SessionPlaced:
    return SessionPlaced(
        call="r1",
        at=1_700_000_000.0,
        tenant="t",
        key="k",
        session=PIN.key,
        model="m",
        pin=PIN,
        reason="cold",
        moved=moved,
    )


def ended() -> AttemptEnded:
    return AttemptEnded(
        call="r1",
        request_id="chosen",
        at=1_700_000_000.0,
        tenant="t",
        key="k",
        account="a",
        attempt=1,
        error_code="rate_limit_exceeded",
        retried=True,
    )


def test_a_call_is_two_events(tmp_path: Path) -> None:
    """Opened and settled are read back from the files, the second naming the first as its cause."""
    told = Told()
    with Spool.open(tmp_path) as spool:
        books = recorder(spool, told)
        books.append(opened())
        books.append(settled())
    frames, _ = SpoolReader(tmp_path).read(SpoolCursor())
    first, second = (decode(frame) for frame in frames)
    assert ("request.opened", "request/r1", "key:k", "t", "n-1") == (
        first.kind,
        first.subject,
        first.actor,
        first.tenant,
        first.node,
    )
    assert ("request.settled", first.id) == (second.kind, second.cause)
    assert second.hlc > first.hlc
    assert opened() == msgspec.json.decode(first.body, type=CallOpened)
    assert settled() == msgspec.json.decode(second.body, type=CallSettled)
    assert [opened(), settled()] == told.facts


def test_a_call_that_can_not_be_written_down_is_refused() -> None:
    """Its provider is never asked, and nothing else hears of it."""
    told, spool = Told(), Narrow()
    spool.full = True
    with pytest.raises(GatewayBusy, match="could not account for") as caught:
        recorder(spool, told).append(opened())
    assert (503, 5.0, []) == (caught.value.status, caught.value.retry_after, told.facts)


def test_a_call_that_is_over_is_held_until_there_is_room(caplog: pytest.LogCaptureFixture) -> None:
    """It can't be refused any more; it is written first once there is room, and new calls wait behind it."""
    spool, told = Narrow(), Told()
    books = recorder(spool, told)
    books.append(opened("r1"))
    books.append(opened("r2"))
    spool.full = True
    books.append(settled("r1"))
    books.append(settled("r2"))
    assert (2, 4) == (books.held, len(told.facts))
    assert "the spool is full" in caplog.text
    spool.full = False
    books.append(opened("r3"))
    assert ["r1", "r2", "r1", "r2", "r3"] == [subject.partition("/")[2] for _, subject in spool.said()]
    assert 0 == books.held


def test_what_ends_a_call_uses_the_reserve() -> None:
    """A spool that is full for new calls still takes the end of those that it has."""
    spool = Narrow()
    books = recorder(spool)
    books.append(opened())
    spool.full = spool.reserve = True
    books.append(settled())
    assert 0 == books.held
    with pytest.raises(GatewayBusy):
        books.append(opened("r2"))


def test_open_calls_are_written_again_in_each_new_segment() -> None:
    """So the last segment alone says what is open, however old the call is."""
    spool = Narrow()
    books = recorder(spool)
    books.append(opened("long"))
    books.append(opened("long", attempt=2))
    books.append(opened("short"))
    books.append(settled("short"))
    spool.segment = 2
    books.append(opened("next"))
    subjects = [subject for _, subject in spool.said()]
    assert ["request/next", "request/long", "request/long"] == subjects[4:]
    assert [event.id for event in spool.events[:2]] == [event.id for event in spool.events[5:]]


def test_whoever_has_no_key_does_not_fill_the_log() -> None:
    """A call that was turned away at the door is counted and logged, but it used nothing."""
    spool, told = Narrow(), Told()
    books = recorder(spool, told)
    books.append(settled("r1", key=""))
    books.append(settled("r2"))
    assert [("request.settled", "request/r2")] == spool.said()
    assert 2 == len(told.facts)


def test_where_a_session_goes_is_an_event() -> None:
    """Of the session, with its whole pin; a settled call says it again."""
    spool, told = Narrow(), Told()
    books = recorder(spool, told)
    books.append(placed())
    books.append(placed(moved=True))
    session = SessionFacts(key=PIN.key, placement="moved", reason="cold", pin=PIN)
    books.append(msgspec.structs.replace(settled(), session=session))
    subject = f"session/{PIN.key}"
    kinds = [("session.bound", subject), ("session.moved", subject), ("request.settled", "request/r1")]
    assert kinds == spool.said()
    first, _, last = spool.events
    assert ("t", "key:k", None) == (first.tenant, first.actor, first.cause)
    pin = msgspec.to_builtins(PIN)
    assert {"call": "r1", "model": "m", "pin": pin, "reason": "cold"} == msgspec.json.decode(first.body)
    assert pin == msgspec.json.decode(last.body)["session"]["pin"]
    assert 3 == len(told.facts)


def test_where_a_session_goes_is_not_held() -> None:
    """Without room it is left out, and no call fails for it."""
    spool, told = Narrow(), Told()
    spool.full = True
    books = recorder(spool, told)
    books.append(placed())
    assert ([], 0, 1) == (spool.said(), books.held, len(told.facts))


def test_a_failed_attempt_is_an_event_of_its_request() -> None:
    """It stands between the openings. Without room it is left out: nothing is counted by it."""
    spool, told = Narrow(), Told()
    books = recorder(spool, told)
    for fact in (opened(), ended(), opened(attempt=2), settled()):
        books.append(fact)
    kinds = ["request.opened", "request.attempt_ended", "request.opened", "request.settled"]
    assert [(kind, "request/r1") for kind in kinds] == spool.said()
    assert ("rate_limit_exceeded", True) == (lambda body: (body["error_code"], body["retried"]))(
        msgspec.json.decode(spool.events[1].body)
    )
    spool.full = True
    books.append(ended())
    assert (4, 0, 5) == (len(spool.said()), books.held, len(told.facts))
