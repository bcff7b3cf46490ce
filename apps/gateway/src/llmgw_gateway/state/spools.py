"""The spools of a node: one folder for each process that writes, held by it alone.

There are more slots than workers: one that drains still holds its own while its successor has begun. A slot that nobody
holds and whose last calls were not settled belonged to a process that died; whoever takes it settles them first.
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from llmgw_eventstore.spool import Spool, SpoolError, SpoolHeld
from llmgw_gateway.database import SpoolConfig

FOLDER = "spool"
CONTROL = "control"
KEPT = "-kept"

_SYNC_SECONDS = 0.1
"""What a power failure may cost. A process that is killed loses nothing."""
_MOST_SLOTS = 1024
_PREDECESSOR_SECONDS = 0.05
LOCK = "lock"
"""The file in a spool's folder whose lock says that somebody writes to it."""

_log = logging.getLogger(__name__)


def folder_of(data_dir: Path) -> Path:
    """Where a node's spools are."""
    return data_dir / FOLDER


def slot_name(slot: int) -> str:
    return f"worker-{slot}"


def kept_name(spool: str) -> str:
    """The spool for what a process keeps for clients: it may be large, and must not fill the one for its events."""
    return spool + KEPT


def frames_into(spool: Spool) -> Callable[[bytes], None]:
    """A journal for what is kept: appends a frame. Raises OSError, also where the spool is full."""

    def journal(frame: bytes) -> None:
        try:
            spool.append([frame])
        except SpoolError as error:
            raise OSError(str(error)) from None

    return journal


def open_spool(data_dir: Path, name: str, config: SpoolConfig) -> Spool:
    """A process's own spool. Raises `SpoolHeld`, `SpoolFull`, OSError."""
    return Spool.open(folder_of(data_dir) / name, segment_bytes=config.segment_bytes, max_bytes=config.max_bytes)


def open_slot(data_dir: Path, slot: int, config: SpoolConfig, step: int) -> tuple[str, Spool]:
    """The spool of a worker's slot, or of a further one while a predecessor holds it; and its name.

    `step` is the number of workers, so that their further slots do not meet. Raises as `open_spool`.
    """
    for number in range(slot, _MOST_SLOTS, max(step, 1)):
        try:
            return slot_name(number), open_spool(data_dir, slot_name(number), config)
        except SpoolHeld as held:
            last = held
            _log.info("slot is held by a predecessor that drains", extra={"slot": number})
    raise last


async def predecessor_gone(data_dir: Path, seconds: float = 15.0) -> bool:
    """Waits for the control process of a supervisor that was killed: it brings its spool to the database, and holds the
    admin listener meanwhile. Whether it has ended.
    """
    lock = folder_of(data_dir) / CONTROL / LOCK
    for _ in range(int(seconds / _PREDECESSOR_SECONDS)):
        if not await asyncio.to_thread(_is_held, lock):
            return True
        await asyncio.sleep(_PREDECESSOR_SECONDS)
    return not await asyncio.to_thread(_is_held, lock)


def _is_held(lock: Path) -> bool:
    try:
        with lock.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


@asynccontextmanager
async def flushed(spool: Spool, then: Callable[[], None] = lambda: None) -> AsyncIterator[None]:
    """Flushes a spool to the disk every 100 ms while the context is open, and closes it at the end.

    `then` is called at each round.
    """

    async def rounds() -> None:
        while True:
            await asyncio.sleep(_SYNC_SECONDS)
            then()
            if spool.dirty:
                await _sync(spool)

    # Owned here: the context ends it.
    task = asyncio.get_running_loop().create_task(rounds())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        then()
        await asyncio.to_thread(spool.close)


async def _sync(spool: Spool) -> None:
    try:
        await asyncio.to_thread(spool.sync)
    except OSError as error:
        said = {"reason": error.strerror, "spool": spool.folder.name}
        _log.error("the spool can't be flushed to the disk", extra=said)
