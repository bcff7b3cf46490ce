"""Keys of sessions: what names them, sealed so that nobody can make another tenant's.

A key is an HMAC over tenant, model and name. A client can't choose one, nor tell from a key what its session was
called, and the same name means other sessions to another tenant or at another model, whose caches know nothing of each
other.
"""

from __future__ import annotations

import hmac

from llmgw_affinity.carriers import Carried
from llmgw_affinity.fingerprint import Fingerprint

LEAST_CACHED = 4096
"""Bytes of a prefix that some provider may cache: 1,024 tokens of about four bytes, the least that any of them
takes."""


class SessionKeys:
    """Makes keys. `secret` is the same in every process of a gateway, and over restarts."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def session(self, tenant: str, model: str, named: Carried | Fingerprint) -> str | None:
        """The session's key, 32 hexadecimal digits; None where nothing names a conversation.

        By which carrier a name came makes no difference: clients send the same one in several.
        """
        if isinstance(named, Carried):
            return self._sealed(b"named", tenant, model, _bytes(named.value)).hex()
        if named.conversation is None:
            return None
        return self._sealed(b"content", tenant, model, named.conversation).hex()

    def _sealed(self, kind: bytes, tenant: str, model: str, name: bytes) -> bytes:
        parts = (kind, _bytes(tenant), _bytes(model), name)
        message = b"".join(len(part).to_bytes(4, "big") + part for part in parts)
        return hmac.digest(self._secret, message, "sha256")[:16]

    def __repr__(self) -> str:
        return "SessionKeys(***)"


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
