"""A bounded memory: what is longest unused goes first, and everything expires.

The in-memory forms of what outlives a call (`objects`, `stash`, `conversations`) are made of it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Shelf(Generic[K, V]):
    """Values by key. `limit` bounds the sum of their sizes, `ttl` is seconds from the last putting."""

    def __init__(
        self, clock: Callable[[], float], *, limit: int, ttl: float, size_of: Callable[[V], int] = lambda value: 1
    ) -> None:
        self._clock = clock
        self._limit = limit
        self._ttl = ttl
        self._size_of = size_of
        self._values: OrderedDict[K, tuple[float, V]] = OrderedDict()
        self.size = 0

    def put(self, key: K, value: V) -> None:
        """Puts a value in place of an earlier one of its key."""
        self.pop(key)
        self._values[key] = (self._clock() + self._ttl, value)
        self.size += self._size_of(value)
        while self.size > self._limit:
            self.pop(next(iter(self._values)))

    def get(self, key: K) -> V | None:
        """The value, which is now the latest used one."""
        found = self._values.get(key)
        if found is None:
            return None
        if found[0] < self._clock():
            self.pop(key)
            return None
        self._values.move_to_end(key)
        return found[1]

    def pop(self, key: K) -> V | None:
        found = self._values.pop(key, None)
        if found is None:
            return None
        self.size -= self._size_of(found[1])
        return found[1]

    def latest(self) -> Iterator[V]:
        """The values that have not expired, the latest used first."""
        now = self._clock()
        return (value for until, value in reversed(self._values.values()) if until >= now)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"<Shelf {len(self)} values, {self.size} of {self._limit}>"
