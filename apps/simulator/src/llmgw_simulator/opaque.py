"""Ids, signatures and base64: the opaque strings of answers, made from digests so that they repeat.

A signature covers the text that it came with. A provider refuses a changed signature, so the simulator does too, which
shows a translator that loses or moves one.
"""

from __future__ import annotations

import base64
import binascii
import hashlib

_ALPHABET = "0123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_MARK = b"\x12\x53sim"
_DIGEST = 32


def token(digest: str, length: int) -> str:
    """`length` letters and digits that follow from `digest`, a text."""
    number = int.from_bytes(hashlib.sha512(digest.encode()).digest(), "big")
    letters = []
    for _ in range(length):
        number, letter = divmod(number, len(_ALPHABET))
        letters.append(_ALPHABET[letter])
    return "".join(letters)


def sign(text: str, nonce: str, realm: str = "") -> str:
    """A signature of `text` in base64; `nonce` makes those of equal texts differ.

    `realm` is whose signature it is, a provider or one of its models: another one's is not taken for it.
    """
    salt = hashlib.sha256(nonce.encode()).digest()
    return base64.b64encode(_MARK + salt + _digest(salt, text, realm)).decode()


def is_signature(signature: str, text: str | None = None, *, realm: str = "", lenient: bool = False) -> bool:
    """Whether `sign` made it, for `text` and `realm` if a text is given; `lenient` is about its base64."""
    raw = decoded(signature, lenient=lenient)
    if raw is None or len(raw) != len(_MARK) + 2 * _DIGEST or not raw.startswith(_MARK):
        return False
    salt, digest = raw[len(_MARK) : -_DIGEST], raw[-_DIGEST:]
    return text is None or digest == _digest(salt, text, realm)


def _digest(salt: bytes, text: str, realm: str) -> bytes:
    named = f"{realm}\0" if realm else ""
    return hashlib.sha256(salt + f"{named}{text}".encode()).digest()


def decoded(text: str, *, lenient: bool = False) -> bytes | None:
    """Base64 decoded, or None if it is none. `lenient` also takes the URL alphabet and no padding, as Google does."""
    if lenient:
        text = text.replace("-", "+").replace("_", "/").rstrip("=")
        text += "=" * (-len(text) % 4)
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
