"""Concurrency leases: who is in flight where."""

from __future__ import annotations

from collections.abc import Callable


class Lease:
    """One call's place at an account, and at a model there. `release` gives it back, once; later calls change nothing.

    It was taken `at` a reading of the clock, and knows what it reserved, so that how the call went can be told of it
    after its release as well.
    """

    __slots__ = ("_slots", "account", "at", "model", "probe", "reserved")

    def __init__(self, slots: Slots, account: str, model: str, at: float, reserved: int, probe: bool) -> None:
        self._slots: Slots | None = slots
        self.account = account
        self.model = model
        self.at = at
        self.reserved = reserved
        self.probe = probe
        """Whether the call tries if a failing account works again."""

    def release(self) -> None:
        slots, self._slots = self._slots, None
        if slots is not None:
            slots._give_back(self)

    @property
    def held(self) -> bool:
        return self._slots is not None

    def __repr__(self) -> str:
        return f"<Lease {self.account} {'held' if self.held else 'released'}>"


def _nobody(lease: Lease) -> None:
    """Nobody waits for places."""


class Slots:
    """Counts leases by account id, and by the models asked for there. An account without leases takes no memory."""

    def __init__(self, released: Callable[[Lease], None] = _nobody) -> None:
        """`released` is called for each lease that comes back, after it was counted."""
        self._released = released
        self._held: dict[str, int] = {}
        self._models: dict[str, dict[str, int]] = {}
        self._probes: dict[str, int] = {}

    def take(self, account: str, model: str = "", at: float = 0.0, reserved: int = 0, *, probe: bool = False) -> Lease:
        """Counts a call; `at` is now, `reserved` the tokens that it is expected to use."""
        _more(self._held, account)
        _more(self._models.setdefault(account, {}), model)
        if probe:
            _more(self._probes, account)
        return Lease(self, account, model, at, reserved, probe)

    def held(self, account: str, model: str | None = None) -> int:
        """Calls in flight at the account, or at one model there."""
        return self._held.get(account, 0) if model is None else self._models.get(account, {}).get(model, 0)

    def probes(self, account: str) -> int:
        """Those of the calls in flight that try whether the account works again."""
        return self._probes.get(account, 0)

    def models(self, account: str) -> tuple[str, ...]:
        """Those with calls in flight at the account."""
        return tuple(self._models.get(account, ()))

    @property
    def total(self) -> int:
        return sum(self._held.values())

    def _give_back(self, lease: Lease) -> None:
        _less(self._held, lease.account)
        _less(self._models[lease.account], lease.model)
        if not self._models[lease.account]:
            del self._models[lease.account]
        if lease.probe:
            _less(self._probes, lease.account)
        self._released(lease)

    def __repr__(self) -> str:
        return f"<Slots {self._held}>"


def _more(counts: dict[str, int], key: str) -> None:
    counts[key] = counts.get(key, 0) + 1


def _less(counts: dict[str, int], key: str) -> None:
    left = counts[key] - 1
    if left:
        counts[key] = left
    else:
        del counts[key]
