"""Sessions over HTTP: looked at, and forgotten."""

from __future__ import annotations

from typing import Annotated

import msgspec

from llmgw_admin.api.operations import Answer, Call, Operation
from llmgw_admin.api.records import ROOT
from llmgw_admin.sessions import Session, SessionFilters, SessionPage, Sessions
from llmgw_control.refusal import Forbidden

_NAME = r"^[^\x00]+$"
"""PostgreSQL's texts hold no NUL."""


class SessionsQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which sessions: by their keys, all that fit every filter."""

    limit: Annotated[int, msgspec.Meta(ge=1, le=1000, description="How many at most.")] = 100
    after: Annotated[
        Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{32}$")] | None,
        msgspec.Meta(description="The 'next' of the page before."),
    ] = None
    account: Annotated[
        Annotated[str, msgspec.Meta(pattern=_NAME)] | None,
        msgspec.Meta(description="Those that this account served last."),
    ] = None
    tenant: Annotated[
        Annotated[str, msgspec.Meta(pattern=_NAME)] | None, msgspec.Meta(description="Those of this tenant.")
    ] = None
    key: Annotated[
        Annotated[str, msgspec.Meta(pattern=_NAME)] | None,
        msgspec.Meta(description="Those that were last placed for this client's key, by its id."),
    ] = None


def session_operations(sessions: Sessions) -> list[Operation]:
    async def page(call: Call) -> Answer:
        query: SessionsQuery = call.query
        filters = SessionFilters(account=query.account, tenant=query.tenant, key=query.key)
        return Answer(body=await sessions.page(query.after, query.limit, filters))

    async def get(call: Call) -> Answer:
        return Answer(body=await sessions.get(call.id))

    async def forget(call: Call) -> Answer:
        if call.actor.role == "viewer":
            raise Forbidden("A viewer may not have a session forgotten.")
        await sessions.forget(call.id, call.actor)
        return Answer(status=204)

    path, one = f"{ROOT}/sessions", f"{ROOT}/sessions/{{id}}"
    return [
        Operation(
            name="listSessions",
            method="GET",
            path=path,
            summary="Where sessions are, and what is cached there",
            run=page,
            tag="sessions",
            answer=SessionPage,
            query=SessionsQuery,
            refusals=(503,),
        ),
        Operation(
            name="getSession",
            method="GET",
            path=one,
            summary="Get a session",
            run=get,
            tag="sessions",
            answer=Session,
            refusals=(404, 503),
        ),
        Operation(
            name="forgetSession",
            method="DELETE",
            path=one,
            summary="Forget where a session is: its next turn chooses anew",
            run=forget,
            tag="sessions",
            status=204,
            refusals=(404, 503),
        ),
    ]
