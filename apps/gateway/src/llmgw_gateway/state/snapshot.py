"""The state of a node on its own disk: what a start without the database serves from.

It holds the replica as it was and how far the log had been read; what came after that is in the control process's
spool, or still in the log. The file is replaced whole, so a crash finds the one before or the one after.
"""

from __future__ import annotations

import logging
from pathlib import Path

import msgspec

from llmgw_eventstore import Cursor
from llmgw_gateway.data_dir import replace

FILE = "state.snapshot"
_FORMAT = 1

_log = logging.getLogger(__name__)


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """`dump` is the replica's (`Replica.dump`), `cursor` the place behind the last event of the log that is in it."""

    format: int = _FORMAT
    cursor: Cursor = Cursor()
    dump: msgspec.Raw


def save(data_dir: Path, cursor: Cursor, dump: dict[str, object]) -> None:
    """Writes the snapshot to the disk. Blocks; raises OSError."""
    snapshot = Snapshot(cursor=cursor, dump=msgspec.Raw(msgspec.json.encode(dump)))
    replace(data_dir / FILE, msgspec.json.encode(snapshot))


def load(data_dir: Path) -> tuple[Cursor, dict[str, object]] | None:
    """The snapshot's cursor and dump; None where there is none, or none that can be read, which is logged.

    Everything in it is in the log too, so one that is damaged costs time, and nothing while the database is there.
    """
    path = data_dir / FILE
    try:
        snapshot = msgspec.json.decode(path.read_bytes(), type=Snapshot)
        if snapshot.format != _FORMAT:
            raise ValueError(f"it has format {snapshot.format}, this release reads {_FORMAT}")
        return snapshot.cursor, msgspec.json.decode(snapshot.dump, type=dict[str, object])
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        _log.error("the state's snapshot can't be read; the database's log has it all", extra={"reason": str(error)})
        return None
