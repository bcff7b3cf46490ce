"""One row for each request, and what was used by hour: the two tables that the request log and the ledger are.

A request is told by facts: `request.opened` before each attempt at an account, `request.settled` once it is over. Their
bodies are written by the relay; here is only what the tables need of them, the rest is passed over.

A row holds the last attempt and the settlement apart, and each is chosen from all that were told by a rule that knows
no order: so the facts of a request may come in any order, and more than once. Should there be two settlements, a real
one counts more than that of a crash, which was only ever a guess.
"""

from __future__ import annotations

from typing import TypeVar

import msgspec

from llmgw_domain import Event, Usage
from llmgw_eventstore.codec import KINDS, Unreadable
from llmgw_eventstore.projection import Amounts, Group, Projection, Rollup

HOUR = 3600
"""Seconds."""


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """What `request.opened` tells: a request is about to be sent to an account. `at` is in seconds since 1970.

    `call` is the request's own id, which its subject has too; `request_id` is what the client knows it by.
    """

    event: str = ""
    call: str = ""
    request_id: str
    at: float
    tenant: str
    key: str
    dialect: str
    model: str
    account: str
    provider: str
    target_model: str
    attempt: int


class SessionTurn(msgspec.Struct, frozen=True, kw_only=True):
    """What a request was to its session, `key`: where it was served, why, and what became of the cache.

    Of `expected` tokens `observed` were found (None where that was not told), and `lost` were read anew for `cause`.
    """

    key: str
    placement: str
    reason: str
    expected: int = 0
    observed: int | None = None
    lost: int = 0
    cause: str | None = None


class Settlement(msgspec.Struct, frozen=True, kw_only=True):
    """What `request.settled` tells: a request is over. Durations are in seconds, None where it never came to that."""

    event: str = ""
    call: str = ""
    request_id: str
    at: float
    tenant: str
    key: str
    dialect: str
    model: str
    stream: bool
    outcome: str
    status: int
    attempts: int
    duration: float
    account: str | None = None
    provider: str | None = None
    target_model: str | None = None
    finish: str | None = None
    error_code: str | None = None
    first_byte: float | None = None
    usage: Usage | None = None
    unmetered: bool = False
    endpoint: str = ""
    session: SessionTurn | None = None
    queued: float = 0.0
    """Seconds in the queue for an account."""


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """A request as far as it is told. `opened_at` is that of its first attempt."""

    opened_at: float | None = None
    last: Attempt | None = None
    settled: Settlement | None = None

    @property
    def told(self) -> Attempt | Settlement:
        """Where tenant, key, dialect, model and account stand: the settlement, or else the last attempt."""
        told = self.settled or self.last
        assert told is not None, "a row comes from a fact"
        return told

    @property
    def outcome(self) -> str:
        """How it ended; `open` while it has not."""
        return self.settled.outcome if self.settled else "open"


class Logged(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the request log, under the request's own id. `matches` requests were sought by what one was found by."""

    id: str
    row: Request
    matches: int = 1

    @property
    def at(self) -> float:
        """When it was told of last, in seconds since 1970: the log's order."""
        return self.row.told.at


class RequestFilters(msgspec.Struct, frozen=True, kw_only=True):
    """Which requests; None asks for all. `since` is in seconds since 1970, `session` a session's key, `outcome` that of
    the settlement, or `open`.
    """

    tenant: str | None = None
    key: str | None = None
    account: str | None = None
    model: str | None = None
    outcome: str | None = None
    session: str | None = None
    since: float | None = None


Fact = TypeVar("Fact", Attempt, Settlement)


def request_of(event: Event) -> str | None:
    """The id of the request that an event tells of."""
    if event.kind not in ("request.opened", "request.settled"):
        return None
    return event.subject.removeprefix("request/")


def read_attempt(event: Event) -> Attempt:
    """The body of a `request.opened`; raises `Unreadable`."""
    return _read(event, Attempt)


def fold_request(row: Request | None, event: Event) -> Request:
    """The row after one more fact; raises `Unreadable` for a body that is none of today's shape."""
    row = row or Request()
    if event.kind == "request.settled":
        settled = _read(event, Settlement)
        return msgspec.structs.replace(row, settled=max(settled, row.settled or settled, key=_rank_settlement))
    attempt = read_attempt(event)
    return msgspec.structs.replace(
        row,
        opened_at=attempt.at if row.opened_at is None else min(row.opened_at, attempt.at),
        last=max(attempt, row.last or attempt, key=lambda one: (one.attempt, one.event)),
    )


def _rank_settlement(settlement: Settlement) -> tuple[bool, str]:
    return settlement.outcome != "crashed", settlement.event


def _read(event: Event, shape: type[Fact]) -> Fact:
    if event.v != KINDS.version_of(event.kind):
        raise Unreadable(f"event {event.id}: {event.kind} of version {event.v} is not known to this release")
    try:
        return msgspec.structs.replace(msgspec.json.decode(event.body, type=shape), event=event.id)
    except msgspec.MsgspecError as error:
        raise Unreadable(f"event {event.id}: its body is no {event.kind}: {error}") from error


class UsageGroup(msgspec.Struct, frozen=True, order=True):
    """What usage is summed by. `hour` is its first second since 1970, by the time of the settlement.

    `account` and `provider` are empty for what never came to an account.
    """

    hour: int
    tenant: str
    key: str
    model: str
    account: str
    provider: str


ERRORS = frozenset({"refused", "failed", "crashed"})
"""The outcomes that count as errors: a client that went away is none."""


def share_of_usage(row: Request) -> tuple[Group, Amounts] | None:
    """What a settled request adds to its hour: calls, errors, and tokens by kind.

    `estimated` counts the calls whose tokens are an estimate, `unmetered` those whose tokens nobody knows.
    """
    settled = row.settled
    if settled is None:
        return None
    usage = settled.usage or Usage()
    group = UsageGroup(
        int(settled.at // HOUR) * HOUR,
        settled.tenant,
        settled.key,
        settled.model,
        settled.account or "",
        settled.provider or "",
    )
    amounts = {
        "calls": 1,
        "errors": int(settled.outcome in ERRORS),
        "uncached_input": usage.uncached_input,
        "cache_read": usage.cache_read,
        "cache_write_5m": usage.cache_write_5m,
        "cache_write_1h": usage.cache_write_1h,
        "output": usage.output,
        "reasoning": usage.reasoning or 0,
        "estimated": int(usage.provenance == "estimated"),
        "unmetered": int(settled.unmetered),
    }
    return msgspec.structs.astuple(group), amounts


USAGE: Rollup[Request] = Rollup("usage", share_of_usage)
REQUESTS: Projection[Request] = Projection(
    name="requests", version=2, log="fact", row=Request, key=request_of, fold=fold_request, rollups=(USAGE,)
)
