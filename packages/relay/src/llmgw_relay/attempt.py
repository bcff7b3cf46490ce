"""One try of a call at one account: the lease, the open response, and what was received.

Mostly one request; a question that a provider takes only in parts is several, sent one after the other.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence

from llmgw_balancer import Lease
from llmgw_domain import Candidate
from llmgw_domain.errors import GatewayError, RateLimited
from llmgw_domain.limits import RateLimits
from llmgw_domain.signals import Signal
from llmgw_protocols import ProviderDialect, Rendered, ratelimits, signals
from llmgw_protocols.redaction import holds_secret
from llmgw_relay.ports import Upstream, UpstreamLease, UpstreamReply, UpstreamRequest
from llmgw_relay.transform import Transform

_SHORTEST_SECRET = 8
"""Characters. A shorter placeholder key (`x`, `none`) would be found inside ordinary words."""


class Attempt:
    """`open` sends the next request while there are `more`; `close` as often as you like, it works once."""

    def __init__(
        self,
        *,
        candidate: Candidate,
        lease: Lease,
        dialect: ProviderDialect,
        rendered: Rendered,
        requests: Sequence[UpstreamRequest],
        wall: Callable[[], float],
        transform: Transform | None = None,
    ) -> None:
        self.candidate = candidate
        self.lease = lease
        self.dialect = dialect
        self.rendered = rendered
        self._transform = transform
        self._requests = list(requests)
        self._wall = wall
        self.received = 0
        self.over = False
        self.limits: RateLimits | None = None
        """What the provider said of the account's limits with its last response."""
        self.signal: Signal | None = None
        """What that means for those who choose accounts."""
        self._fault: tuple[GatewayError, bytes] | None = None
        self._opening: UpstreamLease | None = None
        self._context: UpstreamLease | None = None
        self._reply: UpstreamReply | None = None
        self._chunks: AsyncIterator[bytes] | None = None

    async def open(self, upstream: Upstream) -> UpstreamReply:
        await self.close()
        context = self._opening = upstream.open(self._requests.pop(0))
        self._reply = await context.__aenter__()
        # Only an entered context is left again; one that failed to enter has cleaned up after itself.
        self._context = context
        self.limits = self._limits(self._reply.headers)
        if self.limits is not None and self._reply.status < 400:
            self.signal = signals.ahead(self.limits)
        return self._reply

    @property
    def transform(self) -> Transform:
        """What turns the answer into the client's, where it is not passed on as it comes."""
        assert self._transform is not None
        return self._transform

    @property
    def alive(self) -> bool:
        """Whether the provider is believed to be there; true while nobody knows yet."""
        return self._opening is None or self._opening.alive

    def ask(self, request: UpstreamRequest) -> None:
        """Adds a request to those to be sent."""
        self._requests.append(request)

    @property
    def more(self) -> bool:
        """Whether requests are left to send."""
        return bool(self._requests)

    @property
    def reply(self) -> UpstreamReply:
        assert self._reply is not None
        return self._reply

    async def next_chunk(self) -> bytes | None:
        """The next network read of the body; None at its well-framed end. Raises what the transport raises."""
        if self._chunks is None:
            self._chunks = self.reply.chunks()
        try:
            return await anext(self._chunks, None)
        except BaseException:
            # What was cancelled goes on with a new iterator; an old one would claim that the body is at its end.
            self._chunks = None
            raise

    def fault(self, status: int, headers: Mapping[str, str], body: bytes) -> GatewayError:
        """The provider's refusal as an error; its body is kept for clients of the same dialect.

        Servers quote the key that they were given. The gateway knows which one that was, so it takes out that very
        text, whatever it looks like.
        """
        for secret in self.candidate.account.secrets():
            if len(secret) >= _SHORTEST_SECRET:
                body = body.replace(secret.encode(), b"[hidden]")
        error = self.dialect.fault(status, headers, body)
        self._fault = (error, body)
        self.limits = limits = self._limits(headers, body)
        if limits is not None:
            wait = limits.wait if isinstance(error, RateLimited) else limits.retry_after
            error.retry_after = error.retry_after if wait is None else wait
            error.should_retry = limits.should_retry if error.should_retry is None else error.should_retry
        self.signal = signals.read(self.candidate.account.provider, status, headers, body, error, limits)
        return error

    def _limits(self, headers: Mapping[str, str], body: bytes = b"") -> RateLimits | None:
        return ratelimits.read(headers, body, self._wall(), self.candidate.account.server)

    def own_words(self, error: GatewayError, client: ProviderDialect) -> bytes | None:
        """The provider's own body, where it refused the client's request in the client's dialect.

        It says more than our copy of it would. What an account was refused for is not the client's affair.
        """
        if self._fault is None or self._fault[0] is not error or error.blame != "request":
            return None
        body = self._fault[1]
        return body if client.name == self.dialect.name and client.owns_error(body) and not holds_secret(body) else None

    async def close(self) -> None:
        context, self._context, self._opening = self._context, None, None
        chunks, self._chunks = self._chunks, None
        try:
            # A generator left suspended would be closed by the garbage collector, in a task that nobody owns.
            if isinstance(chunks, AsyncGenerator):
                await chunks.aclose()
        finally:
            if context is not None:
                await context.__aexit__(None, None, None)

    def __repr__(self) -> str:
        return f"<Attempt {self.candidate.account.id}/{self.candidate.model} {self.lease!r}>"
