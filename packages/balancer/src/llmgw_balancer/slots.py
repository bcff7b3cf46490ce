"""Concurrency leases: who is in flight where."""

from __future__ import annotations


class Lease:
    """One call's place at an account. `release` gives it back, once; later calls change nothing."""

    __slots__ = ("_slots", "account")

    def __init__(self, slots: Slots, account: str) -> None:
        self._slots: Slots | None = slots
        self.account = account

    def release(self) -> None:
        slots, self._slots = self._slots, None
        if slots is not None:
            slots._give_back(self.account)

    @property
    def held(self) -> bool:
        return self._slots is not None

    def __repr__(self) -> str:
        return f"<Lease {self.account} {'held' if self.held else 'released'}>"


class Slots:
    """Counts leases by account id. An account without leases takes no memory."""

    def __init__(self) -> None:
        self._held: dict[str, int] = {}

    def take(self, account: str) -> Lease:
        self._held[account] = self._held.get(account, 0) + 1
        return Lease(self, account)

    def held(self, account: str) -> int:
        return self._held.get(account, 0)

    @property
    def total(self) -> int:
        return sum(self._held.values())

    def _give_back(self, account: str) -> None:
        left = self._held[account] - 1
        if left:
            self._held[account] = left
        else:
            del self._held[account]

    def __repr__(self) -> str:
        return f"<Slots {self._held}>"
