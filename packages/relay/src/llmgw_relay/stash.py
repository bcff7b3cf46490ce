"""The store of reasoning that clients leave out, by tenant and key; see `llmgw_protocols.signatures`."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from llmgw_protocols.signatures import Kept


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
        self._clock = clock
        self._limit = limit
        self._ttl = ttl
        self._size = 0
        self._kept: OrderedDict[tuple[str, str], tuple[float, Kept]] = OrderedDict()

    def put(self, tenant: str, keys: Sequence[str], kept: Kept) -> None:
        until = self._clock() + self._ttl
        for key in keys:
            self._drop((tenant, key))
            self._kept[tenant, key] = (until, kept)
            self._size += kept.size
        while self._size > self._limit:
            self._drop(next(iter(self._kept)))

    async def get(self, tenant: str, keys: Sequence[str]) -> Mapping[str, Kept]:
        now = self._clock()
        found: dict[str, Kept] = {}
        for key in keys:
            until, kept = self._kept.get((tenant, key), (0.0, None))
            if kept is None:
                continue
            if until < now:
                self._drop((tenant, key))
                continue
            self._kept.move_to_end((tenant, key))
            found[key] = kept
        return found

    def _drop(self, at: tuple[str, str]) -> None:
        dropped = self._kept.pop(at, None)
        if dropped is not None:
            self._size -= dropped[1].size

    def __repr__(self) -> str:
        return f"<MemoryStash {len(self._kept)} keys, {self._size} characters>"
