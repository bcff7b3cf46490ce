"""What a process that died has left open is settled by whoever comes next.

A worker's spool says which calls it had opened and not settled. Whoever opens the spool after it settles them first, as
crashed: the next worker of the slot, or the control process where there is none. Their ids follow from those of the
openings, so that doing it twice adds nothing.

Open calls are written again at the beginning of each segment (`recorder`), so the last segments of a process say it
all, however long its calls took and whatever was drained and removed since.
"""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

from llmgw_eventstore import Unreadable, decode, encode
from llmgw_eventstore.ledger import Unsettled
from llmgw_eventstore.spool import Spool, SpoolCursor, SpoolFull, SpoolHeld, SpoolReader
from llmgw_gateway.database import SpoolConfig
from llmgw_gateway.state import spools
from llmgw_relay import keep

_SEGMENTS = 4
"""The last one, the one before it (a process may die between the two), and those of starts that did not get far."""
_LOOK_SECONDS = 5.0

_log = logging.getLogger(__name__)


def settle(spool: Spool) -> int:
    """Settles what the processes before this one have left open in its spool; how many calls that were. Blocks.

    Call it before anything is appended. Raises `SpoolFull`.
    """
    books = Unsettled()
    for frame in _frames(spool.folder, max(spool.segment - _SEGMENTS, 0), spool.segment):
        if not keep.is_change(frame):
            try:
                books.add(decode(frame))
            except Unreadable:
                pass  # The feeder sets it aside, and says so.
    try:
        settlements = books.settlements()
    except Unreadable as error:
        # Of a later release, which has been replaced by this one: it settles them when it is back.
        _log.error("calls of a process that died can't be settled", extra={"reason": str(error)})
        return 0
    if settlements:
        spool.append([encode(event) for event in settlements], urgent=True)
        _log.warning(
            "calls of a process that died were settled as crashed",
            extra={"spool": spool.folder.name, "calls": len(settlements)},
        )
    return len(settlements)


async def settle_abandoned(data_dir: Path, config: SpoolConfig) -> None:
    """Settles the spools of workers that nobody holds any more, until it is cancelled.

    A spool is given some seconds, in which a new worker would take it; each is looked at once after its last segment.
    """
    settled: dict[str, int] = {}
    before: dict[str, int] = {}
    while True:
        now = await asyncio.to_thread(_last_segments, data_dir)
        for name, segment in now.items():
            if settled.get(name) != segment and before.get(name) == segment:
                last = await asyncio.to_thread(_settle_if_free, data_dir, name, config)
                if last is not None:
                    settled[name] = last
        before = now
        await asyncio.sleep(_LOOK_SECONDS)


def _settle_if_free(data_dir: Path, name: str, config: SpoolConfig) -> int | None:
    """The segment that it left behind, or None if somebody holds the spool."""
    try:
        with spools.open_spool(data_dir, name, config) as spool:
            settle(spool)
            return spool.segment
    except SpoolHeld:
        return None
    except (OSError, SpoolFull) as error:
        _log.error("a spool that was left behind can't be settled", extra={"spool": name, "reason": str(error)})
        return None


def _last_segments(data_dir: Path) -> dict[str, int]:
    """The number of the last segment of each worker's spool."""
    found: dict[str, int] = {}
    for folder in spools.folder_of(data_dir).glob("worker-*"):
        if not folder.name.endswith(spools.KEPT):
            numbers = [int(path.stem) for path in folder.glob("*.spool") if path.stem.isdecimal()]
            if numbers:
                found[folder.name] = max(numbers)
    return found


def _frames(folder: Path, first: int, end: int) -> list[bytes]:
    """The frames of the segments from `first` on, up to segment `end`."""
    frames: list[bytes] = []
    reader, cursor = SpoolReader(folder, alarm=lambda gap: None), SpoolCursor(first)
    while cursor.segment < end:
        found, behind = reader.read(cursor)
        if not found and behind == cursor:
            break
        frames += found
        cursor = behind
    return frames
