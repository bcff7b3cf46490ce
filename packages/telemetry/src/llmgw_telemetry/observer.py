"""What a call leaves behind: increments and one line. It is the telemetry side of the relay's `Facts` port.

Both are made in the step that settles the call, so they must be cheap and must not fail it. The line holds names,
counts and times; no prompt, no answer, no provider's words about them. Texts that a client chooses pass the redaction.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from llmgw_domain import Catalog, Usage
from llmgw_domain.errors import NoAccount
from llmgw_relay.facts import AttemptEnded, CallOpened, CallSettled, Fact
from llmgw_telemetry.logging import LogStream
from llmgw_telemetry.metrics import Metrics
from llmgw_telemetry.redaction import redact, redact_known
from llmgw_telemetry.turns import Turns, of_turn

_log = logging.getLogger(__name__)

NOWHERE = "none"
"""Label value where there is none: a call that was refused before it had an account. Its model is whatever the client
wrote, and stays out of the labels."""


class RequestLine(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The log line of a request, in its order. Fields without a value are left out. Durations are in milliseconds.

    `status` is what the client saw; `first_byte_ms` counts from the request's first byte; `tokens_input` are the
    uncached ones, so that the five token counts add up. `session` is the session's key, `placement` where this turn of
    it was served and `reason` why; of `cache_expected` tokens `cache_lost` were not found, because of `cache_cause`.
    """

    ts: str
    level: str
    event: str
    request_id: str
    tenant: str
    key: str
    dialect: str
    endpoint: str = ""
    model: str
    account: str | None = None
    provider: str | None = None
    target_model: str | None = None
    stream: bool
    status: int
    outcome: str
    finish: str | None = None
    attempts: int
    duration_ms: float
    first_byte_ms: float | None = None
    overhead_ms: float | None = None
    queued_ms: float | None = None
    session: str | None = None
    placement: str | None = None
    reason: str | None = None
    cache_expected: int | None = None
    cache_lost: int | None = None
    cache_cause: str | None = None
    tokens_input: int | None = None
    tokens_cache_read: int | None = None
    tokens_cache_write: int | None = None
    tokens_output: int | None = None
    tokens_reasoning: int | None = None
    tokens_estimated: bool = False
    unmetered: bool = False
    bytes_sent: int = 0
    bytes_received: int = 0
    error_code: str | None = None
    error_detail: str | None = None
    upstream_status: int | None = None
    client: str = ""
    user_agent: str = ""
    tags: str = ""
    retry_count: str = ""
    lossy: tuple[str, ...] = ()
    config_version: str = ""


class Observer:
    """Implements `Facts`. One for each process; not for several threads."""

    def __init__(self, metrics: Metrics, log: LogStream) -> None:
        self._log = log
        self._metrics = metrics
        self._open: set[str] = set()
        call = ("dialect", "provider", "model")
        self._requests = metrics.counter(
            "gateway_requests_total", "Requests by how they ended.", (*call, "account", "outcome")
        )
        self._seconds = metrics.histogram("gateway_request_seconds", "From first byte in to last byte out.", call)
        self._first = metrics.histogram(
            "gateway_time_to_first_token_seconds", "From first byte in to first byte of the answer out.", call
        )
        self._overhead = metrics.histogram("gateway_overhead_seconds", "The gateway's own time in a request.").of()
        self._tokens = metrics.counter(
            "gateway_tokens_total", "Tokens by kind; reasoning is part of output.", ("kind",)
        )
        self._unmetered = metrics.counter(
            "gateway_unmetered_requests_total",
            "Answers that a provider bills without saying what they used: their cost is none.",
            ("account", "model"),
        )
        self._queued = metrics.histogram(
            "gateway_queued_seconds", "In the queue for an account, of the requests that had to wait."
        ).of()
        self._retries = metrics.counter(
            "gateway_retries_total", "Attempts that followed another one, by the error that it ended with.", ("cause",)
        )
        self._turns = Turns(metrics)
        self._version = metrics.gauge(
            "gateway_catalog_version", "1 for the catalog that is served.", ("version",), "max"
        )
        self._changes = metrics.histogram(
            "gateway_catalog_change_seconds", "How long a change of the catalog kept the loop from all else."
        ).of()
        metrics.callback("gateway_inflight", "Requests sent to an account and not settled.", (), self._inflight)

    def append(self, fact: Fact) -> None:
        """Counts and logs calls. Never raises: what fails here is logged, and the call goes on."""
        try:
            if isinstance(fact, CallOpened):
                self._open.add(fact.call)
            elif isinstance(fact, CallSettled):
                self._settled(fact)
            elif isinstance(fact, AttemptEnded) and fact.retried:
                self._retries.of(fact.error_code).inc()
        except Exception:
            _log.exception("a call could not be recorded", extra={"call": fact.call})

    def catalog(self, catalog: Catalog) -> None:
        """This catalog is served from now on, and its prices count."""
        self._version.clear()
        self._version.of(catalog.version).set(1)
        self._turns.prices = catalog.prices

    def changed(self, seconds: float) -> None:
        """A change of the catalog was taken in, or published, and held up everything else for so long."""
        self._changes.observe(seconds)

    def accounts(
        self,
        states: Callable[[], Iterable[tuple[tuple[str, str], int]]],
        error_rates: Callable[[], Iterable[tuple[tuple[str], float]]],
        leases: Callable[[], Iterable[tuple[tuple[str], int]]],
    ) -> None:
        """Shows how accounts are doing. Once a process.

        `states` gives 1 for each account and its state: `ok`, or the `Exclusion` of `llmgw_balancer` that keeps calls
        of every model away from it. `error_rates` gives the share of its calls that failed lately, `leases` the calls
        that it is serving. Workers may differ on an account: then each of their states is shown, and the worst rate.
        """
        callback, labels = self._metrics.callback, ("account",)
        text = "1 for an account's state: ok, or what keeps calls away from it."
        callback("gateway_account_state", text, ("account", "state"), states, merge="max")
        text = "Share of an account's calls that failed lately, 0 to 1."
        callback("gateway_account_error_rate", text, labels, error_rates, merge="max")
        callback("gateway_account_leases", "Calls that an account is serving.", labels, leases)

    def queue(self, depth: Callable[[], int]) -> None:
        """Shows how many requests wait for an account. Once a process."""
        text = "Requests that wait for an account."
        self._metrics.callback("gateway_queue_depth", text, (), lambda: [((), depth())])

    def connections(
        self,
        connections: Callable[[], Iterable[tuple[tuple[str, str, str], int]]],
        leases: Callable[[], Iterable[tuple[tuple[str, str], int]]],
        pings: Callable[[], Mapping[str, int]],
    ) -> None:
        """Shows the connections to providers. Once a process.

        `connections` gives their number by transport, origin and state, `leases` that of the calls that are on them by
        transport and account, `pings` the total of each outcome.
        """
        metrics = self._metrics
        labels = ("transport", "origin", "state")
        metrics.callback("gateway_upstream_connections", "Connections to providers.", labels, connections)
        metrics.callback(
            "gateway_upstream_leases", "Calls that hold a connection or wait for one.", ("transport", "account"), leases
        )
        metrics.callback(
            "gateway_pings_total",
            "HTTP/2 PINGs to providers by what came of them.",
            ("outcome",),
            lambda: [((outcome,), count) for outcome, count in pings().items()],
            kind="counter",
        )

    def _settled(self, fact: CallSettled) -> None:
        self._open.discard(fact.call)
        self._count(fact)
        if self._log.requests:
            self._log.write(console_line(fact) if self._log.console else json_line(fact))

    def _count(self, fact: CallSettled) -> None:
        provider, model = fact.provider or NOWHERE, _model_label(fact)
        self._requests.of(fact.dialect, provider, model, fact.account or NOWHERE, fact.outcome).inc()
        self._seconds.of(fact.dialect, provider, model).observe(fact.duration)
        if fact.first_byte is not None:
            self._first.of(fact.dialect, provider, model).observe(fact.first_byte)
        if fact.overhead is not None:
            self._overhead.observe(fact.overhead)
        if fact.queued:
            self._queued.observe(fact.queued)
        if fact.usage is not None:
            self._count_tokens(fact.usage)
        self._turns.count(fact)
        if fact.unmetered:
            self._unmetered.of(fact.account or NOWHERE, model).inc()

    def _count_tokens(self, usage: Usage) -> None:
        of = self._tokens.of
        of("input").inc(usage.uncached_input)
        of("cache_read").inc(usage.cache_read)
        of("cache_write").inc(usage.cache_write)
        of("output").inc(usage.output)
        of("reasoning").inc(usage.reasoning or 0)

    def _inflight(self) -> list[tuple[tuple[str, ...], float]]:
        return [((), len(self._open))]

    def __repr__(self) -> str:
        return f"<Observer {len(self._open)} in flight>"


def _model_label(fact: CallSettled) -> str:
    """The configured name. Without an account it is one only if the routing came as far as finding none."""
    return (fact.model or NOWHERE) if fact.account is not None or fact.error_code == NoAccount.code else NOWHERE


# --- the line ---------------------------------------------------------------------------------------------------------


def request_line(fact: CallSettled) -> RequestLine:
    """The line of a settled call, with every text that a client or provider chose redacted."""
    return RequestLine(
        ts=datetime.fromtimestamp(fact.at, UTC).isoformat(timespec="milliseconds"),
        level=_level(fact),
        event="request",
        request_id=fact.request_id if _UUID.fullmatch(fact.request_id) else _short(fact.request_id),
        tenant=fact.tenant,
        key=fact.key,
        dialect=fact.dialect,
        endpoint=fact.endpoint,
        model=_short(fact.model),
        account=fact.account,
        provider=fact.provider,
        target_model=_short(fact.target_model) if fact.target_model else None,
        stream=fact.stream,
        status=fact.status,
        outcome=fact.outcome,
        finish=fact.finish,
        attempts=fact.attempts,
        duration_ms=round(fact.duration * 1000, 3),
        first_byte_ms=_ms(fact.first_byte),
        overhead_ms=_ms(fact.overhead),
        queued_ms=_ms(fact.queued or None),
        **of_turn(fact.session),
        **_tokens(fact.usage),
        unmetered=fact.unmetered,
        bytes_sent=fact.bytes_sent,
        bytes_received=fact.bytes_received,
        error_code=fact.error_code,
        error_detail=redact(fact.error_detail[:_LONGEST]) if fact.error_detail else None,
        upstream_status=fact.upstream_status,
        client=fact.client,
        user_agent=_short(fact.user_agent),
        tags=_short(fact.tags),
        retry_count=_short(fact.retry_count),
        lossy=fact.lossy,
        config_version=fact.config_version,
    )


def json_line(fact: CallSettled) -> str:
    return _ENCODER.encode(request_line(fact)).decode()


def console_line(fact: CallSettled) -> str:
    """The same for a person: what happened, where, how long, how much, and why it failed."""
    line = request_line(fact)
    where = f"{line.account}/{line.target_model}" if line.account else "-"
    words = [line.ts[11:23], str(line.status), line.outcome, line.endpoint or line.dialect, f"{line.model} -> {where}"]
    words.append(f"{line.duration_ms:.0f} ms")
    if fact.usage is not None:
        words.append(f"{fact.usage.input} in ({fact.usage.cache_read} cached), {fact.usage.output} out")
    if line.placement:
        words.append(f"{line.placement} ({line.reason})")
    if line.cache_lost:
        words.append(f"{line.cache_lost} cached tokens lost: {line.cache_cause}")
    if line.error_code:
        words.append(f"{line.error_code}: {line.error_detail or ''}")
    return "  ".join([*words, line.request_id])


_ENCODER = msgspec.json.Encoder()

# Our own ids are all different, so they would only wash the redaction's memory out.
_UUID = re.compile(r"[0-9a-f-]{36}")

_LONGEST = 512
"""Characters of a client's or provider's text that are kept."""


def _short(text: str) -> str:
    return redact_known(text[:_LONGEST])


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 3)


def _level(fact: CallSettled) -> str:
    """A client's own mistakes and departures are no warning to an operator; a cost that nobody knows is."""
    return "warning" if fact.outcome == "failed" or fact.status >= 500 or fact.unmetered else "info"


def _tokens(usage: Usage | None) -> dict[str, Any]:
    if usage is None:
        return {}
    return {
        "tokens_input": usage.uncached_input,
        "tokens_cache_read": usage.cache_read,
        "tokens_cache_write": usage.cache_write,
        "tokens_output": usage.output,
        "tokens_reasoning": usage.reasoning,
        "tokens_estimated": usage.provenance == "estimated",
    }
