"""An answer as a script: what to send and when, with the timing and the fault worked in. Pure.

A transport only performs it, and needs to know of no fault but those of connections. Times are seconds since
the request was read, before the time scale; they never go back.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator

import msgspec

from llmgw_simulator.faults import Fault
from llmgw_simulator.wire import Frame


class Pace(msgspec.Struct, frozen=True, kw_only=True):
    """How fast answers come. Seconds; `tps` is output tokens a second, 0 for no delay.

    `ttft` passes before the headers, `think` between the headers and the first event; with `late_headers` the headers
    wait for that too. `tokens` lengthens texts to at least so many tokens, of which an event holds up to `burst`.
    """

    ttft: float = 0.0
    think: float = 0.0
    tps: float = 0.0
    tokens: int = 0
    burst: int = 1
    late_headers: bool = False

    def under(self, fault: Fault) -> Pace:
        """This pace with what `fault` says instead."""
        names = ("ttft", "think", "tps", "tokens", "late_headers")
        wishes = {name: getattr(fault, name) for name in names if getattr(fault, name) is not None}
        return msgspec.structs.replace(self, **wishes) if wishes else self


class Open(msgspec.Struct, frozen=True, gc=False):
    """Send the headers. `length` is the body's length if it is to be declared, in bytes."""

    at: float
    length: int | None = None


class Send(msgspec.Struct, frozen=True, gc=False):
    """Send bytes of the body."""

    at: float
    data: bytes


class Close(msgspec.Struct, frozen=True, gc=False):
    """End the answer: `done` and `eof` in order, `reset` by TCP reset, `fin` by closing early, `rst` by RST_STREAM,
    `stall` and `black_hole` never.
    """

    at: float
    how: str = "done"


Step = Open | Send | Close


def script(
    frames: Iterable[Frame], pace: Pace, fault: Fault, broken: dict[str, bytes], length: int | None = None
) -> Iterator[Step]:
    """The script of a stream. `broken` holds the dialect's frames for the faults `malformed` and `error`.

    `length` is that of all frames together, for a body whose length is declared.
    """
    changed = fault.cut_kind == "eof" or fault.malformed_events is not None or fault.error_events is not None
    at = pace.ttft + (pace.think if pace.late_headers else 0.0)
    yield Open(at, None if changed or fault.comments is not None or fault.huge_frame is not None else length)
    if fault.huge_frame is not None:
        frames = _padded(frames, fault.huge_frame)
    yield from _cut(_timed(_spoilt(frames, fault, broken), pace), fault)


def whole_script(body: bytes, tokens: int, pace: Pace, fault: Fault) -> Iterator[Step]:
    """The script of an answer that is not streamed: headers and body come together when all tokens are made."""
    at = pace.ttft + pace.think + (tokens / pace.tps if pace.tps > 0 else 0.0)
    # A length is promised unless the body is to look complete when it is not.
    yield Open(at, None if fault.cut_kind == "eof" else len(body))
    yield from _cut(iter([Send(at, body)]), fault)


def _timed(frames: Iterable[Frame], pace: Pace) -> Iterator[Send]:
    start, tokens = pace.ttft + pace.think, 0
    for frame in frames:
        tokens += frame.tokens
        yield Send(start + (tokens / pace.tps if pace.tps > 0 else 0.0), frame.data)


def _padded(frames: Iterable[Frame], size: int) -> Iterator[Frame]:
    """The frames, of which the first with JSON has `size` bytes or what it has anyway."""
    stream = iter(frames)
    for frame in stream:
        head, brace, rest = frame.data.partition(b"{")
        if brace:
            blanks = b" " * (size - len(frame.data))
            yield Frame(head + blanks + brace + rest, frame.tokens)
            break
        yield frame
    yield from stream


def _spoilt(frames: Iterable[Frame], fault: Fault, broken: dict[str, bytes]) -> Iterator[Frame]:
    """The frames with the malformed one put in, or ended by the error event."""
    stream = iter(frames)
    for count in itertools.count():
        # Looked at before the next frame is made, for the broken one to have its number.
        if count == fault.error_events:
            yield Frame(broken["error"])
            return
        if count == fault.malformed_events:
            yield Frame(broken["malformed"])
        frame = next(stream, None)
        if frame is None:
            return
        yield frame


def _cut(sends: Iterator[Send], fault: Fault) -> Iterator[Step]:
    """The sends up to where the fault cuts them, and how they end."""
    at, kind = 0.0, fault.cut_kind
    events: int | None = getattr(fault, f"{kind}_events", None)
    left: int | None = getattr(fault, f"{kind}_bytes", None)
    for count, send in enumerate(sends):
        at = send.at
        if count == events or (left is not None and len(send.data) >= left):
            if count != events and left:
                yield Send(at, send.data[:left])
            break
        left = left - len(send.data) if left is not None else None
        yield send
    # An answer that is shorter than the cut is complete, and what goes wrong comes after it.
    yield Close(at, kind or "done")
