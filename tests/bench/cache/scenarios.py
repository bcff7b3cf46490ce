"""What happens to the accounts while a workload is played. Times are the simulator's seconds, or parts of the whole."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable, Coroutine
from typing import Any

import aiohttp
import msgspec

from cache.clients import provider
from cache.contenders import PROVIDERS, Contender
from cache.driver import Driver, Pace
from cache.workload import Plan

_ROOM = 1.25
"""How much more than its part of all requests an account may have in a minute."""
_PAUSE_EVERY, _PAUSE = 60.0, 15.0
"""Every so many seconds one account is closed, for so many."""
_SICK = f"{PROVIDERS[0]}-0"
_DOWN = (0.4, 0.55)
_DRAINED = 0.4
_RESTARTED = 0.5
_ANSWER = 6.0
"""Seconds that an answer takes, about."""


class Course(msgspec.Struct, frozen=True):
    """One playing: who plays what, and the simulator's control paths."""

    plan: Plan
    driver: Driver
    contender: Contender
    pace: Pace
    http: aiohttp.ClientSession
    restarts: list[float] = []
    """When there were some, in Unix seconds."""

    async def account(self, credential: str, **setting: Any) -> None:
        """Change an account of the simulator."""
        body = msgspec.json.encode({"credential": credential, **setting})
        async with self.http.post(f"{self.contender.field.simulator}/_sim/accounts", data=body) as response:
            response.raise_for_status()

    async def until(self, part: float) -> None:
        """Wait for a part of the whole."""
        await self.until_second(part * self.plan.shape.seconds)

    async def until_second(self, second: float) -> None:
        await asyncio.sleep(max(0.0, self.pace.real(second - self.driver.now)))


async def healthy(course: Course) -> None:
    """Nothing happens."""


async def pauses(course: Course) -> None:
    """One account after the other answers 429, with `retry-after`, for a quarter of a minute."""
    keys = itertools.cycle(
        key for pair in zip(*map(course.contender.field.keys, PROVIDERS), strict=True) for key in pair
    )
    for second in range(int(_PAUSE_EVERY), int(course.plan.shape.seconds), int(_PAUSE_EVERY)):
        await course.until_second(second)
        await course.account(next(keys), down=429, seconds=_PAUSE)


async def limits(course: Course) -> None:
    """Every account may have a quarter more requests a minute than its part of all."""
    for name in PROVIDERS:
        part = requests(course.plan, name) / course.plan.shape.seconds * 60 / course.contender.field.accounts
        await course.account(f"{name}-[0-9]*", **{"requests-per-minute": _ROOM * part})


async def down(course: Course) -> None:
    """An account's connections are reset, those of open answers too, until it recovers."""
    await course.until(_DOWN[0])
    await course.account(_SICK, down="reset")
    await course.until(_DOWN[1])
    await course.account(_SICK, down=None)


async def drained(course: Course) -> None:
    """An account is taken out of use, gently and for good."""
    await course.until(_DRAINED)
    await course.contender.drain(_SICK)


async def deploy(course: Course) -> None:
    """All processes are told to end, and are started again once they have. Clients wait until they serve again."""
    await _restart(course, course.contender.stop)


async def crash(course: Course) -> None:
    """All processes are killed at once, with their database, and started again. Clients wait until they serve again."""
    await _restart(course, course.contender.kill)


async def _restart(course: Course, end: Callable[[], None]) -> None:
    await course.until(_RESTARTED)
    course.driver.open.clear()
    course.restarts.append(time.time())
    await asyncio.to_thread(end)
    await asyncio.to_thread(course.contender.start)
    course.driver.open.set()


SCENARIOS: dict[str, Callable[[Course], Coroutine[Any, Any, None]]] = {
    scenario.__name__: scenario for scenario in (healthy, pauses, limits, down, drained, deploy, crash)
}


def requests(plan: Plan, name: str) -> int:
    """How many requests there will be for a provider's accounts, about."""
    count = 0
    for session in plan.sessions:
        at = session.start
        for turn in session.turns if provider(session) == name else ():
            at += turn.pause
            count += at < plan.shape.seconds
            at += _ANSWER
    return count
