"""What every call that reaches a provider has in common: choosing an account, refusing, settling once."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import AsyncGenerator
from types import TracebackType

import msgspec

from llmgw_domain import Account, Route
from llmgw_domain.errors import ClientGone, GatewayError, NoAccount, UnknownModel
from llmgw_protocols import Rendered
from llmgw_relay.attempt import Attempt
from llmgw_relay.books import Books, retry_headers
from llmgw_relay.call import Admission, Beat, Call, Reply
from llmgw_relay.candidates import Chosen
from llmgw_relay.fallbacks import Instead
from llmgw_relay.meter import Meter
from llmgw_relay.parts import Parts
from llmgw_relay.ports import UpstreamRequest
from llmgw_relay.retry import may_retry, most_telling, rule_of
from llmgw_relay.turn import Turn

_MAX_MODEL = 256
"""Characters of a model's name. A star route takes any name, and it is repeated in every chunk and log line."""


_MOST_WAITED_OUT = 8
"""Refusals of resting accounts that a call puts up with, beside its attempts."""


class Carriage:
    """The state of one call. Entered once, left once; what it gives is the reply."""

    def __init__(self, parts: Parts, admission: Admission, call: Call) -> None:
        self._parts = parts
        self._admission = admission
        self._call = call
        self._turn = Turn(parts, admission, call.id, self._remaining)
        self._books = Books(parts, admission, call, self._turn)
        self._meter = Meter()
        self._attempt: Attempt | None = None
        self._spent: list[str] = []
        """Accounts that this call does not ask again."""
        self._failed_at: set[str] = set()
        self._failures: list[GatewayError] = []
        self._elsewhere = 0
        """Attempts at models that were asked before this one."""
        self._waited_out = 0
        """Attempts at this model that were refused by accounts which rest since then."""
        self._stream: AsyncGenerator[bytes, None] | None = None

    @abstractmethod
    async def _answer(self) -> Reply:
        """The reply. Raises `GatewayError` for a call that fails before its first byte."""

    def beat(self, *, first: bool) -> Beat | None:
        """See `Carried`. What passes through as it comes has no room for it."""
        return None

    async def __aenter__(self) -> Reply:
        self._parts.budget.call()
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

    async def _place(self, route: Route) -> Chosen:
        """An account for the next attempt, with its lease. What it returns must be written down without an await.

        Raises `NoAccount`, or why the attempt before this one failed.
        """
        try:
            return await self._turn.place(route, self._spent)
        except NoAccount as error:
            raise self._failures[-1] if self._failures else error from None

    def _may_retry(self, error: GatewayError) -> bool:
        """Whether another attempt follows. Where it does, it is counted.

        A refusal after which the account rests is waited out, which has bounds of its own.
        """
        rests = self._rests and self._waited_out < _MOST_WAITED_OUT
        self._waited_out += rests
        attempts = self._books.attempts - self._elsewhere - self._waited_out
        if not may_retry(error, attempts, self._parts.config.max_attempts, self._remaining()):
            return False
        return rests or self._parts.budget.spend()

    @property
    def _rests(self) -> bool:
        """Whether the account that refused is left alone now. Then no other call is refused for the same, and there can
        be no storm.
        """
        attempt = self._attempt
        if attempt is None or attempt.signal is None:
            return False
        return self._parts.balancer.wait(attempt.candidate) != 0.0

    async def _fall_back(self, instead: Instead) -> None:
        """Another model is asked from now on: what was learned of accounts was about the first one."""
        self._spent.clear()
        self._failed_at.clear()
        self._elsewhere, self._waited_out = self._books.attempts, 0
        await self._turn.fall_back(instead)

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

    @property
    def _is_late(self) -> bool:
        """Whether the call's time is over."""
        remaining = self._remaining()
        return remaining is not None and remaining <= 0

    # --- refusals ---------------------------------------------------------------------------------------------------

    async def _end_attempt(self, attempt: Attempt, error: GatewayError) -> None:
        # Before the lease is back, which wakes who waits for the account.
        self._books.judge(attempt, error)
        attempt.lease.release()
        self._spend(attempt, error)
        error.bytes_received = attempt.received
        self._failures.append(error)
        await attempt.close()

    def _spend(self, attempt: Attempt, error: GatewayError) -> None:
        """The account is not asked again by this call, but where it may answer and others would cost more.

        What it said of itself the balancer heeds: it is barred, and may be waited for. One that failed for reasons of
        its moment is asked once more if it holds the session's cache. In either case a second time is enough.
        """
        account = attempt.candidate.account.id
        rests = attempt.signal is not None and attempt.signal.verdict != "disable"
        again = rule_of(error).same and (rests or self._turn.is_warm_at(account))
        if again and account not in self._failed_at:
            self._failed_at.add(account)
        else:
            self._spent.append(account)

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
