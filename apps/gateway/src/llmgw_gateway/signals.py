"""Signals as events, and work that a second one cuts short."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Coroutine, Sequence
from typing import Any


def stop_signals(
    numbers: Sequence[signal.Signals] = (signal.SIGTERM, signal.SIGINT),
) -> tuple[asyncio.Event, asyncio.Event]:
    """Events of the first signal to stop and of the second one."""
    stop, now = asyncio.Event(), asyncio.Event()

    def asked() -> None:
        (now if stop.is_set() else stop).set()

    loop = asyncio.get_running_loop()
    for number in numbers:
        loop.add_signal_handler(number, asked)
    return stop, now


async def hurried(work: Coroutine[object, object, None], now: asyncio.Event) -> None:
    """Does `work` until it is done, or until `now`: then it is cancelled."""

    async def hurry() -> None:
        await now.wait()
        task.cancel()

    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(work)
        watch = tasks.create_task(hurry())
        task.add_done_callback(lambda _: watch.cancel())


def reload_on_hangup(reload: Callable[[], None]) -> None:
    """Calls `reload` at each SIGHUP."""
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, reload)


async def until_either(stop: asyncio.Event, other: Coroutine[Any, Any, object]) -> None:
    """Returns when the event is set, or the other one is done."""
    loop = asyncio.get_running_loop()
    tasks = [loop.create_task(stop.wait()), loop.create_task(other)]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
