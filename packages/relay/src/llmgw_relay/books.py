"""The books of one call: what is recorded of it, and what the response headers tell of it."""

from __future__ import annotations

import math

import msgspec

from llmgw_affinity.placing import Placement
from llmgw_balancer import Outcome as Went
from llmgw_domain import Usage
from llmgw_domain.errors import (
    ClientGone,
    GatewayError,
    QuotaExhausted,
    UpstreamFailed,
    UpstreamSilent,
    UpstreamTimeout,
)
from llmgw_protocols import Dialect
from llmgw_relay.attempt import Attempt
from llmgw_relay.call import Admission, Call, Verb
from llmgw_relay.facts import AttemptEnded, CallOpened, CallSettled, Outcome
from llmgw_relay.meter import Meter
from llmgw_relay.parts import Parts
from llmgw_relay.turn import Turn, shown

_MAX_RETRY_AFTER = 120
"""Seconds. OpenAI's SDK does not retry at all above this, Anthropic's sleeps as long as it is told."""

_MAX_USER_AGENT = 256

_FAILED = (UpstreamFailed, UpstreamSilent)
"""Failures of an account or of the way to it. A call's total time is the client's to choose, so its end is none."""

ESTIMATED = (b"x-gw-estimated", b"1")
"""Marks an answer that is the gateway's own estimate, e.g. a token count where the provider can't count."""


class Books:
    """Kept from admission to settlement. `settle` counts once; everything here is synchronous."""

    def __init__(self, parts: Parts, admission: Admission, call: Call, turn: Turn) -> None:
        self._admission = admission
        self._call = call
        self._turn = turn
        self._facts = parts.facts
        self._balancer = parts.balancer
        self._clock = parts.clock
        self._wall = parts.wall
        self._session_wall = parts.session_wall
        self._judged: Attempt | None = None
        self._failure: tuple[GatewayError, AttemptEnded] | None = None
        """That of the last attempt, for as long as nothing tells of it."""
        self._asked: float | None = None
        self._asked_at = 0.0
        self._first_byte: float | None = None
        self.model = ""
        self.stream = False
        self.attempts = 0
        self.sent = 0
        self.settled = False

    def opened(self, attempt: Attempt) -> None:
        """An attempt is about to be sent. Raises `GatewayBusy` if that can't be written down."""
        admission, account, at = self._admission, attempt.candidate.account, self._wall()
        self._facts.append(
            CallOpened(
                call=self._call.id,
                request_id=self._call.request_id,
                at=at,
                tenant=admission.key.tenant,
                key=admission.key.id,
                dialect=self._call.dialect.name,
                model=self.model,
                account=account.id,
                provider=account.provider.value,
                target_model=attempt.candidate.model,
                attempt=self.attempts + 1,
                choice=self._turn.choice(),
            )
        )
        self.attempts += 1
        self._tell_failure(retried=True)
        self._asked = self._first_byte = None
        if (placed := self._turn.moved(at)) is not None:
            self._facts.append(placed)

    def asked(self) -> None:
        """The upstream is being asked: what came before was the gateway's own time."""
        self._asked, self._asked_at = self._clock(), self._session_wall()

    def first_byte(self) -> None:
        self._first_byte = self._clock()

    def headers(self, attempt: Attempt | None, content_type: str) -> list[tuple[bytes, bytes]]:
        """The headers of a reply, as `contract` names them."""
        call, catalog = self._call, self._admission.catalog
        headers = [(b"content-type", content_type.encode())]
        headers += common_headers(call.dialect, call.request_id, catalog.version, self.attempts, self._turn.placement)
        if attempt is not None:
            headers.append((b"x-gw-model", header_text(attempt.candidate.model)))
            if not self._admission.policy.hide_accounts:
                headers.append((b"x-gw-account", header_text(attempt.candidate.account.id)))
            if attempt.rendered.lossy:
                headers.append((b"x-gw-lossy", header_text(",".join(attempt.rendered.lossy))))
        return headers

    def settle(
        self,
        attempt: Attempt | None,
        meter: Meter,
        outcome: Outcome,
        error: GatewayError | None = None,
        status: int = 499,
    ) -> None:
        """Closes the books: the lease goes back and the fact is written. Only the first call counts."""
        if self.settled:
            return
        self.settled = True
        usage = self._usage(attempt, meter, outcome)
        if attempt is not None:
            # In this order: a lease that comes back wakes who waits for the account, whatever it said of itself.
            self.judge(attempt, error, usage)
            attempt.lease.release()
            if outcome in ("ok", "cancelled"):
                self._turn.heard(attempt.candidate, meter.usage, self._asked_at)
        self._turn.leave()
        if self._failure is not None and self._failure[0] is not error:
            self._tell_failure(retried=False)
        self._facts.append(self._fact(attempt, meter, outcome, usage, error, status))

    def judge(self, attempt: Attempt, error: GatewayError | None, usage: Usage | None = None) -> None:
        """Tells the balancer how the attempt's account did. Once for each attempt."""
        if attempt is self._judged:
            return
        self._judged = attempt
        if error is not None:
            self.failed(attempt, error)
        self._balancer.learn(
            attempt.lease,
            _went(error),
            attempt.signal,
            first_byte=self._first_after(),
            tokens=None if usage is None else usage.total,
        )

    def failed(self, attempt: Attempt, error: GatewayError) -> None:
        """An attempt failed. It is written down unless the call's settlement tells of it."""
        admission, call, asked = self._admission, self._call, self._asked
        ended = AttemptEnded(
            call=call.id,
            request_id=call.request_id,
            at=self._wall(),
            tenant=admission.key.tenant,
            key=admission.key.id,
            account=attempt.candidate.account.id,
            attempt=self.attempts,
            error_code=error.code,
            error_detail=_detail(error, attempt),
            upstream_status=error.upstream_status,
            duration=None if asked is None else self._clock() - asked,
            first_byte=self._first_after(),
            signal=attempt.signal,
            retried=False,
        )
        self._failure = error, ended

    def _tell_failure(self, *, retried: bool) -> None:
        if self._failure is not None:
            self._facts.append(msgspec.structs.replace(self._failure[1], retried=retried))
            self._failure = None

    def _first_after(self) -> float | None:
        """Seconds from the upstream asked to the answer's first byte."""
        return None if self._first_byte is None or self._asked is None else self._first_byte - self._asked

    def _fact(
        self,
        attempt: Attempt | None,
        meter: Meter,
        outcome: Outcome,
        usage: Usage | None,
        error: GatewayError | None,
        status: int,
    ) -> CallSettled:
        admission, call, started = self._admission, self._call, self._call.started
        headers = call.wire.headers
        candidate = attempt.candidate if attempt else None
        excluded, more = shown(self._turn.excluded)
        return CallSettled(
            call=call.id,
            request_id=call.request_id,
            at=self._wall(),
            tenant=admission.key.tenant,
            key=admission.key.id,
            dialect=call.dialect.name,
            model=self.model,
            stream=self.stream,
            outcome=outcome,
            status=status,
            attempts=self.attempts,
            duration=self._clock() - started,
            account=candidate.account.id if candidate else None,
            provider=candidate.account.provider.value if candidate else None,
            target_model=candidate.model if candidate else None,
            finish=meter.finish,
            error_code=error.code if error else None,
            error_detail=_detail(error, attempt) if error else None,
            upstream_status=error.upstream_status if error else None,
            upstream_message=error.upstream_message if error else None,
            first_byte=None if self._first_byte is None else self._first_byte - started,
            overhead=None if self._asked is None else self._asked - started,
            usage=usage,
            unmetered=outcome == "ok" and self._sells and meter.usage is None,
            limits=attempt.limits if attempt else None,
            signal=attempt.signal if attempt else None,
            bytes_sent=self.sent,
            bytes_received=attempt.received if attempt else 0,
            lossy=attempt.rendered.lossy if attempt else (),
            client=call.client,
            user_agent=headers.get("user-agent", "")[:_MAX_USER_AGENT],
            tags=call.tags,
            retry_count=headers.get("x-stainless-retry-count", "")[:8],
            config_version=admission.catalog.version,
            endpoint=_endpoint(call),
            session=self._turn.facts(),
            queued=self._turn.waited,
            excluded=excluded,
            more_excluded=more,
        )

    @property
    def _sells(self) -> bool:
        """Whether a provider bills the call, whatever it says of it."""
        resource = self._call.resource
        return resource is not None and resource.aim == "model"

    def _usage(self, attempt: Attempt | None, meter: Meter, outcome: Outcome) -> Usage | None:
        if attempt is None:
            return None
        # A refusal is not billed by any provider, unless it said so; nor is an answer that is no model's text. Whoever
        # was asked for a chat and not heard out may well bill what it did.
        if outcome == "refused" or self._call.verb is not Verb.GENERATE:
            return meter.usage
        return meter.settled_usage(complete=outcome == "ok", request_bytes=len(self._call.wire.body))


def _went(error: GatewayError | None) -> Went:
    """How a call went, as far as it tells of its account."""
    if error is None:
        return Went.ANSWERED
    if isinstance(error, ClientGone):
        return Went.LEFT
    if isinstance(error, _FAILED):
        return Went.FAILED
    if isinstance(error, UpstreamTimeout):
        return Went.LEFT
    return Went.LIMITED if error.blame != "request" else Went.ANSWERED


def common_headers(
    dialect: Dialect, request_id: str, version: str, attempts: int = 0, placement: Placement = "none"
) -> list[tuple[bytes, bytes]]:
    """What every response to a call carries, also one that was refused at the door."""
    headers = [
        (b"x-gw-attempts", b"%d" % attempts),
        (b"x-gw-session", placement.encode()),
        (b"x-gw-config-version", version.encode()),
    ]
    if dialect.family == "anthropic":
        # Anthropic's SDKs read this name into their exceptions.
        headers.append((b"request-id", request_id.encode()))
    return headers


def _endpoint(call: Call) -> str:
    if call.resource is not None:
        return call.resource.kind
    if call.enquiry is not None:
        return call.enquiry.name
    return "models" if call.verb is Verb.LIST else ""


def _detail(error: GatewayError, attempt: Attempt | None) -> str:
    """What the log says of an error: never a provider's words about the request, which may quote the prompt."""
    if error.detail is None and attempt is not None and error.blame == "request":
        return error.default_message()
    return error.detail or error.message


def retry_headers(error: GatewayError) -> list[tuple[bytes, bytes]]:
    """`retry-after` where coming back can help, and the SDKs' own switch where it can't."""
    headers: list[tuple[bytes, bytes]] = []
    if error.status in (429, 503):
        seconds = min(max(math.ceil(error.retry_after or 1.0), 1), _MAX_RETRY_AFTER)
        headers.append((b"retry-after", b"%d" % seconds))
    if isinstance(error, QuotaExhausted) or (error.blame == "request" and not error.retryable):
        headers.append((b"x-should-retry", b"false"))
    return headers


def header_text(text: str) -> bytes:
    """A header value is one line of visible ASCII; a model's name comes from the client through a star route."""
    return text.encode("unicode_escape")[:1024]
