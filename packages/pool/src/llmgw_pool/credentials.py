"""Where an account's key goes: one header by provider."""

from __future__ import annotations

import re

from llmgw_domain import Account, Provider, Secret
from llmgw_domain.errors import AccountRejected

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")

_BEARER = ("authorization", "Bearer ")
_HEADER: dict[Provider, tuple[str, str]] = {
    Provider.OPENAI: _BEARER,
    Provider.OPENAI_COMPATIBLE: _BEARER,
    Provider.AZURE: ("api-key", ""),
    Provider.ANTHROPIC: ("x-api-key", ""),
    Provider.GOOGLE: ("x-goog-api-key", ""),
    Provider.VERTEX: ("x-goog-api-key", ""),
    Provider.BEDROCK: _BEARER,
}

CREDENTIAL_HEADERS = frozenset(
    {
        "api-key",
        "authorization",
        "cookie",
        "proxy-authorization",
        "x-amz-content-sha256",
        "x-amz-date",
        "x-amz-security-token",
        "x-api-key",
        "x-goog-api-key",
        "x-goog-user-project",
    }
)
"""Request headers that only the transport may set: a caller's own are never sent to a provider."""


def credential_header(account: Account) -> tuple[str, str] | None:
    """The header that authenticates an account by its key; None where it has none (a server of one's own).

    Raises `AccountRejected` for a credential that would break out of its header line.
    """
    if not isinstance(account.credential, Secret):
        raise AccountRejected(detail=f"account {account.id}: its provider is not asked with such a credential")
    secret = account.credential.reveal()
    if not secret:
        return None
    if _CONTROL.search(secret):
        raise AccountRejected(detail=f"account {account.id}: credential has control characters")
    name, prefix = _HEADER[account.provider]
    if account.server.credential_header != name and account.provider is Provider.OPENAI_COMPATIBLE:
        return account.server.credential_header, secret
    return name, prefix + secret
