"""Answers that a provider gives in several goes: paused, and continued by another request.

Anthropic pauses a turn whose server-side tools take long (`pause_turn`) and wants what it said so far back; Gemini ends
an answer that is over its cap (`CONTINUATION`) with a token. Clients of the same dialect continue by themselves. For
others the gateway does, and makes one answer of the goes: `Joiner` puts their events one behind the other.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

import msgspec

from llmgw_domain import Usage
from llmgw_domain.stream import Cited, Finished, Opened, StreamEvent, TextDelta, ToolDelta, ToolOpened, UsageReported
from llmgw_protocols.gemini.continued import ContinuedAnswer
from llmgw_protocols.messages.paused import PausedTurn

MAX_GOES = 5
"""How often an answer is continued; a provider that pauses again after that has had its chance."""

PAUSES = frozenset(("pause_turn", "CONTINUATION"))
"""What a provider calls an end that is none."""


class Continuation(Protocol):
    """Collects, from one answer's goes, what the next request needs."""

    def see(self, raw: bytes) -> None:
        """One frame of a stream, exactly as it came."""
        ...

    def whole(self, body: bytes) -> None:
        """One go that is no stream."""
        ...

    def body(self, asked: bytes) -> bytes | None:
        """The next request's body, made of the first one's; None where the answer can't be continued."""
        ...


def continuation(dialect: str, asked: bytes) -> Continuation | None:
    """What follows the answer to a request in a dialect; None for one whose answers always come in one go."""
    if dialect == "messages":
        return PausedTurn() if PausedTurn.may_pause(asked) else None
    return ContinuedAnswer() if dialect == "gemini" else None


def paused(events: Iterable[StreamEvent]) -> bool:
    """Whether these events end an answer that is not at its end. One of several choices has no continuation."""
    ends = [event for event in events if isinstance(event, Finished)]
    return len(ends) == 1 and ends[0].choice == 0 and ends[0].detail in PAUSES


class Joiner:
    """Makes the events of several goes those of one answer: one opening, one numbering, one sum of what was used."""

    def __init__(self) -> None:
        self._goes = 0
        self._calls = self._calls_before = 0
        self._length = self._length_before = 0
        self._used: Usage | None = None
        self._used_before: Usage | None = None

    def next(self) -> None:
        """What comes now is of the next go."""
        self._goes += 1
        self._calls_before, self._length_before, self._used_before = self._calls, self._length, self._used

    def join(self, events: Iterable[StreamEvent]) -> list[StreamEvent]:
        """The events of the current go, as those of the whole answer."""
        joined = (self._joined(event) for event in events if self._goes == 0 or not isinstance(event, Opened))
        return [self._counted(event) for event in joined]

    def _joined(self, event: StreamEvent) -> StreamEvent:
        if self._goes == 0:
            return event
        match event:
            case ToolOpened() | ToolDelta():
                return msgspec.structs.replace(event, call=event.call + self._calls_before)
            case Cited(start=start, end=end):
                return msgspec.structs.replace(event, start=self._moved(start), end=self._moved(end))
            case UsageReported(usage=usage) if self._used_before is not None:
                return UsageReported(self._used_before + usage)
        return event

    def _moved(self, place: int | None) -> int | None:
        return None if place is None else place + self._length_before

    def _counted(self, event: StreamEvent) -> StreamEvent:
        match event:
            case ToolOpened(call=call, choice=0):
                self._calls = max(self._calls, call + 1)
            case TextDelta(text=text, choice=0):
                self._length += len(text)
            case UsageReported(usage=usage):
                self._used = usage
        return event
