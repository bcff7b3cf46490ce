"""What facts tell of pins, folded: the specification of the table `llmgw.pins`, whose SQL says the same.

A pin is told whole, by `session.bound` and `session.moved` before a turn is answered and by `request.settled` after it.
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


class Placed(msgspec.Struct, frozen=True, kw_only=True):
    """The body of `session.bound` and `session.moved`. `call` is the request that was placed."""

    pin: Pin
    call: str = ""
    reason: str = ""


class _Turn(msgspec.Struct, frozen=True):
    pin: Pin | None = None


class _Settled(msgspec.Struct, frozen=True):
    """What is needed of the body of `request.settled`."""

    session: _Turn | None = None


class Pinned(msgspec.Struct, frozen=True, kw_only=True):
    """A row: a tenant's session, and until when its pin is of use, in Unix seconds."""

    tenant: str
    pin: Pin
    expires: float

    def merged(self, other: Pinned) -> Pinned:
        """What both rows say."""
        return Pinned(
            tenant=min(self.tenant, other.tenant),
            pin=merged(self.pin, other.pin),
            expires=max(self.expires, other.expires),
        )


def expires_at(pin: Pin) -> float:
    """When nobody needs this pin any more, in Unix seconds."""
    heard = max(pin.home.since, pin.home.told, pin.current.since, pin.current.told)
    return max((heard >> 16) / 1000, pin.home.warm_until, pin.current.warm_until) + KEPT_SECONDS


def pin_of(event: Event) -> Pin | None:
    """The pin that an event tells of, None where it tells of none. Raises `Unreadable`."""
    if event.kind not in ("session.bound", "session.moved", "request.settled"):
        return None
    if event.v != KINDS.version_of(event.kind):
        raise Unreadable(f"event {event.id}: {event.kind} of version {event.v} is not known to this release")
    try:
        pin = _told(event)
    except msgspec.MsgspecError as error:
        raise Unreadable(f"event {event.id}: its body is no {event.kind}: {error}") from error
    if pin is not None and not _sound(pin):
        raise Unreadable(f"event {event.id}: its pin is none: {pin}")
    return pin


def _told(event: Event) -> Pin | None:
    if event.kind != "request.settled":
        return msgspec.json.decode(event.body, type=Placed).pin
    session = msgspec.json.decode(event.body, type=_Settled).session
    return session.pin if session else None


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
    pin = pin_of(event)
    assert pin is not None, "a fact without a pin has no row"
    said = Pinned(tenant=event.tenant, pin=pin, expires=expires_at(pin))
    return said if row is None else row.merged(said)


PINS: Projection[Pinned] = Projection(name="pins", version=1, log="fact", row=Pinned, key=_session_of, fold=fold_pin)
