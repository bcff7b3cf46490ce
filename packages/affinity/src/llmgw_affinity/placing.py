"""What becomes of a pin when a turn is placed, and when it is answered.

Each function returns another pin. Readings of the hybrid logical clock order them: `since` is the reading of now.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from llmgw_affinity.decide import Decision
from llmgw_affinity.pins import NOWHERE, Pin, Stay
from llmgw_affinity.warmth import HELD, CacheRule, evidence
from llmgw_domain import Usage

Placement = Literal["new", "home", "away", "moved", "none"]
"""Where a turn was served, as the header `x-gw-session` says it: by the account that the session was just bound to
(`new`); by its home; by the account that it went to before (`away`); by another than before (`moved`); `none` where
the call belongs to no session."""


class Instant(msgspec.Struct, frozen=True, kw_only=True):
    """Now: a reading of the hybrid logical clock at a node, and the same in Unix seconds."""

    hlc: int
    node: str
    now: float


def placed(pin: Pin | None, key: str, decision: Decision, account: str, at: Instant) -> Pin:
    """The session's pin, now that `account` has been taken for it. It is the same pin where nothing changed.

    `account` may be another than the decision named, because that one could not be taken after all.
    """
    if pin is None:
        return bound(key, account, at)
    at = _behind(pin, at)
    if decision.kind == "rehome" or pin.forgotten:
        return rehomed(pin, account, at)
    if account == pin.current.account:
        return pin
    return returned(pin, at) if account == pin.home.account else moved(pin, account, at)


def bound(key: str, account: str, at: Instant) -> Pin:
    """A new session at this account."""
    stay = _begun(account, at)
    return Pin(key=key, epoch=0, home=stay, current=stay)


def moved(pin: Pin, account: str, at: Instant) -> Pin:
    """Served elsewhere; its home is kept."""
    return msgspec.structs.replace(pin, current=_begun(account, at))


def returned(pin: Pin, at: Instant) -> Pin:
    """Back at home, with what is known to be cached there."""
    current = msgspec.structs.replace(pin.home, since=at.hlc, node=at.node)
    return msgspec.structs.replace(pin, current=current)


def rehomed(pin: Pin, account: str, at: Instant) -> Pin:
    """At home at this account from now on."""
    stay = _begun(account, at)
    for known in (pin.home, pin.current):
        if known.account == account and known.warm(at.now):
            stay = msgspec.structs.replace(known, since=at.hlc, node=at.node)
    return Pin(key=pin.key, epoch=pin.epoch + 1, home=stay, current=stay)


def forgotten(pin: Pin, at: Instant) -> Pin:
    """Nowhere from now on: the next turn is that of a new session.

    Its epoch is a reading of the clock, above all that count homes. So nothing that was told of the session before, by
    whomever and whenever it is heard, gives it its home back. It is kept for as long as what it forgets could be warm.
    """
    at = _behind(pin, at)
    warm_until = max(pin.home.warm_until, pin.current.warm_until)
    nowhere = Stay(account=NOWHERE, since=at.hlc, node=at.node, warm_until=warm_until)
    return Pin(key=pin.key, epoch=at.hlc, home=nowhere, current=nowhere)


def _behind(pin: Pin, at: Instant) -> Instant:
    """Now, as it must be read for a change of this pin: nodes whose clocks differ hear of each other's pins."""
    return msgspec.structs.replace(at, hlc=max(at.hlc, 1 + pin.home.since, 1 + pin.current.since))


def _begun(account: str, at: Instant) -> Stay:
    return Stay(account=account, since=at.hlc, node=at.node, warm_until=at.now + HELD)


def answered(pin: Pin, account: str, usage: Usage, *, sent: float, told: int, rule: CacheRule) -> Pin:
    """The pin with what an answer of this account tells. `sent` is when it was asked, in Unix seconds; `told` the
    reading of the hybrid logical clock now."""

    def heard(stay: Stay) -> Stay:
        return evidence(stay, usage, at=sent, told=told, rule=rule) if stay.account == account else stay

    return msgspec.structs.replace(pin, home=heard(pin.home), current=heard(pin.current))


def placement(before: Pin | None, account: str | None) -> Placement:
    """The word for a turn that `account` served, of a session whose pin was `before`; no account: no session."""
    if account is None:
        return "none"
    if before is None:
        return "new"
    if account == before.home.account:
        return "home"
    return "away" if account == before.current.account else "moved"
