"""Vectors in the two forms that travel: a JSON array of numbers, and base64 of little-endian 32-bit floats.

A vector is kept as the raw JSON value that its provider sent, so that no digit changes unless its form has to.
"""

from __future__ import annotations

import binascii
import struct
from collections.abc import Sequence

import msgspec

from llmgw_domain import Usage
from llmgw_domain.errors import UpstreamMalformed

_floats = msgspec.json.Decoder(list[float]).decode
_text = msgspec.json.Decoder(str).decode

CHARS_PER_TOKEN = 4


class Embedded(msgspec.Struct, frozen=True):
    """One vector for each passage, in their order, and what the provider counted."""

    vectors: tuple[msgspec.Raw, ...]
    usage: Usage | None = None


def is_base64(vector: msgspec.Raw) -> bool:
    return bytes(vector)[:1] == b'"'


def as_base64(vector: msgspec.Raw) -> msgspec.Raw:
    """A vector as OpenAI's `encoding_format: base64`. Raises `UpstreamMalformed` for what is no vector."""
    if is_base64(vector):
        return vector
    try:
        numbers = _floats(vector)
        packed = struct.pack(f"<{len(numbers)}f", *numbers)
    except (msgspec.DecodeError, struct.error, OverflowError):
        raise UpstreamMalformed(detail="an embedding is no array of numbers") from None
    return msgspec.Raw(b'"' + binascii.b2a_base64(packed, newline=False) + b'"')


def as_numbers(vector: msgspec.Raw) -> msgspec.Raw:
    """A vector as a JSON array. Raises `UpstreamMalformed` for what is no vector."""
    if not is_base64(vector):
        return vector
    try:
        packed = binascii.a2b_base64(_text(vector), strict_mode=True)
        return msgspec.Raw(msgspec.json.encode(struct.unpack(f"<{len(packed) // 4}f", packed)))
    except (ValueError, struct.error):
        raise UpstreamMalformed(detail="an embedding is no base64 of 32-bit floats") from None


def counted(input_tokens: int | None, texts: Sequence[str]) -> Usage:
    """What the provider counted, else an estimate marked as one."""
    if input_tokens is not None:
        return Usage(uncached_input=input_tokens)
    estimate = sum(-(-len(text) // CHARS_PER_TOKEN) for text in texts)
    return Usage(uncached_input=estimate, provenance="estimated")
