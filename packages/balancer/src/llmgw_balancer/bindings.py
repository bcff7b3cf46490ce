"""Sessions bound to accounts: load that is to be expected, though nothing is in flight for it now."""

from __future__ import annotations

from collections.abc import Callable

_MOST = 100_000
"""Sessions that are remembered. They only weigh accounts against each other: that the oldest of so many are forgotten
early changes nothing that could be noticed."""


class Bindings:
    """The sessions that had a turn within the last `seconds`, each at the account that served it last."""

    def __init__(self, seconds: float, counted: Callable[[str], None]) -> None:
        """`counted` is called with each account that has one session more or less."""
        self._seconds = seconds
        self._counted = counted
        self._bound: dict[str, tuple[str, float]] = {}  # all last equally long, so the oldest end first
        self._counts: dict[str, int] = {}

    def bind(self, key: str, account: str, now: float) -> bool:
        """A turn of the session with this key is served by the account. Whether the session was bound before."""
        known = self._let_go(key)
        self._bound[key] = account, now + self._seconds
        self._count(account, 1)
        if len(self._bound) > _MOST:
            self._let_go(next(iter(self._bound)))
        return known

    def sweep(self, now: float) -> None:
        """Lets go of the sessions whose time is over."""
        while self._bound:
            key = next(iter(self._bound))
            if self._bound[key][1] > now:
                return
            self._let_go(key)

    def at(self, account: str) -> int:
        """How many sessions are bound to the account."""
        return self._counts.get(account, 0)

    def __len__(self) -> int:
        return len(self._bound)

    def _let_go(self, key: str) -> bool:
        known = self._bound.pop(key, None)
        if known is None:
            return False
        self._count(known[0], -1)
        return True

    def _count(self, account: str, by: int) -> None:
        count = self._counts.get(account, 0) + by
        if count:
            self._counts[account] = count
        else:
            del self._counts[account]
        self._counted(account)

    def __repr__(self) -> str:
        return f"<Bindings {self._counts}>"
