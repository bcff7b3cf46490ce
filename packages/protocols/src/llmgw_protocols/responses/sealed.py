"""Other families' opaque reasoning inside `encrypted_content`, and the way back.

A Responses client returns `encrypted_content` as it got it. OpenAI's own goes out raw. A signature of Anthropic's or
Google's has to come back to its maker, with a note of whose it is and what it belongs to, so it travels as
`gw1.` and base64url JSON. Nothing in it is secret and nothing is trusted: its maker checks its own signature. A
signature holds for the exact text; a client that alters the summary gets its reasoning dropped, not refused.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import Literal

import msgspec

PREFIX = "gw1."

Kind = Literal["signature", "redacted", "call"]


class Seal(msgspec.Struct, frozen=True, rename={"family": "f", "kind": "k", "value": "v", "of": "o"}):
    """`of` is the digest of the signed text, or the id of the call that a Google signature belongs to."""

    family: str
    kind: Kind
    value: str
    of: str = ""


_decode = msgspec.json.Decoder(Seal).decode


def write(seal: Seal) -> str:
    """The text for `encrypted_content`."""
    return PREFIX + base64.urlsafe_b64encode(msgspec.json.encode(seal)).decode().rstrip("=")


def is_sealed(text: str | None) -> bool:
    return text is not None and text.startswith(PREFIX)


def read(text: str) -> Seal | None:
    """What was sealed; None for what this gateway did not write."""
    bare = text.removeprefix(PREFIX)
    try:
        return _decode(base64.urlsafe_b64decode(bare + "=" * (-len(bare) % 4)))
    except (msgspec.DecodeError, binascii.Error, ValueError):
        return None


def digest(text: str) -> str:
    """What stands for a signed text."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
