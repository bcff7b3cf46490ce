"""The seam between sending a request and authenticating it.

A signer is asked anew for each sending: a signature covers the very bytes that are sent and the time, and an access
token may have been renewed since.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple, Protocol

from llmgw_domain.errors import AccountRejected

_VISIBLE = re.compile(r"[!-~]+")


class Unsigned(NamedTuple):
    """A request as it is going to be sent, but for what authenticates it."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes


class Signature(NamedTuple):
    """What authenticates one sending: headers, and the texts in them that are secret beyond the account's own."""

    headers: tuple[tuple[str, str], ...] = ()
    hidden: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"<Signature {', '.join(name for name, _ in self.headers)}>"


class Signer(Protocol):
    """Authenticates the requests of one account."""

    async def sign(self, request: Unsigned) -> Signature:
        """Raises `AccountRejected`, whose detail says what is wrong with the credential and holds none of it."""
        ...

    def refused(self, signature: Signature) -> bool:
        """The provider answered 401 to this signature: whether the request is worth sending with another one."""
        ...


def bearer(token: str, *more: tuple[str, str]) -> Signature:
    """A token that was made or found, as OAuth has it (RFC 6750, 2.1), with headers beside it.

    Raises `AccountRejected` for one that would break out of its header line.
    """
    if not _VISIBLE.fullmatch(token):
        raise AccountRejected(detail="the access token holds characters that can't be sent in a header")
    return Signature((("authorization", f"Bearer {token}"), *more), (token,))
