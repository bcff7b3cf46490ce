"""How a segment of the spool is laid out, bytes in and bytes out.

A segment is a header and frames. The header says which segment it is, and where its predecessor ended: so a segment
that was cut short is noticed, and what a crash left behind the last whole frame is known to be nothing. A frame is a
marker, the payload's length, a checksum, and the payload.

The checksum starts from the frame's own place (segment and offset). So a frame is valid only where it was written: old
blocks that a file system shows after a crash are never taken for events. The marker is no valid UTF-8 and can't stand
in a JSON payload; it is what the search for the next whole frame looks for behind a damaged one.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from zlib import crc32

MAGIC = b"llmgwsp1"
MARKER = b"\xfelg\xff"
MAX_PAYLOAD = 64 << 20
"""Bytes. A length above this is damage, and is not searched through."""

_HEADER = struct.Struct("<8sQQ")
_FRAME = struct.Struct("<4sII")
_CHECKSUM = struct.Struct("<I")
HEADER_BYTES = _HEADER.size + _CHECKSUM.size
FRAME_BYTES = _FRAME.size


def pack_header(number: int, previous_end: int) -> bytes:
    """The header of segment `number`; `previous_end` is where the one before it ended, 0 if there is none."""
    header = _HEADER.pack(MAGIC, number, previous_end)
    return header + _CHECKSUM.pack(crc32(header))


def parse_header(data: bytes) -> tuple[bytes, int, int] | None:
    """The magic, number and previous end; None if the header is damaged or not all there."""
    if len(data) < HEADER_BYTES:
        return None
    (checksum,) = _CHECKSUM.unpack_from(data, _HEADER.size)
    if crc32(data[: _HEADER.size]) != checksum:
        return None
    magic, number, previous_end = _HEADER.unpack_from(data)
    return magic, number, previous_end


def packed_bytes(payloads: Iterable[bytes]) -> int:
    """How many bytes these payloads take in a segment."""
    return sum(len(payload) + FRAME_BYTES for payload in payloads)


def pack_frames(payloads: Sequence[bytes], number: int, offset: int) -> bytes:
    """The frames of these payloads, to be written at `offset` of segment `number`."""
    pieces = []
    place = _place(number) + offset
    for payload in payloads:
        length = len(payload)
        pieces.append(_FRAME.pack(MARKER, length, crc32(payload, place & 0xFFFFFFFF)))
        pieces.append(payload)
        place += FRAME_BYTES + length
    return b"".join(pieces)


def parse_frames(data: bytes, number: int, base: int, into: list[bytes]) -> int:
    """Append the payloads of the whole frames that `data` begins with to `into`; returns how many bytes they took.

    `base` is where `data` begins in the segment.
    """
    unpack, checksum, header = _FRAME.unpack_from, crc32, FRAME_BYTES
    place = _place(number) + base
    position, size = 0, len(data)
    while position + header <= size:
        marker, length, expected = unpack(data, position)
        end = position + header + length
        if marker != MARKER or end > size:
            break
        payload = data[position + header : end]
        if checksum(payload, (place + position) & 0xFFFFFFFF) != expected:
            break
        into.append(payload)
        position = end
    return position


def find_frame(data: bytes, number: int, base: int, start: int) -> int | None:
    """Where the first whole frame at or behind `start` begins in `data`, or None if there is none."""
    position = data.find(MARKER, start)
    while position >= 0:
        if whole_frame(data, number, base, position):
            return position
        position = data.find(MARKER, position + 1)
    return None


def whole_frame(data: bytes, number: int, base: int, position: int) -> bool:
    """Whether a valid frame begins at `position` of `data`."""
    end = claimed_end(data, position)
    if end is None or end > len(data):
        return False
    (expected,) = _CHECKSUM.unpack_from(data, position + FRAME_BYTES - _CHECKSUM.size)
    payload = memoryview(data)[position + FRAME_BYTES : end]
    return crc32(payload, (_place(number) + base + position) & 0xFFFFFFFF) == int(expected)


def claimed_end(data: bytes, position: int) -> int | None:
    """Where the frame at `position` says that it ends; None if there is no header of a frame."""
    if position + FRAME_BYTES > len(data):
        return None
    marker, length, _ = _FRAME.unpack_from(data, position)
    return position + FRAME_BYTES + length if marker == MARKER and length <= MAX_PAYLOAD else None


def settled_end(data: bytes, number: int) -> int:
    """Where a segment whose writer is gone ends: what lies behind was never acknowledged.

    A write that was cut off leaves a part of a frame, a power failure leaves zeros: both are left out. Anything else
    that can't be read is damage, and counts as part of the segment, so that its readers notice.
    """
    end = last_end(data, number)
    rest = data[end:]
    if not rest.strip(b"\0") or _is_cut_off(rest):
        return end
    return len(data)


def last_end(data: bytes, number: int) -> int:
    """The end of the last whole frame of a segment, damaged ones before it or not."""
    position: int | None = min(HEADER_BYTES, len(data))
    end = 0
    while position is not None:
        end = position + parse_frames(data[position:], number, position, [])
        position = find_frame(data, number, 0, end)
    return end


def _is_cut_off(rest: bytes) -> bool:
    """Whether these last bytes of a file are the beginning of one frame."""
    if len(rest) < FRAME_BYTES:
        return MARKER.startswith(rest[:4]) or rest.startswith(MARKER)
    end = claimed_end(rest, 0)
    return end is not None and end > len(rest)


def _place(number: int) -> int:
    """What the checksums of a segment start from; an odd factor keeps segments' places far from each other."""
    return number * 0x9E3779B1
