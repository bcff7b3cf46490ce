"""How a kept record is written: msgpack behind a version byte, deflated where that is worth it, sealed for its place.

What a tenant says and hears is in these records, so nothing of it is readable at rest. The place is bound to the
ciphertext as associated data: a body that is moved to another tenant or another id opens for nobody.
"""

from __future__ import annotations

import zlib
from typing import Generic, Protocol, TypeVar

import msgspec

from llmgw_relay.keep import Place, Put

T = TypeVar("T")

MAX_BODY = 8 * 1024 * 1024
"""Bytes of a record as it is kept. What is larger stays in the memory of the process that made it."""

_PLAIN = b"\x01"
_DEFLATED = b"\x02"
_WORTH_DEFLATING = range(1024, 512 * 1024)
"""Sealed bytes can't be deflated later, by no database. What is larger would hold up the other calls of a worker."""


class Unopenable(Exception):
    """A sealed body can't be opened: it was sealed with another key, for another place, or is damaged."""


class Sealer(Protocol):
    """Seals bytes at rest. `context` is bound to them: they open with the same one alone."""

    def seal(self, body: bytes, context: bytes) -> bytes: ...

    def open(self, sealed: bytes, context: bytes) -> bytes:
        """Raises `Unopenable`."""
        ...


class Wrapping(Generic[T]):
    """Writes and reads records of one type. `unreadable` counts those that could not be read, `unwritable` those that
    could not be written.
    """

    def __init__(self, type: type[T], sealer: Sealer) -> None:
        self._decoder = msgspec.msgpack.Decoder(type)
        self._sealer = sealer
        self.unreadable = 0
        self.unwritable = 0

    def wrap(self, place: Place, value: T) -> bytes | None:
        """The body of a record; None where it would be larger than `MAX_BODY`, or holds text that is no Unicode.

        It never raises: a call must not fail for what would be kept of it.
        """
        try:
            plain = msgspec.msgpack.encode(value)
        except UnicodeEncodeError:
            self.unwritable += 1
            return None
        packed = _DEFLATED + zlib.compress(plain, 1) if len(plain) in _WORTH_DEFLATING else _PLAIN + plain
        if len(packed) > MAX_BODY:
            self.unwritable += 1
            return None
        return self._sealer.seal(packed, _context(place))

    def unwrap(self, put: Put) -> T | None:
        """The record; None where it can't be read any more, which is to its reader as if it were not there."""
        try:
            packed = self._sealer.open(put.body, _context(put.place))
            version, rest = packed[:1], packed[1:]
            if version == _DEFLATED:
                return self._decoder.decode(zlib.decompress(rest))
            if version == _PLAIN:
                return self._decoder.decode(rest)
        except (Unopenable, zlib.error, msgspec.DecodeError):
            pass
        self.unreadable += 1
        return None


def _context(place: Place) -> bytes:
    return b"llmgw kept\0" + msgspec.msgpack.encode(place)
