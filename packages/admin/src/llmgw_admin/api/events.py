"""The audit trail over HTTP."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec

from llmgw_admin.api.operations import Answer, Call, Operation
from llmgw_admin.api.records import ROOT
from llmgw_admin.history import Change, Filters, History, changes


class EventsQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which changes: newest first, all that fit every filter."""

    limit: Annotated[int, msgspec.Meta(ge=1, le=1000, description="How many at most.")] = 100
    after: Annotated[str | None, msgspec.Meta(description="The 'next' of the page before.")] = None
    kind: Annotated[str | None, msgspec.Meta(description="Of records of this kind, e.g. account.")] = None
    subject: Annotated[str | None, msgspec.Meta(description="Of this record, e.g. account/anthropic-a.")] = None
    actor: Annotated[str | None, msgspec.Meta(description="By this actor, e.g. admin:ci.")] = None
    since: Annotated[
        Annotated[datetime, msgspec.Meta(tz=True)] | None,
        msgspec.Meta(description="From this moment on, as RFC 3339 writes it, or in seconds since 1970."),
    ] = None


class EventPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of the audit trail, newest first; `next` is the `after` of the following page, null at the end."""

    data: list[Change]
    next: str | None


def event_operations(history: History) -> list[Operation]:
    async def events(call: Call) -> Answer:
        query: EventsQuery = call.query
        filters = Filters(
            kind=query.kind,
            subject=query.subject,
            actor=query.actor,
            since=query.since.timestamp() if query.since is not None else None,
        )
        data, following = await changes(history, query.after, query.limit, filters)
        return Answer(body=EventPage(data=data, next=following))

    return [
        Operation(
            name="listEvents",
            method="GET",
            path=f"{ROOT}/events",
            summary="Who changed what, when, from what to what",
            run=events,
            tag="events",
            answer=EventPage,
            query=EventsQuery,
            refusals=(503,),
        )
    ]
