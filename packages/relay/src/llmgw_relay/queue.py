"""Calls that wait for an account: who came first is served first, and nobody who comes later overtakes.

Those that could be served by the same accounts wait in one group. Whenever a place may have become free (a lease came
back, a pause ended) the heads of the groups that could use it are asked in the order of their coming, until none can
take anything. Taking happens inside that step, so a place that became free is never seen free by a newcomer.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable, Collection, Hashable
from typing import Generic, Protocol, TypeVar

_LEAST_PAUSE = 0.01
"""Seconds between two looks that a clock asks for."""


class Taken(Protocol):
    """What a waiter gets, and gives back if it left meanwhile."""

    def give_back(self) -> None: ...


T = TypeVar("T", bound=Taken)


class QueueFull(Exception):
    """As many wait as may."""


class _Waiter(Generic[T]):
    __slots__ = ("future", "number", "take")

    def __init__(self, number: int, take: Callable[[], T | None], future: asyncio.Future[T]) -> None:
        self.number = number
        self.take = take
        self.future = future


class _Group(Generic[T]):
    """Waiters that can use the same accounts. `soonest` says in how many seconds one of them may be free;
    None or infinite where nobody knows."""

    __slots__ = ("accounts", "soonest", "waiters")

    def __init__(self, accounts: Collection[str], soonest: Callable[[], float | None]) -> None:
        self.accounts = accounts
        self.soonest = soonest
        self.waiters: deque[_Waiter[T]] = deque()


class Queue(Generic[T]):
    """`most` is how many may wait at once; `scale` how much faster than the loop the clock of `soonest` runs."""

    def __init__(self, most: int, scale: float = 1.0) -> None:
        self._most = most
        self._scale = scale
        self._groups: dict[Hashable, _Group[T]] = {}
        self._at: dict[str, set[Hashable]] = {}
        self._count = 0
        self._number = 0
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        """How many wait."""
        return self._count

    def awaited(self, account: str) -> bool:
        """Whether somebody waits who could use this account."""
        return account in self._at

    def waiting(self, account: str) -> int:
        """How many wait who could use this account."""
        return sum(len(self._groups[key].waiters) for key in self._at.get(account, ()))

    async def join(
        self,
        group: Hashable,
        accounts: Collection[str],
        take: Callable[[], T | None],
        soonest: Callable[[], float | None],
        seconds: float,
    ) -> T:
        """Waits until `take` gives something, at most `seconds` of the loop's time.

        `take` is asked when one of `accounts` may have become free; it takes what it gives in the same step. Those of
        one `group` have the same accounts and the same `soonest`. Raises `QueueFull`, and TimeoutError when the time is
        over.
        """
        if self._count >= self._most:
            raise QueueFull
        waiter = _Waiter(self._number, take, asyncio.get_running_loop().create_future())
        self._number += 1
        self._enter(group, accounts, soonest, waiter)
        try:
            async with asyncio.timeout(seconds):
                taken: T = await waiter.future
                return taken
        except BaseException:
            if waiter.future.done() and not waiter.future.cancelled():
                waiter.future.result().give_back()
            raise
        finally:
            self._leave(group, waiter)

    def offer(self) -> None:
        """A place may have become free somewhere."""
        self._serve(dict(self._groups))

    # --- who waits --------------------------------------------------------------------------------------------------

    def _enter(
        self, key: Hashable, accounts: Collection[str], soonest: Callable[[], float | None], waiter: _Waiter[T]
    ) -> None:
        group = self._groups.get(key)
        if group is None:
            group = self._groups[key] = _Group(accounts, soonest)
            for account in accounts:
                self._at.setdefault(account, set()).add(key)
        group.waiters.append(waiter)
        self._count += 1
        self._set_timer()

    def _leave(self, key: Hashable, waiter: _Waiter[T]) -> None:
        self._count -= 1
        group = self._groups.get(key)
        if group is not None and waiter in group.waiters:
            group.waiters.remove(waiter)
            self._drop_if_empty(key, group)

    def _drop_if_empty(self, key: Hashable, group: _Group[T]) -> None:
        if group.waiters or self._groups.get(key) is not group:
            return
        del self._groups[key]
        for account in group.accounts:
            keys = self._at[account]
            keys.discard(key)
            if not keys:
                del self._at[account]

    # --- serving them -----------------------------------------------------------------------------------------------

    def _serve(self, groups: dict[Hashable, _Group[T]]) -> None:
        """Asks the heads of these groups, the longest waiting first; a group whose head gets nothing is left alone."""
        while groups:
            key = min(groups, key=lambda key: groups[key].waiters[0].number)
            group = groups[key]
            if not self._serve_head(group):
                del groups[key]
            elif not group.waiters:
                del groups[key]
                self._drop_if_empty(key, group)
        self._set_timer()

    def _serve_head(self, group: _Group[T]) -> bool:
        """Whether the head is gone from the queue: it got something, or had left."""
        waiter = group.waiters[0]
        if waiter.future.done():
            group.waiters.popleft()
            return True
        taken = waiter.take()
        if taken is None:
            return False
        group.waiters.popleft()
        waiter.future.set_result(taken)
        return True

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        told = (group.soonest() for group in self._groups.values())
        waits = [seconds for seconds in told if seconds is not None and math.isfinite(seconds)]
        if waits:
            seconds = max(min(waits) / self._scale, _LEAST_PAUSE)
            self._timer = asyncio.get_running_loop().call_later(seconds, self.offer)

    def __repr__(self) -> str:
        return f"<Queue of {self._count} in {len(self._groups)} groups>"
