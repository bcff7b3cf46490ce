"""What an answer amounted to: folded from its events as they pass, in constant memory."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from llmgw_domain import Usage
from llmgw_domain.stream import (
    SEMANTIC,
    Failed,
    Finished,
    Opened,
    RefusalDelta,
    StreamEvent,
    TextDelta,
    ThinkingDelta,
    ToolDelta,
    UsageReported,
)

CHARS_PER_TOKEN = 4
"""A rough average over languages and tokenisers; only used where no provider reported usage."""

_SEMANTIC = frozenset(SEMANTIC)


class Meter:
    """Counts one answer. `finish` joins the reasons of several choices, `failure` is the first in-band error."""

    __slots__ = ("chars", "events", "failure", "finishes", "heard_out", "id", "semantic", "usage")

    def __init__(self) -> None:
        self.chars = 0
        self.events = 0
        self.id = ""
        """The provider's own for the answer."""
        self.semantic = False
        self.usage: Usage | None = None
        self.finishes: dict[int, str] = {}
        self.failure: Failed | None = None
        self.heard_out = False
        """The provider's answer came to its good end, also if its client had left by then."""

    def see(self, events: Iterable[StreamEvent]) -> None:
        for event in events:
            self.events += 1
            kind = type(event)
            if kind is TextDelta or kind is ThinkingDelta or kind is RefusalDelta:
                self.chars += len(event.text)  # type: ignore[union-attr]
                self.semantic = True
            elif kind is ToolDelta:
                self.chars += len(event.fragment)  # type: ignore[union-attr]
            elif kind is Opened:
                self.id = event.id or self.id  # type: ignore[union-attr]
            elif kind is UsageReported:
                self.usage = event.usage  # type: ignore[union-attr]
            elif kind is Finished:
                self.finishes[event.choice] = event.reason.value  # type: ignore[union-attr]
                self.semantic = True
            elif kind is Failed:
                self.failure = self.failure or event  # type: ignore[assignment]
            elif kind in _SEMANTIC:
                self.semantic = True

    @property
    def finish(self) -> str | None:
        return ",".join(dict.fromkeys(self.finishes.values())) or None

    def settled_usage(self, *, complete: bool, request_bytes: int) -> Usage:
        """The usage to bill: what the provider reported of a complete answer, else an estimate marked as one.

        An answer is complete where the client had all of it, or where it was heard out.

        A provider that reported nothing, or whose answer was cut before its final count, is estimated from what passed:
        it read the request, and generated at least what came.
        """
        if (complete or self.heard_out) and self.usage is not None:
            return self.usage
        seen = self.usage or Usage(uncached_input=request_bytes // CHARS_PER_TOKEN)
        written = -(-self.chars // CHARS_PER_TOKEN)
        return msgspec.structs.replace(seen, output=max(seen.output, written), provenance="estimated")
