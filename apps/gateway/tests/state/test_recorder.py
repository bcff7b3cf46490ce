"""Facts that are on the disk before anybody acts on them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from llmgw_crdt import Clock
from llmgw_domain import Event
from llmgw_domain.errors import GatewayBusy
from llmgw_eventstore import decode
from llmgw_eventstore.spool import Spool, SpoolCursor, SpoolFull, SpoolReader
from llmgw_gateway.state.recorder import Recorder
from llmgw_relay.facts import CallOpened, CallSettled


class Told:
    """What comes after the spool."""

    def __init__(self) -> None:
        self.facts: list[CallOpened | CallSettled] = []

    def append(self, fact: CallOpened | CallSettled) -> None:
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
