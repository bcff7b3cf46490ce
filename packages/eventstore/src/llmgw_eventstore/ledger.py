"""What a process that died left unsettled, and the settlements that close the books on it.

Each slot's spool holds what its processes opened and settled. When one has died, what it had opened and not settled
will be settled by no one else: the provider may have billed it, and nobody knows how much. `Unsettled` is shown every
event of the slot up to where that process ended, and gives a `request.settled` for each such request: outcome
`crashed`, usage not known.

Everything about such a settlement follows from the event that opened the request, its id too. So two processes that do
this at the same time, or one that does it again, write the same event, and the log keeps it once.

Show it the whole of what the spool has kept: a request whose `request.opened` is gone from it can't be seen. So the
spool must keep its segments for longer than a request may last; the requests that the log holds as open are the other
place to look.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256

import msgspec

from llmgw_domain import Event, Usage, uuid7
from llmgw_eventstore.codec import KINDS
from llmgw_eventstore.requests import Settlement, read_attempt, request_of

CRASHED = "crashed"
"""The outcome of a request whose process died before it was over."""


class Unsettled:
    """The requests that were opened and not settled, among the events that it was shown."""

    def __init__(self) -> None:
        self._opened: dict[str, list[Event]] = {}
        self._settled: set[str] = set()

    def add(self, event: Event) -> None:
        """Take note of an event, in any order; what tells of no request is passed over."""
        request = request_of(event)
        if request is None:
            return
        if event.kind == "request.settled":
            self._settled.add(request)
            self._opened.pop(request, None)
        elif request not in self._settled:
            self._opened.setdefault(request, []).append(event)

    def settlements(self) -> list[Event]:
        """A settlement for each request that is still open, in the order of their openings' ids.

        Raises `Unreadable` if an opening is not of a shape that this release knows.
        """
        last = [max(events, key=_attempt_of) for events in self._opened.values()]
        return [settlement_of(event) for event in sorted(last, key=lambda event: event.id)]

    def __len__(self) -> int:
        return len(self._opened)

    def __repr__(self) -> str:
        return f"<Unsettled {len(self._opened)} open, {len(self._settled)} settled>"


def unsettled(events: Iterable[Event]) -> list[Event]:
    """The settlements of what these events have opened and not settled."""
    books = Unsettled()
    for event in events:
        books.add(event)
    return books.settlements()


def settlement_of(opened: Event) -> Event:
    """The `request.settled` of a request whose process died after this `request.opened`.

    When it died is not known, so it is dated to the opening and lasts no time; nor is the status that the client saw,
    which is 0. Its tokens are estimated, and marked as not known.
    """
    attempt = read_attempt(opened)
    body = Settlement(
        call=attempt.call,
        request_id=attempt.request_id,
        at=attempt.at,
        tenant=attempt.tenant,
        key=attempt.key,
        dialect=attempt.dialect,
        model=attempt.model,
        stream=False,
        outcome=CRASHED,
        status=0,
        attempts=attempt.attempt,
        duration=0.0,
        account=attempt.account,
        provider=attempt.provider,
        target_model=attempt.target_model,
        error_code="gateway_crashed",
        usage=Usage(provenance="estimated"),
        unmetered=True,
    )
    return msgspec.structs.replace(
        opened,
        id=derived_id(opened.id, CRASHED),
        v=KINDS.version_of("request.settled"),
        kind="request.settled",
        actor="system",
        cause=opened.id,
        body=msgspec.Raw(msgspec.json.encode(body)),
    )


def derived_id(id: str, purpose: str) -> str:
    """A UUIDv7 that follows from another and from what it is for: of the same millisecond, a digest of both."""
    milliseconds = int(id.replace("-", ""), 16) >> 80
    rand = int.from_bytes(sha256(f"{purpose}:{id}".encode()).digest()[:10], "big")
    # Half a millisecond more, so that seconds as a float come out in the same one.
    return uuid7((milliseconds + 0.5) / 1000, rand)


def _attempt_of(event: Event) -> tuple[int, str]:
    attempt = read_attempt(event)
    return attempt.attempt, event.id
