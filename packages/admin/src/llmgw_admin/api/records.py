"""The operations on records: the same for every kind."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Annotated, Any
from urllib.parse import quote

import msgspec

from llmgw_admin.api import resources
from llmgw_admin.api.operations import Answer, Call, NoQuery, Operation
from llmgw_admin.api.resources import RESOURCES, Resource, Switch
from llmgw_control import Administration
from llmgw_control.refusal import Outdated
from llmgw_control.views import Committed, View

ROOT = "/api/v1"

MERGE_PATCH = ("application/merge-patch+json", "application/json")

_SWITCHED: dict[Switch, tuple[bool | None, bool | None]] = {
    "enable": (True, None),
    "disable": (False, None),
    "drain": (None, True),
    "undrain": (None, False),
}
"""What each switch sets: enabled, drain."""

_SWITCH_TEXT: dict[Switch, str] = {
    "enable": "it serves again",
    "disable": "it is off at once",
    "drain": "it gets nothing new, what is in flight ends",
    "undrain": "it gets new work again",
}


_CHANGED = ("ETag", "X-Gw-Config-Version")
"""The headers of an answer to a change."""


class PageQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A page of a list: at most `limit` records, those behind the one that `after` names."""

    limit: Annotated[int, msgspec.Meta(ge=1, le=1000, description="How many at most.")] = 100
    after: Annotated[str | None, msgspec.Meta(description="The 'next' of the page before.")] = None


class ReasonQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why something is switched."""

    reason: Annotated[
        str | None,
        msgspec.Meta(
            description="Why, for people: its `disabled_reason` until it is enabled. One that is disabled "
            "already keeps the reason that it has."
        ),
    ] = None


def record_operations(administration: Administration) -> list[Operation]:
    """The table's rows for every kind of records."""
    return [operation for resource in RESOURCES for operation in _operations(_Records(administration, resource))]


class _Records:
    """The records of one kind, as requests read and change them."""

    def __init__(self, administration: Administration, resource: Resource) -> None:
        self._administration = administration
        self.resource = resource
        self._kind = resource.kind

    async def list(self, call: Call) -> Answer:
        views, following = self._administration.list(self._kind, after=call.query.after, limit=call.query.limit)
        return Answer(body={"data": [resources.shown(self.resource, view) for view in views], "next": following})

    async def get(self, call: Call) -> Answer:
        view = self._administration.get(self._kind, call.id)
        return Answer(body=resources.shown(self.resource, view), headers=_etag(view))

    async def create(self, call: Call) -> Answer:
        name, fields = resources.sent(self.resource, call.fields)
        done = self._administration.create(self._kind, name, fields, call.actor)
        assert done.view is not None
        location = f"{ROOT}/{self.resource.plural}/{quote(done.view.id, safe='')}"
        headers = {**_headers(done), "location": location}
        return Answer(status=201, body=resources.shown_with_secret(self.resource, done), headers=headers)

    async def patch(self, call: Call) -> Answer:
        _, fields = resources.sent(self.resource, call.fields, call.id)
        done = self._administration.patch(self._kind, call.id, fields, call.actor, self._expected(call))
        assert done.view is not None
        return Answer(body=resources.shown(self.resource, done.view), headers=_headers(done))

    async def delete(self, call: Call) -> Answer:
        done = self._administration.delete(self._kind, call.id, call.actor, self._expected(call))
        return Answer(status=204, headers=_headers(done))

    async def switch(self, switch: Switch, call: Call) -> Answer:
        enabled, drain = _SWITCHED[switch]
        reason = call.query.reason if isinstance(call.query, ReasonQuery) else None
        done = self._administration.switch(
            self._kind, call.id, enabled=enabled, drain=drain, reason=reason, actor=call.actor
        )
        assert done.view is not None
        return Answer(body=resources.shown(self.resource, done.view), headers=_headers(done))

    def _expected(self, call: Call) -> str | None:
        """The version that the record must have. Raises `Outdated` if If-Match names others, `UnknownRecord`."""
        if call.expected is None:
            return None
        version = self._administration.get(self._kind, call.id).version
        if version not in call.expected:
            raise Outdated.of(self._kind, call.id, version)
        return version


def _operations(records: _Records) -> list[Operation]:
    """Switches come first: a model's name may hold slashes, so `/models/a/enable` could be a name too."""
    answer = resources.answer_struct(records.resource)
    return [
        *(_switch(records, switch, answer) for switch in records.resource.switches),
        *_reading(records, answer),
        *_changing(records, answer),
    ]


def _reading(records: _Records, answer: Any) -> list[Operation]:
    row, one = partial(_row, records.resource), _one(records.resource)
    page = resources.page_struct(records.resource, answer)
    return [
        row("list", "GET", "", f"List {records.resource.plural}", records.list, query=PageQuery, answer=page),
        row("get", "GET", "/{id}", f"Get {one}", records.get, answer=answer, headers=("ETag",), refusals=(404,)),
    ]


def _changing(records: _Records, answer: Any) -> list[Operation]:
    resource = records.resource
    row, one = partial(_row, resource, conditional=True, refusals=(404, 409, 503)), _one(resource)
    return [
        _create(records, answer),
        row(
            "patch",
            "PATCH",
            "/{id}",
            f"Change {one}",
            records.patch,
            answer=answer,
            body=resources.patch_struct(resource),
            types=MERGE_PATCH,
            headers=_CHANGED,
        ),
        row("delete", "DELETE", "/{id}", f"Delete {one}", records.delete, status=204, headers=_CHANGED[1:]),
    ]


def _create(records: _Records, answer: Any) -> Operation:
    resource = records.resource
    return _row(
        resource,
        "create",
        "POST",
        "",
        f"Create {_one(resource)}" + ("; its secret is answered this once" if resource.secret else ""),
        records.create,
        status=201,
        answer=resources.answer_struct(resource, secret=True) if resource.secret else answer,
        body=resources.created_struct(resource),
        headers=(*_CHANGED, "Location"),
        refusals=(409, 503),
    )


def _switch(records: _Records, switch: Switch, answer: Any) -> Operation:
    return _row(
        records.resource,
        switch,
        "POST",
        f"/{{id}}/{switch}",
        f"{switch.capitalize()} {_one(records.resource)}: {_SWITCH_TEXT[switch]}",
        partial(records.switch, switch),
        answer=answer,
        query=ReasonQuery if resources.takes_reason(records.resource, switch) else NoQuery,
        headers=_CHANGED,
        refusals=(404, 503),
    )


def _row(
    resource: Resource,
    verb: str,
    method: str,
    path: str,
    summary: str,
    run: Callable[[Call], Awaitable[Answer]],
    **more: Any,
) -> Operation:
    name = resource.plural if verb == "list" else resource.kind
    return Operation(
        name=f"{verb}{name.capitalize()}",
        method=method,
        path=f"{ROOT}/{resource.plural}{path}",
        summary=summary,
        run=run,
        tag=resource.plural,
        slashes=resource.slashes,
        **more,
    )


def _one(resource: Resource) -> str:
    return f"{'an' if resource.kind[0] in 'aeiou' else 'a'} {resource.kind}"


def _etag(view: View) -> dict[str, str]:
    return {"etag": f'"{view.version}"'}


def _headers(done: Committed) -> dict[str, str]:
    """The record's version, and that of the catalog that has the change: requests that show it are served by it."""
    tag = _etag(done.view) if done.view is not None else {}
    return {**tag, "x-gw-config-version": done.catalog}
