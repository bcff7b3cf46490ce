"""What an account answers, turned into what the client gets: whole, or piece by piece."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from llmgw_domain.errors import GatewayError, UpstreamTruncated
from llmgw_protocols import Envelope, Rendered
from llmgw_relay.attempt import Attempt
from llmgw_relay.call import Admission, Call, Reply
from llmgw_relay.carriage import Carriage
from llmgw_relay.continuing import Continuing
from llmgw_relay.parts import Parts
from llmgw_relay.transform import Step


class Answering(Carriage):
    """A call whose answer is decoded as it passes."""

    def __init__(self, parts: Parts, admission: Admission, call: Call) -> None:
        super().__init__(parts, admission, call)
        self._continuing = Continuing(parts, admission, call.dialect)
        self._envelope: Envelope | None = None
        """The request with its history."""
        self._broken: GatewayError | None = None

    # --- one attempt ------------------------------------------------------------------------------------------------

    async def _run(self, attempt: Attempt, envelope: Envelope) -> Reply:
        self._books.asked()
        await self._open(attempt)
        if envelope.stream:
            return await self._stream_reply(attempt, envelope)
        return await self._whole_reply(attempt)

    async def _open(self, attempt: Attempt) -> None:
        """Sends the attempt's next request. Raises what its refusal means."""
        reply = await attempt.open(self._parts.upstream)
        if reply.status >= 400:
            body = await reply.read(self._parts.config.max_answer_bytes)
            raise attempt.fault(reply.status, reply.headers, body)

    async def _whole_reply(self, attempt: Attempt) -> Reply:
        bodies = [await self._body(attempt)]
        self._books.first_byte()
        self._go_on(attempt, attempt.transform.further(bodies[0]))
        while attempt.more:
            await self._open(attempt)
            bodies.append(await self._body(attempt))
            self._go_on(attempt, attempt.transform.further(bodies[-1]))
        step = attempt.transform.whole(bodies)
        if step.error is not None:
            raise step.error
        self._books.sent += len(step.out)
        headers = self._books.headers(attempt, self._call.dialect.content_type(stream=False))
        self._settle(attempt, attempt.reply.status)
        return Reply(attempt.reply.status, headers, step.out)

    async def _body(self, attempt: Attempt) -> bytes:
        body = await attempt.reply.read(self._parts.config.max_answer_bytes - attempt.received)
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
        # The provider keeps it even if nobody reads it to its end.
        self._own(attempt)
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
        if not broken:
            self._keep(attempt)
        self._books.settle(attempt, self._meter, "failed" if broken else "ok", broken, status)

    def _keep(self, attempt: Attempt) -> None:
        """Keeps what the client may not bring back, or may come back to."""
        response = attempt.transform.response or b""
        self._own(attempt, response)
        if self._envelope is not None and response and attempt.dialect.name != self._call.dialect.name:
            self._continuing.keep(self._envelope, response)
        keeper = attempt.transform.keeper
        kept = keeper.kept(attempt.candidate.model, attempt.candidate.account.reader) if keeper else None
        if keeper is not None and kept is not None:
            self._parts.stash.put(self._admission.key.tenant, keeper.keys, kept)

    def _own(self, attempt: Attempt, response: bytes = b"") -> None:
        """Remembers where a provider of the client's own dialect keeps its answer."""
        if self._envelope is not None and attempt.dialect.name == self._call.dialect.name:
            self._continuing.own(self._envelope, self._meter.id, attempt.candidate.account.id, response)

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
        if attempt.more:
            await self._open(attempt)
        data = await attempt.next_chunk()
        if data is None:
            step = attempt.transform.eof()
            attempt.over = step.further is None
        else:
            attempt.received += len(data)
            events = self._meter.events
            step = attempt.transform.feed(data)
            if self._meter.events != events:
                attempt.reply.progress()
            attempt.over = step.over
        self._go_on(attempt, step.further)
        return step

    def _go_on(self, attempt: Attempt, further: Rendered | None) -> None:
        """Has an answer that the provider paused continued: the same attempt, the same account."""
        if further is not None:
            attempt.ask(self._upstream_request(attempt.candidate.account, further, self._books.stream))
