"""Folders of spools, each held by one process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from llmgw_eventstore.spool import Spool, SpoolCursor, SpoolHeld, SpoolReader
from llmgw_gateway.database import SpoolConfig
from llmgw_gateway.state import spools

CONFIG = SpoolConfig(segment_bytes=1 << 16, max_bytes=1 << 20)


def test_a_slot_that_is_held_is_not_waited_for(tmp_path: Path) -> None:
    """A worker whose predecessor drains takes a further slot, which no other worker takes."""
    held = [spools.open_slot(tmp_path, slot, CONFIG, step=2) for slot in (0, 1, 0, 1, 0)]
    assert ["worker-0", "worker-1", "worker-2", "worker-3", "worker-4"] == [name for name, _ in held]
    for _, spool in held:
        spool.close()
    name, spool = spools.open_slot(tmp_path, 0, CONFIG, step=2)
    spool.close()
    assert "worker-0" == name


def test_there_are_not_slots_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At last the holder is named."""
    monkeypatch.setattr(spools, "_MOST_SLOTS", 2)
    held = [spools.open_slot(tmp_path, 0, CONFIG, step=1) for _ in range(2)]
    with pytest.raises(SpoolHeld, match="held by process"):
        spools.open_slot(tmp_path, 0, CONFIG, step=1)
    for _, spool in held:
        spool.close()


def test_a_journal_of_frames_fails_as_a_disk_does(tmp_path: Path) -> None:
    """What is kept must not fail the call that it is of; who keeps knows OSError."""
    small = SpoolConfig(segment_bytes=1 << 16, max_bytes=1 << 18)
    with spools.open_spool(tmp_path, "x", small) as spool:
        journal = spools.frames_into(spool)
        journal(b"one")
        with pytest.raises(OSError, match="bound"):
            _fill(journal)


def _fill(journal: Callable[[bytes], None]) -> None:
    for _ in range(100):
        journal(b"x" * 10_000)


async def test_a_spool_is_flushed_while_it_is_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Soon after each append, not without one, and once more at the end."""
    monkeypatch.setattr(spools, "_SYNC_SECONDS", 0.01)
    syncs, real = [], Spool.sync
    monkeypatch.setattr(Spool, "sync", lambda self: (syncs.append(1), real(self)))
    spool, rounds = spools.open_spool(tmp_path, "x", CONFIG), []
    async with spools.flushed(spool, lambda: rounds.append(1)):
        await asyncio.sleep(0.05)
        before = len(syncs)
        await asyncio.sleep(0.05)
        assert before == len(syncs)
        spool.append([b"one"])
        await asyncio.sleep(0.05)
        assert before + 1 == len(syncs)
    assert rounds
    assert [b"one"] == SpoolReader(spools.folder_of(tmp_path) / "x").read(SpoolCursor())[0]
    spools.open_spool(tmp_path, "x", CONFIG).close()


async def test_what_is_left_of_a_killed_gateway_is_waited_for(tmp_path: Path) -> None:
    """Its control process holds its spool until it has brought that on."""
    assert await spools.predecessor_gone(tmp_path)
    journal = spools.open_spool(tmp_path, spools.CONTROL, CONFIG)
    assert not await spools.predecessor_gone(tmp_path, 0.1)
    asyncio.get_running_loop().call_later(0.1, journal.close)
    assert await spools.predecessor_gone(tmp_path, 5.0)
