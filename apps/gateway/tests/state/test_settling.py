"""Calls that a dead process has left open."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import msgspec
import pytest

from llmgw_crdt import Clock
from llmgw_domain import Event
from llmgw_eventstore import decode
from llmgw_eventstore.spool import Spool, SpoolCursor, SpoolReader
from llmgw_gateway.database import SpoolConfig
from llmgw_gateway.state import settling as module
from llmgw_gateway.state import spools
from llmgw_gateway.state.recorder import Recorder
from llmgw_gateway.state.settling import settle, settle_abandoned
from llmgw_relay.facts import CallOpened, CallSettled, Fact

CONFIG = SpoolConfig(segment_bytes=1 << 16, max_bytes=1 << 22)


class Silent:
    def append(self, fact: Fact) -> None:
        pass


def recorder(spool: Spool) -> Recorder:
    return Recorder(
        spool, Silent(), clock=Clock("n"), wall=lambda: 1_700_000_000.0, rand=random.Random(str(spool)).getrandbits
    )


def opened(id: str) -> CallOpened:
    return CallOpened(
        call=id,
        request_id=id,
        at=1_700_000_000.0,
        tenant="t",
        key="k",
        dialect="chat",
        model="m" * 100,
        account="a",
        provider="openai",
        target_model="m",
        attempt=1,
    )


def settled(id: str) -> CallSettled:
    return CallSettled(
        call=id,
        request_id=id,
        at=1_700_000_001.0,
        tenant="t",
        key="k",
        dialect="chat",
        model="m",
        stream=False,
        outcome="ok",
        status=200,
        attempts=1,
        duration=1.0,
    )


def events(folder: Path) -> list[Event]:
    reader, cursor, found = SpoolReader(folder), SpoolCursor(), []
    while True:
        frames, behind = reader.read(cursor)
        if not frames and behind == cursor:
            return found
        found += [decode(frame) for frame in frames]
        cursor = behind


def crashed(folder: Path) -> list[str]:
    """The requests that were settled as crashed, by their ids."""
    bodies = [msgspec.json.decode(e.body) for e in events(folder) if e.kind == "request.settled"]
    return [body["request_id"] for body in bodies if body["outcome"] == "crashed"]


def test_what_was_open_is_settled_once(tmp_path: Path) -> None:
    """By the next process, however often a start is cut off before it says so."""
    with spools.open_spool(tmp_path, "worker-0", CONFIG) as spool:
        books = recorder(spool)
        for name in ("done", "open-1", "open-2"):
            books.append(opened(name))
        books.append(settled("done"))
    for _ in range(3):
        with spools.open_spool(tmp_path, "worker-0", CONFIG):
            pass
    with spools.open_spool(tmp_path, "worker-0", CONFIG) as spool:
        assert 2 == settle(spool)
    with spools.open_spool(tmp_path, "worker-0", CONFIG) as spool:
        assert 0 == settle(spool)
    assert ["open-1", "open-2"] == sorted(crashed(spools.folder_of(tmp_path) / "worker-0"))


def test_a_call_that_outlived_its_segment_is_found(tmp_path: Path) -> None:
    """The segment of its opening was drained and removed long ago."""
    folder = spools.folder_of(tmp_path) / "worker-0"
    with spools.open_spool(tmp_path, "worker-0", CONFIG) as spool:
        books = recorder(spool)
        books.append(opened("long"))
        for number in range(2000):
            books.append(opened(f"r{number}"))
            books.append(settled(f"r{number}"))
        last = spool.segment
    assert last > 6
    reader, cursor = SpoolReader(folder, keep_seconds=0), SpoolCursor()
    while (behind := reader.read(cursor)[1]) != cursor:
        cursor = behind
    for _ in range(2):
        reader.mark(cursor)
    assert len(list(folder.glob("*.spool"))) == 1
    with spools.open_spool(tmp_path, "worker-0", CONFIG) as spool:
        assert 1 == settle(spool)
    assert ["long"] == crashed(folder)


async def test_spools_that_nobody_takes_are_settled_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that is not started again; one that lives is left alone."""
    monkeypatch.setattr(module, "_LOOK_SECONDS", 0.02)
    with spools.open_spool(tmp_path, "worker-7", CONFIG) as gone:
        recorder(gone).append(opened("left"))
    with spools.open_spool(tmp_path, "worker-0", CONFIG) as alive:
        recorder(alive).append(opened("running"))
        looking = asyncio.get_running_loop().create_task(settle_abandoned(tmp_path, CONFIG))
        folder = spools.folder_of(tmp_path)
        async with asyncio.timeout(5):
            while not crashed(folder / "worker-7"):  # noqa: ASYNC110 - it is written by a thread
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)
        assert (["left"], []) == (crashed(folder / "worker-7"), crashed(folder / "worker-0"))
