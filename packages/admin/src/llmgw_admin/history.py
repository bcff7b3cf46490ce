"""Who changed what, when, from what to what: the audit trail, read straight from the log of state.

Every change is an event of the log that carries the new values, and for each field the stamp of the write before it. So
the old values are not stored twice: they stand in the event of that stamp. What the log says is shown as it is, but for
secrets, of which the log has only sealed forms and hashes, and of which not even those are shown.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Any, Literal, Protocol

import msgspec

from llmgw_domain import Event

Stamp = tuple[int, str]
"""The hybrid logical clock of a write and the node that made it: which write it was."""

_ACTIONS: Mapping[str, Literal["written", "deleted"]] = {"state.written": "written", "state.deleted": "deleted"}


class Filters(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked for; None asks for all. `since` is in seconds since 1970, `kind` a kind of record."""

    kind: str | None = None
    subject: str | None = None
    actor: str | None = None
    since: float | None = None

    def take(self, event: Event) -> bool:
        """Whether `event` is asked for. A kind is the first part of a subject: `account` of `account/a`."""
        return (
            (self.kind is None or event.subject.startswith(self.kind + "/"))
            and self.subject in (None, event.subject)
            and self.actor in (None, event.actor)
            and (self.since is None or _seconds(event.hlc) >= self.since)
        )


class Slice(msgspec.Struct, frozen=True):
    """Events, newest first; `next` is where the following ones begin, or None at the end of the log."""

    events: tuple[Event, ...]
    next: str | None = None


class History(Protocol):
    """Where the events of the state are read from. `after` is the `next` of the slice before, else None.

    Both raise a `GatewayError` where the log can't be read now.
    """

    async def events(self, after: str | None, limit: int, filters: Filters) -> Slice:
        """At most `limit` events that `filters` take, newest first. Raises `BadRequest` for an `after` that is none."""

    async def written(self, stamps: Collection[Stamp]) -> Mapping[Stamp, Event]:
        """The events with these stamps, as far as they are in the log."""


class FieldChange(msgspec.Struct, frozen=True, kw_only=True, rename={"before": "from", "after": "to"}):
    """One field's value before and after; null where it had, or has, none."""

    field: str
    before: Any
    after: Any


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One change: `actor` did `action` to `subject` at `at` (RFC 3339), on the node `node`.

    `cause` is the request or event that led to it. A deletion has no `changes`.
    """

    id: str
    at: str
    node: str
    actor: str
    action: Literal["created", "changed", "deleted"]
    subject: str
    cause: str | None
    changes: tuple[FieldChange, ...]


class _Body(msgspec.Struct, frozen=True):
    """What a state event's body says, as far as the audit trail asks."""

    incarnation: Stamp
    fields: dict[str, object] = {}
    previous: dict[str, Stamp] = {}


async def changes(history: History, after: str | None, limit: int, filters: Filters) -> tuple[list[Change], str | None]:
    """A page of the audit trail, newest first, and where the next one begins."""
    page = await history.events(after, limit, filters)
    bodies = [msgspec.json.decode(event.body, type=_Body) for event in page.events]
    wanted = {stamp for body in bodies for stamp in body.previous.values()}
    earlier = await history.written(wanted) if wanted else {}
    before = {stamp: msgspec.json.decode(event.body, type=_Body).fields for stamp, event in earlier.items()}
    return [_change(event, body, before) for event, body in zip(page.events, bodies, strict=True)], page.next


def _change(event: Event, body: _Body, before: Mapping[Stamp, dict[str, object]]) -> Change:
    """From the values that the stamps lead to; what is not in the log any more has no value before."""
    kind = event.subject.partition("/")[0]
    fields = [
        FieldChange(
            field=name,
            before=_shown(kind, name, before.get(body.previous[name], {}).get(name) if name in body.previous else None),
            after=_shown(kind, name, value),
        )
        for name, value in sorted(body.fields.items())
    ]
    return Change(
        id=event.id,
        at=instant(_seconds(event.hlc)),
        node=event.node,
        actor=event.actor,
        action=_action(event, body),
        subject=event.subject,
        cause=event.cause,
        changes=tuple(fields),
    )


def _action(event: Event, body: _Body) -> Literal["created", "changed", "deleted"]:
    if _ACTIONS.get(event.kind) == "deleted":
        return "deleted"
    return "created" if body.incarnation == (event.hlc, event.node) else "changed"


def _seconds(hlc: int) -> float:
    """The wall clock's part of a hybrid logical clock: its upper 48 bits are milliseconds since 1970."""
    return (hlc >> 16) / 1000


def instant(seconds: float) -> str:
    """A moment as RFC 3339 writes it, in UTC with milliseconds."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _shown(kind: str, field: str, value: object) -> object:
    """What an operator may see of a value: of sealed texts the key's id, of hashes and secrets that there is one."""
    if value is None:
        return None
    if kind == "secret" or field == "hash":
        return "(hidden)"
    if isinstance(value, str) and value.startswith("sealed:"):
        return ":".join(["sealed", *value.split(":")[2:3]])
    if isinstance(value, dict):
        return {name: _shown(kind, name, part) for name, part in value.items()}
    if isinstance(value, list):
        return [_shown(kind, field, part) for part in value]
    return value
