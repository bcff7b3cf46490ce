"""Whether an account works: a circuit that failures open, and that calls in probation close again.

What a call tells counts only if it began after the circuit last changed. A connection that dies takes a hundred streams
with it: they are failures of the time before, and must not double the time that the circuit is open; nor does a stream
that ends well after that say that new ones can begin.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

from llmgw_balancer.config import BalanceConfig
from llmgw_balancer.states import Circuit

_WEIGHT = 0.1
"""Of one call in the moving averages: they tell of the last ten calls or so."""
_ENOUGH = 10
"""Calls without which an error rate tells nothing."""
_FIRST_BYTE_WEIGHT = 0.2


class Event(StrEnum):
    """What moves a circuit."""

    ANSWERED = "answered"
    FAILED = "failed"
    TRIPPED = "tripped"
    """A failure after which the account is not trusted any more."""
    ELAPSED = "elapsed"
    """It was open for as long as it was to be."""
    PROVED = "proved"
    """An answer after which it is trusted again."""


NEXT: dict[tuple[Circuit, Event], Circuit] = {
    (Circuit.CLOSED, Event.ANSWERED): Circuit.CLOSED,
    (Circuit.CLOSED, Event.FAILED): Circuit.CLOSED,
    (Circuit.CLOSED, Event.TRIPPED): Circuit.OPEN,
    (Circuit.CLOSED, Event.ELAPSED): Circuit.CLOSED,
    (Circuit.CLOSED, Event.PROVED): Circuit.CLOSED,
    # Calls are made while it is open only where too many others are open as well; they are as good as probation.
    (Circuit.OPEN, Event.ANSWERED): Circuit.PROBATION,
    (Circuit.OPEN, Event.FAILED): Circuit.OPEN,
    (Circuit.OPEN, Event.TRIPPED): Circuit.OPEN,
    (Circuit.OPEN, Event.ELAPSED): Circuit.PROBATION,
    (Circuit.OPEN, Event.PROVED): Circuit.CLOSED,
    # One failure is enough: nothing but failures led here.
    (Circuit.PROBATION, Event.ANSWERED): Circuit.PROBATION,
    (Circuit.PROBATION, Event.FAILED): Circuit.OPEN,
    (Circuit.PROBATION, Event.TRIPPED): Circuit.OPEN,
    (Circuit.PROBATION, Event.ELAPSED): Circuit.PROBATION,
    (Circuit.PROBATION, Event.PROVED): Circuit.CLOSED,
}
"""From each state, by each event."""


class Breaker:
    """The circuit of one account, with the averages that its calls leave."""

    __slots__ = (
        "_config",
        "answers",
        "calls",
        "circuit",
        "error_rate",
        "failures",
        "first_byte",
        "opened",
        "since",
        "until",
    )

    def __init__(self, config: BalanceConfig) -> None:
        self._config = config
        self.circuit = Circuit.CLOSED
        self.since = float("-inf")
        """When it last changed."""
        self.until = float("-inf")
        """To when it is open."""
        self.opened = 0
        """How often it opened since it was last closed."""
        self.failures = 0
        """In a row."""
        self.answers = 0
        """In probation."""
        self.calls = 0
        self.error_rate = 0.0
        self.first_byte: float | None = None

    def answered(self, began: float, now: float, first_byte: float | None) -> None:
        """A call that began then was answered, its first byte so many seconds later."""
        if first_byte is not None:
            known = first_byte if self.first_byte is None else self.first_byte
            self.first_byte = known + _FIRST_BYTE_WEIGHT * (first_byte - known)
        if began < self._changed_by(now):
            return
        self._count(0.0)
        self.failures = 0
        self.answers += self.circuit is not Circuit.CLOSED
        self._move(Event.PROVED if self.answers >= self._config.probes else Event.ANSWERED, now)

    def failed(self, began: float, now: float, rand: Callable[[], float]) -> None:
        """A call that began then did not get through, or was lost."""
        if began < self._changed_by(now):
            return
        self._count(1.0)
        self.failures += 1
        was_open = self.circuit is Circuit.OPEN
        self._move(Event.TRIPPED if self._is_lost else Event.FAILED, now)
        if self.circuit is Circuit.OPEN and not was_open:
            self._stay_open(now, rand)

    def at(self, now: float) -> Circuit:
        """The state at this time."""
        if self.circuit is Circuit.OPEN and now >= self.until:
            self._move(Event.ELAPSED, self.until)
        return self.circuit

    def _changed_by(self, now: float) -> float:
        self.at(now)
        return self.since

    @property
    def _is_lost(self) -> bool:
        config = self._config
        return self.failures >= config.failures or (self.calls >= _ENOUGH and self.error_rate >= config.error_rate)

    def _count(self, failed: float) -> None:
        self.calls += 1
        # A plain mean at first: an average that begins at nothing would need ten failures to notice.
        self.error_rate += max(_WEIGHT, 1 / self.calls) * (failed - self.error_rate)

    def _stay_open(self, now: float, rand: Callable[[], float]) -> None:
        config = self._config
        seconds = min(config.open_seconds * 2.0 ** min(self.opened, 32), config.most_open_seconds)
        # By a quarter either way, so that accounts behind one broken edge do not come back in one breath.
        self.until = now + seconds * (0.75 + rand() / 2)
        self.opened += 1

    def _move(self, event: Event, now: float) -> None:
        after = NEXT[self.circuit, event]
        if after is self.circuit:
            return
        self.circuit, self.since = after, now
        self.answers = 0 if after is not Circuit.PROBATION else self.answers
        if after is Circuit.CLOSED:
            self.opened = self.failures = self.calls = 0
            self.error_rate = 0.0

    def __repr__(self) -> str:
        return f"<Breaker {self.circuit} {self.failures} failures, {self.error_rate:.0%} errors>"
