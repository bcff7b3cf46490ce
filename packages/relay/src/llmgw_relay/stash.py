"""The store of reasoning that clients leave out, by tenant and key; see `llmgw_protocols.signatures`.

A key is the id of a tool call or the digest of a text. The durable form keeps under a digest of it, since ids of calls
may hold names of functions, and which text has a digest can be tried out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from llmgw_protocols.signatures import Kept
from llmgw_relay.keep import Keep, Sought
from llmgw_relay.shelf import Shelf
from llmgw_relay.wrapping import Sealer, Wrapping

STASH = "stash"
"""The kind of these records."""


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


def digest(text: bytes) -> str:
    """The names of records where no keyed digest is given."""
    return hashlib.sha256(text).hexdigest()


class KeptStash:
    """A stash that outlives the process, with one in memory in front.

    `digest` names records; a keyed one hides from readers of the database which short text was said. Most keys that are
    asked for were never kept, the same ones at every turn, so what is nowhere is not looked for again for `absent`
    seconds. While the store is away a turn goes without the reasoning that is not known here, as after `ttl` seconds.
    """

    def __init__(
        self,
        keep: Keep,
        sealer: Sealer,
        clock: Callable[[], float],
        *,
        digest: Callable[[bytes], str] = digest,
        limit: int = 64 * 1024 * 1024,
        ttl: float = 86_400.0,
        absent: float = 600.0,
    ) -> None:
        self._keep = keep
        self._digest = digest
        self._ttl = ttl
        self._near = MemoryStash(clock, limit=limit, ttl=ttl)
        self._absent: Shelf[str, bool] = Shelf(clock, limit=100_000, ttl=absent)
        self.wrapping = Wrapping(Kept, sealer)

    def put(self, tenant: str, keys: Sequence[str], kept: Kept) -> None:
        self._near.put(tenant, keys, kept)
        for key in keys:
            name = self._name(tenant, key)
            self._absent.pop(name)
            body = self.wrapping.wrap((STASH, tenant, name), kept)
            if body is not None:
                self._keep.put(STASH, tenant, name, body, self._ttl)

    async def get(self, tenant: str, keys: Sequence[str]) -> Mapping[str, Kept]:
        near = await self._near.get(tenant, keys)
        names = {self._name(tenant, key): key for key in keys if key not in near}
        names = {name: key for name, key in names.items() if self._absent.get(name) is None}
        return {**near, **await self._far(tenant, names)} if names else near

    async def _far(self, tenant: str, names: Mapping[str, str]) -> dict[str, Kept]:
        """What the keep has, by key; `names` are the keys by their names there."""
        answer = await self._keep.find(Sought(kinds=(STASH,), tenant=tenant, ids=tuple(names)))
        found = {names[put.id]: kept for put in answer.puts if (kept := self.wrapping.unwrap(put)) is not None}
        for key, kept in found.items():
            self._near.put(tenant, [key], kept)
        for name, key in names.items():
            if answer.complete and key not in found:
                self._absent.put(name, True)
        return found

    def _name(self, tenant: str, key: str) -> str:
        return self._digest(f"{tenant}\0{key}".encode("utf-8", "surrogatepass"))

    def __repr__(self) -> str:
        return f"<KeptStash {self._near!r}>"
