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


class Encoding:
    """A dump as JSON, made of slices (`Replica.dump_in_slices`): encoding all of it at once takes tens of milliseconds
    in which nobody is served, in a thread as well, since that holds the interpreter.
    """

    def __init__(self) -> None:
        self._values: dict[str, bytes] = {}
        self._lists: dict[str, list[bytes]] = {"records": [], "tombstones": []}

    def add(self, name: str, value: object) -> None:
        encoded = msgspec.json.encode(value)
        if name in self._lists:
            self._lists[name].append(encoded[1:-1])
        else:
            self._values[name] = encoded

    def body(self) -> bytes:
        lists = {name: b"[%b]" % b",".join(filter(None, parts)) for name, parts in self._lists.items()}
        return b"{%b}" % b",".join(b'"%b":%b' % (name.encode(), v) for name, v in (self._values | lists).items())


def save(data_dir: Path, cursor: Cursor, dump: bytes) -> None:
    """Writes the snapshot to the disk; `dump` is JSON. Blocks; raises OSError."""
    snapshot = Snapshot(cursor=cursor, dump=msgspec.Raw(dump))
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
