"""Responses that the gateway keeps for its clients, so that a conversation can go on at any provider.

OpenAI keeps responses for the clients of its own API. Where another provider answers, nobody would, so the gateway
does, if the key's policy allows it: the items that went in and came out, in the client's dialect.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Protocol

import msgspec


class Kept(msgspec.Struct, frozen=True, kw_only=True):
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

    def put(self, kept: Kept) -> None: ...

    async def get(self, tenant: str, id: str) -> Kept | None: ...

    async def delete(self, tenant: str, id: str) -> bool:
        """Whether there was one to delete."""
        ...


class MemoryConversations:
    """Responses in memory: at most `limit` bytes in all, the longest unused dropped first, each for `ttl` seconds."""

    def __init__(
        self, clock: Callable[[], float], *, limit: int = 256 * 1024 * 1024, ttl: float = 30 * 86_400.0
    ) -> None:
        self._clock = clock
        self._limit = limit
        self._ttl = ttl
        self._size = 0
        self._kept: OrderedDict[tuple[str, str], tuple[float, Kept]] = OrderedDict()

    def put(self, kept: Kept) -> None:
        self._drop((kept.tenant, kept.id))
        self._kept[kept.tenant, kept.id] = (self._clock() + self._ttl, kept)
        self._size += kept.size
        while self._size > self._limit:
            self._drop(next(iter(self._kept)))

    async def get(self, tenant: str, id: str) -> Kept | None:
        until, kept = self._kept.get((tenant, id), (0.0, None))
        if kept is None:
            return None
        if until < self._clock():
            self._drop((tenant, id))
            return None
        self._kept.move_to_end((tenant, id))
        return kept

    async def delete(self, tenant: str, id: str) -> bool:
        return self._drop((tenant, id))

    def _drop(self, at: tuple[str, str]) -> bool:
        dropped = self._kept.pop(at, None)
        if dropped is None:
            return False
        self._size -= dropped[1].size
        return True

    def __repr__(self) -> str:
        return f"<MemoryConversations {len(self._kept)} responses, {self._size} bytes>"
