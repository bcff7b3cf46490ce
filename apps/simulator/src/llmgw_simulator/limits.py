"""What a credential may use in a minute, and how many requests at a time. Pure.

Allowances are buckets that fill evenly, as Anthropic describes its own, so a minute's allowance is there at once after
a minute's rest. Requests and prompt tokens are taken when a request is let in; the tokens of an answer are only known
at its end, so they are taken then, and a bucket may owe some.
"""

from __future__ import annotations

from typing import Literal

import msgspec

Name = Literal["concurrency", "requests", "tokens", "output-tokens"]
_MINUTE = 60.0


class Quota(msgspec.Struct, frozen=True, kw_only=True):
    """The limits of one credential; None is no limit. `tokens` are those of prompts, in the way the provider counts."""

    requests: float | None = None
    tokens: float | None = None
    output_tokens: float | None = None
    concurrency: int | None = None


class Meter(msgspec.Struct, frozen=True):
    """One allowance as a header shows it: `reset` is in seconds until it is full."""

    limit: float
    remaining: float
    reset: float


Standing = dict[Name, Meter]
"""What is left of each limit that a credential has."""


class Denied(msgspec.Struct, frozen=True):
    """Which limit a request would exceed: what it `wants` of it, and in how many seconds there is enough.

    `wait` is None for a request that is larger than the limit itself.
    """

    name: Name
    meter: Meter
    wants: float
    wait: float | None


class Bucket:
    """An allowance for a minute. Times are seconds of the simulator's clock."""

    def __init__(self, limit: float, now: float) -> None:
        self.limit = limit
        self._level = limit
        self._at = now

    def __repr__(self) -> str:
        return f"<Bucket {self._level:g} of {self.limit:g}>"

    def meter(self, now: float) -> Meter:
        level = self._settle(now)
        return Meter(self.limit, max(0.0, level), self._wait(self.limit - level))

    def denial(self, name: Name, wants: float, now: float) -> Denied | None:
        """Why so much can't be taken now, or None."""
        if wants > self.limit:
            return Denied(name, self.meter(now), wants, None)
        short = wants - self._settle(now)
        return Denied(name, self.meter(now), wants, self._wait(short)) if short > 0 else None

    def take(self, amount: float, now: float) -> None:
        """Take it, whether it is there or not."""
        self._level = self._settle(now) - amount

    def _settle(self, now: float) -> float:
        self._level = min(self.limit, self._level + max(0.0, now - self._at) * self.limit / _MINUTE)
        self._at = max(self._at, now)
        return self._level

    def _wait(self, short: float) -> float:
        return max(0.0, short) * _MINUTE / self.limit
