"""An account's access token: fetched when it is needed, shared by all its calls, renewed before it expires.

One call fetches at a time and the others wait for what it gets, an error included. A token that is still good is used
on while it is being renewed, and when renewing it fails. There is no task in the background: a token that nobody needs
is not renewed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from llmgw_domain.errors import AccountRejected
from llmgw_pool.signer import Signature, Unsigned, bearer

EARLY = 300.0
"""How many seconds before its end a token is renewed; at most half of its life."""
_LEAST = 20.0
"""A token with less life than this may expire on its way."""
_RETRY = 30.0
"""How long a failed renewal is not tried again while the old token is good."""
_REFUSALS = 60.0
"""Of several refused tokens within this time only the first is renewed: another would be refused as well."""


class Token(NamedTuple):
    """An access token as it was granted: its text, its life in seconds from now, and headers to send beside it."""

    text: str
    life: float
    headers: tuple[tuple[str, str], ...] = ()

    def __repr__(self) -> str:
        return f"<Token for {self.life:g} s>"


class Tokens:
    """`fetch` gets a new token and raises `AccountRejected`; `patience` is how many seconds a call waits for one."""

    def __init__(
        self, fetch: Callable[[], Awaitable[Token]], patience: float, clock: Callable[[], float] | None = None
    ) -> None:
        """`clock` gives monotonic seconds; the running loop's by default."""
        self._fetch = fetch
        self._patience = patience
        self._clock = clock or _loop_time
        self._lock = asyncio.Lock()
        self._token: Token | None = None
        self._renew_at = self._ends_at = 0.0
        self._refused_at = float("-inf")
        self._fetched = 0
        """Fetches that ended, well or not: who waited through one takes its result."""
        self._failure: str | None = None

    async def current(self) -> Token:
        """A token to use now. Raises `AccountRejected`."""
        token, now = self._token, self._clock()
        if token is not None and (now < self._renew_at or (self._lock.locked() and now < self._ends_at - _LEAST)):
            return token
        try:
            async with asyncio.timeout(self._patience):
                return await self._next(self._fetched)
        except TimeoutError:
            return self._spare(AccountRejected(detail=f"no access token within {self._patience:g} s"))
        except AccountRejected as failure:
            return self._spare(failure)

    def refused(self, text: str) -> bool:
        """The provider refused this token: whether there is, or may soon be, another."""
        if self._token is None or self._token.text != text:
            return True
        now = self._clock()
        if now < self._refused_at + _REFUSALS:
            return False
        self._refused_at = now
        self._token = None
        return True

    async def _next(self, fetched: int) -> Token:
        async with self._lock:
            if self._fetched != fetched:
                return self._result()
            try:
                token = await self._fetch()
            except AccountRejected as error:
                self._fetched += 1
                self._failure = error.detail
                raise
            self._fetched += 1
            return self._keep(token)

    def _result(self) -> Token:
        """What the fetch that a call waited for came to. Each call has an error of its own to write upon."""
        if self._failure is not None or self._token is None:
            raise AccountRejected(detail=self._failure)
        return self._token

    def _keep(self, token: Token) -> Token:
        now = self._clock()
        self._failure = None
        self._token = token
        self._ends_at = now + token.life
        self._renew_at = self._ends_at - min(EARLY, token.life / 2)
        return token

    def _spare(self, failure: AccountRejected) -> Token:
        now = self._clock()
        if self._token is None or now >= self._ends_at - _LEAST:
            raise failure
        self._renew_at = now + _RETRY
        return self._token

    def __repr__(self) -> str:
        return f"<Tokens {self._token!r}, {self._fetched} fetched>"


class TokenSigner:
    """Sends the token that is good now."""

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens

    async def sign(self, request: Unsigned) -> Signature:
        token = await self._tokens.current()
        return bearer(token.text, *token.headers)

    def refused(self, signature: Signature) -> bool:
        return self._tokens.refused(signature.hidden[0])

    def __repr__(self) -> str:
        return f"<TokenSigner {self._tokens!r}>"


def _loop_time() -> float:
    return asyncio.get_running_loop().time()
