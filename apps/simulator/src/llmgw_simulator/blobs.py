"""Bytes that are too many for memory: uploads and the files that are made of them, in unnamed temporary files."""

from __future__ import annotations

import hashlib
import os
import tempfile
import weakref
from collections.abc import Iterator

BLOCK = 64 * 1024
"""How much is read at once."""


class Blob:
    """A file without a name, which is gone when nobody holds it any more."""

    def __init__(self) -> None:
        descriptor, path = tempfile.mkstemp(prefix="simulator-")
        os.unlink(path)
        self._descriptor = descriptor
        self._digest = hashlib.sha256()
        self.size = 0
        weakref.finalize(self, os.close, descriptor)

    def __repr__(self) -> str:
        return f"<Blob {self.size} bytes>"

    @classmethod
    def of(cls, data: bytes) -> Blob:
        """A blob that holds `data`."""
        blob = cls()
        blob.append(data)
        return blob

    @property
    def digest(self) -> str:
        """SHA-256 of the content."""
        return self._digest.hexdigest()

    def append(self, data: bytes) -> None:
        """Write behind what is there."""
        view = memoryview(data)
        while view:
            view = view[os.pwrite(self._descriptor, view, self.size + len(data) - len(view)) :]
        self._digest.update(data)
        self.size += len(data)

    def blocks(self) -> Iterator[bytes]:
        """The content, block by block; several readers do not disturb each other."""
        offset = 0
        while data := os.pread(self._descriptor, BLOCK, offset):
            yield data
            offset += len(data)

    def head(self, most: int) -> bytes:
        """The first `most` bytes."""
        return os.pread(self._descriptor, most, 0)

    def lines(self) -> Iterator[bytes]:
        """The lines that are not blank, without their ends."""
        rest = b""
        for block in self.blocks():
            *whole, rest = (rest + block).split(b"\n")
            yield from (line for line in whole if line.strip())
        if rest.strip():
            yield rest
