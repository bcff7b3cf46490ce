"""The goes of one answer: whether a provider paused it, and the request that continues it.

Translations only: a client of the provider's own dialect sees the pause and continues by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import msgspec

from llmgw_domain.stream import Finished, StreamEvent
from llmgw_protocols import Decoder, Frame, Rendered
from llmgw_protocols.continuation import MAX_GOES, Continuation, Joiner, paused


class Goes:
    """Follows one answer. `decoder` makes a reader for each go, `rendered` is the request of the first."""

    def __init__(self, continuation: Continuation | None, decoder: Callable[[], Decoder], rendered: Rendered) -> None:
        self._continuation = continuation
        self._decoder = decoder
        self._rendered = rendered
        self._joiner = Joiner()
        self._left = MAX_GOES if continuation is not None else 0
        self.decoder = decoder()
        """The reader of the current go."""

    def see(self, frames: Iterable[Frame]) -> None:
        """Takes note of a stream's frames."""
        if self._continuation is not None and self._left:
            for frame in frames:
                self._continuation.see(frame.raw)

    def join(self, events: Sequence[StreamEvent]) -> list[StreamEvent]:
        """The current go's events as those of the whole answer."""
        return self._joiner.join(events) if self._continuation is not None else list(events)

    def further(self, events: Sequence[StreamEvent]) -> Rendered | None:
        """The request to go on with after these events of a stream; the next go's events are then expected."""
        if self._continuation is None or not self._left or not paused(events):
            return None
        body = self._continuation.body(self._rendered.body)
        if body is None:
            return None
        self._left -= 1
        self._joiner.next()
        self.decoder = self._decoder()
        return msgspec.structs.replace(self._rendered, body=body)

    def read(self, body: bytes) -> tuple[list[StreamEvent], Rendered | None]:
        """The events of a go that is no stream, and the request to go on with."""
        if self._continuation is not None and self._left:
            self._continuation.whole(body)
        events = self.join(self.decoder.whole(body))
        further = self.further(events)
        return (ending_later(events), further) if further is not None else (events, None)


def ending_later(events: Iterable[StreamEvent]) -> list[StreamEvent]:
    """The events without the end that is none."""
    return [event for event in events if not isinstance(event, Finished)]
