"""Whether what looks like one conversation is many.

A conversation has a turn in flight, or a few where an agent asks in parallel. More at once under one fingerprint is
the same question asked by many: an evaluation, a batch, a health check. They share a prefix, not an account, and
spread.
"""

from __future__ import annotations

MOST = 4
"""Calls in flight that one conversation may have. opencode has two at its start."""


class Crowd:
    """Counts calls in flight by key. At most `bound` keys are counted; beyond them every key passes for one
    conversation, so that memory stays bounded by what one worker may have open."""

    def __init__(self, most: int = MOST, bound: int = 65_536) -> None:
        self._most = most
        self._bound = bound
        self._inside: dict[str, int] = {}

    def enter(self, key: str) -> bool:
        """Counts a call, and says whether its key still stands for one conversation. Each call leaves again."""
        count = self._inside.get(key, 0) + 1
        if count > 1 or len(self._inside) < self._bound:
            self._inside[key] = count
        return count <= self._most

    def leave(self, key: str) -> None:
        count = self._inside.get(key, 0)
        if count > 1:
            self._inside[key] = count - 1
        else:
            self._inside.pop(key, None)

    def __len__(self) -> int:
        return len(self._inside)

    def __repr__(self) -> str:
        return f"<Crowd of {sum(self._inside.values())} calls under {len(self)} keys>"
