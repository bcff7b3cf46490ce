"""Where sessions are pinned: the port through which the relay asks and tells, and its form in one process.

A turn needs its session's pin before anything else can be decided, and mostly the process knows it. Where it does not,
`find` asks further, within a bound: a session that nobody knows of in time is a new one. What is put is heard by the
others later; pins merge, so it does not matter in which order.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from typing import Protocol

from llmgw_affinity import Pin, merged


class Pins(Protocol):
    """The pins of sessions, by the session's key. No call to it fails because somebody is away."""

    def known(self, key: str) -> Pin | None:
        """What this process knows of the session."""
        ...

    async def find(self, key: str) -> Pin | None:
        """What anybody knows of the session, as far as that is heard within a quarter of a second."""
        ...

    def put(self, pin: Pin, *, changed: bool) -> None:
        """Merges what a turn has made of its session's pin into what is known.

        `changed`: the session was bound or moved, which the others should hear of at once. Evidence may wait.
        """
        ...


class MemoryPins:
    """Pins in the memory of one process, `limit` of them: those that were looked at longest ago go first.

    A store of its own in tests, a cache in front of the host's or the cluster's pins elsewhere.
    """

    def __init__(self, limit: int = 100_000) -> None:
        self._limit = limit
        self._held: OrderedDict[str, Pin] = OrderedDict()

    def known(self, key: str) -> Pin | None:
        pin = self._held.get(key)
        if pin is not None:
            self._held.move_to_end(key)
        return pin

    async def find(self, key: str) -> Pin | None:
        return self.known(key)

    def put(self, pin: Pin, *, changed: bool) -> None:
        self.merge(pin)

    def merge(self, pin: Pin) -> Pin:
        """Takes in what somebody says of a session; what is known of it now."""
        known = self.known(pin.key)
        both = pin if known is None else merged(known, pin)
        self._held[pin.key] = both
        while len(self._held) > self._limit:
            self._held.popitem(last=False)
        return both

    def __iter__(self) -> Iterator[Pin]:
        """All of them, the one that was looked at longest ago first."""
        return iter(tuple(self._held.values()))

    def __len__(self) -> int:
        return len(self._held)

    def __repr__(self) -> str:
        return f"<MemoryPins {len(self)} of {self._limit}>"
