"""Responses that the gateway keeps for its clients, so that a conversation can go on at any provider.

OpenAI keeps responses for the clients of its own API. Where another provider answers, nobody would, so the gateway
does, if the key's policy allows it: the items that went in and came out, in the client's dialect. The durable form
keeps them for every process and node.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Protocol

import msgspec

from llmgw_domain.errors import StoreUnavailable
from llmgw_relay.keep import Keep, Place, Put, Sought, name_of
from llmgw_relay.shelf import Shelf
from llmgw_relay.wrapping import Sealer, Wrapping

CONVERSATION = "conversation"
"""The kind of these records."""


class StoredResponse(msgspec.Struct, frozen=True, kw_only=True):
    """One response. `body` is its object as the client saw it, `input` and `output` its items; `input` has the whole
    conversation before it.
    """

    id: str
    tenant: str
    body: bytes
    input: tuple[msgspec.Raw, ...]
    output: tuple[msgspec.Raw, ...]

    @property
    def items(self) -> tuple[msgspec.Raw, ...]:
        """What a request that continues it begins with."""
        return self.input + self.output

    @property
    def size(self) -> int:
        """Bytes."""
        return len(self.body) + sum(len(bytes(item)) for item in self.items)


class Conversations(Protocol):
    """Keeps responses by tenant. Putting is synchronous, because it belongs to the settling of a call."""

    def put(self, stored: StoredResponse) -> None: ...

    async def get(self, tenant: str, id: str) -> StoredResponse | None:
        """Raises `StoreUnavailable` where it can't be known now whether there is one."""
        ...

    async def delete(self, tenant: str, id: str) -> bool:
        """Whether there was one to delete. Raises as `get`."""
        ...


class MemoryConversations:
    """Responses in memory: at most `limit` bytes in all, the longest unused dropped first, each for `ttl` seconds."""

    def __init__(
        self, clock: Callable[[], float], *, limit: int = 256 * 1024 * 1024, ttl: float = 30 * 86_400.0
    ) -> None:
        self._stored: Shelf[tuple[str, str], StoredResponse] = Shelf(
            clock, limit=limit, ttl=ttl, size_of=lambda stored: stored.size
        )

    def put(self, stored: StoredResponse) -> None:
        self._stored.put((stored.tenant, stored.id), stored)

    async def get(self, tenant: str, id: str) -> StoredResponse | None:
        return self._stored.get((tenant, id))

    async def delete(self, tenant: str, id: str) -> bool:
        return self._stored.pop((tenant, id)) is not None

    def __repr__(self) -> str:
        return f"<MemoryConversations {len(self._stored)} responses, {self._stored.size} bytes>"


class _Record(msgspec.Struct, frozen=True, kw_only=True):
    """A response as it is kept: its JSON texts are bytes to the record."""

    id: str
    body: bytes
    input: tuple[bytes, ...]
    output: tuple[bytes, ...]


class _Seen(msgspec.Struct, frozen=True):
    stored: StoredResponse
    at: float


class KeptConversations:
    """Responses that outlive the process, with a memory of the latest ones in front.

    Another process may delete what is remembered here, so what was seen longer than `trust` seconds ago is looked up
    again; while the store is away it serves all the same. `limit` bounds the memory in bytes, `ttl` is in seconds.
    """

    def __init__(
        self,
        keep: Keep,
        sealer: Sealer,
        clock: Callable[[], float],
        *,
        limit: int = 64 * 1024 * 1024,
        ttl: float = 30 * 86_400.0,
        trust: float = 5.0,
    ) -> None:
        self._keep = keep
        self._clock = clock
        self._ttl = ttl
        self._trust = trust
        self._near: Shelf[Place, _Seen] = Shelf(clock, limit=limit, ttl=ttl, size_of=lambda seen: seen.stored.size)
        self.wrapping = Wrapping(_Record, sealer)

    def put(self, stored: StoredResponse) -> None:
        place = _place(stored.tenant, stored.id)
        body = self.wrapping.wrap(place, _record(stored))
        # What is too large for the keep is nowhere else, so it is not looked up again.
        self._near.put(place, _Seen(stored, math.inf if body is None else self._clock()))
        if body is not None:
            self._keep.put(*place, body, self._ttl)

    async def get(self, tenant: str, id: str) -> StoredResponse | None:
        place = _place(tenant, id)
        seen = self._near.get(place)
        if seen is not None and self._clock() - seen.at < self._trust:
            return seen.stored
        answer = await self._keep.find(Sought(kinds=(CONVERSATION,), tenant=tenant, ids=place[2:]))
        if answer.changes or answer.complete:
            return self._learn(place, answer.puts)
        if seen is not None:
            return seen.stored
        raise StoreUnavailable(retry_after=5.0, detail="whether the response is kept can't be looked up")

    async def delete(self, tenant: str, id: str) -> bool:
        if await self.get(tenant, id) is None:
            return False
        place = _place(tenant, id)
        self._near.pop(place)
        self._keep.drop(*place, self._ttl)
        return True

    def _learn(self, place: Place, puts: tuple[Put, ...]) -> StoredResponse | None:
        """Takes over what the keep has, or has not."""
        record = self.wrapping.unwrap(puts[0]) if puts else None
        if record is None:
            self._near.pop(place)
            return None
        stored = _stored(place[1], record)
        self._near.put(place, _Seen(stored, self._clock()))
        return stored

    def __repr__(self) -> str:
        return f"<KeptConversations {len(self._near)} responses here, {self._near.size} bytes>"


def _place(tenant: str, id: str) -> Place:
    return CONVERSATION, tenant, name_of(id)


def _record(stored: StoredResponse) -> _Record:
    texts = (tuple(map(bytes, stored.input)), tuple(map(bytes, stored.output)))
    return _Record(id=stored.id, body=stored.body, input=texts[0], output=texts[1])


def _stored(tenant: str, record: _Record) -> StoredResponse:
    return StoredResponse(
        id=record.id,
        tenant=tenant,
        body=record.body,
        input=tuple(map(msgspec.Raw, record.input)),
        output=tuple(map(msgspec.Raw, record.output)),
    )
