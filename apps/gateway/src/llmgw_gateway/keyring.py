"""The master keys of a node: the one that seals, and those of before, which still open.

A rotation is: give the new key, and the old one as `GATEWAY_MASTER_KEY_PREVIOUS` or `master.key.previous`. At the next
start everything that is administered is sealed anew; what is kept for clients (responses, files' ids) opens with the
old key until it expires, after 30 days at most. `gateway rotate-master-key` does it for a key in the data folder.

A key is made only where nothing is sealed yet: a new key beside values that it can't open would hide what is wrong.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from llmgw_gateway.data_dir import open_data_dir, replace
from llmgw_gateway.sealing import (
    FILE_NAME,
    MasterKey,
    SealingError,
    find_master_key,
    key_id_of,
    make_master_key,
    read_key_file,
)
from llmgw_relay.wrapping import Unopenable

PREVIOUS_FILE = "master.key.previous"
PREVIOUS_VARIABLE = "GATEWAY_MASTER_KEY_PREVIOUS"


class Keyring:
    """Seals with its first key and opens with any. It is the `Sealer` of what is kept, too."""

    def __init__(self, keys: Sequence[MasterKey]) -> None:
        """At least one key; the first is the current one."""
        self.current = keys[0]
        self._keys = {key.id: key for key in reversed(keys)}

    @property
    def ids(self) -> list[str]:
        """The keys' ids, the current one first."""
        return [self.current.id, *(known for known in self._keys if known != self.current.id)]

    def opens(self, sealed: str) -> bool:
        """Whether the key that a text is sealed with is here. Raises `SealingError` if it is not a sealed text."""
        return key_id_of(sealed) in self._keys

    def seal_text(self, text: str) -> str:
        return self.current.seal(text)

    def open_text(self, sealed: str) -> str:
        """Raises `SealingError`, naming the keys."""
        key = self._keys.get(key_id_of(sealed), self.current)
        return key.open(sealed)

    def seal(self, body: bytes, context: bytes) -> bytes:
        return self.current.seal_bytes(body, context)

    def open(self, sealed: bytes, context: bytes) -> bytes:
        """Raises `Unopenable`."""
        for key in self._keys.values():
            if key.sealed_bytes(sealed):
                opened = key.open_bytes(sealed, context)
                if opened is not None:
                    return opened
        raise Unopenable("no master key here opens it, or it is not for this place")

    def __repr__(self) -> str:
        return f"<Keyring {' '.join(self.ids)}>"


def find_keyring(reference: str | None, environ: Mapping[str, str], data_dir: Path) -> Keyring | None:
    """The keys that are given or in the data folder; None if there is no current one. Raises `SealingError`."""
    current = find_master_key(reference, environ, data_dir)
    if current is None:
        return None
    keys = [current]
    if environ.get(PREVIOUS_VARIABLE):
        keys.append(MasterKey.parse(environ[PREVIOUS_VARIABLE]))
    previous = data_dir / PREVIOUS_FILE
    if previous.exists():
        keys += map(MasterKey.parse, read_key_file(previous).split())
    return Keyring(keys)


def make_keyring(data_dir: Path) -> Keyring:
    """A keyring of a new key in the data folder, or of the one that is there. Raises `SealingError`."""
    return Keyring([make_master_key(data_dir)])


def rotate(data_dir: Path) -> Keyring:
    """Puts a new key in the place of the data folder's, which becomes the first of the previous ones: those of earlier
    rotations are kept, since something may be sealed with them still. Raises `SealingError`.
    """
    path, previous = data_dir / FILE_NAME, data_dir / PREVIOUS_FILE
    if not path.exists():
        raise SealingError(
            f"there is no {path}: the master key is given to the gateway from elsewhere. Give it the new one there, "
            f"and the old one as {PREVIOUS_VARIABLE}"
        )
    old = read_key_file(path)
    earlier = read_key_file(previous).split() if previous.exists() else []
    keys = [old.strip(), *(key for key in earlier if key != old.strip())]
    made = [MasterKey.parse(key) for key in keys]
    try:
        open_data_dir(data_dir)
        # In this order: after a crash between the two, both files hold the old key, and nothing is lost.
        replace(previous, "".join(f"{key}\n" for key in keys).encode())
        replace(path, base64.b64encode(os.urandom(32)) + b"\n")
    except OSError as error:
        raise SealingError(f"the keys in {data_dir} can't be written: {error.strerror}") from None
    return Keyring([MasterKey.parse(read_key_file(path)), *made])
