"""AWS's Signature Version 4, by botocore's own signer.

Bedrock is the service `bedrock`, whatever its host is called, and the path is encoded once more for the signature than
on the wire, as for every service but S3 (docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html). What is signed
is what may not change on the way: method, address, body, type, and AWS's own headers.

The library is imported when the first account needs it: it costs a third of a second and 9 MB.
"""

from __future__ import annotations

import asyncio
import logging
from functools import cache
from typing import Any

from llmgw_domain import Account, Secret
from llmgw_domain.accounts import AwsKeys
from llmgw_domain.errors import AccountRejected
from llmgw_pool.signer import Signature, Unsigned, bearer

_SERVICE = "bedrock"
_ADDED = ("authorization", "x-amz-date", "x-amz-security-token")
_INLINE = 256 * 1024
"""Bytes of a body that is hashed in the loop, in a fifth of a millisecond; longer ones are hashed in a thread."""


class AwsSigner:
    """Signs with an access key: the account's own, or what AWS's chain finds."""

    def __init__(self, account: Account, patience: float) -> None:
        self._account = account
        self._chain = None if isinstance(account.credential, AwsKeys) else _Chain(account.id, patience)
        self._loaded = False

    async def sign(self, request: Unsigned) -> Signature:
        keys = await self._keys()
        if isinstance(keys, Secret):
            return bearer(keys.reveal())
        region = self._account.platform.region
        if region is None:
            raise AccountRejected(detail=f"account {self._account.id}: it has no region, which a signature must name")
        if self._loaded and len(request.body) <= _INLINE:
            return signed(request, keys, region)
        signature = await asyncio.to_thread(signed, request, keys, region)
        self._loaded = True
        return signature

    def refused(self, signature: Signature) -> bool:
        return False

    async def _keys(self) -> AwsKeys | Secret:
        if self._chain is not None:
            return await self._chain.keys()
        assert isinstance(self._account.credential, AwsKeys)
        return self._account.credential

    def __repr__(self) -> str:
        return f"<AwsSigner {self._account.id}{'' if self._chain is None else ', from the chain'}>"


class _Chain:
    """AWS's own chain. It blocks, and renews what it found when that is about to expire; one call asks at a time.

    Before any access key it finds an API key of the service's, in `AWS_BEARER_TOKEN_BEDROCK`.
    """

    def __init__(self, account_id: str, patience: float) -> None:
        self._id = account_id
        self._patience = patience
        self._lock = asyncio.Lock()
        self._found: Any = None

    async def keys(self) -> AwsKeys | Secret:
        """Raises `AccountRejected`."""
        try:
            async with asyncio.timeout(self._patience), self._lock:
                return await asyncio.to_thread(self._ask)
        except TimeoutError:
            raise self._rejected(f"no answer within {self._patience:g} s") from None

    def _ask(self) -> AwsKeys | Secret:
        try:
            return self._frozen()
        except AccountRejected:
            raise
        except Exception as error:
            # Plugins of the chain may raise anything, with words that may quote what they found.
            raise self._rejected(type(error).__name__) from None

    def _frozen(self) -> AwsKeys | Secret:
        api_key = _api_key()
        if api_key:
            return Secret(api_key)
        if self._found is None:
            self._found = _default_credentials()
        if self._found is None:
            raise self._rejected("it found none")
        frozen = self._found.get_frozen_credentials()
        return AwsKeys(
            access_key_id=frozen.access_key,
            secret_access_key=Secret(frozen.secret_key),
            session_token=Secret(frozen.token) if frozen.token else None,
        )

    def _rejected(self, reason: str) -> AccountRejected:
        return AccountRejected(detail=f"account {self._id}: no credential from AWS's own chain: {reason}")


def signed(request: Unsigned, keys: AwsKeys, region: str) -> Signature:
    """The signature of a request at this moment."""
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    _quieten()
    covered = {name: value for name, value in request.headers.items() if _is_covered(name.lower())}
    draft = AWSRequest(method=request.method, url=request.url, data=request.body, headers=covered)
    token = keys.session_token.reveal() if keys.session_token else None
    credentials = Credentials(keys.access_key_id, keys.secret_access_key.reveal(), token)
    SigV4Auth(credentials, _SERVICE, region).add_auth(draft)
    made = {name.lower(): value for name, value in draft.headers.items()}
    added = tuple((name, made[name]) for name in _ADDED if name in made)
    return Signature(added, () if token is None else (token,))


def _is_covered(name: str) -> bool:
    return name == "content-type" or name.startswith("x-amz-")


def _api_key() -> str | None:
    from botocore.utils import get_token_from_environment

    found: str | None = get_token_from_environment(_SERVICE)
    return found


def _default_credentials() -> Any:
    from botocore.session import Session

    _quieten()
    return Session().get_credentials()


@cache
def _quieten() -> None:
    """At the level debug the library logs what it signs and what it is answered, tokens among them."""
    logging.getLogger("botocore").setLevel(logging.INFO)
