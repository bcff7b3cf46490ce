"""What nodes say to each other about their state: values that a link turns into bytes, and back.

Every message carries the sender's `Status`, so whichever of them arrives tells what the sender has and lacks. None is
answered for its own sake but `Hello`; none that is lost, doubled or overtaken does harm.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from llmgw_crdt.delta import Delta, parse_stamp


@dataclass(frozen=True, slots=True)
class Status:
    """What a node has: of each author how far (`vector`), which records (`digest`), what it has collected (`floor`)."""

    node: str
    vector: Mapping[str, int]
    digest: str
    floor: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Hello:
    """A link is open: tell me what you have."""

    status: Status


@dataclass(frozen=True, slots=True)
class Beat:
    """I am here, and this is what I have: a sign of life and an acknowledgement."""

    status: Status


@dataclass(frozen=True, slots=True)
class Deltas:
    """Changes that the receiver may lack."""

    status: Status
    deltas: tuple[Delta, ...]


@dataclass(frozen=True, slots=True)
class Whole:
    """The sender's whole state (`RecordMap.dump`)."""

    status: Status
    dump: Mapping[str, object]


Message: TypeAlias = Hello | Beat | Deltas | Whole


def body_of(message: Message) -> dict[str, object]:
    """A message as JSON values: `{"is": "hello" | "beat" | "deltas" | "whole", "status": ..., ...}`."""
    status = message.status
    body: dict[str, object] = {
        "is": type(message).__name__.lower(),
        "status": {
            "node": status.node,
            "vector": dict(status.vector),
            "digest": status.digest,
            "floor": dict(status.floor),
        },
    }
    if isinstance(message, Deltas):
        body["deltas"] = [[d.node, d.hlc, d.subject, d.deleted, d.body()] for d in message.deltas]
    elif isinstance(message, Whole):
        body["dump"] = message.dump
    return body


def parse_message(body: Mapping[str, Any]) -> Message:
    """Read what `body_of` wrote. Raises ValueError for anything else; a dump is looked at when it is merged."""
    try:
        status = _status(body["status"])
        match body["is"]:
            case "hello":
                return Hello(status)
            case "beat":
                return Beat(status)
            case "deltas":
                return Deltas(status, tuple(_delta(*fields) for fields in body["deltas"]))
            case "whole":
                return Whole(status, dict(body["dump"]))
            case other:
                raise ValueError(f"no message is called {other!r}; the peer may be of a later release")
    except (KeyError, TypeError) as wrong:
        raise ValueError(f"not a message between nodes: {wrong!r}") from None


def _delta(node: object, hlc: object, subject: object, deleted: object, body: Mapping[str, object]) -> Delta:
    hlc, node = parse_stamp((hlc, node))
    return Delta.parse(node, hlc, str(subject), bool(deleted), body)


def _status(value: Mapping[str, Any]) -> Status:
    return Status(str(value["node"]), _readings(value["vector"]), str(value["digest"]), _readings(value["floor"]))


def _readings(value: Mapping[str, Any]) -> dict[str, int]:
    return {node: hlc for hlc, node in (parse_stamp((hlc, node)) for node, hlc in value.items())}
