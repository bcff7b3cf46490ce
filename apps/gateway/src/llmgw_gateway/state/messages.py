"""What the control process and its workers say to each other. Both are of one release: a rolling upgrade restarts both,
and a body of another shape cuts the link.

| who | kind | body | answer |
|---|---|---|---|
| worker tells | `hello` | `Hello` | control tells `state` |
| control tells | `state` | `State` | |
| control asks | `events` | events, encoded | the catalog's version, once they count |
| control asks | `overlay` | `Overlay` | the catalog's version |
| control asks | `status` | nothing | `WorkerStatus` |
| worker tells | `serving` | its slot | |
| worker tells | `kept` | a frame of `llmgw_relay.keep` | |
| worker asks | `find` | `Sought` | `FoundFrames` |
| worker tells | `pins` | `ToldPins` | |
| control tells | `pins` | a list of `Pin`s that changed | |
| worker tells | `pauses` | a list of `Pause`s that it was told | |
| control tells | `pauses` | those of other workers, and what it knows from before | |
| worker tells, control tells on | `loads` | `loads.ToldLoads` | |
| worker asks | `pin` | a session's key | its `Pin`, or none |
"""

from __future__ import annotations

import msgspec

from llmgw_affinity import Pin
from llmgw_control import Records
from llmgw_telemetry import Collected


class Hello(msgspec.Struct, frozen=True, kw_only=True):
    """A worker's first word: who it is, and what it has already, so that it is sent no more than it lacks."""

    slot: int
    pid: int
    digest: str
    overlay: str


class Overlay(msgspec.Struct, frozen=True, kw_only=True):
    """The records of the node's file, and the file's name."""

    records: Records
    file: str


class State(msgspec.Struct, frozen=True, kw_only=True):
    """The whole state as far as the worker lacks it: the log's part as JSON, the file's part."""

    dump: bytes | None
    overlay: Overlay | None


class WorkerStatus(msgspec.Struct, frozen=True, kw_only=True):
    """A moment of a worker. `in_flight` counts calls by account id; `states` says what keeps one from serving."""

    slot: int
    pid: int
    addresses: tuple[str, ...]
    catalog: str
    draining: bool
    connections: int
    in_flight: dict[str, int]
    states: dict[str, str]
    metrics: Collected


class FoundFrames(msgspec.Struct, frozen=True):
    """`llmgw_relay.keep.Found`, its changes as frames."""

    frames: tuple[bytes, ...]
    complete: bool


class ToldPins(msgspec.Struct, frozen=True):
    """Pins of a worker's sessions. `changed`: they were bound or moved, which the other workers should hear."""

    pins: tuple[Pin, ...]
    changed: bool
