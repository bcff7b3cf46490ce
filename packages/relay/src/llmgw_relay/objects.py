"""Whose the objects at providers are: files, batches, stored responses.

An object lives at the account that made it, and its id means nothing anywhere else. So each id that an answer brings is
remembered with its tenant and account: later use is routed there, and to everybody else it does not exist.

Some servers count their ids, so that two tenants may have objects of one id at two accounts. Each finds its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Generic, Protocol, TypeVar

import msgspec

from llmgw_domain.errors import StoreUnavailable
from llmgw_relay.keep import Keep, Place, Put, Sought, name_of
from llmgw_relay.shelf import Shelf
from llmgw_relay.wrapping import Sealer, Wrapping

V = TypeVar("V")


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
        """Remembers an object, in place of an earlier record of the tenant's with this id."""
        ...

    def forget(self, owned: Owned) -> None: ...

    async def find(self, id: str, tenant: str) -> Owned | None:
        """The tenant's object with this id, or else another tenant's: that it is one is for the caller to see.

        Raises `StoreUnavailable` where it can't be known now whether there is one.
        """
        ...

    async def of(self, tenant: str, kind: str) -> Sequence[Owned]:
        """A tenant's objects of a kind, the latest first. Raises as `find`."""
        ...


class _Shelves(Generic[V]):
    """A shelf for each kind, because nearly every call makes a response, and files are few and live long."""

    def __init__(self, clock: Callable[[], float], limit: int, ttl: float) -> None:
        self._shelf: Callable[[], Shelf[str, V]] = lambda: Shelf(clock, limit=limit, ttl=ttl)
        self._kinds: dict[str, Shelf[str, V]] = {}

    def put(self, kind: str, id: str, value: V) -> None:
        if kind not in self._kinds:
            self._kinds[kind] = self._shelf()
        self._kinds[kind].put(id, value)

    def get(self, id: str, kind: str | None = None) -> V | None:
        """The value with this id; that of any kind if none is given."""
        shelves = (shelf for name, shelf in self._kinds.items() if kind in (None, name))
        return next((found for shelf in shelves if (found := shelf.get(id)) is not None), None)

    def pop(self, kind: str, id: str) -> None:
        if kind in self._kinds:
            self._kinds[kind].pop(id)

    def latest(self, kind: str) -> list[V]:
        return [*self._kinds[kind].latest()] if kind in self._kinds else []

    def __len__(self) -> int:
        return sum(len(shelf) for shelf in self._kinds.values())


class MemoryObjects:
    """Objects in memory: at most `limit` ids of a kind, the longest unused forgotten first, each for `ttl` seconds
    after its use.

    What is forgotten is found by nobody, which is what other tenants' objects look like too.
    """

    def __init__(self, clock: Callable[[], float], *, limit: int = 100_000, ttl: float = 30 * 86_400.0) -> None:
        self._shelves: _Shelves[tuple[Owned, ...]] = _Shelves(clock, limit, ttl)

    def add(self, owned: Owned) -> None:
        self._shelves.put(owned.kind, owned.id, (owned, *self._others(owned)))

    def forget(self, owned: Owned) -> None:
        others = self._others(owned)
        self._shelves.pop(owned.kind, owned.id)
        if others:
            self._shelves.put(owned.kind, owned.id, others)

    async def find(self, id: str, tenant: str) -> Owned | None:
        owners = self._shelves.get(id) or ()
        owned = _preferred(owners, tenant)
        if owned is not None:
            self.add(owned)
        return owned

    async def of(self, tenant: str, kind: str) -> Sequence[Owned]:
        return [owned for owners in self._shelves.latest(kind) for owned in owners if owned.tenant == tenant]

    def _others(self, owned: Owned) -> tuple[Owned, ...]:
        """Objects of the same id that other tenants have."""
        owners = self._shelves.get(owned.id, owned.kind) or ()
        return tuple(other for other in owners if other.tenant != owned.tenant)

    def __repr__(self) -> str:
        return f"<MemoryObjects {len(self._shelves)}>"


def _preferred(owners: Sequence[Owned], tenant: str) -> Owned | None:
    own = next((owned for owned in owners if owned.tenant == tenant), None)
    return own or next(iter(owners), None)


# --- durably ----------------------------------------------------------------------------------------------------------

KINDS = ("object/files", "object/batches", "object/responses", "object/items")
"""The kinds of these records."""

_RENEWED = 7 / 8
"""An object that is used is kept for the whole time again once this share of it is left."""


class _Record(msgspec.Struct, frozen=True, kw_only=True):
    """An object as it is kept; its tenant and kind are its place."""

    id: str
    account: str
    settled: bool = False


class _Known(msgspec.Struct, frozen=True):
    """An object, and until when (by the wall clock, in seconds) it is kept."""

    owned: Owned
    until: float


class KeptObjects:
    """Objects that outlive the process, with a memory of the latest ones in front.

    Whose an object is never changes, so what is remembered here is not looked up again; but for a batch whose cost is
    still open, because another process may have recorded it. `limit` bounds the memory, by objects of a kind.
    """

    def __init__(
        self,
        keep: Keep,
        sealer: Sealer,
        clock: Callable[[], float],
        wall: Callable[[], float],
        *,
        limit: int = 20_000,
        ttl: float = 30 * 86_400.0,
    ) -> None:
        self._keep = keep
        self._wall = wall
        self._ttl = ttl
        self._near: _Shelves[_Known] = _Shelves(clock, limit, ttl)
        self.wrapping = Wrapping(_Record, sealer)

    def add(self, owned: Owned) -> None:
        known = self._near.get(_key(owned.tenant, owned.id))
        if known is not None and known.owned == owned and not self._is_due(known):
            return
        place = _place(owned)
        record = _Record(id=owned.id, account=owned.account, settled=owned.settled)
        body = self.wrapping.wrap(place, record)
        if body is not None:
            self._keep.put(*place, body, self._ttl)
        self._remember(owned, self._wall() + self._ttl)

    def forget(self, owned: Owned) -> None:
        self._near.pop(owned.kind, _key(owned.tenant, owned.id))
        self._keep.drop(*_place(owned), self._ttl)

    async def find(self, id: str, tenant: str) -> Owned | None:
        known = self._near.get(_key(tenant, id))
        if known is not None and (known.owned.settled or known.owned.kind != "batches"):
            return self._use(known)
        answer = await self._keep.find(Sought(kinds=KINDS, ids=(name_of(id),)))
        read = {put.tenant: _Known(owned, put.expires) for put in answer.puts if (owned := self._read(put)) is not None}
        if tenant in read:
            return self._use(read[tenant])
        if answer.complete or any(change.tenant == tenant for change in answer.changes):
            return next((other.owned for other in read.values()), None)
        if known is not None:
            return known.owned
        raise _unavailable()

    async def of(self, tenant: str, kind: str) -> Sequence[Owned]:
        answer = await self._keep.find(Sought(kinds=(f"object/{kind}",), tenant=tenant))
        if not answer.complete:
            # A list that leaves out what is there would look like a whole one.
            raise _unavailable()
        return [owned for put in answer.puts if (owned := self._read(put)) is not None]

    def _use(self, known: _Known) -> Owned:
        """An object of the tenant that asks: it is in use, so it is kept for longer."""
        owned, until = known.owned, known.until
        if self._is_due(known):
            until = self._wall() + self._ttl
            self._keep.touch(*_place(owned), self._ttl)
        self._remember(owned, until)
        return owned

    def _is_due(self, known: _Known) -> bool:
        return known.until - self._wall() < self._ttl * _RENEWED

    def _remember(self, owned: Owned, until: float) -> None:
        self._near.put(owned.kind, _key(owned.tenant, owned.id), _Known(owned, until))

    def _read(self, put: Put) -> Owned | None:
        record = self.wrapping.unwrap(put)
        if record is None:
            return None
        kind = put.kind.removeprefix("object/")
        return Owned(id=record.id, kind=kind, tenant=put.tenant, account=record.account, settled=record.settled)

    def __repr__(self) -> str:
        return f"<KeptObjects {len(self._near)} here>"


def _key(tenant: str, id: str) -> str:
    return f"{tenant}\0{id}"


def _place(owned: Owned) -> Place:
    return f"object/{owned.kind}", owned.tenant, name_of(owned.id)


def _unavailable() -> StoreUnavailable:
    return StoreUnavailable(retry_after=5.0, detail="whose the object is can't be looked up")
