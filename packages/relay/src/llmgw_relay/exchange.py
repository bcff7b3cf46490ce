"""One chat, or one of the smaller questions, from the request read to the last byte settled."""

from __future__ import annotations

import asyncio

from llmgw_domain import Route, StreamErrors
from llmgw_domain.errors import GatewayError
from llmgw_protocols import EncodeContext, Envelope
from llmgw_protocols.enquiry import Estimate
from llmgw_relay.answering import Answering
from llmgw_relay.asking import Asked, Asking, Chat, Enquiring, facts_of
from llmgw_relay.attempt import Attempt
from llmgw_relay.books import ESTIMATED
from llmgw_relay.call import Admission, Beat, Call, Reply
from llmgw_relay.candidates import Chosen
from llmgw_relay.endings import stream_errors
from llmgw_relay.fallbacks import Fallbacks
from llmgw_relay.meter import Meter
from llmgw_relay.naming import form_of
from llmgw_relay.parts import Parts
from llmgw_relay.retry import cannot_answer
from llmgw_relay.transform import ending

_JSON = "application/json"
_WHITE = b"\n"
"""White space, which JSON may have before it."""

_HEARD_OUT_SECONDS = 0.5
_HEARD_OUT_BYTES = 64 * 1024
"""What a stream that its client left after the model's last word is worth waiting for. Whoever is cut off counts
nothing for us, and an HTTP/1.1 connection is lost with it."""

_QUIET_SECONDS = 30.0
"""A call in the queue gives no sign of life before that: with it goes the chance to be told to come back (503)."""

PROVISIONAL = (b"x-gw-provisional", b"1")
"""Marks headers that were sent with a heartbeat: what they tell of the target may change yet."""


class Exchange(Answering):
    """A chat, or a smaller question: who is asked, and what becomes of it."""

    def __init__(self, parts: Parts, admission: Admission, call: Call) -> None:
        super().__init__(parts, admission, call)
        self._said: Envelope | None = None
        """The request as a translated answer repeats it."""
        self._begun = False
        """The client has the status 200 already, with a heartbeat."""

    # --- leaving ----------------------------------------------------------------------------------------------------

    async def _leave(self, error: BaseException | None) -> None:
        attempt = self._attempt
        try:
            if isinstance(error, asyncio.CancelledError) and attempt is not None and self._nearly_over(attempt):
                await self._hear_out(attempt)
        finally:
            await super()._leave(error)

    def _nearly_over(self, attempt: Attempt) -> bool:
        """Whether the client left a stream of which only the count and the end mark can be missing."""
        envelope, meter = self._envelope, self._meter
        ended = envelope is not None and len(meter.finishes) >= envelope.choices
        return ended and not (self._books.settled or attempt.over or attempt.more or meter.failure)

    async def _hear_out(self, attempt: Attempt) -> None:
        """Reads on for a moment, for the provider's count and a connection that can be used again."""
        most = attempt.received + _HEARD_OUT_BYTES
        try:
            async with asyncio.timeout(_HEARD_OUT_SECONDS):
                while not attempt.over and attempt.received < most:
                    if (await self._read(attempt)).error is not None:
                        return
        except (GatewayError, TimeoutError):
            return
        if attempt.over:
            self._meter.heard_out = True
            self._keep(attempt)

    # --- heartbeats -------------------------------------------------------------------------------------------------

    def beat(self, *, first: bool) -> Beat | None:
        envelope, attempt = self._envelope, self._attempt
        if envelope is None or self._books.settled or not self._is_alive:
            return None
        wanted = self._call.heartbeats
        if wanted == "off" or not (envelope.stream or ((first or self._begun) and self._wants_json)):
            return None
        dialect = self._call.dialect
        self._begun = self._begun or first
        data = dialect.heartbeat(envelope.form) if envelope.stream else _WHITE
        self._books.sent += len(data)
        content_type = dialect.content_type(stream=envelope.stream, form=envelope.form)
        asked = attempt if self._turn.waits_since is None else None
        return Beat(data, [*self._books.headers(asked, content_type), PROVISIONAL])

    @property
    def _is_alive(self) -> bool:
        """Whether a sign of life would be true."""
        since = self._turn.waits_since
        if since is not None:
            return self._parts.clock() - since >= _QUIET_SECONDS
        return self._attempt is not None and self._attempt.alive

    @property
    def _wants_json(self) -> bool:
        return self._call.heartbeats == "json" or self._admission.policy.json_heartbeats

    async def _refuse(self, error: GatewayError) -> Reply:
        """A failure before the first event. Where the status has been sent, it is told as the end of a stream is."""
        if not self._begun:
            return await super()._refuse(error)
        error, attempt, envelope = self._shown(error), self._attempt, self._envelope
        assert envelope is not None
        if envelope.stream:
            encoder = self._call.dialect.encoder(self._context(envelope))
            used = self._meter.settled_usage(complete=False, request_bytes=0)
            body = ending(encoder, error, used)
        else:
            body = self._call.dialect.error_body(error, self._call.request_id)
        self._books.sent += len(body)
        self._books.settle(attempt, self._meter, "failed", error, 200)
        return Reply(200, [], body, broken=not envelope.stream)

    # --- the request path -------------------------------------------------------------------------------------------

    async def _answer(self) -> Reply:
        envelope = self._read_envelope()
        self._books.stream = envelope.stream
        named = self._route(envelope.model)
        self._said = self._continuing.shown(envelope)
        envelope, route = await self._continuing.resume(envelope, named)
        self._envelope = envelope
        chat = self._call.enquiry is None
        # What is kept at an account can't be asked elsewhere, and no model's numbers are another's.
        fallbacks = Fallbacks(self._admission, named.model if chat and route is named else None)
        await self._turn.begin(form_of(self._call.dialect.name) if chat else None, envelope)
        while True:
            asking = await self._asking(envelope, route)
            self._turn.most_wait = self._most_wait(fallbacks)
            try:
                return await self._ask_accounts(asking, route)
            except GatewayError as error:
                instead = None if self._is_late else fallbacks.after(error)
                if instead is None:
                    raise
            await self._fall_back(instead)
            route = instead.route

    def _most_wait(self, fallbacks: Fallbacks) -> float:
        config = self._parts.config
        return config.fallback_wait_seconds if fallbacks.help("overloaded") else config.max_wait_seconds

    async def _ask_accounts(self, asking: Asking, route: Route) -> Reply:
        """Asks one account after the other. Raises what the last one, or the lack of one, means."""
        readers = self._readers(route) if asking.opaque else None
        self._turn.only_at(readers)
        while True:
            try:
                pick = await self._place(route)
            except GatewayError:
                if readers is None or self._is_late or not asking.leave_out_reasoning():
                    raise
                readers = None
                self._turn.only_at(None)
                continue
            # Leased and written down without an await in between; recorded before anything is sent.
            asked = self._ask(asking, pick, route)
            if isinstance(asked, Estimate):
                pick.lease.release()
                return await self._tell(asked)
            try:
                return await self._try(asking, asked, pick, route)
            except GatewayError as error:
                assert self._attempt is not None
                await self._end_attempt(self._attempt, error)
                if asked.otherwise is not None and cannot_answer(error):
                    return await self._tell(asked.otherwise)
                if not self._may_retry(error):
                    raise

    def _readers(self, route: Route) -> set[str] | None:
        """The accounts that can read what was sealed for the one that served the session last; None where that is not
        known, and the provider has to say.
        """
        last = self._admission.catalog.accounts.get(self._turn.last_account or "")
        if last is None or not last.provider.speaks_openai:
            return None
        return {c.account.id for c in route if c.account.reader == last.reader} or None

    def _read_envelope(self) -> Envelope:
        call = self._call
        return call.enquiry.envelope(call.wire) if call.enquiry else call.dialect.envelope(call.wire)

    async def _asking(self, envelope: Envelope, route: Route) -> Asking:
        call = self._call
        if call.enquiry:
            return Enquiring(call.enquiry, envelope)
        chat = Chat(call.dialect, envelope, self._continuing.lost(envelope), self._parts.learned)
        await chat.recall(self._parts.stash, self._admission.key.tenant, route)
        await chat.gather(self._parts.fetch, route, self._remaining())
        return chat

    async def _try(self, asking: Asking, asked: Asked, pick: Chosen, route: Route) -> Reply:
        """Asks one account, and once more under the same lease where its refusal says how it would take the request."""
        candidate, envelope = pick.candidate, asking.envelope
        attempt = self._begin(asked, pick, envelope)
        try:
            return await self._run(attempt, envelope)
        except GatewayError as error:
            facts = facts_of(candidate, route.model.max_output_tokens, self._parts.advertised)
            again = asking.again(asked, error, facts, candidate.target.api)
            if again is None:
                raise
            self._books.failed(attempt, error)
        await attempt.close()
        reply = await self._run(self._begin(again, pick, envelope), envelope)
        self._parts.learned.learn(candidate.account.id, candidate.model, again.repairs[-1])
        return reply

    def _ask(self, asking: Asking, pick: Chosen, route: Route) -> Asked | Estimate:
        try:
            facts = facts_of(pick.candidate, route.model.max_output_tokens, self._parts.advertised)
            return asking.of(facts, pick.candidate.target.api)
        except GatewayError as error:
            pick.lease.release()
            # What a fallback can't express must not hide why the first choice failed.
            raise self._failures[-1] if self._failures else error from None
        except BaseException:
            pick.lease.release()
            raise

    def _begin(self, asked: Asked, pick: Chosen, envelope: Envelope) -> Attempt:
        self._meter = Meter()
        attempt = self._attempt = Attempt(
            candidate=pick.candidate,
            lease=pick.lease,
            wall=self._parts.wall,
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

    def _context(self, envelope: Envelope) -> EncodeContext:
        return EncodeContext(
            model=envelope.model,
            request_id=self._answer_id(envelope),
            created=int(self._parts.wall()),
            include_usage=envelope.include_usage,
            choices=envelope.choices,
            stream_errors=self._stream_errors(),
            form=envelope.form,
            request=self._said,
        )

    def _answer_id(self, envelope: Envelope) -> str:
        """What the answer's id is made of. A client may choose its request's id again, never that of a kept answer."""
        request_id = self._call.request_id
        return (
            f"{request_id}-{int(self._parts.rand() * 2**48):012x}" if self._continuing.keeps(envelope) else request_id
        )

    def _stream_errors(self) -> StreamErrors:
        user_agent = self._call.wire.headers.get("user-agent", "")
        return stream_errors(
            self._call.stream_errors, self._admission.policy.stream_errors, self._parts.config.stream_errors, user_agent
        )
