"""AWS event streams (`application/vnd.amazon.eventstream`): cutting a byte stream into messages, and writing one.

A message is, in big-endian order: its total length and that of its headers (32 bits each), the CRC32 of these eight
bytes, the headers, the payload, and the CRC32 of all before. Both sums are checked, and lengths are bounded before
anything is kept, so that a broken stream costs neither memory nor sense. After a broken message nothing can be read,
because where the next one begins is known from this one alone.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Mapping

import msgspec

MAX_HEADERS = 128 * 1024
"""The most bytes of headers in a message (AWS's own bound)."""
MAX_PAYLOAD = 24 * 1024 * 1024
"""The most bytes of payload in a message (AWS's own bound)."""

_PRELUDE = struct.Struct(">III")
_LENGTHS = 8
_SUM = struct.Struct(">I")
_FRAME = _PRELUDE.size + _SUM.size
"""What a message takes besides its headers and payload, in bytes."""

_NUMBERS = {2: struct.Struct(">b"), 3: struct.Struct(">h"), 4: struct.Struct(">i"), 5: struct.Struct(">q")}
_TIMESTAMP = 8
_BYTES, _STRING, _UUID = 6, 7, 9
_SIZE = struct.Struct(">H")

HeaderValue = bool | int | bytes | str


class Message(msgspec.Struct, frozen=True):
    """One message. `raw` is the message as it came; times are in milliseconds, UUIDs are their 16 bytes."""

    headers: dict[str, HeaderValue]
    payload: bytes
    raw: bytes

    def text(self, header: str) -> str:
        """A header's text; empty where it is absent or no text."""
        value = self.headers.get(header)
        return value if isinstance(value, str) else ""


class CorruptStream(Exception):
    """The bytes are no event stream: a sum is wrong, a length is out of bounds, or a header can't be read."""


class EventStreamCutter:
    """Cuts a stream into messages; the result does not depend on where the reads were split."""

    def __init__(self) -> None:
        # A bytearray, because a message of megabytes comes in thousands of reads and may not be copied at each of them.
        self._rest = bytearray()
        self._checked: tuple[int, int] | None = None

    def feed(self, data: bytes) -> Iterator[Message]:
        """The messages that are now complete; to be consumed to its end before the next call.

        Raises `CorruptStream`, which is final, behind what stood before the corruption.
        """
        self._rest += data
        while (message := self._next()) is not None:
            yield message

    def _next(self) -> Message | None:
        if self._checked is None:
            if len(self._rest) < _PRELUDE.size:
                return None
            self._checked = _checked_lengths(bytes(self._rest[: _PRELUDE.size]))
        total, headers = self._checked
        if len(self._rest) < total:
            return None
        raw = bytes(self._rest[:total])
        del self._rest[:total]
        self._checked = None
        return _message(raw, headers)


def _checked_lengths(prelude: bytes) -> tuple[int, int]:
    """The lengths of the whole message and of its headers."""
    total, headers, checksum = _PRELUDE.unpack(prelude)
    if zlib.crc32(prelude[:_LENGTHS]) != checksum:
        raise CorruptStream("the checksum of a message's lengths is wrong")
    payload = total - headers - _FRAME
    if headers > MAX_HEADERS or not 0 <= payload <= MAX_PAYLOAD:
        raise CorruptStream(f"a message of {total} bytes with {headers} bytes of headers is out of bounds")
    return total, headers


def _message(raw: bytes, headers: int) -> Message:
    end = len(raw) - _SUM.size
    if zlib.crc32(raw[:end]) != _SUM.unpack_from(raw, end)[0]:
        raise CorruptStream("the checksum of a message is wrong")
    start = _PRELUDE.size + headers
    return Message(_headers(raw[_PRELUDE.size : start]), raw[start:end], raw)


def _headers(block: bytes) -> dict[str, HeaderValue]:
    headers: dict[str, HeaderValue] = {}
    at = 0
    try:
        while at < len(block):
            name, at = _sized(block, at + 1, block[at])
            headers[name.decode()], at = _value(block, at + 1, block[at])
    except (IndexError, struct.error, UnicodeDecodeError) as error:
        raise CorruptStream(f"a header can't be read: {error}") from None
    return headers


def _value(block: bytes, at: int, kind: int) -> tuple[HeaderValue, int]:
    if kind in (0, 1):
        return kind == 0, at
    if kind in (_BYTES, _STRING):
        value, end = _sized(block, at + _SIZE.size, _SIZE.unpack_from(block, at)[0])
        return (value.decode() if kind == _STRING else value), end
    if kind == _UUID:
        return _sized(block, at, 16)
    number = _NUMBERS[5] if kind == _TIMESTAMP else _NUMBERS.get(kind)
    if number is None:
        raise CorruptStream(f"a header is of the unknown type {kind}")
    return number.unpack_from(block, at)[0], at + number.size


def _sized(block: bytes, at: int, size: int) -> tuple[bytes, int]:
    end = at + size
    if end > len(block):
        raise IndexError("it is longer than the headers are")
    return block[at:end], end


def pack(headers: Mapping[str, str], payload: bytes) -> bytes:
    """One message with text headers."""
    block = b"".join(_packed(name.encode(), value.encode()) for name, value in headers.items())
    total = len(block) + len(payload) + _FRAME
    lengths = _PRELUDE.pack(total, len(block), 0)[:_LENGTHS]
    message = lengths + _SUM.pack(zlib.crc32(lengths)) + block + payload
    return message + _SUM.pack(zlib.crc32(message))


def _packed(name: bytes, value: bytes) -> bytes:
    return bytes((len(name),)) + name + bytes((_STRING,)) + _SIZE.pack(len(value)) + value
