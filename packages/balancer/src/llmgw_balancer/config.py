"""How accounts are chosen and rested, with defaults that suit public providers."""

from __future__ import annotations

import msgspec


class BalanceConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[balance]`: bounds on load, circuits, and rests where a provider does not say how long."""

    bound: float = 1.25
    """An account takes new sessions up to this multiple of its fair share of the pool's load."""
    spread: int = 3
    """Over so many accounts, at most 0.6 of a pool, the sessions of one prompt prefix are divided; more where it is a
    large part of all, twice as many where load can't be seen: other nodes serve the same sessions and do not tell."""
    bound_seconds: float = 60.0
    """How long a session counts as load of its account after its last turn."""

    failures: int = 3
    """So many calls in a row that fail open an account's circuit."""
    error_rate: float = 0.5
    """So does this share of recent calls, once there are enough of them to tell."""
    open_seconds: float = 2.0
    """How long a circuit is open at first; it doubles each time that probation fails."""
    most_open_seconds: float = 60.0
    probes: int = 3
    """Calls that must succeed in probation before an account is trusted again; it has at most so many at a time."""
    slow_start_seconds: float = 30.0
    """How long the share of an account grows after it was away; 0 gives all of it back at once."""
    most_ejected: float = 0.5
    """At most this share of a pool has its circuit heeded at once; the others that are open stay in use."""

    pause_seconds: float = 2.0
    """After a rate limit that does not say how long; doubles each time, up to a minute."""
    overloaded_seconds: float = 1.0
    """The same where the provider is overloaded."""
    exhausted_seconds: float = 300.0
    """The same where a long allowance is used up; up to an hour."""
    disabled_seconds: float = 3600.0
    """How often one call tries an account that its provider has refused for its key or its credit."""

    def problems(self) -> dict[str, str]:
        """What is wrong, by the field's name."""
        wrong: dict[str, str] = {}
        for name in _SECONDS:
            if not 0 < getattr(self, name) < float("inf"):
                wrong[name] = f"must be more than 0 seconds, not {getattr(self, name)}"
        for name in ("failures", "probes", "spread"):
            if getattr(self, name) < 1:
                wrong[name] = f"must be 1 or more, not {getattr(self, name)}"
        if not 0 <= self.slow_start_seconds < float("inf"):
            wrong["slow_start_seconds"] = f"must be 0 or more seconds, not {self.slow_start_seconds}"
        if not 1 < self.bound < float("inf"):
            wrong["bound"] = f"must be more than 1, or nothing is ever under it; not {self.bound}"
        if not 0 < self.error_rate <= 1:
            wrong["error_rate"] = f"must be above 0 and at most 1, not {self.error_rate}"
        if not 0 <= self.most_ejected < 1:
            wrong["most_ejected"] = f"must be 0 or more and below 1, so that somebody serves; not {self.most_ejected}"
        if self.most_open_seconds < self.open_seconds:
            wrong["most_open_seconds"] = f"must not be less than open_seconds, which is {self.open_seconds}"
        return wrong


_SECONDS = (
    "bound_seconds",
    "open_seconds",
    "most_open_seconds",
    "pause_seconds",
    "overloaded_seconds",
    "exhausted_seconds",
    "disabled_seconds",
)
