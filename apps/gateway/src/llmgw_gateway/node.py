"""The node: a data folder with an identity that lasts, and one gateway that owns it at a time.

`node.json` holds the id and the epoch, which counts the starts. The lock is the kernel's, on `node.lock`, so it ends
with the process that holds it, however that ends.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from llmgw_gateway.data_dir import UnusableDataDir, open_data_dir, replace

IDENTITY_FILE = "node.json"
LOCK_FILE = "node.lock"

_ID_BYTES = 5


class Node(msgspec.Struct, frozen=True):
    """Who writes events here. `epoch` grows with each start."""

    id: str
    epoch: int


@contextmanager
def owned(data_dir: Path, rand: Callable[[int], bytes] = os.urandom) -> Iterator[Node]:
    """The node of a data folder, for as long as the context is open; made at its first start.

    Raises `UnusableDataDir`, also if another gateway owns the folder.
    """
    try:
        open_data_dir(data_dir)
        lock = os.open(data_dir / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise UnusableDataDir(f"the data folder {data_dir} can't be used: {error.strerror}") from None
    try:
        _take(lock, data_dir)
        yield _begin(data_dir, rand)
    finally:
        os.close(lock)


def _take(lock: int, data_dir: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.pread(lock, 32, 0).decode("ascii", "replace").strip()
        raise UnusableDataDir(
            f"the data folder {data_dir} is in use by another gateway (process {holder or 'unknown'}): "
            "stop it, or give this one a folder of its own with --data-dir"
        ) from None
    os.ftruncate(lock, 0)
    os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)


def _begin(data_dir: Path, rand: Callable[[int], bytes]) -> Node:
    path = data_dir / IDENTITY_FILE
    try:
        known = msgspec.json.decode(path.read_bytes(), type=Node) if path.exists() else None
        node = Node(known.id, known.epoch + 1) if known else Node("n-" + rand(_ID_BYTES).hex(), 1)
        replace(path, msgspec.json.encode(node))
    except OSError as error:
        raise UnusableDataDir(f"the data folder {data_dir} can't be used: {error.strerror}") from None
    except msgspec.DecodeError:
        raise UnusableDataDir(
            f"{path} is damaged. If nothing of this node is lost, write it anew with its old id, which the database's "
            "events name; a node that begins anew removes the file"
        ) from None
    return node
