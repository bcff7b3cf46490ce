"""A signer for each account, by the kind of its credential.

What a signer keeps (access tokens, what a cloud's own chain found) lives as long as the pool, and is made anew when the
account's credential or place changes.
"""

from __future__ import annotations

from llmgw_domain import Account, Provider, Secret
from llmgw_domain.accounts import Ambient, AwsKeys, ServiceAccount
from llmgw_domain.errors import AccountRejected
from llmgw_pool.credentials import credential_header
from llmgw_pool.oauth import AmbientTokens, Ask, ServiceAccountTokens
from llmgw_pool.signer import Signature, Signer, Unsigned
from llmgw_pool.sigv4 import AwsSigner
from llmgw_pool.tokens import Tokens, TokenSigner


class KeySigner:
    """A key in its provider's header; of no account that has none."""

    def __init__(self, account: Account) -> None:
        self._account = account

    async def sign(self, request: Unsigned) -> Signature:
        header = credential_header(self._account)
        return Signature(() if header is None else (header,))

    def refused(self, signature: Signature) -> bool:
        return False

    def __repr__(self) -> str:
        return f"<KeySigner {self._account.id}>"


class Signers:
    """`ask` sends a request of our own, for a token; `patience` is how many seconds a call waits for a credential."""

    def __init__(self, ask: Ask, patience: float) -> None:
        self._ask = ask
        self._patience = patience
        self._kept: dict[str, tuple[Account, Signer]] = {}

    def of(self, account: Account) -> Signer:
        """Raises `AccountRejected` for a credential that the account's provider does not take."""
        if isinstance(account.credential, Secret):
            return KeySigner(account)
        kept = self._kept.get(account.id)
        if kept is None or not _same(kept[0], account):
            kept = self._kept[account.id] = (account, self._made(account))
        return kept[1]

    def _made(self, account: Account) -> Signer:
        match account.provider, account.credential:
            case Provider.BEDROCK, AwsKeys() | Ambient():
                return AwsSigner(account, self._patience)
            case Provider.VERTEX, ServiceAccount():
                return TokenSigner(Tokens(ServiceAccountTokens(account, self._ask, self._patience), self._patience))
            case Provider.VERTEX, Ambient():
                return TokenSigner(Tokens(AmbientTokens(account), self._patience))
        raise AccountRejected(detail=f"account {account.id}: its provider is not asked with such a credential")

    def __repr__(self) -> str:
        return f"<Signers {[signer for _, signer in self._kept.values()]}>"


def _same(one: Account, other: Account) -> bool:
    return (one.provider, one.credential, one.platform) == (other.provider, other.credential, other.platform)
