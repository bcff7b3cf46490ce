"""What an account took of its requests and tokens in the last minute, against what it may.

The minute slides, in slots of two seconds, so no 60 seconds ever hold more than the limit. A bucket that refills would
let through twice as much in its first minute. Tokens are counted when a call begins, as expected, and corrected when
its usage is known.
"""

from __future__ import annotations

from collections import deque

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


def _end(slot: _Slot) -> float:
    """When the youngest of what the slot counts is a minute old."""
    return (slot.number + 1) * _SLOT + _MINUTE
