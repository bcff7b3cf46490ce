"""A request on its way to its response's headers: signed, within its deadlines, by one transport."""

from __future__ import annotations

import asyncio

from llmgw_domain import Deadlines
from llmgw_domain.errors import GatewayError
from llmgw_pool import errors, wire
from llmgw_pool.reply import Reply
from llmgw_pool.signer import Signature, Signer, Unsigned
from llmgw_pool.transport import Hop, Outgoing, Transport, Way
from llmgw_relay.ports import UpstreamRequest


class Sending:
    """Implements `Attempt`: the transport reports to it. `once` may be called again, if the body can be sent again."""

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
        "_way",
        "fresh_only",
        "hop",
        "url",
    )

    def __init__(self, request: UpstreamRequest, agent: str, signer: Signer, way: Way) -> None:
        self._request = request
        self.url = wire.address(request)
        self._headers = wire.headers(request, agent)
        self._upload = wire.Streamed(request.upload) if request.upload is not None else None
        self._signer = signer
        self._signature = Signature()
        self._way = way
        self.fresh_only = False
        self.hop: Hop | None = None
        """The connection that carries it; None while there is none."""
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
    def begun(self) -> bool:
        """Whether it can't be sent again, because its body has begun to go out."""
        return self._upload is not None and self._upload.begun

    @property
    def upload_error(self) -> Exception | None:
        """Why the client's body ended early, if that is what broke the sending."""
        return self._upload.error if self._upload is not None else None

    @property
    def signable_again(self) -> bool:
        """Whether the provider, which refused the last signature, may take another one."""
        return self._signer.refused(self._signature)

    async def once(self, transport: Transport, *, fresh_only: bool = False) -> Reply:
        """One attempt. Raises what the transport raises, and `UpstreamTimeout` for a phase that was too long."""
        self.fresh_only = fresh_only
        self.hop = None
        self._phase, self._limit = "connect", "total"
        self._timeout = asyncio.timeout_at(self._total_at)
        try:
            async with self._timeout:
                self._signature = await self._signer.sign(self._unsigned())
                incoming = await transport.send(self._outgoing(), self)
        except TimeoutError:
            if self._timeout.expired():
                raise self._late() from None
            raise
        return Reply(
            incoming,
            self._request.deadlines,
            self._total_at,
            hidden=self._signature.hidden,
            events=self._request.stream,
        )

    def connecting(self) -> None:
        self._enter("connect", self._request.deadlines)

    def connected(self, hop: Hop) -> None:
        self.hop = hop
        self._enter("headers", self._request.deadlines)

    def _unsigned(self) -> Unsigned:
        return Unsigned(self._request.method, str(self.url), self._headers, self._request.body)

    def _outgoing(self) -> Outgoing:
        headers = self._headers.copy()
        headers.update(self._signature.headers)
        request = self._request
        return Outgoing(
            request.method,
            self.url,
            headers,
            request.body,
            self._upload,
            self._way,
            request.account.id,
            self.fresh_only,
        )

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

    def __repr__(self) -> str:
        return f"<Sending {self._request.method} {self._phase}>"
