"""The request log over HTTP, and why a request went where it went."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec

from llmgw_admin.api.operations import Answer, Call, Operation
from llmgw_admin.api.records import ROOT
from llmgw_admin.explain import Explanation, explain
from llmgw_admin.requests import RequestEntry, RequestLog, entry_of, found
from llmgw_eventstore.requests import RequestFilters


class RequestsQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which requests: newest first, all that fit every filter."""

    limit: Annotated[int, msgspec.Meta(ge=1, le=1000, description="How many at most.")] = 100
    after: Annotated[str | None, msgspec.Meta(description="The 'next' of the page before.")] = None
    tenant: Annotated[str | None, msgspec.Meta(description="Of this tenant.")] = None
    key: Annotated[str | None, msgspec.Meta(description="With this client key, by its id.")] = None
    account: Annotated[str | None, msgspec.Meta(description="Served, or refused, by this account.")] = None
    model: Annotated[str | None, msgspec.Meta(description="For this model, by its configured name.")] = None
    outcome: Annotated[
        str | None, msgspec.Meta(description="That ended so: ok, refused, failed, cancelled, crashed; or open.")
    ] = None
    session: Annotated[str | None, msgspec.Meta(description="Turns of this session, by its key.")] = None
    since: Annotated[
        Annotated[datetime, msgspec.Meta(tz=True)] | None,
        msgspec.Meta(description="From this moment on, as RFC 3339 writes it, or in seconds since 1970."),
    ] = None

    @property
    def filters(self) -> RequestFilters:
        return RequestFilters(
            tenant=self.tenant,
            key=self.key,
            account=self.account,
            model=self.model,
            outcome=self.outcome,
            session=self.session,
            since=self.since.timestamp() if self.since is not None else None,
        )


class RequestPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of the request log, newest first; `next` is the `after` of the following page, null at the end."""

    data: list[RequestEntry]
    next: str | None


def request_operations(log: RequestLog) -> list[Operation]:
    async def requests(call: Call) -> Answer:
        query: RequestsQuery = call.query
        page = await log.page(query.after, query.limit, query.filters)
        return Answer(body=RequestPage(data=[entry_of(logged) for logged in page.requests], next=page.next))

    async def request(call: Call) -> Answer:
        return Answer(body=entry_of(await found(log, call.id)))

    async def explained(call: Call) -> Answer:
        logged = await found(log, call.id)
        return Answer(body=explain(logged, await log.told(logged)))

    return [
        Operation(
            name="listRequests",
            method="GET",
            path=f"{ROOT}/requests",
            summary="Requests, newest first",
            run=requests,
            tag="requests",
            answer=RequestPage,
            query=RequestsQuery,
            refusals=(503,),
        ),
        Operation(
            name="explainRequest",
            method="GET",
            path=f"{ROOT}/requests/{{id}}/explain",
            summary="Why a request went where it went, by its id or the newest with this x-request-id",
            run=explained,
            tag="requests",
            answer=Explanation,
            slashes=True,
            refusals=(404, 503),
        ),
        Operation(
            name="getRequest",
            method="GET",
            path=f"{ROOT}/requests/{{id}}",
            summary="A request, by its id or the newest with this x-request-id",
            run=request,
            tag="requests",
            answer=RequestEntry,
            slashes=True,
            refusals=(404, 503),
        ),
    ]
