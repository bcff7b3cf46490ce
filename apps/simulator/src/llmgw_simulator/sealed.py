"""Encrypted reasoning as OpenAI's Responses gives it out: opaque, and good only for who made it.

It looks like the provider's (`gAAAAA...`, a Fernet token) and holds digests of the credential and of the model, with a
checksum over all of it, so that one that was changed, or came from elsewhere, is told apart.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import Literal

Verdict = Literal["good", "unreadable", "foreign"]

_MARK = b"\x80\x00\x00\x00\x00"
_TAG = 16
_CHECK = 32


def seal(credential: str, model: str, reasoning: str) -> str:
    """The encrypted form of `reasoning`; the same for the same arguments."""
    text = hashlib.sha512(reasoning.encode()).digest()
    raw = _MARK + _tag("credential", credential) + _tag("model", model) + text
    return base64.urlsafe_b64encode(raw + hashlib.sha256(raw).digest()).decode()


def examine(sealed: str, credential: str, model: str) -> Verdict:
    """Whether `sealed` may be used by this credential with this model."""
    try:
        raw = base64.urlsafe_b64decode(sealed.encode())
    except (binascii.Error, ValueError):
        return "unreadable"
    head, checksum = raw[:-_CHECK], raw[-_CHECK:]
    if not raw.startswith(_MARK) or hashlib.sha256(head).digest() != checksum:
        return "unreadable"
    owner, made_by = head[len(_MARK) :][:_TAG], head[len(_MARK) + _TAG :][:_TAG]
    if owner != _tag("credential", credential):
        return "foreign"
    return "good" if made_by == _tag("model", model) else "unreadable"


def _tag(kind: str, value: str) -> bytes:
    return hashlib.sha256(f"{kind}/{value}".encode()).digest()[:_TAG]
