"""Signals as events, and work that a second one cuts short."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine, Sequence


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
