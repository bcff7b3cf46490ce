"""What an account took of its requests and tokens in the last minute, against what it may.

The minute slides, in slots of two seconds, so no 60 seconds ever hold more than the limit. A bucket that refills would
let through twice as much in its first minute. Tokens are counted when a call begins, as expected, and corrected when
its usage is known.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Container, Iterator

from llmgw_balancer.choice import Exclusion
from llmgw_balancer.slots import Lease
from llmgw_balancer.states import NO_LOAD, OtherLoad
from llmgw_domain import Account, Candidate, Target

_MINUTE = 60.0
_SLOT = 2.0


class _Slot:
    __slots__ = ("number", "requests", "tokens")

    def __init__(self, number: int) -> None:
        self.number = number
        self.requests = 0
        self.tokens = 0


class Window:
    """The last minute. Slots in which nothing began take no memory."""

    __slots__ = ("_slots", "requests", "tokens")

    def __init__(self) -> None:
        self._slots: deque[_Slot] = deque()
        self.requests = 0
        self.tokens = 0

    def add(self, now: float, tokens: int) -> None:
        """A call begins that is expected to use so many tokens."""
        self.settle(now)
        number = int(now // _SLOT)
        if not self._slots or self._slots[-1].number != number:
            self._slots.append(_Slot(number))
        slot = self._slots[-1]
        slot.requests += 1
        slot.tokens += tokens
        self.requests += 1
        self.tokens += tokens

    def correct(self, began: float, tokens: int) -> None:
        """A call that began then used so many tokens more than expected, or less: a negative number."""
        number = int(began // _SLOT)
        for slot in reversed(self._slots):
            if slot.number == number:
                change = max(tokens, -slot.tokens)
                slot.tokens += change
                self.tokens += change
            if slot.number <= number:
                return

    def settle(self, now: float) -> None:
        """Forgets what is a minute old."""
        while self._slots and _end(self._slots[0]) <= now:
            gone = self._slots.popleft()
            self.requests -= gone.requests
            self.tokens -= gone.tokens

    def wait(self, now: float, limit: int, more: int, elsewhere: int, *, of_tokens: bool) -> float:
        """Seconds until `more` requests or tokens fit under the limit, where others took `elsewhere` of it.

        A call that is above the limit all by itself fits when nothing else was taken: whether it may be is for the
        provider to say.
        """
        self.settle(now)
        taken = (self.tokens if of_tokens else self.requests) + elsewhere
        if taken == 0 or taken + more <= limit:
            return 0.0
        for slot in self._slots:
            taken -= slot.tokens if of_tokens else slot.requests
            if taken <= 0 or taken + more <= limit:
                return _end(slot) - now
        return _SLOT  # What others took is known without its times, so it is looked at again soon.

    def __repr__(self) -> str:
        return f"<Window {self.requests} requests, {self.tokens} tokens>"


class Rates:
    """The windows of accounts, and of models at accounts."""

    def __init__(self) -> None:
        self._windows: dict[str, dict[str | None, Window]] = {}

    def add(self, account: str, model: str, tokens: int, now: float) -> None:
        """A call begins that is expected to use so many tokens."""
        windows = self._windows.setdefault(account, {})
        for scope in (None, model):
            window = windows.get(scope)
            if window is None:
                window = windows[scope] = Window()
            window.add(now, tokens)

    def correct(self, lease: Lease, tokens: int) -> None:
        """The call of this lease used so many tokens, not as many as it reserved."""
        windows = self._windows.get(lease.account, {})
        for scope in (None, lease.model):
            if scope in windows:
                windows[scope].correct(lease.at, tokens - lease.reserved)

    def waits(
        self, candidate: Candidate, others: OtherLoad, tokens: int, now: float
    ) -> Iterator[tuple[Exclusion, float]]:
        """How many seconds each limit by the minute makes a call wait, where others took so much of it."""
        account, target = candidate.account, candidate.target
        if account.requests_per_minute is not None or account.tokens_per_minute is not None:
            window = self.window(account.id, None, now)
            yield from _waits(window, account, others, tokens, now)
        if target.requests_per_minute is not None or target.tokens_per_minute is not None:
            window = self.window(account.id, candidate.model, now)
            yield from _waits(window, target, others.models.get(candidate.model, NO_LOAD), tokens, now)

    def window(self, account: str, model: str | None, now: float) -> Window:
        """The last minute of the account, or of one model there."""
        window = self._windows.get(account, {}).get(model) or Window()
        window.settle(now)
        return window

    def models(self, account: str, now: float) -> tuple[str, ...]:
        """Those that the account was asked for within the last minute."""
        windows = self._windows.get(account, {})
        for model in [name for name in windows if name is not None and not self.window(account, name, now).requests]:
            del windows[model]
        return tuple(name for name in windows if name is not None)

    def retain(self, accounts: Container[str]) -> None:
        """Forgets every other account."""
        for gone in [account for account in self._windows if account not in accounts]:
            del self._windows[gone]


def _waits(
    window: Window, limits: Account | Target, others: OtherLoad, tokens: int, now: float
) -> Iterator[tuple[Exclusion, float]]:
    if limits.requests_per_minute is not None:
        yield Exclusion.REQUESTS, window.wait(now, limits.requests_per_minute, 1, others.requests, of_tokens=False)
    if limits.tokens_per_minute is not None:
        yield Exclusion.TOKENS, window.wait(now, limits.tokens_per_minute, tokens, others.tokens, of_tokens=True)


def _end(slot: _Slot) -> float:
    """When the youngest of what the slot counts is a minute old."""
    return (slot.number + 1) * _SLOT + _MINUTE
