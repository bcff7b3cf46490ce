"""Which transport carries an account's calls, and how its servers are reached.

`auto` is HTTP/2 for the providers whose own edges speak it, over TLS, and HTTP/1.1 for everything else: silence is what
their calls are made of, and PING sees through it. TLS settles it (ALPN): a server that declines is asked over HTTP/1.1,
and asked again after a while, for it may have learned.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable

from yarl import URL

from llmgw_domain import Account, Provider
from llmgw_domain.errors import UpstreamUnreachable
from llmgw_pool.config import PoolConfig
from llmgw_pool.transport import Way

_PREFER_HTTP2 = frozenset({Provider.OPENAI, Provider.ANTHROPIC, Provider.GOOGLE, Provider.VERTEX, Provider.AZURE})
_REMEMBERED = 3600.0
"""Seconds."""
_MOST_REMEMBERED = 4096


class Ways:
    """One for a pool. Contexts are shared: loading certificates takes milliseconds."""

    def __init__(
        self, config: PoolConfig, tls: ssl.SSLContext | None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`tls` goes before every context that would be made; `clock` is in seconds."""
        self._config = config
        self._given = tls
        self._clock = clock
        self._contexts: dict[tuple[str | None, tuple[str, ...]], ssl.SSLContext] = {}
        self._without_http2: dict[str, float] = {}
        self.closed = False
        """The pool is over: nothing new is sent."""

    @property
    def default(self) -> ssl.SSLContext:
        """HTTP/1.1's context where an account names no certificates."""
        return self._context(None, ("http/1.1",))

    def transport(self, account: Account) -> str:
        """`http1` or `http2`."""
        if account.transport != "auto":
            return account.transport
        if account.provider not in _PREFER_HTTP2 or not account.base_url.startswith("https://"):
            return "http1"
        until = self._without_http2.get(account.base_url)
        return "http1" if until is not None and self._clock() < until else "http2"

    def only_http1(self, account: Account) -> None:
        """The account's server did not agree on HTTP/2. Raises `UpstreamUnreachable` where that was insisted on."""
        if account.transport == "http2":
            raise UpstreamUnreachable(
                detail=f'account {account.id}: its server does not speak HTTP/2, which transport = "http2" insists on'
            )
        while len(self._without_http2) >= _MOST_REMEMBERED:
            del self._without_http2[next(iter(self._without_http2))]
        self._without_http2[account.base_url] = self._clock() + _REMEMBERED

    def of(self, account: Account, transport: str) -> Way:
        """Raises `UpstreamUnreachable` for certificates that can't be read."""
        offered = ("http/1.1",) if transport == "http1" else ("h2",) if account.transport == "http2" else _BOTH
        proxy = URL(account.proxy.reveal()) if account.proxy is not None else None
        try:
            return Way(self._context(account.ca, offered), proxy)
        except (ssl.SSLError, OSError, ValueError) as error:
            detail = f"account {account.id}: its certificates to trust can't be read: {type(error).__name__}"
            raise UpstreamUnreachable(detail=detail) from error

    def _context(self, ca: str | None, offered: tuple[str, ...]) -> ssl.SSLContext:
        if self._given is not None:
            return self._given
        context = self._contexts.get((ca, offered))
        if context is None:
            context = ssl.create_default_context(cafile=None if ca else self._config.ca_file, cadata=ca)
            context.set_alpn_protocols(list(offered))
            self._contexts[ca, offered] = context
        return context

    def __repr__(self) -> str:
        return f"<Ways {len(self._contexts)} contexts, {len(self._without_http2)} servers without HTTP/2>"


_BOTH = ("h2", "http/1.1")
