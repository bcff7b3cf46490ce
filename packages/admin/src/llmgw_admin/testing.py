"""In-memory forms of what the admin listener is given: an administration that is a dictionary, and a history."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from llmgw_admin.history import Filters, Slice, Stamp
from llmgw_control.refusal import Conflict, Forbidden, FromFile, NotWritable, Outdated, UnknownRecord
from llmgw_control.views import Actor, Committed, Diff, Difference, Kind, Proposal, View
from llmgw_domain import Event
from llmgw_domain.errors import BadRequest


class MemoryHistory:
    """A `History` over a list of events, oldest first."""

    def __init__(self, events: Iterable[Event] = ()) -> None:
        self.log = list(events)

    async def events(self, after: str | None, limit: int, filters: Filters) -> Slice:
        end = len(self.log) if after is None else self._position(after)
        taken = [at for at in range(end - 1, -1, -1) if filters.take(self.log[at])]
        following = str(taken[limit - 1]) if len(taken) > limit else None
        return Slice(tuple(self.log[at] for at in taken[:limit]), following)

    async def written(self, stamps: Collection[Stamp]) -> Mapping[Stamp, Event]:
        return {stamp: event for event in self.log if (stamp := (event.hlc, event.node)) in stamps}

    def _position(self, after: str) -> int:
        if not after.isdecimal() or int(after) > len(self.log):
            raise BadRequest(f"'after' must be the 'next' of a page, not {after[:40]!r}.", param="after")
        return int(after)


class MemoryAdministration:
    """Records in dictionaries, with the refusals of the real one but for those of meaning."""

    def __init__(
        self, tokens: Mapping[str, Actor] | None = None, file: Mapping[tuple[str, str], dict[str, Any]] | None = None
    ) -> None:
        self.tokens = dict(tokens or {})
        self.trouble: str | None = None
        self.log: list[Event] = []
        self._records: dict[tuple[str, str], View] = {}
        for (kind, name), fields in (file or {}).items():
            self._records[kind, name] = _view(kind, name, fields, origin="file")

    def get(self, kind: Kind, id: str) -> View:
        if (kind, id) not in self._records:
            raise UnknownRecord.named(kind, id)
        return self._records[kind, id]

    def list(self, kind: Kind, *, after: str | None, limit: int) -> tuple[list[View], str | None]:
        names = sorted(name for k, name in self._records if k == kind and (after is None or name > after))
        views = [self._records[kind, name] for name in names[:limit]]
        return views, names[limit - 1] if len(names) > limit else None

    def create(
        self, kind: Kind, id: str | None, fields: dict[str, Any], actor: Actor, cause: str | None = None
    ) -> Committed:
        self._allow(kind, actor)
        name = id or f"{kind}-{len(self._records)}"
        if (kind, name) in self._records:
            raise Conflict.named(kind, name)
        secret = None
        if kind in ("key", "token"):
            secret = {"key": "gw-", "token": "gwa-"}[kind] + secrets.token_urlsafe(24)
            fields = {**fields, "hash": "sha256:" + hashlib.sha256(secret.encode()).hexdigest()[:8]}
        if kind == "token" and secret is not None:
            self.tokens[secret] = Actor(name, fields["role"])
        return self._commit(_view(kind, name, fields), secret)

    def patch(
        self,
        kind: Kind,
        id: str,
        fields: dict[str, Any],
        actor: Actor,
        expected: str | None = None,
        cause: str | None = None,
    ) -> Committed:
        self._allow(kind, actor)
        view = self._writable(kind, id, expected)
        return self._commit(_view(kind, id, {**view.fields, **fields}))

    def delete(
        self, kind: Kind, id: str, actor: Actor, expected: str | None = None, cause: str | None = None
    ) -> Committed:
        self._allow(kind, actor)
        self._writable(kind, id, expected)
        del self._records[kind, id]
        return Committed(view=None, events=(), catalog="c")

    def switch(
        self, kind: Kind, id: str, *, enabled: bool | None, drain: bool | None, actor: Actor, cause: str | None = None
    ) -> Committed:
        self._allow("key", actor)
        view = self.get(kind, id)
        set_ = {name: value for name, value in (("enabled", enabled), ("drain", drain)) if value is not None}
        return self._commit(msgspec.structs.replace(view, **set_))

    def try_out(self, changes: Sequence[Proposal]) -> Diff:
        found = [Difference(kind=c.kind, id=c.id, before=None, after=c.fields) for c in changes]
        return Diff(catalog="t", differences=tuple(found), reasons=())

    def actor_of(self, token: str) -> Actor | None:
        return self.tokens.get(token)

    def _allow(self, kind: Kind, actor: Actor) -> None:
        if actor.role == "viewer" or (actor.role == "operator" and kind != "key"):
            raise Forbidden(f"The role {actor.role!r} may not change {kind} records; use an owner's token.")
        if self.trouble:
            raise NotWritable(self.trouble)

    def _writable(self, kind: Kind, id: str, expected: str | None) -> View:
        view = self.get(kind, id)
        if view.origin == "file":
            raise FromFile.of(kind, id, "gateway.toml")
        if expected not in (None, view.version):
            raise Outdated.of(kind, id, view.version)
        return view

    def _commit(self, view: View, secret: str | None = None) -> Committed:
        content = msgspec.json.encode((view.fields, view.enabled, view.drain))
        view = msgspec.structs.replace(view, version=hashlib.sha256(content).hexdigest()[:8])
        self._records[view.kind, view.id] = view
        return Committed(view=view, secret=secret, events=(), catalog="c")


def _view(kind: str, id: str, fields: dict[str, Any], origin: Any = "log") -> View:
    switched = kind in ("account", "key", "token")
    return View(
        kind=kind,
        id=id,
        origin=origin,
        version="0",
        fields=fields,
        enabled=bool(fields.get("enabled", True)) if switched else None,
        drain=False if kind == "account" else None,
    )
