"""The durable record of a change or a fact: one shape for everything that is ever stored."""

from __future__ import annotations

import msgspec


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """What happened, once. State events carry deltas, fact events accumulate; both have these fields.

    `id` is a UUIDv7 as text; `hlc` a 64-bit hybrid logical clock; `node` who wrote it; `v` the version of `body`'s
    shape for this `kind`; `actor` who caused it (`key:ID`, `admin:ID`, `system`); `cause` the id of the event or
    request that led to it; `subject` what it is about (`account/anthropic-a`, `request/ID`); `body` its JSON content.
    """

    id: str
    hlc: int
    node: str
    v: int
    kind: str
    tenant: str
    actor: str
    cause: str | None
    subject: str
    body: msgspec.Raw


def uuid7(now: float, rand: int) -> str:
    """A UUIDv7 (RFC 9562, 5.7) as text, from the time in seconds and at least 74 random bits."""
    ms = int(now * 1000) & ((1 << 48) - 1)
    rand_a = (rand >> 62) & 0xFFF
    rand_b = rand & ((1 << 62) - 1)
    text = f"{(ms << 80) | (7 << 76) | (rand_a << 64) | (2 << 62) | rand_b:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
