"""What a gateway itself says of its cached tokens: the facts in the spool of a worker."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import msgspec

from llmgw_eventstore.spool import SpoolCursor, SpoolReader


class _Session(msgspec.Struct):
    lost: int = 0
    cause: str | None = None


class _Body(msgspec.Struct):
    session: _Session | None = None


class _Settled(msgspec.Struct):
    kind: str
    body: _Body | None = None


def lost_tokens(folder: Path) -> Counter[str]:
    """Tokens by what they were lost to, of all calls in the spool of this folder."""
    lost: Counter[str] = Counter()
    for payload in _payloads(folder):
        event = msgspec.json.decode(payload, type=_Settled)
        session = event.body.session if event.kind == "request.settled" and event.body else None
        if session is not None and session.cause:
            lost[session.cause] += session.lost
    return lost


def _payloads(folder: Path) -> Iterator[bytes]:
    reader, cursor = SpoolReader(folder), SpoolCursor(0, 0)
    while True:
        payloads, behind = reader.read(cursor)
        if behind == cursor:
            return
        yield from payloads
        cursor = behind
