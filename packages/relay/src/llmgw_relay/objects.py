"""Whose the objects at providers are: files, batches, stored responses.

An object lives at the account that made it, and its id means nothing anywhere else. So each id that an answer brings is
remembered with its tenant and account: later use is routed there, and to everybody else it does not exist.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import msgspec

from llmgw_relay.shelf import Shelf


class Owned(msgspec.Struct, frozen=True, kw_only=True):
    """An object of a tenant at an account. `kind` is `files`, `batches`, `responses`, or `items` of these.

    `settled`: what it cost is recorded, so that a batch that is looked at again is not counted twice.
    """

    id: str
    kind: str
    tenant: str
    account: str
    settled: bool = False


class Objects(Protocol):
    """Remembers objects. Adding is synchronous, because it belongs to the settling of a call."""

    def add(self, owned: Owned) -> None:
        """Remembers an object, in place of an earlier record of the same id."""
        ...

    def forget(self, id: str) -> None: ...

    async def find(self, id: str) -> Owned | None:
        """The object with this id, whoever's it is."""
        ...

    async def of(self, tenant: str, kind: str) -> list[Owned]:
        """A tenant's objects of a kind, the latest first."""
        ...


class MemoryObjects:
    """Objects in memory: at most `limit` of a kind, the longest unused forgotten first, each for `ttl` seconds after
    its use.

    What is forgotten is found by nobody, which is what other tenants' objects look like too. Each kind has its own
    bound, because nearly every call makes a response, and files are few and live long.
    """

    def __init__(self, clock: Callable[[], float], *, limit: int = 100_000, ttl: float = 30 * 86_400.0) -> None:
        self._shelf: Callable[[], Shelf[str, Owned]] = lambda: Shelf(clock, limit=limit, ttl=ttl)
        self._kinds: dict[str, Shelf[str, Owned]] = {}

    def add(self, owned: Owned) -> None:
        if owned.kind not in self._kinds:
            self._kinds[owned.kind] = self._shelf()
        self._kinds[owned.kind].put(owned.id, owned)

    def forget(self, id: str) -> None:
        for shelf in self._kinds.values():
            shelf.pop(id)

    async def find(self, id: str) -> Owned | None:
        owned = next((found for shelf in self._kinds.values() if (found := shelf.get(id)) is not None), None)
        if owned is not None:
            self.add(owned)
        return owned

    async def of(self, tenant: str, kind: str) -> list[Owned]:
        shelf = self._kinds.get(kind)
        return [owned for owned in shelf.latest() if owned.tenant == tenant] if shelf is not None else []

    def __repr__(self) -> str:
        return f"<MemoryObjects {sum(len(shelf) for shelf in self._kinds.values())}>"
