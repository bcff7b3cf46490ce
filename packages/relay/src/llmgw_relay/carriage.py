"""What every call that reaches a provider has in common: choosing an account, refusing, settling once."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import AsyncGenerator
from types import TracebackType

import msgspec

from llmgw_balancer import Exclusion, Lease, Pick, acquire
from llmgw_domain import Account, Candidate, Route
from llmgw_domain.errors import ClientGone, GatewayError, NoAccount, UnknownModel
from llmgw_protocols import Rendered
from llmgw_relay.attempt import Attempt
from llmgw_relay.books import Books, retry_headers
from llmgw_relay.call import Admission, Beat, Call, Reply
from llmgw_relay.meter import Meter
from llmgw_relay.parts import Parts
from llmgw_relay.ports import UpstreamRequest
from llmgw_relay.retry import most_telling

_MAX_MODEL = 256
"""Characters of a model's name. A star route takes any name, and it is repeated in every chunk and log line."""


class Chosen(msgspec.Struct, frozen=True):
    """An account for the next attempt, and the lease on it."""

    candidate: Candidate
    lease: Lease


class Carriage:
    """The state of one call. Entered once, left once; what it gives is the reply."""

    def __init__(self, parts: Parts, admission: Admission, call: Call) -> None:
        self._parts = parts
        self._admission = admission
        self._call = call
        self._books = books(parts, admission, call)
        self._meter = Meter()
        self._attempt: Attempt | None = None
        self._tried: list[str] = []
        self._failures: list[GatewayError] = []
        self._stream: AsyncGenerator[bytes, None] | None = None

    @abstractmethod
    async def _answer(self) -> Reply:
        """The reply. Raises `GatewayError` for a call that fails before its first byte."""

    def beat(self, *, first: bool) -> Beat | None:
        """See `Carried`. What passes through as it comes has no room for it."""
        return None

    async def __aenter__(self) -> Reply:
        try:
            return await self._answer()
        except GatewayError as error:
            return await self._refuse(error)
        except BaseException as error:
            await self._leave(error)
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._leave(error)

    async def _leave(self, error: BaseException | None) -> None:
        # Settling comes first and awaits nothing: closing the upstream may be cancelled again, the books may not.
        if isinstance(error, Exception):
            fault = GatewayError(detail=f"{type(error).__name__}: {error}")
            self._books.settle(self._attempt, self._meter, "failed", fault, fault.status)
        self._books.settle(self._attempt, self._meter, "cancelled", ClientGone())
        try:
            if self._stream is not None:
                await self._stream.aclose()
        finally:
            if self._attempt is not None:
                await self._attempt.close()

    # --- choosing ---------------------------------------------------------------------------------------------------

    def _route(self, model: str) -> Route:
        """Where a model's name leads. Raises `UnknownModel`, `KeyNotAllowed`."""
        self._books.model = model[:_MAX_MODEL]
        if len(model) > _MAX_MODEL:
            raise UnknownModel(f"A model's name is at most {_MAX_MODEL} characters long.", param="model")
        route = self._admission.catalog.route(model, self._admission.policy)
        # The pattern, not what the client put for its star, or any client could fill the metrics with names.
        self._books.model = route.model.name
        return route

    def _choose(self, route: Route) -> Chosen:
        parts = self._parts
        pick = acquire(route.tiers, parts.slots, parts.rand, self._tried, parts.signals.doubted)
        if pick.candidate is None or pick.lease is None:
            raise self._nobody(pick)
        return Chosen(pick.candidate, pick.lease)

    def _nobody(self, pick: Pick) -> GatewayError:
        if self._failures:
            return self._failures[-1]
        reasons = list(pick.excluded.values())
        said = [f"{reasons.count(reason)} {reason}" for reason in Exclusion if reason in reasons]
        why = f"its accounts are: {', '.join(said)}" if said else "its pools hold no account"
        resource = self._call.resource
        what = f"the model {self._books.model!r}" if self._books.model or resource is None else resource.kind
        return NoAccount(f"No account is available for {what} now: {why}.", retry_after=1.0)

    def _upstream_request(self, account: Account, rendered: Rendered, stream: bool) -> UpstreamRequest:
        remaining = self._remaining()
        deadlines = account.deadlines
        if remaining is not None:
            total = remaining if deadlines.total is None else min(deadlines.total, remaining)
            deadlines = msgspec.structs.replace(deadlines, total=max(total, 0.001))
        return UpstreamRequest(
            account=account,
            path=rendered.path,
            query=rendered.query,
            headers=(*account.server.headers.items(), *rendered.headers),
            body=rendered.body,
            deadlines=deadlines,
            stream=stream,
        )

    def _remaining(self) -> float | None:
        if self._call.timeout is None:
            return None
        return self._call.timeout - (self._parts.clock() - self._call.started)

    # --- refusals ---------------------------------------------------------------------------------------------------

    async def _end_attempt(self, attempt: Attempt, error: GatewayError) -> None:
        attempt.lease.release()
        self._books.judge(attempt, error)
        error.bytes_received = attempt.received
        self._failures.append(error)
        await attempt.close()

    def _shown(self, error: GatewayError) -> GatewayError:
        """Of several attempts' errors the one to show."""
        return most_telling(self._failures) if self._failures and error is self._failures[-1] else error

    async def _refuse(self, error: GatewayError) -> Reply:
        """The answer to a call that failed before its first byte, in the client's own envelope."""
        call, attempt = self._call, self._attempt
        error = self._shown(error)
        status = call.dialect.status_of(error)
        body = (attempt and attempt.own_words(error, call.dialect)) or call.dialect.error_body(error, call.request_id)
        headers = self._books.headers(attempt, call.dialect.content_type(stream=False)) + retry_headers(error)
        self._books.sent = len(body)
        self._books.settle(attempt, self._meter, "refused", error, status)
        return Reply(status, headers, body)


def books(parts: Parts, admission: Admission, call: Call) -> Books:
    return Books(admission, call, facts=parts.facts, signals=parts.signals, clock=parts.clock, wall=parts.wall)
