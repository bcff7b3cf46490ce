"""The pool: one aiohttp session for a worker, and a lease for each request.

The session is shared by all tenants, so it remembers nothing of a request: no cookies, no redirects, no environment
proxies. A lease is one call: it counts itself in, sends (see `_Lease`), gives the reply, and counts
itself out once, whether it ended well, failed or was cancelled at any await.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import Counter
from collections.abc import Iterable
from types import TracebackType
from typing import Self

import msgspec
from aiohttp import (
    ClientConnectionResetError,
    ClientOSError,
    ClientResponse,
    ClientSession,
    ClientTimeout,
    DummyCookieJar,
    ServerDisconnectedError,
)

from llmgw_domain import Deadlines
from llmgw_domain.errors import GatewayError, UpstreamUnreachable
from llmgw_pool import errors, wire
from llmgw_pool.config import PoolConfig
from llmgw_pool.connector import ATTEMPT, Connector, Line
from llmgw_pool.reply import Reply
from llmgw_pool.signer import Signature, Signer, Unsigned
from llmgw_pool.signing import Signers
from llmgw_relay.ports import UpstreamRequest

_UNAUTHORIZED = 401


class Counters(msgspec.Struct, frozen=True, kw_only=True):
    """The pool's numbers now. Totals are by account id and never go down; requests for tokens are under `ID/token`."""

    leased: int
    """Calls that hold the pool: opened and not yet left."""
    open: int
    """Connections that exist."""
    idle: int
    """Of these, kept for the next call."""
    opened_total: dict[str, int]
    """Calls begun."""
    failed_total: dict[str, int]
    """Calls that no response came to."""
    resent_total: dict[str, int]
    """Calls sent again because a kept connection had died."""


class _Tally:
    """What the leases of a pool write down."""

    __slots__ = ("failed", "leased", "opened", "resent")

    def __init__(self) -> None:
        self.leased = 0
        self.opened: Counter[str] = Counter()
        self.failed: Counter[str] = Counter()
        self.resent: Counter[str] = Counter()


class ConnectionPool:
    """Implements the relay's `Upstream`. Open and close it with `async with`, inside the loop that uses it."""

    def __init__(self, config: PoolConfig | None = None, *, tls: ssl.SSLContext | None = None) -> None:
        """`tls` replaces the context made from the configuration."""
        self._config = config or PoolConfig()
        self._tls = tls
        self._tally = _Tally()
        self._session: ClientSession | None = None
        self._connector: Connector | None = None
        self._signers = Signers(self.open, self._config.credential_timeout)

    async def __aenter__(self) -> Self:
        config = self._config
        self._connector = Connector(config, self._tls or _tls(config))
        self._session = ClientSession(
            connector=self._connector,
            cookie_jar=DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
            timeout=ClientTimeout(total=None, connect=None, sock_connect=None, sock_read=None),
            skip_auto_headers=("User-Agent", "Accept-Encoding", "Accept", "Content-Type"),
            read_bufsize=config.read_buffer,
            max_field_size=config.max_header_bytes,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._session is not None
        assert self._connector is not None
        await self._session.close()
        await _closed(self._connector.live, self._config.close_timeout)

    def open(self, request: UpstreamRequest) -> _Lease:
        """Sends the request and leases a connection until the context is left.

        Entering raises `UpstreamUnreachable` (nothing was sent), `UpstreamReset`, `UpstreamTimeout`,
        `UpstreamMalformed` (the response's head makes no sense), `BadRequest` (it can't be put into an HTTP request),
        `AccountRejected`.
        """
        if self._session is None or self._session.closed:
            raise UpstreamUnreachable(detail="the pool is not open")
        return _Lease(self._session, self._tally, self._signers, request, self._config.user_agent)

    def counters(self) -> Counters:
        tally, connector = self._tally, self._connector
        return Counters(
            leased=tally.leased,
            open=connector.open if connector else 0,
            idle=connector.idle if connector else 0,
            opened_total=dict(tally.opened),
            failed_total=dict(tally.failed),
            resent_total=dict(tally.resent),
        )

    def __repr__(self) -> str:
        now = self.counters()
        return f"<ConnectionPool leased={now.leased} open={now.open} idle={now.idle}>"


class _Lease:
    """One call, from its sending to the return of its connection.

    A kept connection can be closed by the provider just as the request goes out. Where it died without a byte of
    answer, the request is sent once more on a new connection; a second death, one on a new connection, or one after any
    byte is the caller's to judge. What may be sent once only goes out on a new connection, where no such doubt arises.

    An access token can be revoked before its time. Where it is refused, the request is sent once more with a new one.
    """

    __slots__ = ("_agent", "_held", "_reply", "_request", "_session", "_signers", "_tally")

    def __init__(
        self, session: ClientSession, tally: _Tally, signers: Signers, request: UpstreamRequest, agent: str
    ) -> None:
        self._session = session
        self._tally = tally
        self._signers = signers
        self._request = request
        self._agent = agent
        self._reply: Reply | None = None
        self._held = False

    async def __aenter__(self) -> Reply:
        assert not self._held, "a lease is entered once"
        self._held = True
        self._tally.leased += 1
        self._tally.opened[self._request.account.id] += 1
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

    def _release(self, *, failed: bool) -> None:
        if not self._held:
            return
        self._held = False
        self._tally.leased -= 1
        if failed:
            self._tally.failed[self._request.account.id] += 1
        if self._reply is not None:
            self._reply.close()

    async def _send(self) -> Reply:
        request = self._request
        sending = _Sending(request, self._agent, self._signers.of(request.account))
        try:
            reply = await self._heard(sending)
            if reply.status == _UNAUTHORIZED and sending.signable_again and not sending.streams:
                reply.close()
                reply = await self._heard(sending)
            return reply
        except errors.FOREIGN as error:
            raise sending.upload_error or errors.while_opening(error) from error

    async def _heard(self, sending: _Sending) -> Reply:
        try:
            return await sending.once(self._session, fresh_only=sending.streams or self._request.once)
        except (ServerDisconnectedError, ClientOSError, ClientConnectionResetError):
            if not sending.died_unheard:
                raise
        self._tally.resent[self._request.account.id] += 1
        return await sending.once(self._session, fresh_only=True)


class _Sending:
    """The request on its way to its response's headers; the connector reports to it."""

    __slots__ = (
        "_headers",
        "_limit",
        "_phase",
        "_request",
        "_signature",
        "_signer",
        "_timeout",
        "_total_at",
        "_upload",
        "_url",
        "fresh_only",
        "line",
    )

    def __init__(self, request: UpstreamRequest, agent: str, signer: Signer) -> None:
        self._request = request
        self._url = wire.address(request)
        self._headers = wire.headers(request, agent)
        self._upload = wire.Streamed(request.upload) if request.upload is not None else None
        self._signer = signer
        self._signature = Signature()
        self.fresh_only = False
        self.line: Line | None = None
        self._phase: errors.Phase = "connect"
        self._limit: errors.Phase = "connect"
        self._timeout: asyncio.Timeout
        total = request.deadlines.total
        self._total_at = None if total is None else asyncio.get_running_loop().time() + total

    @property
    def streams(self) -> bool:
        """Whether its body can be sent once only."""
        return self._upload is not None

    @property
    def upload_error(self) -> Exception | None:
        """Why the client's body ended early, if that is what broke the sending."""
        return self._upload.error if self._upload is not None else None

    @property
    def died_unheard(self) -> bool:
        """Whether the connection had been used before and said nothing to this request."""
        return self.line is not None and self.line.uses > 1 and not self.line.heard

    @property
    def signable_again(self) -> bool:
        """Whether the provider, which refused the last signature, may take another one."""
        return self._signer.refused(self._signature)

    async def once(self, session: ClientSession, *, fresh_only: bool = False) -> Reply:
        """One attempt. Raises aiohttp's exceptions as they are, and `UpstreamTimeout` for a phase that was too long."""
        self.fresh_only = fresh_only
        self.line = None
        self._phase, self._limit = "connect", "total"
        self._timeout = asyncio.timeout_at(self._total_at)
        token = ATTEMPT.set(self)
        try:
            async with self._timeout:
                self._signature = await self._signer.sign(self._unsigned())
                return self._reply(await self._response(session))
        except TimeoutError:
            if self._timeout.expired():
                raise self._late() from None
            raise
        finally:
            ATTEMPT.reset(token)

    def _reply(self, response: ClientResponse) -> Reply:
        assert self.line is not None
        return Reply(response, self.line, self._request.deadlines, self._total_at, self._signature.hidden)

    def _unsigned(self) -> Unsigned:
        return Unsigned(self._request.method, str(self._url), self._headers, self._request.body)

    async def _response(self, session: ClientSession) -> ClientResponse:
        request = self._request
        body = self._upload or (wire.Body(request.body) if request.body else None)
        headers = self._headers.copy()
        headers.update(self._signature.headers)
        return await session.request(request.method, self._url, data=body, headers=headers, allow_redirects=False)

    def connecting(self) -> None:
        self._enter("connect", self._request.deadlines)

    def connected(self, line: Line) -> None:
        self.line = line
        self._enter("headers", self._request.deadlines)

    def _enter(self, phase: errors.Phase, deadlines: Deadlines) -> None:
        seconds: float | None = getattr(deadlines, phase)
        at = None if seconds is None else asyncio.get_running_loop().time() + seconds
        self._phase = self._limit = phase
        if self._total_at is not None and (at is None or self._total_at < at):
            at, self._limit = self._total_at, "total"
        self._timeout.reschedule(at)

    def _late(self) -> GatewayError:
        error = errors.timed_out(self._limit, getattr(self._request.deadlines, self._limit))
        if self._limit == "total":
            error.detail = f"{error.detail}, in the phase {self._phase!r}"
        return error


def _tls(config: PoolConfig) -> ssl.SSLContext:
    """One context for all connections: loading the certificates takes milliseconds."""
    context = ssl.create_default_context(cafile=config.ca_file)
    context.set_alpn_protocols(["http/1.1"])
    return context


async def _closed(live: Iterable[Line], seconds: float) -> None:
    """Waits until the sockets are closed, because the loop may be closed next; aborts those that take too long."""
    lines = list(live)
    closing = [future for line in lines if (future := line.closed) is not None]
    if closing:
        await asyncio.wait(closing, timeout=seconds)
    for line in lines:
        line.abort()
    # Both a finished wait and an abort close the socket in the loop's next round.
    await asyncio.sleep(0)
    for future in closing:
        if future.done() and not future.cancelled():
            future.exception()
