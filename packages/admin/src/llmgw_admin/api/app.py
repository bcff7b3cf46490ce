"""The JSON API as an ASGI application: find the operation, take the request apart, run it, answer in JSON."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

import msgspec
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from llmgw_admin.api.body import read_object
from llmgw_admin.api.operations import Answer, Call, Operation, Table, parse_if_match, parse_query
from llmgw_admin.guard import ACTOR
from llmgw_admin.refusal import refusal_of

Settled = Callable[[], Awaitable[None]]
"""Returns once every process serves what was commanded before."""


async def at_once() -> None:
    """The `Settled` of a single process."""


class Api:
    """Serves a table of operations. The guard stands before it: who asks is in the scope."""

    def __init__(self, operations: Sequence[Operation], settled: Settled = at_once) -> None:
        self.table = Table(operations)
        self._settled = settled

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            response = _response(await self._answer(scope, receive))
        except Exception as error:
            response = refusal_of(error).as_json()
        await response(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive) -> Answer:
        operation, record_id = self.table.find(scope["method"], scope["path"])
        headers = Headers(scope=scope)
        call = Call(
            actor=scope[ACTOR],
            id=record_id,
            query=parse_query(scope["query_string"], operation.query),
            fields=await read_object(headers, receive, operation.types) if operation.body is not None else {},
            expected=parse_if_match(headers.get("if-match")) if operation.conditional else None,
        )
        answer = await operation.run(call)
        if scope["method"] not in ("GET", "HEAD"):
            # So that a key that was revoked is refused everywhere when its revocation is answered.
            await self._settled()
        return answer

    def __repr__(self) -> str:
        return f"<Api of {len(self.table.operations)} operations>"


def _response(answer: Answer) -> Response:
    if answer.body is msgspec.UNSET:
        return Response(status_code=answer.status, headers=dict(answer.headers))
    content = msgspec.json.encode(answer.body)
    return Response(content, answer.status, headers=dict(answer.headers), media_type="application/json")
