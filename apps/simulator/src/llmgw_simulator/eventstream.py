"""AWS's binary event stream: frames of `application/vnd.amazon.eventstream`, made by hand.

A frame is the total length, the headers' length, a CRC of these two, the headers, the payload, and a CRC of all before
it; numbers are big-endian. Only headers that are strings are needed here.
https://smithy.io/2.0/aws/amazon-eventstream.html
"""

from __future__ import annotations

import struct
import zlib
from typing import Any

import msgspec

_PRELUDE = struct.Struct(">II")
_CRC = struct.Struct(">I")
_STRING = 7


def frame(headers: dict[str, str], payload: bytes) -> bytes:
    """One message with both checksums."""
    packed = b"".join(_header(name, value) for name, value in headers.items())
    prelude = _PRELUDE.pack(len(packed) + len(payload) + 16, len(packed))
    message = prelude + _CRC.pack(zlib.crc32(prelude)) + packed + payload
    return message + _CRC.pack(zlib.crc32(message))


def _header(name: str, value: str) -> bytes:
    raw = value.encode()
    return bytes([len(name)]) + name.encode() + struct.pack(">BH", _STRING, len(raw)) + raw


def event(kind: str, payload: bytes | dict[str, Any]) -> bytes:
    """An event; a payload that is an object is written with its keys in order, as Bedrock does."""
    return frame({":event-type": kind, ":content-type": "application/json", ":message-type": "event"}, _json(payload))


def exception(kind: str, payload: dict[str, Any]) -> bytes:
    """An exception, after which the stream ends."""
    headers = {":exception-type": kind, ":content-type": "application/json", ":message-type": "exception"}
    return frame(headers, _json(payload))


def _json(payload: bytes | dict[str, Any]) -> bytes:
    return payload if isinstance(payload, bytes) else msgspec.json.encode(payload, order="sorted")
