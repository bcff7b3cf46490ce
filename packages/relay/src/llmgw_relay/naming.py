"""Which session a request is a turn of, and what it shares with others."""

from __future__ import annotations

from hashlib import blake2b

import msgspec

from llmgw_affinity import Crowd, SessionKeys, asked, carried, fingerprint
from llmgw_affinity.carriers import Carried, Form
from llmgw_affinity.fingerprint import Fingerprint
from llmgw_affinity.keys import LEAST_CACHED
from llmgw_affinity.warmth import CacheClass
from llmgw_protocols import Envelope

_REMADE = frozenset({"previous_response_id"})
"""Carriers whose value is another one in each turn: where the gateway knows what they lead to, the content names it."""

_FORMS: dict[str, Form] = {
    "chat": "chat",
    "responses": "responses",
    "messages": "messages",
    "gemini": "gemini",
    "completions": "completions",
}


def form_of(dialect: str) -> Form | None:
    """The form of a dialect's requests, by its name."""
    return _FORMS.get(dialect)


class Named(msgspec.Struct, frozen=True, kw_only=True):
    """A request's names. `session` is the key of its session, None where it belongs to none.

    `prefix` and `rank` say where a new session goes. They hold no secret, so that nodes that share nothing rank
    accounts alike; they are never written down. `prefix_bytes` is the size of what `prefix` names. `crowd` is what the
    request counts under while it is in flight.
    """

    session: str | None = None
    prefix: bytes | None = None
    prefix_bytes: int = 0
    rank: str = ""
    asked: CacheClass | None = None
    crowd: str | None = None


def named(form: Form, model: str, envelope: Envelope, tenant: str, keys: SessionKeys | None, crowd: Crowd) -> Named:
    """The names of a request to a `model`. Without `keys` nothing is pinned. Whoever gets a `crowd` leaves it."""
    prints = fingerprint(form, model, envelope.fields)
    said = carried(form, envelope.wire.headers, envelope.fields)
    if said is not None and said.carrier in _REMADE:
        said = None
    session = None if keys is None else keys.session(tenant, model, said or prints)
    counted = session if session is not None and (said is None or said.shared) else None
    if counted is not None and not crowd.enter(counted):
        # Many at once that look alike are no conversation. Each of them is ranked for itself, so they spread.
        session = None
    return Named(
        session=session,
        prefix=_digest(tenant, model, prints.prefix) if prints.prefix_bytes >= LEAST_CACHED else None,
        prefix_bytes=prints.prefix_bytes,
        rank=_rank(tenant, model, said, prints) if session is not None or counted is None else "",
        asked=asked(form, envelope.fields),
        crowd=counted,
    )


def _rank(tenant: str, model: str, said: Carried | None, prints: Fingerprint) -> str:
    name = prints.conversation if said is None else said.value.encode("utf-8", "surrogatepass")
    return "" if name is None else _digest(tenant, model, name).hex()


def _digest(tenant: str, model: str, name: bytes) -> bytes:
    parts = (tenant.encode("utf-8", "surrogatepass"), model.encode("utf-8", "surrogatepass"), name)
    return blake2b(b"".join(len(part).to_bytes(4, "big") + part for part in parts), digest_size=16).digest()
