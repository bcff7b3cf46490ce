"""What facts tell of pins, folded: the specification of the table `llmgw.pins`, whose SQL says the same.

A pin is told whole, by `session.bound` and `session.moved` before a turn is answered and by `request.settled` after it,
and by `session.forgotten` where an operator wants the next turn to choose anew.
Everything that is told of a session merges, so the facts may come in any order and more than once.

A session that has not been heard of for a day after it went cold has nothing to lose, and no pin. A clock would be
needed to leave out what is lapsed, so the fold keeps all of it, and says until when each pin is of use.
"""

from __future__ import annotations

import re

import msgspec

from llmgw_affinity import Pin, Stay, merged
from llmgw_domain import Event
from llmgw_eventstore import KINDS, Unreadable
from llmgw_eventstore.projection import Projection

KEPT_SECONDS = 86_400.0
"""After the last evidence and the end of warmth: as long as the longest life of a cache, so that nothing that could be
warm is forgotten for want of evidence."""

_KEY = re.compile(r"[0-9a-f]{32}")
_MOST = 10**18
"""Readings of clocks stay below it until the year 2453; what is above is damage."""
_MOST_SECONDS = 1e12


BOUND, MOVED, FORGOTTEN, SETTLED = "session.bound", "session.moved", "session.forgotten", "request.settled"


class Placed(msgspec.Struct, frozen=True, kw_only=True):
    """The body of `session.bound`, `session.moved` and `session.forgotten`.

    `call` is the request that was placed, `model` what it asked for, `reason` why it went there.
    """

    pin: Pin
    call: str = ""
    model: str = ""
    reason: str = ""


class Arrival(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """How a session came to where it is: the latest counts, by the clock of the stay that it began.

    `actor` is who did it, `key:ID` or `admin:ID`; the rest is that of `Placed`.
    """

    since: int = 0
    node: str = ""
    actor: str = ""
    model: str = ""
    reason: str = ""


class _Turn(msgspec.Struct, frozen=True):
    pin: Pin | None = None


class _Settled(msgspec.Struct, frozen=True):
    """What is needed of the body of `request.settled`."""

    session: _Turn | None = None


class Pinned(msgspec.Struct, frozen=True, kw_only=True):
    """A row: a tenant's session, how it came to where it is, and until when its pin is of use, in Unix seconds."""

    tenant: str
    pin: Pin
    arrival: Arrival
    expires: float

    def merged(self, other: Pinned) -> Pinned:
        """What both rows say."""
        return Pinned(
            tenant=min(self.tenant, other.tenant),
            pin=merged(self.pin, other.pin),
            arrival=max(self.arrival, other.arrival),
            expires=max(self.expires, other.expires),
        )


def expires_at(pin: Pin) -> float:
    """When nobody needs this pin any more, in Unix seconds."""
    heard = max(pin.home.since, pin.home.told, pin.current.since, pin.current.told)
    return max((heard >> 16) / 1000, pin.home.warm_until, pin.current.warm_until) + KEPT_SECONDS


def pin_of(event: Event) -> Pin | None:
    """The pin that an event tells of, None where it tells of none. Raises `Unreadable`."""
    said = _said(event)
    return said.pin if said is not None else None


def _said(event: Event) -> _Turn | Placed | None:
    if event.kind not in (BOUND, MOVED, FORGOTTEN, SETTLED):
        return None
    if event.v != KINDS.version_of(event.kind):
        raise Unreadable(f"event {event.id}: {event.kind} of version {event.v} is not known to this release")
    try:
        said = _told(event)
    except msgspec.MsgspecError as error:
        raise Unreadable(f"event {event.id}: its body is no {event.kind}: {error}") from error
    if said is not None and said.pin is not None and not _sound(said.pin):
        raise Unreadable(f"event {event.id}: its pin is none: {said.pin}")
    return said


def _told(event: Event) -> _Turn | Placed | None:
    if event.kind == SETTLED:
        return msgspec.json.decode(event.body, type=_Settled).session
    return msgspec.json.decode(event.body, type=Placed)


def _sound(pin: Pin) -> bool:
    return bool(_KEY.fullmatch(pin.key)) and 0 <= pin.epoch < _MOST and _whole(pin.home) and _whole(pin.current)


def _whole(stay: Stay) -> bool:
    counts = (stay.since, stay.told, stay.cached)
    return all(0 <= count < _MOST for count in counts) and abs(stay.warm_until) < _MOST_SECONDS


def _session_of(event: Event) -> str | None:
    pin = pin_of(event)
    return pin.key if pin else None


def fold_pin(row: Pinned | None, event: Event) -> Pinned:
    """The row after one more fact."""
    said = _said(event)
    assert said is not None, "a fact without a pin has no row"
    assert said.pin is not None
    told = Pinned(tenant=event.tenant, pin=said.pin, arrival=_arrival(event, said), expires=expires_at(said.pin))
    return told if row is None else row.merged(told)


def _arrival(event: Event, said: _Turn | Placed) -> Arrival:
    if not isinstance(said, Placed):
        return Arrival()
    stay = said.pin.current
    return Arrival(since=stay.since, node=stay.node, actor=event.actor, model=said.model, reason=said.reason)


PINS: Projection[Pinned] = Projection(name="pins", version=1, log="fact", row=Pinned, key=_session_of, fold=fold_pin)
