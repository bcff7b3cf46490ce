"""Responses that the gateway keeps for its clients, so that a conversation can go on at any provider.

OpenAI keeps responses for the clients of its own API. Where another provider answers, nobody would, so the gateway
does, if the key's policy allows it: the items that went in and came out, in the client's dialect.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import msgspec

from llmgw_relay.shelf import Shelf


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

    async def get(self, tenant: str, id: str) -> StoredResponse | None: ...

    async def delete(self, tenant: str, id: str) -> bool:
        """Whether there was one to delete."""
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
