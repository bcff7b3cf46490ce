"""Prompts that are cached where they ask for it (Claude, and Bedrock's cache points).

A prompt is a row of blocks, some of which end in a breakpoint. Everything up to a breakpoint is kept, if it is long
enough, for five minutes or an hour after its last use. What is looked for: the prompt up to each of its breakpoints,
and up to each of the blocks before one, `LOOKBACK` in all; but only what an earlier prompt kept is there to be found.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from itertools import accumulate

import msgspec

FIVE_MINUTES, HOUR = 300.0, 3600.0
LOOKBACK = 20
MOST = 4
"""Breakpoints of a prompt."""
_MOST_KEPT = 100_000


class Block(msgspec.Struct, frozen=True, gc=False):
    """A block of a prompt: what it says, its tokens, and the life in seconds that a breakpoint behind it asks for."""

    text: bytes
    tokens: int
    life: float | None = None


class Place(msgspec.Struct, frozen=True, gc=False):
    """The end of a block: a digest and the tokens of everything up to it."""

    digest: bytes
    tokens: int
    life: float | None


class _Kept(msgspec.Struct):
    until: float
    life: float


def places_of(seed: bytes, blocks: Sequence[Block], total: int) -> list[Place]:
    """The ends of all blocks. `total` are the tokens of the whole prompt, which no place goes beyond."""
    digests = accumulate(blocks, lambda so_far, block: _digest(so_far + block.text), initial=_digest(seed))
    tokens = accumulate(block.tokens for block in blocks)
    next(digests)
    return [
        Place(digest, min(sum_, total), block.life) for digest, sum_, block in zip(digests, tokens, blocks, strict=True)
    ]


def _digest(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


class Breakpoints:
    """What was kept, by digest. Times are Unix seconds of the simulator's clock."""

    def __init__(self) -> None:
        self._kept: OrderedDict[bytes, _Kept] = OrderedDict()

    def __repr__(self) -> str:
        return f"<Breakpoints {len(self._kept)} prompts>"

    def longest(self, places: Sequence[Place], now: float) -> Place | None:
        """The longest beginning that is there."""
        seen = (
            place
            for at in reversed(range(len(places)))
            if places[at].life is not None
            for place in reversed(places[max(0, at + 1 - LOOKBACK) : at + 1])
        )
        return max((place for place in seen if self._alive(place, now)), key=lambda place: place.tokens, default=None)

    def keep(self, places: Sequence[Place], found: Place | None, least: int, now: float) -> None:
        """Keep what the breakpoints ask for, and what was `found` for another of its own lives."""
        if found is not None:
            self._put(found.digest, 0.0, now)
        for place in places:
            if place.life is not None and place.tokens >= least:
                self._put(place.digest, place.life, now)
        while len(self._kept) > _MOST_KEPT:
            self._kept.popitem(last=False)

    def _put(self, digest: bytes, life: float, now: float) -> None:
        kept = self._kept.pop(digest, None)
        if kept is not None and kept.until > now:
            life = max(life, kept.life)
        self._kept[digest] = _Kept(now + life, life)

    def _alive(self, place: Place, now: float) -> bool:
        kept = self._kept.get(place.digest)
        return kept is not None and kept.until > now
