"""The order in which accounts are asked for a key: the same on every node, and nearly the same when accounts change.

Rendezvous hashing: each account has a number for each key, and the highest is the first. It costs a hash for each
account, so a large pool first draws a few accounts from a ring, by as many independent hashes of the key; whoever is
next is as random as the first, so what an account leaves is taken over by all, not by its neighbour on the ring.
"""

from __future__ import annotations

import hashlib
import math
from bisect import bisect_right
from collections.abc import Iterator, Sequence

SMALL = 48
"""Accounts up to which each is hashed for each key."""
DRAWS = 64
"""Of a large pool, for one key. After them the order is that of the pool: they find the accounts that can serve if more
than a few per cent of them can."""
_POINTS = 16
"""On the ring for an account of mean weight. With more of them its arcs were more even, and a change of the pool, which
hashes and sorts them all, slower; bounds on load even out the rest."""
_MASK = (1 << 64) - 1


class Ranking:
    """Accounts by their ids and weights; the order gives their places in this sequence."""

    __slots__ = ("_even", "_owners", "_ring", "_seeds", "_weights")

    def __init__(self, accounts: Sequence[tuple[str, float]]) -> None:
        self._seeds = [_number(b"account", name.encode()) for name, _ in accounts]
        self._weights = [weight for _, weight in accounts]
        self._even = len(set(self._weights)) <= 1
        self._ring: list[int] = []
        self._owners: list[int] = []
        if len(accounts) > SMALL:
            self._ring, self._owners = _ring(accounts)

    def __len__(self) -> int:
        return len(self._seeds)

    def order(self, key: bytes) -> Iterator[int]:
        """Every place once, the first one for the key first. Computed as far as it is asked for."""
        if self._ring:
            return self._drawn(key)
        return iter(self.best(key, range(len(self._seeds))))

    def best(self, key: bytes, among: Sequence[int]) -> list[int]:
        """These places in their order for the key."""
        salt, scored = _number(b"key", key), []
        for place in among:
            mixed = _mixed(self._seeds[place] ^ salt)
            if not self._even:
                # The least of exponential waiting times, so that an account is first as often as its weight says.
                mixed = -math.log((mixed + 1) / (_MASK + 2)) / self._weights[place]  # type: ignore[assignment]
            scored.append((mixed, place))
        scored.sort()
        return [place for _, place in scored]

    def _drawn(self, key: bytes) -> Iterator[int]:
        seen: set[int] = set()
        salt = _number(b"key", key)
        for _ in range(DRAWS):
            salt = _mixed(salt + 0x9E3779B97F4A7C15 & _MASK)
            place = self._owners[bisect_right(self._ring, salt) % len(self._ring)]
            if place not in seen:
                seen.add(place)
                yield place
        yield from (place for place in range(len(self._seeds)) if place not in seen)

    def __repr__(self) -> str:
        return f"<Ranking of {len(self)}>"


def part_of(key: bytes, parts: int) -> int:
    """Which of so many parts the key belongs to."""
    return _number(b"part", key) % parts


def _ring(accounts: Sequence[tuple[str, float]]) -> tuple[list[int], list[int]]:
    points = []
    mean = sum(weight for _, weight in accounts) / len(accounts)
    for place, (name, weight) in enumerate(accounts):
        salt = _number(b"ring", name.encode())
        for _ in range(max(1, round(_POINTS * weight / mean))):
            salt = _mixed(salt + 0x9E3779B97F4A7C15 & _MASK)
            points.append((salt, place))
    points.sort()
    return [point for point, _ in points], [place for _, place in points]


def _number(kind: bytes, text: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(text, digest_size=8, person=kind).digest(), "big")


def _mixed(x: int) -> int:
    """Every bit depends on every bit (the finalizer of splitmix64)."""
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9 & _MASK
    x = (x ^ x >> 27) * 0x94D049BB133111EB & _MASK
    return x ^ x >> 31
