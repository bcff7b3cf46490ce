"""The state of a control process, between its disk and a log that comes and goes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from llmgw_control.testing import Desk, ReversedSealing
from llmgw_control.views import Actor
from llmgw_crdt import Clock
from llmgw_domain import Event
from llmgw_eventstore import Cursor, Log, Page, encode
from llmgw_eventstore.memory import MemoryStore
from llmgw_gateway.database import SpoolConfig
from llmgw_gateway.state import spools
from llmgw_gateway.state import steward as module
from llmgw_gateway.state.served import Served
from llmgw_gateway.state.steward import Steward

OWNER = Actor("admin:o", "owner")
CONFIG = SpoolConfig(segment_bytes=1 << 16, max_bytes=1 << 20)


class Node:
    """A node's replica and steward over a data folder."""

    def __init__(self, folder: Path, node: str = "here") -> None:
        self.folder = folder
        self.replica = Desk(node).replica
        self.served = Served(ReversedSealing().reveal, lambda catalog: None, time.monotonic)
        self.clock = Clock(node)
        self.spread: list[Event] = []
        self.losses = 0
        self.steward = Steward(
            folder, self.replica, self.served, self.clock, wall=time.time, spread=self._spread, lost=self._lost
        )

    async def _spread(self, events: Sequence[Event]) -> None:
        self.spread += events

    def _lost(self) -> None:
        self.losses += 1

    def begin(self) -> None:
        self.steward.begin(spools.folder_of(self.folder) / spools.CONTROL)

    @property
    def policies(self) -> list[str]:
        return sorted(self.replica.ids("policy"))

    @asynccontextmanager
    async def following(self, store: MemoryStore) -> AsyncIterator[None]:
        task = asyncio.get_running_loop().create_task(self.steward.follow(store))
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def until(self, *policies: str) -> None:
        async with asyncio.timeout(5):
            while self.policies != sorted(policies):  # noqa: ASYNC110 - the following is another task's
                await asyncio.sleep(0.005)


def changes(desk: Desk, *policies: str) -> list[Event]:
    """What the desk journals when it makes these."""
    before = len(desk.journal.events)
    for policy in policies:
        desk.administration.create("policy", policy, {}, OWNER)
    return desk.journal.events[before:]


async def test_a_start_needs_no_database(tmp_path: Path) -> None:
    """The snapshot, and over it what the journal has of this node's own changes."""
    own, other = Desk("here"), Desk("there")
    node, store = Node(tmp_path), MemoryStore()
    await store.append("state", changes(other, "theirs"))
    async with node.following(store):
        await node.until("theirs")
    await node.steward.save()
    with spools.open_spool(tmp_path, spools.CONTROL, CONFIG) as journal:
        journal.append([encode(event) for event in changes(own, "ours")])
        again = Node(tmp_path)
        again.begin()
    assert ["ours", "theirs"] == again.policies
    assert node.steward.cursor == again.steward.cursor
    # What this node writes next is above all that it had ever written or read.
    assert again.clock.tick(0.0) > max(event.hlc for event in (*own.journal.events, *other.journal.events))


async def test_what_others_change_is_followed_and_spread(tmp_path: Path) -> None:
    """Soon after it is in the log; what is here already is spread no second time."""
    desk, node, store = Desk("there"), Node(tmp_path), MemoryStore()
    first = changes(desk, "one")
    await store.append("state", first)
    async with node.following(store):
        await node.until("one")
        await asyncio.wait_for(node.steward.caught_up.wait(), 5)
        await store.append("state", first)
        await store.append("state", changes(desk, "two"))
        await node.until("one", "two")
    assert ["policy/one", "policy/two"] == [event.subject for event in node.spread]


async def test_a_log_that_is_away_is_waited_for(tmp_path: Path) -> None:
    """The state stays as it is meanwhile."""
    desk, node, store = Desk("there"), Node(tmp_path), MemoryStore()
    await store.append("state", changes(desk, "one"))
    store.away = True
    async with node.following(store):
        await asyncio.sleep(0.05)
        assert [] == node.policies
        store.away = False
        await node.until("one")


async def test_a_log_that_has_lost_events_is_read_again(tmp_path: Path) -> None:
    """From its beginning, without losing what is here; and the spools are to be offered again."""
    desk, node, store = Desk("there"), Node(tmp_path), MemoryStore()
    await store.append("state", changes(desk, "one", "two", "three"))
    async with node.following(store):
        await node.until("one", "two", "three")
        store.fail_over("state", 1)
        await store.append("state", changes(Desk("new", seed=2), "four"))
        await node.until("one", "two", "three", "four")
    assert 1 == node.losses


async def test_a_new_node_begins_with_the_logs_snapshot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It reads what came after it, and has what came before it too."""
    monkeypatch.setattr(module, "_SNAPSHOT_EVENTS", 3)
    desk, store = Desk("there"), MemoryStore()
    await store.append("state", changes(desk, "one", "two", "three"))
    first = Node(tmp_path / "first")
    async with first.following(store):
        await first.until("one", "two", "three")
        await asyncio.wait_for(first.steward.caught_up.wait(), 5)
    await store.append("state", changes(desk, "four"))
    read = []
    real = store.read

    async def noted(log: Log, after: Cursor, limit: int) -> Page:
        read.append(after.position)
        return await real(log, after, limit)

    monkeypatch.setattr(store, "read", noted)
    second = Node(tmp_path / "second", "second")
    async with second.following(store):
        await second.until("one", "two", "three", "four")
    assert 3 == read[0]
    # One that can't be read costs time, and nothing else.
    await store.save_snapshot("state", Cursor(), b"[")
    third = Node(tmp_path / "third", "third")
    async with third.following(store):
        await third.until("one", "two", "three", "four")


async def test_a_snapshot_is_written_when_something_changed(tmp_path: Path) -> None:
    """And not again and again."""
    node, store = Node(tmp_path), MemoryStore()
    await store.append("state", changes(Desk("there"), "one"))
    async with node.following(store):
        await node.until("one")
    await node.steward.save()
    written = (tmp_path / "state.snapshot").stat().st_mtime_ns
    await node.steward.save()
    assert written == (tmp_path / "state.snapshot").stat().st_mtime_ns


async def test_a_disk_that_takes_no_snapshot_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """And the node goes on."""
    node = Node(tmp_path / "missing")
    await node.steward.save()
    assert "can't be written" in caplog.text
