"""What an account's own calls tell of it: whether it could be reached, and went on answering, last time.

A failed connection puts an account in doubt for a while: it is chosen only where no other account of the model is left.
The while doubles with each failure in a row, and differs by chance, so that accounts behind one broken edge do not come
back in one breath. One call that succeeds ends it.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

_FIRST = 2.0
_LONGEST = 60.0
"""Seconds in doubt: after the first failure, and at most."""


class Doubt(msgspec.Struct, frozen=True):
    """So many `failures` in a row; not chosen before `until` on the clock, while others are left."""

    failures: int
    until: float


class Signals:
    """By account id. An account that does well takes no memory."""

    def __init__(self, clock: Callable[[], float], rand: Callable[[], float]) -> None:
        """`clock` gives monotonic seconds, `rand` a number in [0, 1)."""
        self._clock = clock
        self._rand = rand
        self._doubts: dict[str, Doubt] = {}

    def failed(self, account: str) -> None:
        """A call could not reach the account, or lost it."""
        if self.doubted(account):
            return  # Calls that were under way together fail together; that is one failure, not a hundred.
        known = self._doubts.get(account)
        failures = known.failures + 1 if known is not None else 1
        seconds = min(_FIRST * 2.0 ** (failures - 1), _LONGEST) * (0.75 + self._rand() / 2)
        self._doubts[account] = Doubt(failures, self._clock() + seconds)

    def answered(self, account: str) -> None:
        """A call at the account came to its good end."""
        self._doubts.pop(account, None)

    def doubted(self, account: str) -> bool:
        """Whether another account is to be preferred now."""
        known = self._doubts.get(account)
        return known is not None and self._clock() < known.until

    def doubts(self) -> dict[str, Doubt]:
        """Every account whose last call failed, also those that may be chosen again."""
        return dict(self._doubts)

    def __repr__(self) -> str:
        return f"<Signals {self._doubts}>"
