"""The pool: a lease for each request, over the transport that suits its account.

A lease is one call: it counts itself in, sends (see `_Lease`), gives the reply, and counts itself out once, whether it
ended well, failed or was cancelled at any await.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import Counter
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self

import msgspec

from llmgw_domain.errors import UpstreamReset, UpstreamUnreachable
from llmgw_pool import errors, http1
from llmgw_pool.config import PoolConfig
from llmgw_pool.http1 import Http1
from llmgw_pool.http2 import Http2, NotSpoken
from llmgw_pool.reply import Reply
from llmgw_pool.sending import Sending
from llmgw_pool.signing import Signers
from llmgw_pool.transport import Counted, Transport, Unheard, Unprocessed
from llmgw_pool.ways import Ways
from llmgw_relay.ports import UpstreamRequest

_UNAUTHORIZED = 401
_MOST_SENDINGS = 4
"""Of one request, where the provider says each time that it has not looked at it."""


class Counters(msgspec.Struct, frozen=True, kw_only=True):
    """The pool's numbers now. Totals are by account id and never go down; requests for tokens are under `ID/token`."""

    leased: int
    """Calls that hold the pool: opened and not yet left."""
    leases: dict[tuple[str, str], int]
    """The same by transport and account."""
    connections: tuple[Counted, ...]
    """Those that exist, by transport, origin and state."""
    pings: dict[str, int]
    """HTTP/2's signs of life that were asked for, by outcome: `answered`, `unanswered`. Totals."""
    opened_total: dict[str, int]
    """Calls begun."""
    failed_total: dict[str, int]
    """Calls that no response came to."""
    resent_total: dict[str, int]
    """Calls sent again because a kept connection had died, or the provider had not looked at them."""

    @property
    def open(self) -> int:
        """Connections that exist."""
        return sum(c.count for c in self.connections if c.state != "connecting")

    @property
    def idle(self) -> int:
        """Of these, kept for the next call."""
        return sum(c.count for c in self.connections if c.state == "idle")


class _Tally:
    """What the leases of a pool write down."""

    __slots__ = ("failed", "leases", "opened", "resent")

    def __init__(self) -> None:
        self.leases: Counter[tuple[str, str]] = Counter()
        self.opened: Counter[str] = Counter()
        self.failed: Counter[str] = Counter()
        self.resent: Counter[str] = Counter()

    def leave(self, key: tuple[str, str]) -> None:
        self.leases[key] -= 1
        if not self.leases[key]:
            del self.leases[key]


class ConnectionPool:
    """Implements the relay's `Upstream`. Open and close it with `async with`, inside the loop that uses it."""

    def __init__(self, config: PoolConfig | None = None, *, tls: ssl.SSLContext | None = None) -> None:
        """`tls` replaces every context that would be made from the configuration and the accounts."""
        self._config = config or PoolConfig()
        self._tally = _Tally()
        self._ways = Ways(self._config, tls)
        self._http1: Http1 | None = None
        self._http2: Http2 | None = None
        self._signers = Signers(self.open, self._config.credential_timeout_seconds)
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        self._http1 = await self._stack.enter_async_context(Http1(self._config, self._ways.default))
        self._http2 = await self._stack.enter_async_context(Http2(self._config))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ways.closed = True
        await self._stack.aclose()

    def open(self, request: UpstreamRequest) -> Lease:
        """Sends the request and leases a connection until the context is left.

        Entering raises `UpstreamUnreachable` (nothing was sent), `UpstreamReset`, `UpstreamTimeout`,
        `UpstreamMalformed` (the response's head makes no sense), `BadRequest` (it can't be put into an HTTP request),
        `AccountRejected`.
        """
        if self._http1 is None or self._http2 is None or self._ways.closed:
            raise UpstreamUnreachable(detail="the pool is not open")
        return Lease(self._http1, self._http2, self._ways, self._tally, self._signers, request, self._config.user_agent)

    def counters(self) -> Counters:
        tally, transports = self._tally, [t for t in (self._http1, self._http2) if t is not None]
        return Counters(
            leased=tally.leases.total(),
            leases=dict(tally.leases),
            connections=tuple(counted for transport in transports for counted in transport.connections()),
            pings=self._http2.pings.counts() if self._http2 is not None else {},
            opened_total=dict(tally.opened),
            failed_total=dict(tally.failed),
            resent_total=dict(tally.resent),
        )

    def __repr__(self) -> str:
        now = self.counters()
        return f"<ConnectionPool leased={now.leased} open={now.open} idle={now.idle}>"


class Lease:
    """One call, from its sending to the return of its connection; the relay's `UpstreamLease`.

    A kept connection can be closed by the provider just as the request goes out. Where it died without a byte of
    answer, the request is sent once more on a new connection; a second death, one on a new connection, or one after any
    byte is the caller's to judge. What may be sent once only is not: over HTTP/1.1 it goes out on a new connection,
    where no such doubt arises. What a provider says it has not looked at (HTTP/2) is sent again whatever it is.

    An access token can be revoked before its time. Where it is refused, the request is sent once more with a new one.
    """

    __slots__ = (
        "_agent",
        "_held",
        "_http1",
        "_http2",
        "_key",
        "_reply",
        "_request",
        "_sending",
        "_signers",
        "_tally",
        "_ways",
    )

    def __init__(
        self,
        http1: Http1,
        http2: Http2,
        ways: Ways,
        tally: _Tally,
        signers: Signers,
        request: UpstreamRequest,
        agent: str,
    ) -> None:
        self._http1 = http1
        self._http2 = http2
        self._ways = ways
        self._tally = tally
        self._signers = signers
        self._request = request
        self._agent = agent
        self._reply: Reply | None = None
        self._sending: Sending | None = None
        self._held = False
        self._key = ("", request.account.id)

    @property
    def alive(self) -> bool:
        """Whether the provider's side has answered all that it should have by now, as far as there is a connection."""
        hop = self._sending.hop if self._sending is not None else None
        return hop is None or hop.alive

    async def __aenter__(self) -> Reply:
        assert not self._held, "a lease is entered once"
        self._held = True
        self._tally.opened[self._request.account.id] += 1
        self._carried_by(self._ways.transport(self._request.account))
        try:
            self._reply = await self._send()
        except BaseException as error:
            self._release(failed=not isinstance(error, asyncio.CancelledError))
            raise
        return self._reply

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._release(failed=False)

    def _carried_by(self, transport: str) -> None:
        if self._key[0]:
            self._tally.leave(self._key)
        self._key = (transport, self._key[1])
        self._tally.leases[self._key] += 1

    def _release(self, *, failed: bool) -> None:
        if not self._held:
            return
        self._held = False
        self._tally.leave(self._key)
        if failed:
            self._tally.failed[self._request.account.id] += 1
        if self._reply is not None:
            self._reply.close()

    async def _send(self) -> Reply:
        sending = None
        try:
            try:
                sending = self._begin()
                return await self._authorized(sending)
            except NotSpoken:
                self._ways.only_http1(self._request.account)
                self._carried_by(http1.NAME)
                sending = self._begin()
                return await self._authorized(sending)
        except errors.FOREIGN as error:
            raise (sending and sending.upload_error) or errors.while_opening(error) from error

    def _begin(self) -> Sending:
        account = self._request.account
        way = self._ways.of(account, self._key[0])
        self._sending = Sending(self._request, self._agent, self._signers.of(account), way)
        return self._sending

    async def _authorized(self, sending: Sending) -> Reply:
        reply = await self._heard(sending)
        if reply.status == _UNAUTHORIZED and sending.signable_again and not sending.streams:
            reply.close()
            reply = await self._heard(sending)
        return reply

    async def _heard(self, sending: Sending) -> Reply:
        transport: Transport = self._http1 if self._key[0] == http1.NAME else self._http2
        once = sending.streams or self._request.once
        fresh = once and transport is self._http1
        unheard = False
        for left in reversed(range(_MOST_SENDINGS)):
            try:
                return await sending.once(transport, fresh_only=fresh)
            except Unprocessed as refused:
                if sending.begun or not left:
                    raise UpstreamUnreachable(detail=f"HTTP/2: not processed: {refused}") from refused
            except Unheard as death:
                if sending.begun or once or unheard:
                    raise _cause(death) from death
                unheard = fresh = True
            self._tally.resent[self._request.account.id] += 1
        raise AssertionError("the last sending returns or raises")

    def __repr__(self) -> str:
        return f"<Lease {self._key[1]} over {self._key[0] or '-'}{' held' if self._held else ''}>"


def _cause(death: Unheard) -> Exception:
    """How the connection died, as the system told it."""
    cause = death.__cause__
    return (
        cause if isinstance(cause, Exception) else UpstreamReset(detail="headers: connection closed before an answer")
    )
