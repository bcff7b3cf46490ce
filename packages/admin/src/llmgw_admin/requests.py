"""The request log as the API shows it: one flat object a request, and where it is read from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from llmgw_admin.history import instant
from llmgw_domain import Event, Usage
from llmgw_domain.errors import NotFound
from llmgw_eventstore.requests import Logged, RequestFilters, SessionTurn


class LogSlice(msgspec.Struct, frozen=True):
    """Requests, newest first; `next` is where the following ones begin, or None at the end."""

    requests: tuple[Logged, ...]
    next: str | None = None


class RequestLog(Protocol):
    """Where requests are looked up. Every method raises a `GatewayError` where the log can't be read now."""

    async def page(self, after: str | None, limit: int, filters: RequestFilters) -> LogSlice:
        """At most `limit` requests that fit every filter. Raises `BadRequest` for an `after` that is none."""

    async def find(self, id: str) -> Logged | None:
        """The request with this id, else the newest of those that clients gave this id to."""

    async def told(self, logged: Logged) -> Sequence[Event]:
        """All facts of a request, in the order in which they were told."""


class RequestEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A request. `id` is the gateway's own, `request_id` that of the header `x-request-id`.

    `at` is when it was over, or its last attempt began (RFC 3339); `opened_at` when the first one did. `outcome` is
    `ok`, `refused`, `failed`, `cancelled`, `crashed` (its process died) or `open`. What is not known, or never came
    about, is null.
    """

    id: str
    request_id: str
    at: str
    opened_at: str | None
    tenant: str
    key: str
    dialect: str
    endpoint: str = ""
    model: str
    outcome: str
    status: int | None = None
    attempts: int
    account: str | None = None
    provider: str | None = None
    target_model: str | None = None
    stream: bool | None = None
    finish: str | None = None
    error_code: str | None = None
    duration_seconds: float | None = None
    first_byte_seconds: float | None = None
    queued_seconds: float = 0.0
    usage: Usage | None = None
    unmetered: bool = False
    session: SessionTurn | None = None


def entry_of(logged: Logged) -> RequestEntry:
    """A row of the request log, as the API answers it."""
    row = logged.row
    told, settled = row.told, row.settled
    entry = RequestEntry(
        id=logged.id,
        request_id=told.request_id,
        at=instant(told.at),
        opened_at=None if row.opened_at is None else instant(row.opened_at),
        tenant=told.tenant,
        key=told.key,
        dialect=told.dialect,
        model=told.model,
        outcome=row.outcome,
        attempts=settled.attempts if settled else row.last.attempt if row.last else 0,
        account=told.account,
        provider=told.provider,
        target_model=told.target_model,
    )
    if settled is None:
        return entry
    return msgspec.structs.replace(
        entry,
        endpoint=settled.endpoint,
        # A process that died does not know what its client saw.
        status=settled.status or None,
        stream=settled.stream,
        finish=settled.finish,
        error_code=settled.error_code,
        duration_seconds=settled.duration,
        first_byte_seconds=settled.first_byte,
        queued_seconds=settled.queued,
        usage=settled.usage,
        unmetered=settled.unmetered,
        session=settled.session,
    )


async def found(log: RequestLog, id: str) -> Logged:
    """The request with this id, or the newest to which a client gave it. Raises `NotFound`."""
    logged = await log.find(id)
    if logged is None:
        raise NotFound(
            f"No request in the log has the id or x-request-id {id[:100]!r}. One that has just begun is there after a "
            "second, or once the database is back; one that came without a valid key never is; those of months that "
            "were closed (database.keep_months) are not any more."
        )
    return logged
