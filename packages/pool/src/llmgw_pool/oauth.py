"""Where Google's access tokens come from: a service account's own key, or what Google's own chain finds.

A service account states who it is in a JWT that its key signs, and gets a token for it (RFC 7523, and
developers.google.com/identity/protocols/oauth2/service-account). That request goes over the pool like any other. The
chain is Google's library, which does its own blocking requests, so it is asked in a thread.

The library is imported when the first account needs it: it costs a tenth of a second and 3 MB.
"""

from __future__ import annotations

import asyncio
import calendar
import logging
import re
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any
from urllib.parse import urlencode

import msgspec

from llmgw_domain import Account, Deadlines, Provider, Secret
from llmgw_domain.accounts import ServiceAccount
from llmgw_domain.errors import AccountRejected, GatewayError
from llmgw_pool.tokens import Token
from llmgw_relay.ports import UpstreamReply, UpstreamRequest

Ask = Callable[[UpstreamRequest], AbstractAsyncContextManager[UpstreamReply]]

SCOPE = "https://www.googleapis.com/auth/cloud-platform"

_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_JWT_SECONDS = 3600
"""The longest that Google takes."""
_MAX_ANSWER = 256 * 1024
_FORM = (("content-type", "application/x-www-form-urlencoded"), ("accept", "application/json"))


class _Granted(msgspec.Struct):
    """RFC 6749, 5.1. Without `expires_in`, the life that Google's tokens have."""

    access_token: str
    expires_in: float = 3600.0


class _Refused(msgspec.Struct):
    """RFC 6749, 5.2."""

    error: str = ""
    error_description: str = ""


_granted = msgspec.json.Decoder(_Granted, strict=False).decode
_refused = msgspec.json.Decoder(_Refused).decode


class ServiceAccountTokens:
    """Fetches a token for a service account, over the pool."""

    def __init__(self, account: Account, ask: Ask, seconds: float) -> None:
        assert isinstance(account.credential, ServiceAccount)
        self._id = account.id
        self._key = account.credential
        self._ask = ask
        self._deadlines = Deadlines(connect=seconds, headers=seconds, first_event=seconds, gap=seconds, total=seconds)

    async def __call__(self) -> Token:
        """Raises `AccountRejected`."""
        # Signing takes a millisecond, the import before the first one a hundred.
        assertion = await asyncio.to_thread(self._assertion)
        try:
            async with self._ask(self._request(assertion)) as reply:
                status, body = reply.status, await reply.read(_MAX_ANSWER)
        except GatewayError as error:
            raise self._rejected(f"{error.code}: {error.detail}") from None
        if status >= 400:
            raise self._rejected(f"status {status}: {_reason(body, assertion)}")
        try:
            granted = _granted(body)
        except msgspec.DecodeError:
            raise self._rejected("the answer has no access_token") from None
        return Token(granted.access_token, granted.expires_in)

    def _assertion(self) -> str:
        try:
            return assertion_of(self._key, time.time())
        except Exception as error:
            # Of several kinds, and with words that may quote the key.
            said = f"account {self._id}: its private key can't sign: {type(error).__name__}"
            raise AccountRejected(detail=said) from None

    def _request(self, assertion: str) -> UpstreamRequest:
        # Not the account's own calls: they have a name and numbers of their own, and no credential but their body.
        issuer = Account(
            id=f"{self._id}/token",
            provider=Provider.OPENAI_COMPATIBLE,
            base_url=self._key.token_url,
            credential=Secret(""),
            pool="",
        )
        form = urlencode({"grant_type": _GRANT, "assertion": assertion}).encode()
        return UpstreamRequest(account=issuer, path="", body=form, headers=_FORM, deadlines=self._deadlines)

    def _rejected(self, reason: str) -> AccountRejected:
        return AccountRejected(detail=f"account {self._id}: no access token from token_uri: {reason}")


class AmbientTokens:
    """Asks Google's own chain: `GOOGLE_APPLICATION_CREDENTIALS`, gcloud's login, the metadata server."""

    def __init__(self, account: Account) -> None:
        self._id = account.id
        self._found: Any = None

    async def __call__(self) -> Token:
        """Raises `AccountRejected`."""
        return await asyncio.to_thread(self._fetch)

    def _fetch(self) -> Token:
        try:
            if self._found is None:
                self._found = _chain()
            return _refreshed(self._found)
        except Exception as error:
            # Plugins of the chain may raise anything, with words that may quote what they found.
            said = f"account {self._id}: no access token from Google's own chain: {type(error).__name__}"
            raise AccountRejected(detail=said) from None


def assertion_of(key: ServiceAccount, now: float) -> str:
    """The JWT of a service account at the Unix time `now`. Raises what Google's library raises for a broken key."""
    from google.auth import crypt, jwt

    signer = crypt.RSASigner.from_string(key.private_key.reveal(), key.private_key_id or None)
    issued = int(now)
    claims = {
        "iss": key.client_email,
        "scope": SCOPE,
        "aud": key.token_url,
        "iat": issued,
        "exp": issued + _JWT_SECONDS,
    }
    encoded: bytes = jwt.encode(signer, claims)
    return encoded.decode()


def _chain() -> Any:
    import google.auth

    # It can log requests and answers, tokens among them, when the level is debug.
    logging.getLogger("google.auth").setLevel(logging.INFO)
    return google.auth.default(scopes=[SCOPE])[0]


def _refreshed(credentials: Any) -> Token:
    import urllib3
    from google.auth.transport.urllib3 import Request

    with urllib3.PoolManager() as http:
        credentials.refresh(Request(http))
    headers: dict[str, str] = {}
    credentials.apply(headers)
    del headers["authorization"]
    # The library keeps times without a zone, in UTC.
    ends = credentials.expiry and calendar.timegm(credentials.expiry.timetuple())
    return Token(credentials.token, ends - time.time() if ends else 3600.0, tuple(headers.items()))


def _reason(body: bytes, assertion: str) -> str:
    """An OAuth error in one line; its description may quote what was sent."""
    try:
        refused = _refused(body)
    except msgspec.DecodeError:
        return "without an OAuth error"
    said = f"{refused.error}: {refused.error_description}".replace(assertion, "[hidden]")
    return re.sub(r"[^ -~]+", " ", said)[:300]
