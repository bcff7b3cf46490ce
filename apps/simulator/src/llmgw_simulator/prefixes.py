"""Prompts that are cached unasked (OpenAI, Gemini): whatever an earlier prompt began with, from a least length on.

A prompt is known by a chain of digests, one at each length at which its beginning may be found again; two prompts that
have a digest in common begin alike up to there. Kept are chains, not lengths: a conversation's next prompt takes the
place of the one that it continues, so that memory goes with conversations and not with their tokens.
"""

from __future__ import annotations

import hashlib
from array import array
from bisect import bisect_left
from collections import OrderedDict

import msgspec

STEP = 128
_CHARACTERS = 4
"""A token, as everywhere in the simulator's prompts."""
_MOST_HEADS = 20_000


class _Kept(msgspec.Struct):
    chain: array[int]
    until: float


def chain_of(seed: bytes, text: bytes, least: int) -> array[int]:
    """Digests of the beginnings of `least` tokens and of each `STEP` more; empty for a text that is shorter."""
    found = array("Q")
    view, at = memoryview(text), least * _CHARACTERS
    if len(text) < at:
        return found
    digest = hashlib.sha256(seed)
    digest.update(view[:at])
    found.append(_short(digest.digest()))
    size = STEP * _CHARACTERS
    for start in range(at, len(text) - size + 1, size):
        digest.update(view[start : start + size])
        found.append(_short(digest.digest()))
    return found


def _short(digest: bytes) -> int:
    return int.from_bytes(digest[:8], "big")


def common(one: array[int], other: array[int]) -> int:
    """How many digests both chains begin with; once they differ they differ for good."""
    return bisect_left(range(min(len(one), len(other))), True, key=lambda place: one[place] != other[place])


class Prefixes:
    """The chains that were kept, by their first digest. Times are Unix seconds of the simulator's clock."""

    def __init__(self) -> None:
        self._heads: OrderedDict[int, list[_Kept]] = OrderedDict()

    def __repr__(self) -> str:
        return f"<Prefixes {sum(map(len, self._heads.values()))} prompts>"

    def longest(self, chain: array[int], now: float) -> int:
        """How much of `chain` is there, in digests."""
        if not chain:
            return 0
        kept = self._heads.get(chain[0], ())
        return max((common(one.chain, chain) for one in kept if one.until > now), default=0)

    def keep(self, chain: array[int], now: float, life: float) -> None:
        """All of `chain` is there for `life` seconds from now; what it goes beyond is no longer kept apart."""
        if not chain:
            return
        kept = self._heads.pop(chain[0], [])
        others = [one for one in kept if one.until > now and common(one.chain, chain) < len(one.chain)]
        self._heads[chain[0]] = [*others, _Kept(chain, now + life)]
        if len(self._heads) > _MOST_HEADS:
            self._heads.popitem(last=False)
