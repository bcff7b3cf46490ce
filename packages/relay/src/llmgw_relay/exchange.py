"""One call, from the request read to the last byte settled."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager
from types import TracebackType

import msgspec

from llmgw_balancer import Exclusion, Lease, Pick, Slots, acquire
from llmgw_domain import Account, Candidate, Catalog, Route, StreamErrors
from llmgw_domain.errors import ClientGone, GatewayError, NoAccount, UnknownModel, UpstreamTruncated
from llmgw_protocols import EncodeContext, Envelope, Rendered, TargetFacts
from llmgw_protocols.enquiry import Estimate
from llmgw_relay.asking import Asked, Asking, Chat, Smaller
from llmgw_relay.attempt import Attempt
from llmgw_relay.books import ESTIMATED, Books, common_headers, retry_headers
from llmgw_relay.call import Admission, Call, Knock, Reply, Verb
from llmgw_relay.endings import stream_errors
from llmgw_relay.facts import CallSettled
from llmgw_relay.listing import Listing
from llmgw_relay.meter import Meter
from llmgw_relay.ports import Facts, Upstream, UpstreamRequest
from llmgw_relay.retry import cannot_answer, may_retry, most_telling
from llmgw_relay.transform import Step

_MAX_MODEL = 256
"""Characters of a model's name. A star route takes any name, and it is repeated in every chunk and log line."""


_JSON = "application/json"


class Chosen(msgspec.Struct, frozen=True):
    """An account for the next attempt, and the lease on it."""

    candidate: Candidate
    lease: Lease


class RelayConfig(msgspec.Struct, frozen=True, kw_only=True):
    """`max_answer_bytes` bounds an answer that is not a stream: it is held whole until it is known to be complete."""

    max_attempts: int = 3
    max_answer_bytes: int = 64 * 1024 * 1024
    stream_errors: StreamErrors = StreamErrors.FINISH


class Relay:
    """Serves calls from the current catalog.

    `current` is one attribute read; `clock` gives monotonic seconds, `wall` Unix seconds, `rand` a number in [0, 1).
    """

    def __init__(
        self,
        *,
        current: Callable[[], Catalog],
        upstream: Upstream,
        slots: Slots,
        facts: Facts,
        clock: Callable[[], float],
        wall: Callable[[], float],
        rand: Callable[[], float],
        config: RelayConfig | None = None,
    ) -> None:
        self.current = current
        self.upstream = upstream
        self.slots = slots
        self.facts = facts
        self.clock = clock
        self.wall = wall
        self.rand = rand
        self.config = config or RelayConfig()

    def admit(self, secret: str) -> Admission:
        """Lets a caller in on the current catalog. Raises `UnknownKey`."""
        catalog = self.current()
        key = catalog.key_for(secret)
        return Admission(catalog=catalog, key=key, policy=catalog.policy_of(key))

    def turned_away(self, knock: Knock, error: GatewayError) -> list[tuple[bytes, bytes]]:
        """Records a request that was refused before there was a call to open; the headers to answer it with."""
        self.facts.append(
            CallSettled(
                request_id=knock.request_id,
                at=self.wall(),
                tenant=knock.key.tenant if knock.key else "",
                key=knock.key.id if knock.key else "",
                dialect=knock.dialect.name,
                model="",
                stream=False,
                outcome="cancelled" if isinstance(error, ClientGone) else "refused",
                status=knock.dialect.status_of(error),
                attempts=0,
                duration=self.clock() - knock.started,
                error_code=error.code,
                error_detail=error.detail or error.message,
                client=knock.client,
                user_agent=knock.headers.get("user-agent", ""),
                config_version=self.current().version,
            )
        )
        return common_headers(knock.dialect, knock.request_id, self.current().version) + retry_headers(error)

    def open(self, admission: Admission, call: Call) -> AbstractAsyncContextManager[Reply]:
        """An async context manager that gives the `Reply` and settles on leaving, whatever happened."""
        if call.verb is Verb.LIST:
            return Listing(admission, call, self.books(admission, call))
        return Exchange(self, admission, call)

    def books(self, admission: Admission, call: Call) -> Books:
        return Books(admission, call, facts=self.facts, clock=self.clock, wall=self.wall)


class Exchange:
    """The state of one call. Entered once, left once."""

    def __init__(self, relay: Relay, admission: Admission, call: Call) -> None:
        self._relay = relay
        self._admission = admission
        self._call = call
        self._books = relay.books(admission, call)
        self._meter = Meter()
        self._attempt: Attempt | None = None
        self._tried: list[str] = []
        self._failures: list[GatewayError] = []
        self._stream: AsyncGenerator[bytes, None] | None = None
        self._broken: GatewayError | None = None

    # --- the context ------------------------------------------------------------------------------------------------

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

    # --- the request path -------------------------------------------------------------------------------------------

    async def _answer(self) -> Reply:
        envelope = self._envelope()
        self._books.model, self._books.stream = envelope.model[:_MAX_MODEL], envelope.stream
        if len(envelope.model) > _MAX_MODEL:
            raise UnknownModel(f"A model's name is at most {_MAX_MODEL} characters long.", param="model")
        route = self._admission.catalog.route(envelope.model, self._admission.policy)
        # The pattern, not what the client put for its star, or any client could fill the metrics with names.
        self._books.model = route.model.name
        asking = self._asking(envelope)
        while True:
            # Chosen, leased and written in one step without an await; recorded before anything is sent.
            pick = self._choose(route)
            asked = self._ask(asking, pick, route)
            if isinstance(asked, Estimate):
                pick.lease.release()
                return await self._tell(asked)
            attempt = self._begin(asked, pick, envelope)
            try:
                return await self._run(attempt, envelope)
            except GatewayError as error:
                await self._end_attempt(attempt, error)
                if asked.otherwise is not None and cannot_answer(error):
                    return await self._tell(asked.otherwise)
                if not may_retry(error, self._books.attempts, self._relay.config.max_attempts, self._remaining()):
                    raise

    def _envelope(self) -> Envelope:
        call = self._call
        return call.enquiry.envelope(call.wire) if call.enquiry else call.dialect.envelope(call.wire)

    def _asking(self, envelope: Envelope) -> Asking:
        call = self._call
        return Smaller(call.enquiry, envelope) if call.enquiry else Chat(call.dialect, envelope)

    def _choose(self, route: Route) -> Chosen:
        pick = acquire(route.tiers, self._relay.slots, self._relay.rand, self._tried)
        if pick.candidate is None or pick.lease is None:
            raise self._nobody(pick)
        return Chosen(pick.candidate, pick.lease)

    def _ask(self, asking: Asking, pick: Chosen, route: Route) -> Asked | Estimate:
        try:
            return asking.of(_facts(pick.candidate, route), pick.candidate.target.api)
        except GatewayError as error:
            pick.lease.release()
            # What a fallback can't express must not hide why the first choice failed.
            raise self._failures[-1] if self._failures else error from None
        except BaseException:
            pick.lease.release()
            raise

    def _begin(self, asked: Asked, pick: Chosen, envelope: Envelope) -> Attempt:
        self._tried.append(pick.candidate.account.id)
        self._meter = Meter()
        attempt = self._attempt = Attempt(
            candidate=pick.candidate,
            lease=pick.lease,
            dialect=asked.dialect,
            rendered=asked.requests[0],
            requests=[self._upstream_request(pick.candidate.account, r, envelope.stream) for r in asked.requests],
            transform=asked.transform(self._context(envelope), self._meter),
        )
        self._books.opened(attempt)
        return attempt

    async def _tell(self, estimate: Estimate) -> Reply:
        """An answer of the gateway's own, marked as such."""
        told = await asyncio.to_thread(estimate.work)
        headers = [*self._books.headers(self._attempt, _JSON), ESTIMATED]
        self._books.sent = len(told.body)
        self._books.settle(None, Meter(), "ok", status=200)
        return Reply(200, headers, told.body)

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
            headers=rendered.headers,
            body=rendered.body,
            deadlines=deadlines,
            stream=stream,
        )

    def _context(self, envelope: Envelope) -> EncodeContext:
        return EncodeContext(
            model=envelope.model,
            request_id=self._call.request_id,
            created=int(self._relay.wall()),
            include_usage=envelope.include_usage,
            choices=envelope.choices,
            stream_errors=stream_errors(
                self._call.stream_errors,
                self._admission.policy.stream_errors,
                self._relay.config.stream_errors,
                self._call.wire.headers.get("user-agent", ""),
            ),
            form=envelope.form,
            request=envelope,
        )

    async def _run(self, attempt: Attempt, envelope: Envelope) -> Reply:
        self._books.asked()
        await self._open(attempt)
        if envelope.stream:
            return await self._stream_reply(attempt, envelope)
        return await self._whole_reply(attempt)

    async def _open(self, attempt: Attempt) -> None:
        """Sends the attempt's next request. Raises what its refusal means."""
        reply = await attempt.open(self._relay.upstream)
        if reply.status >= 400:
            body = await reply.read(self._relay.config.max_answer_bytes)
            raise attempt.fault(reply.status, reply.headers, body)

    async def _whole_reply(self, attempt: Attempt) -> Reply:
        bodies = [await self._body(attempt)]
        self._books.first_byte()
        while attempt.more:
            await self._open(attempt)
            bodies.append(await self._body(attempt))
        step = attempt.transform.whole(bodies)
        if step.error is not None:
            raise step.error
        self._books.sent = len(step.out)
        headers = self._books.headers(attempt, self._call.dialect.content_type(stream=False))
        self._settle(attempt, attempt.reply.status)
        return Reply(attempt.reply.status, headers, step.out)

    async def _body(self, attempt: Attempt) -> bytes:
        body = await attempt.reply.read(self._relay.config.max_answer_bytes - attempt.received)
        attempt.received += len(body)
        return body

    # --- streams ----------------------------------------------------------------------------------------------------

    async def _stream_reply(self, attempt: Attempt, envelope: Envelope) -> Reply:
        """Reads up to the commit point: what fails before it can still be tried elsewhere, or keep its status."""
        held: list[bytes] = []
        while not attempt.over and not self._meter.semantic:
            step = await self._read(attempt)
            if step.error is not None:
                raise step.error
            held.append(step.out)
        if not self._meter.semantic and self._meter.failure is None:
            raise UpstreamTruncated()
        self._books.first_byte()
        content_type = self._call.dialect.content_type(stream=True, form=envelope.form)
        self._stream = self._chunks(attempt, b"".join(held))
        return Reply(200, self._books.headers(attempt, content_type), chunks=self._stream)

    async def _chunks(self, attempt: Attempt, first: bytes) -> AsyncGenerator[bytes, None]:
        """The client's bytes. The call is settled before its last piece is handed over."""
        out = first
        while not attempt.over:
            if out:
                self._books.sent += len(out)
                yield out
            out = await self._next(attempt)
        self._books.sent += len(out)
        self._settle(attempt, 200)
        if out:
            yield out

    def _settle(self, attempt: Attempt, status: int) -> None:
        """Settles an answer that was given, as a good one or a broken one."""
        in_band = self._meter.failure
        broken = self._broken or (in_band.error if in_band is not None else None)
        self._books.settle(attempt, self._meter, "failed" if broken else "ok", broken, status)

    async def _next(self, attempt: Attempt) -> bytes:
        try:
            step = await self._read(attempt)
        except GatewayError as error:
            step = Step(b"", error)
        broken = step.error
        if broken is None:
            return step.out
        attempt.over = True
        self._broken = broken
        broken.bytes_received = attempt.received
        used = self._meter.settled_usage(complete=False, request_bytes=len(self._call.wire.body))
        return step.out + attempt.transform.fail(broken, used)

    async def _read(self, attempt: Attempt) -> Step:
        """One network read, turned into the client's bytes. Raises what the transport raises."""
        data = await attempt.next_chunk()
        if data is None:
            attempt.over = True
            return attempt.transform.eof()
        attempt.received += len(data)
        step = attempt.transform.feed(data)
        attempt.over = step.over
        return step

    # --- refusals ---------------------------------------------------------------------------------------------------

    async def _end_attempt(self, attempt: Attempt, error: GatewayError) -> None:
        attempt.lease.release()
        error.bytes_received = attempt.received
        self._failures.append(error)
        await attempt.close()

    async def _refuse(self, error: GatewayError) -> Reply:
        """The answer to a call that failed before its first byte, in the client's own envelope."""
        call, attempt = self._call, self._attempt
        if self._failures and error is self._failures[-1]:
            error = most_telling(self._failures)
        status = call.dialect.status_of(error)
        body = (attempt and attempt.own_words(error, call.dialect)) or call.dialect.error_body(error, call.request_id)
        headers = self._books.headers(attempt, call.dialect.content_type(stream=False)) + retry_headers(error)
        self._books.sent = len(body)
        self._books.settle(attempt, self._meter, "refused", error, status)
        return Reply(status, headers, body)

    def _nobody(self, pick: Pick) -> GatewayError:
        if self._failures:
            return self._failures[-1]
        reasons = list(pick.excluded.values())
        said = [f"{reasons.count(reason)} {reason}" for reason in Exclusion if reason in reasons]
        why = f"its accounts are: {', '.join(said)}" if said else "its pools hold no account"
        return NoAccount(f"No account is available for the model {self._books.model!r} now: {why}.", retry_after=1.0)

    def _remaining(self) -> float | None:
        if self._call.timeout is None:
            return None
        return self._call.timeout - (self._relay.clock() - self._call.started)


def _facts(candidate: Candidate, route: Route) -> TargetFacts:
    account = candidate.account
    return TargetFacts(
        provider=account.provider,
        model=candidate.model,
        max_output_tokens=route.model.max_output_tokens,
        platform=account.platform,
        server=account.server,
    )
