"""AWS event streams: messages at any cut, both sums, bounds, and botocore's own reader as the second opinion."""

import struct
import zlib

import pytest
from botocore.eventstream import EventStreamBuffer
from hypothesis import given
from hypothesis import strategies as st

from llmgw_protocols.eventstream import MAX_HEADERS, MAX_PAYLOAD, CorruptStream, EventStreamCutter, Message, pack

ONE = pack({":event-type": "messageStart", ":message-type": "event"}, b'{"role":"assistant"}')
TWO = pack({}, b"")
THREE = pack({":event-type": "x"}, "ü".encode())


def _lengths(total: int, headers: int) -> bytes:
    lengths = struct.pack(">II", total, headers)
    return lengths + struct.pack(">I", zlib.crc32(lengths))


def _with_headers(block: bytes) -> bytes:
    message = _lengths(16 + len(block), len(block)) + block
    return message + struct.pack(">I", zlib.crc32(message))


def _cut(stream: bytes) -> list[Message]:
    return list(EventStreamCutter().feed(stream))


def test_a_message() -> None:
    """A message is its headers, its payload, and the bytes that it came as."""
    headers = {":event-type": "messageStart", ":message-type": "event"}
    assert [Message(dict(headers), b'{"role":"assistant"}', ONE)] == _cut(ONE)


def test_every_split() -> None:
    """Where the reads were split makes no difference, and what is unfinished is kept."""
    stream = ONE + TWO + THREE
    whole = _cut(stream)
    assert 3 == len(whole)
    for at in range(len(stream) + 1):
        cutter = EventStreamCutter()
        assert whole == [*cutter.feed(stream[:at]), *cutter.feed(stream[at:])]
    byte_by_byte = EventStreamCutter()
    assert whole == [m for i in range(len(stream)) for m in byte_by_byte.feed(stream[i : i + 1])]


def test_a_cut_message_is_none() -> None:
    """A message that has not come whole is none, however little is missing."""
    for at in range(len(ONE)):
        assert [] == _cut(ONE[:at])


@given(st.dictionaries(st.text(min_size=1, max_size=20), st.text(max_size=50), max_size=5), st.binary(max_size=300))
def test_botocore_reads_what_is_packed(headers: dict[str, str], payload: bytes) -> None:
    """The AWS SDK reads a packed message as this reader does."""
    packed = pack(headers, payload)
    theirs = EventStreamBuffer()
    theirs.add_data(packed)
    event = next(theirs)
    (ours,) = _cut(packed)
    assert (headers, payload) == (ours.headers, ours.payload) == (event.headers, event.payload)


def test_every_type_of_header() -> None:
    """Headers of every type are read as botocore reads them."""
    values = [
        b"\x00",
        b"\x01",
        b"\x02\xff",
        b"\x03\xff\xfe",
        b"\x04\x00\x00\x00\x07",
        b"\x05" + (1 << 40).to_bytes(8),
        b"\x06\x00\x02ab",
        b"\x07\x00\x02ab",
        b"\x08" + (1_700_000_000_000).to_bytes(8),
        b"\x09" + bytes(range(16)),
    ]
    stream = _with_headers(b"".join(b"\x02h" + bytes((48 + n,)) + value for n, value in enumerate(values)))
    theirs = EventStreamBuffer()
    theirs.add_data(stream)
    (message,) = _cut(stream)
    assert next(theirs).headers == message.headers
    assert ("ab", "", "") == (message.text("h7"), message.text("h6"), message.text("absent"))


def test_every_wrong_byte_is_seen() -> None:
    """A message with any one byte changed is refused, or waits for more; it is never read as if it were whole."""
    for at in range(len(ONE)):
        broken = bytearray(ONE)
        broken[at] ^= 0x40
        with pytest.raises(CorruptStream):
            _cut(bytes(broken))


def test_what_stood_before_a_corruption_is_read() -> None:
    """Messages in front of a corrupt one come out before the error, whatever the split."""
    messages = EventStreamCutter().feed(ONE + b"no message at all")
    assert ONE == next(messages).raw
    with pytest.raises(CorruptStream):
        next(messages)


@pytest.mark.parametrize(
    ("total", "headers"),
    [(15, 0), (16, 1), (MAX_HEADERS + 17, MAX_HEADERS + 1), (MAX_PAYLOAD + 17, 0), (0, 0)],
)
def test_bounds(total: int, headers: int) -> None:
    """Lengths out of bounds are refused before anything of the message is kept."""
    with pytest.raises(CorruptStream, match="out of bounds"):
        _cut(_lengths(total, headers))


@pytest.mark.parametrize(
    "block",
    [
        b"\x05ab",
        b"\x01a",
        b"\x01a\x07\x00\x05ab",
        b"\x01a\x04\x00",
        b"\x01a\x63",
        b"\x01\xff\x00",
        b"\x01a\x07\x00\x01\xff",
    ],
)
def test_headers_that_can_not_be_read(block: bytes) -> None:
    """Headers that end too early, are of an unknown type or no UTF-8 make the message a corrupt one."""
    with pytest.raises(CorruptStream, match="header"):
        _cut(_with_headers(block))
