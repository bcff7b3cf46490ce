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

from llmgw_control.records import STRUCTS
from llmgw_control.views import HIDDEN, shown_record
from llmgw_domain import Event

Write = tuple[str, int, str]
"""Which write it was: the record's subject, the hybrid logical clock, and the node that made it."""

_SWITCH = "switch"

Action = Literal["created", "changed", "switched", "deleted"]


class Filters(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked for; None asks for all. `since` is in seconds since 1970, `kind` a kind of record, `subject` one of
    them (`account/a`): what is asked of a record is asked of its switch too, which the log holds by itself
    (`switch/account:a`).
    """

    kind: str | None = None
    subject: str | None = None
    actor: str | None = None
    since: float | None = None

    def take(self, event: Event) -> bool:
        """Whether `event` is asked for."""
        subject = about(event)
        return (
            (self.kind is None or subject.startswith(self.kind + "/"))
            and self.subject in (None, subject)
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

    async def written(self, writes: Collection[Write]) -> Mapping[Write, Event]:
        """The events of these writes, as far as they are in the log."""


class FieldChange(msgspec.Struct, frozen=True, kw_only=True, rename={"before": "from", "after": "to"}):
    """One field's value before and after; null where it had, or has, none."""

    field: str
    before: Any
    after: Any


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One change: `actor` did `action` to `subject` at `at` (RFC 3339), on the node `node`.

    `cause` is the request or event that led to it. A deletion has no `changes`. `switched` is what an operator enabled,
    disabled or drained of a record that stands in a node's file.
    """

    id: str
    at: str
    node: str
    actor: str
    action: Action
    subject: str
    cause: str | None
    changes: tuple[FieldChange, ...]


class _Body(msgspec.Struct, frozen=True):
    """What a state event's body says, as far as the audit trail asks."""

    incarnation: tuple[int, str]
    fields: dict[str, Any] = {}
    previous: dict[str, tuple[int, str]] = {}


async def changes(history: History, after: str | None, limit: int, filters: Filters) -> tuple[list[Change], str | None]:
    """A page of the audit trail, newest first, and where the next one begins."""
    page = await history.events(after, limit, filters)
    bodies = [_body(event) for event in page.events]
    pairs = list(zip(page.events, bodies, strict=True))
    wanted = {(event.subject, *stamp) for event, body in pairs for stamp in body.previous.values()}
    earlier = await history.written(wanted) if wanted else {}
    before = {write: _shown(event, _body(event)) for write, event in earlier.items()}
    return [_change(event, body, before) for event, body in pairs], page.next


def _change(event: Event, body: _Body, before: Mapping[Write, dict[str, Any]]) -> Change:
    """Old values are those that the stamps lead to; of what is not in the log any more there is none."""

    def old(name: str) -> Any:
        stamp = body.previous.get(name)
        return None if stamp is None else before.get((event.subject, *stamp), {}).get(name)

    return Change(
        id=event.id,
        at=instant(_seconds(event.hlc)),
        node=event.node,
        actor=event.actor,
        action=_action(event, body),
        subject=about(event),
        cause=event.cause,
        changes=tuple(
            FieldChange(field=name, before=old(name), after=value)
            for name, value in sorted(_shown(event, body).items())
        ),
    )


def about(event: Event) -> str:
    """The subject of the record that an event is about."""
    kind, _, name = event.subject.partition("/")
    return name.replace(":", "/", 1) if kind == _SWITCH else event.subject


def _action(event: Event, body: _Body) -> Action:
    if event.kind == "state.deleted":
        return "deleted"
    if event.subject.startswith(f"{_SWITCH}/"):
        return "switched"
    return "created" if body.incarnation == (event.hlc, event.node) else "changed"


def _seconds(hlc: int) -> float:
    """The wall clock's part of a hybrid logical clock: its upper 48 bits are milliseconds since 1970."""
    return (hlc >> 16) / 1000


def instant(seconds: float) -> str:
    """A moment as RFC 3339 writes it, in UTC with milliseconds."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _body(event: Event) -> _Body:
    return msgspec.json.decode(event.body, type=_Body)


def _shown(event: Event, body: _Body) -> dict[str, Any]:
    """The written fields as operators see them. Of a kind that is not known here, none is known to be harmless."""
    kind = event.subject.partition("/")[0]
    return shown_record(kind, None, body.fields) if kind in STRUCTS else dict.fromkeys(body.fields, HIDDEN)
