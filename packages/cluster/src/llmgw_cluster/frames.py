"""Messages on a byte stream: four bytes of length, then one msgpack document.

Sans I/O. The length is bounded, so that a peer that speaks something else is noticed at its first bytes, instead of
being waited for.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

import msgspec

MAX_BYTES = 256 << 20
"""Of one message. The whole state of a large installation is a few tens of MB."""

_LENGTH = struct.Struct("!I")


class Tell(msgspec.Struct, frozen=True, tag="tell", array_like=True):
    """Something that the other side should know. It is not answered."""

    kind: str
    body: msgspec.Raw


class Ask(msgspec.Struct, frozen=True, tag="ask", array_like=True):
    """A question; `number` is repeated in its answer."""

    number: int
    kind: str
    body: msgspec.Raw


class Answer(msgspec.Struct, frozen=True, tag="answer", array_like=True):
    """The answer to a question: `body`, or `problem` where there is none."""

    number: int
    body: msgspec.Raw
    problem: str | None = None


Message = Tell | Ask | Answer


class BadFrame(Exception):
    """The other side does not speak this protocol, or sent more than a message may hold."""


def encode(message: Message) -> bytes:
    """One message with its length before it. Raises `BadFrame` for one that is too large."""
    document = _ENCODER.encode(message)
    if len(document) > MAX_BYTES:
        raise BadFrame(f"a message of {len(document)} bytes is over the limit of {MAX_BYTES}")
    return _LENGTH.pack(len(document)) + document


class Frames:
    """Takes bytes in pieces of any size and gives whole messages. It holds one partial message at most."""

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        self._held = bytearray()

    def feed(self, data: bytes) -> Iterator[Message]:
        """The messages that are complete now. Raises `BadFrame`, after which the stream is of no more use."""
        self._held += data
        start = 0
        while len(self._held) - start >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._held, start)
            if length > self._max_bytes:
                raise BadFrame(f"a message of {length} bytes is announced; the limit is {self._max_bytes}")
            end = start + _LENGTH.size + length
            if len(self._held) < end:
                break
            # A copy: decoded messages refer to the bytes that they were read from.
            yield _decoded(bytes(self._held[start + _LENGTH.size : end]))
            start = end
        del self._held[:start]

    def __repr__(self) -> str:
        return f"<Frames {len(self._held)} bytes held>"


def _decoded(document: bytes) -> Message:
    try:
        return _DECODER.decode(document)
    except msgspec.DecodeError as error:
        raise BadFrame(f"a message is no valid document: {error}") from None


_ENCODER = msgspec.msgpack.Encoder()
_DECODER: msgspec.msgpack.Decoder[Message] = msgspec.msgpack.Decoder(Message)
