"""How an event is written down, and how one that was written long ago is read today.

An event is one JSON object with the fields of `llmgw_domain.Event`. The registry knows each kind's current version and
how to lift a body from one version to the next, so folds are written for the current shape alone. A body is lifted
when it is read; what is stored never changes.

What this release does not know it leaves alone: an unknown kind, or a version newer than its own (written by a later
release beside it), is read and passed on as it is. Losing it would be final, not understanding it is temporary.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec

from llmgw_domain import Event
from llmgw_eventstore.store import Log

Body = dict[str, object]
Upcaster = Callable[[Body], Body]
"""Gives the body of the next version. It gets a dict of its own, and may change it."""


class Unreadable(ValueError):
    """These bytes are no event."""


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """A kind of events: its log, the version that is written today, and the way there from each earlier one.

    `upcasters[0]` lifts version 1 to 2, and so on.
    """

    name: str
    log: Log
    version: int = 1
    upcasters: tuple[Upcaster, ...] = ()

    def __post_init__(self) -> None:
        if len(self.upcasters) != self.version - 1:
            raise ValueError(
                f"{self.name} is at version {self.version} and has {len(self.upcasters)} upcasters: "
                f"it needs {self.version - 1}, one from each earlier version"
            )


class Kinds:
    """The kinds of events that this release knows, by name."""

    def __init__(self, kinds: Iterable[Kind]) -> None:
        self._kinds: dict[str, Kind] = {}
        for kind in kinds:
            if kind.name in self._kinds:
                raise ValueError(f"{kind.name} is registered twice")
            self._kinds[kind.name] = kind

    def log_of(self, kind: str) -> Log:
        """Where events of a kind belong. Kinds of later releases keep the rule that `state.` begins a state kind."""
        known = self._kinds.get(kind)
        if known is not None:
            return known.log
        return "state" if kind.startswith("state.") else "fact"

    def version_of(self, kind: str) -> int:
        """The version to write; raises KeyError for a kind that is not registered."""
        return self._kinds[kind].version

    def current(self, event: Event) -> Event:
        """The event with its body in today's shape, or unchanged where today's shape is not known."""
        kind = self._kinds.get(event.kind)
        if kind is None or not 0 < event.v < kind.version:
            return event
        try:
            body = msgspec.json.decode(event.body, type=Body)
            for lift in kind.upcasters[event.v - 1 :]:
                body = lift(body)
        except (msgspec.MsgspecError, LookupError, TypeError, ValueError) as error:
            raise Unreadable(f"event {event.id}: its body is no {event.kind} of version {event.v}: {error}") from error
        return msgspec.structs.replace(event, v=kind.version, body=msgspec.Raw(msgspec.json.encode(body)))

    def __repr__(self) -> str:
        return f"<Kinds {' '.join(f'{kind.name}:{kind.version}' for kind in self._kinds.values())}>"


KINDS = Kinds(
    (
        Kind(name="state.written", log="state"),
        Kind(name="state.deleted", log="state"),
        Kind(name="request.opened", log="fact"),
        Kind(name="request.settled", log="fact"),
        Kind(name="request.attempt_ended", log="fact"),
        Kind(name="session.bound", log="fact"),
        Kind(name="session.moved", log="fact"),
        Kind(name="session.forgotten", log="fact"),
    )
)
"""The kinds of this release."""

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Event)


def encode(event: Event) -> bytes:
    """One JSON object; the body is copied as it is, so it must be valid JSON."""
    return _encoder.encode(event)


def decode(data: bytes, kinds: Kinds = KINDS) -> Event:
    """The event in `data`, lifted to the current version of its kind; raises `Unreadable`.

    The body is a view into `data`, which stays in memory for as long as the event does.
    """
    try:
        event = _decoder.decode(data)
    except msgspec.MsgspecError as error:
        raise Unreadable(f"{error}; it begins with {data[:60]!r}") from error
    return kinds.current(event)
