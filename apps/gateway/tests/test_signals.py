"""Signals as events."""

from __future__ import annotations

import asyncio
import os
import signal

from llmgw_gateway.signals import hurried, reload_on_hangup, stop_signals, until_either


async def test_the_first_signal_stops_and_the_second_hurries() -> None:
    """Each is its own event."""
    stop, now = stop_signals([signal.SIGUSR1])
    os.kill(os.getpid(), signal.SIGUSR1)
    await asyncio.wait_for(stop.wait(), 2)
    assert not now.is_set()
    os.kill(os.getpid(), signal.SIGUSR1)
    await asyncio.wait_for(now.wait(), 2)
    asyncio.get_running_loop().remove_signal_handler(signal.SIGUSR1)


async def test_work_goes_on_until_it_is_done_or_hurried() -> None:
    """A second signal cuts it short, and that is no error."""
    done, now = [], asyncio.Event()

    async def work(seconds: float) -> None:
        await asyncio.sleep(seconds)
        done.append(seconds)

    await hurried(work(0.01), now)
    asyncio.get_running_loop().call_later(0.02, now.set)
    await asyncio.wait_for(hurried(work(30), now), 2)
    assert [0.01] == done


async def test_whichever_comes_first() -> None:
    """The event or the other work; what is left of the other is cancelled."""
    stop = asyncio.Event()
    await until_either(stop, asyncio.sleep(0.001))
    asyncio.get_running_loop().call_later(0.01, stop.set)
    await asyncio.wait_for(until_either(stop, asyncio.sleep(30)), 2)


async def test_a_hangup_reloads() -> None:
    """Each time."""
    seen: list[int] = []
    reload_on_hangup(lambda: seen.append(1))
    for _ in range(2):
        os.kill(os.getpid(), signal.SIGHUP)
        await asyncio.sleep(0.02)
    asyncio.get_running_loop().remove_signal_handler(signal.SIGHUP)
    assert [1, 1] == seen
