"""Kept records in the memory of one process: a store of its own in tests, the buffer of changes in front of another.

It is bounded by bytes, and what was changed longest ago goes first.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence

import msgspec

from llmgw_relay.keep import Change, Drop, Found, Place, Put, Sought, Touch

_OVERHEAD = 256
"""Bytes that a record weighs besides its body, so that many small ones are bounded as well."""


class MemoryKept:
    """Records by place. `wall` gives Unix seconds, `limit` is in bytes."""

    def __init__(self, wall: Callable[[], float], *, limit: int = 256 * 1024 * 1024) -> None:
        self._wall = wall
        self._limit = limit
        self._held: OrderedDict[Place, Put | Drop] = OrderedDict()
        self._tenants: dict[tuple[str, str], dict[str, None]] = {}
        """Whose the ids of a kind are, so that one is found without its tenant."""
        self.size = 0

    async def apply(self, changes: Sequence[Change]) -> None:
        """Takes changes in."""
        for change in changes:
            self.take(change)

    async def find(self, sought: Sought) -> Found:
        return Found(tuple(self.look(sought)), complete=True)

    def take(self, change: Change) -> None:
        """Takes one change in, unless it is older than what is there, or past its time."""
        if change.expires <= self._wall():
            return
        known = self._live(change.place)
        if isinstance(change, Touch):
            self._touch(known, change)
        elif known is None or change.version > known.version:
            self._set(change)

    def look(self, sought: Sought) -> list[Put | Drop]:
        """What is known of that, the latest first."""
        found: list[Put | Drop]
        if sought.ids is not None:
            places = self._places(sought.kinds, sought.tenant, sought.ids)
            found = [change for place in places if (change := self._live(place)) is not None]
        else:
            found = [*self._of(sought)]
        return sorted(found, key=lambda change: change.version, reverse=True)[: sought.limit]

    def _places(self, kinds: Sequence[str], tenant: str | None, ids: Sequence[str]) -> Iterator[Place]:
        for kind in kinds:
            for named in dict.fromkeys(ids):
                owners = self._tenants.get((kind, named), ())
                yield from ((kind, owner, named) for owner in tuple(owners) if tenant in (None, owner))

    def _of(self, sought: Sought) -> Iterator[Put]:
        now = self._wall()
        for change in self._held.values():
            asked_for = change.tenant == sought.tenant and change.kind in sought.kinds
            if asked_for and isinstance(change, Put) and change.expires > now:
                yield change

    def _live(self, place: Place) -> Put | Drop | None:
        change = self._held.get(place)
        if change is not None and change.expires <= self._wall():
            self._remove(place)
            return None
        return change

    def _touch(self, known: Put | Drop | None, touch: Touch) -> None:
        if isinstance(known, Put) and known.expires < touch.expires:
            self._held[known.place] = msgspec.structs.replace(known, expires=touch.expires)

    def _set(self, change: Put | Drop) -> None:
        self._remove(change.place)
        self._held[change.place] = change
        self._tenants.setdefault((change.kind, change.id), {})[change.tenant] = None
        self.size += _weight(change)
        while self.size > self._limit:
            self._remove(next(iter(self._held)))

    def _remove(self, place: Place) -> None:
        change = self._held.pop(place, None)
        if change is None:
            return
        self.size -= _weight(change)
        owners = self._tenants[change.kind, change.id]
        del owners[change.tenant]
        if not owners:
            del self._tenants[change.kind, change.id]

    def __len__(self) -> int:
        return len(self._held)

    def __repr__(self) -> str:
        return f"<MemoryKept {len(self)} records, {self.size} of {self._limit} bytes>"


def _weight(change: Put | Drop) -> int:
    return _OVERHEAD + (len(change.body) if isinstance(change, Put) else 0)
