"""The store of reasoning that clients leave out, by tenant and key; see `llmgw_protocols.signatures`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from llmgw_protocols.signatures import Kept
from llmgw_relay.shelf import Shelf


class Stash(Protocol):
    """Keeps reasoning for a while. Putting is synchronous, because it belongs to the settling of a call."""

    def put(self, tenant: str, keys: Sequence[str], kept: Kept) -> None: ...

    async def get(self, tenant: str, keys: Sequence[str]) -> Mapping[str, Kept]:
        """What is kept under these keys, by key."""
        ...


class MemoryStash:
    """A stash in memory: at most `limit` characters in all, the longest unused dropped first, each for `ttl` seconds.

    Reasoning that is kept under several keys counts for each.
    """

    def __init__(self, clock: Callable[[], float], *, limit: int = 64 * 1024 * 1024, ttl: float = 86_400.0) -> None:
        self._kept: Shelf[tuple[str, str], Kept] = Shelf(clock, limit=limit, ttl=ttl, size_of=lambda kept: kept.size)

    def put(self, tenant: str, keys: Sequence[str], kept: Kept) -> None:
        for key in keys:
            self._kept.put((tenant, key), kept)

    async def get(self, tenant: str, keys: Sequence[str]) -> Mapping[str, Kept]:
        return {key: kept for key in keys if (kept := self._kept.get((tenant, key))) is not None}

    def __repr__(self) -> str:
        return f"<MemoryStash {len(self._kept)} keys, {self._kept.size} characters>"
