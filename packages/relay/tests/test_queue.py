"""Whoever waits for an account gets it in the order of coming, and leaves nothing behind."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from llmgw_relay.queue import Queue, QueueFull


class Place:
    """A place at an account."""

    def __init__(self, rooms: Rooms, account: str) -> None:
        self._rooms = rooms
        self.account = account

    def give_back(self) -> None:
        self._rooms.free[self.account] += 1
        self._rooms.queue.offer()


class Rooms:
    """Accounts with so many free places, and a queue in front of them."""

    def __init__(self, most: int = 100, **free: int) -> None:
        self.free = free
        self.queue: Queue[Place] = Queue(most)
        self.soonest: float | None = None
        self.asked = 0

    def take(self, *accounts: str) -> Callable[[], Place | None]:
        def take() -> Place | None:
            self.asked += 1
            for account in accounts:
                if self.free[account]:
                    self.free[account] -= 1
                    return Place(self, account)
            return None

        return take

    async def join(self, *accounts: str, seconds: float = 5.0) -> Place:
        return await self.queue.join(accounts, accounts, self.take(*accounts), lambda: self.soonest, seconds)


async def joined(rooms: Rooms, order: list[str], name: str, *accounts: str) -> None:
    place = await rooms.join(*accounts)
    order.append(f"{name}@{place.account}")


async def test_the_first_is_served_first() -> None:
    """Also where they wait in different groups that have an account in common."""
    rooms, order = Rooms(a=0, b=0), []
    async with asyncio.TaskGroup() as tasks:
        for name, accounts in (("1", "ab"), ("2", "a"), ("3", "ab"), ("4", "b")):
            tasks.create_task(joined(rooms, order, name, *accounts))
            await asyncio.sleep(0)
        assert (4, True, False) == (len(rooms.queue), rooms.queue.awaited("a"), rooms.queue.awaited("c"))
        for account in "abab":
            Place(rooms, account).give_back()
    assert ["1@a", "3@b", "2@a", "4@b"] == order
    assert (0, False) == (len(rooms.queue), rooms.queue.awaited("a"))


async def test_what_becomes_free_by_itself_is_found() -> None:
    """A pause ends without anybody saying so; the queue looks when it should be over."""
    rooms = Rooms(a=0)
    rooms.soonest = 0.05
    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(rooms.join("a"))
        await asyncio.sleep(0.01)
        rooms.free["a"] = 1
        assert "a" == (await waiting).account
    assert rooms.asked <= 3


async def test_the_scale_makes_the_clock_run_faster() -> None:
    """Ten seconds of the accounts' clock are over in a tenth of one."""
    rooms = Rooms(a=0)
    rooms.queue = Queue(5, scale=100.0)
    rooms.soonest = 10.0
    async with asyncio.timeout(2.0), asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(rooms.join("a"))
        await asyncio.sleep(0)
        rooms.free["a"] = 1
        await waiting


async def test_nobody_waits_for_longer_than_it_may() -> None:
    """And whoever waited behind goes on waiting."""
    rooms = Rooms(a=0)
    async with asyncio.TaskGroup() as tasks:
        other = tasks.create_task(rooms.join("a", seconds=5.0))
        with pytest.raises(TimeoutError):
            await rooms.join("a", seconds=0.02)
        assert 1 == len(rooms.queue)
        Place(rooms, "a").give_back()
        await other


async def test_only_so_many_wait() -> None:
    rooms = Rooms(most=1, a=0)
    async with asyncio.TaskGroup() as tasks:
        first = tasks.create_task(rooms.join("a"))
        await asyncio.sleep(0)
        with pytest.raises(QueueFull):
            await rooms.join("a")
        Place(rooms, "a").give_back()
        await first


@pytest.mark.parametrize("served", [False, True])
async def test_whoever_leaves_takes_nothing_along(served: bool) -> None:
    """Cancelled while it waited, or in the moment in which it was served: the place is the next one's."""
    rooms, order = Rooms(a=0), []
    async with asyncio.TaskGroup() as tasks:
        leaving = tasks.create_task(rooms.join("a"))
        await asyncio.sleep(0)
        tasks.create_task(joined(rooms, order, "next", "a"))
        await asyncio.sleep(0)
        if served:
            Place(rooms, "a").give_back()
        leaving.cancel()
        await asyncio.sleep(0)
        if not served:
            Place(rooms, "a").give_back()
    assert (["next@a"], 0, 0) == (order, len(rooms.queue), rooms.free["a"])


async def test_a_group_that_gets_nothing_costs_one_look() -> None:
    """However many wait in it."""
    rooms = Rooms(most=2000, a=0, b=0)
    async with asyncio.TaskGroup() as tasks:
        waiting = [tasks.create_task(rooms.join("a")) for _ in range(1000)]
        await asyncio.sleep(0)
        rooms.asked = 0
        rooms.queue.offer()
        assert 1 == rooms.asked
        for task in waiting:
            task.cancel()
    assert 0 == len(rooms.queue)
    assert "<Queue of 0 in 0 groups>" == repr(rooms.queue)
