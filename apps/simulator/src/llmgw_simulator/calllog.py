"""What was asked, by whom, and how it ended: a ring that is bounded in entries and in bytes.

Credentials are kept in full. They belong to a simulator, and a test wants to see which one a gateway used.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import msgspec

from llmgw_simulator.ask import Answers, Ask
from llmgw_simulator.ledger import Ledger, Line
from llmgw_simulator.wire import Incoming

_MOST_CREDENTIALS = 10_000
"""Counters are kept for the credentials seen last."""


class Entry(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One request. `body` is its JSON as it came, or its text if it was none; `seconds` runs until the outcome.

    `outcome` is `in_flight`, then one of `served`, `refused` (an error answer), `client_closed` (the caller left before
    the end), `reset`, `eof`, `fin`, `stall`, `rst`, `black_hole`, `refused_stream` (a fault ended it), `crashed` (a
    fault of the simulator itself). `connection` is the number of the one that it came on. `cost` is its line in the
    ledger, if it was let in to a model.
    """

    id: int
    dialect: str
    method: str
    path: str
    query: dict[str, str] = {}
    credential: str | None
    model: str = ""
    stream: bool = False
    headers: dict[str, str]
    body: msgspec.Raw | str | None
    started: float
    fault: Any = None
    http: str = ""
    connection: int = 0
    status: int | None = None
    outcome: str = "in_flight"
    sent_bytes: int = 0
    sent_events: int = 0
    seconds: float | None = None
    cost: Line | None = None


class Tally(msgspec.Struct):
    """Counts of one credential; tokens are those of the requests that were let in."""

    requests: int = 0
    in_flight: int = 0
    outcomes: dict[str, int] = {}
    statuses: dict[int, int] = {}
    prompt_tokens: int = 0
    cached_tokens: int = 0
    written_tokens: int = 0
    output_tokens: int = 0


class CallLog:
    """The ring. `open` and `settle` are called by the server; everything else is for readers."""

    def __init__(self, most_entries: int, most_bytes: int, most_lines: int = 100_000) -> None:
        self.ledger = Ledger(most_lines)
        self._most_entries = most_entries
        self._most_bytes = most_bytes
        self._entries: OrderedDict[int, Entry] = OrderedDict()
        self._sizes: dict[int, int] = {}
        self._bytes = 0
        self._serial = 0
        self._tallies: OrderedDict[str, Tally] = OrderedDict()
        self.in_flight = 0

    def __repr__(self) -> str:
        return f"<CallLog {len(self._entries)} requests, {self.in_flight} in flight>"

    @property
    def entries(self) -> list[Entry]:
        """The requests that are kept, oldest first."""
        return list(self._entries.values())

    @property
    def credentials(self) -> dict[str, Tally]:
        """Counts by credential since the last clear; requests without one count as the empty name."""
        return dict(self._tallies)

    def next_serial(self) -> int:
        """A number for a request; never given twice, not even after `clear`."""
        self._serial += 1
        return self._serial

    def open(self, dialect: str, incoming: Incoming, credential: str | None, model: str, is_json: bool) -> Entry:
        """Note that a request has come."""
        entry = Entry(
            id=incoming.serial,
            dialect=dialect,
            method=incoming.method,
            path=incoming.path,
            query=dict(incoming.query),
            credential=credential,
            model=model,
            headers=dict(incoming.headers),
            body=_shown(incoming.body, is_json),
            started=incoming.now,
        )
        self._keep(entry, len(incoming.body))
        self.in_flight += 1
        tally = self._tally(credential)
        tally.requests += 1
        tally.in_flight += 1
        return entry

    def settle(self, entry: Entry, outcome: str, seconds: float) -> None:
        """Note how it ended; only the first time counts."""
        if entry.outcome != "in_flight":
            return
        entry.outcome, entry.seconds = outcome, round(seconds, 6)
        self.in_flight -= 1
        tally = self._tally(entry.credential)
        tally.in_flight = max(0, tally.in_flight - 1)
        tally.outcomes[outcome] = tally.outcomes.get(outcome, 0) + 1
        if entry.status is not None:
            tally.statuses[entry.status] = tally.statuses.get(entry.status, 0) + 1
        if entry.cost is not None:
            _close(entry.cost, entry)

    def charge(self, entry: Entry, ask: Ask, answers: Answers) -> None:
        """Note what the answer costs, which is charged however it ends."""
        entry.cost = self.ledger.open(entry.id, entry.started, entry.credential or "", ask)
        entry.cost.count(answers)
        tally = self._tally(entry.credential)
        tally.prompt_tokens += answers.prompt_tokens
        tally.cached_tokens += answers.cached_tokens
        tally.written_tokens += answers.written_tokens
        tally.output_tokens += answers.tokens

    def in_flight_of(self, credential: str) -> int:
        """How many requests of a credential are in flight."""
        tally = self._tallies.get(credential)
        return tally.in_flight if tally else 0

    def clear(self) -> None:
        """Forget requests and counts, but not what is in flight."""
        self._entries.clear()
        self.ledger.clear()
        self._sizes.clear()
        self._tallies.clear()
        self._bytes = 0

    def _keep(self, entry: Entry, size: int) -> None:
        self._entries[entry.id] = entry
        self._sizes[entry.id] = size
        self._bytes += size
        # The newest stays, however large it is.
        while len(self._entries) > self._most_entries or (self._bytes > self._most_bytes and len(self._entries) > 1):
            oldest, _ = self._entries.popitem(last=False)
            self._bytes -= self._sizes.pop(oldest)

    def _tally(self, credential: str | None) -> Tally:
        tally = self._tallies.setdefault(credential or "", Tally())
        if len(self._tallies) > _MOST_CREDENTIALS:
            self._tallies.popitem(last=False)
        return tally


def _close(line: Line, entry: Entry) -> None:
    line.status, line.outcome, line.seconds = entry.status or 0, entry.outcome, entry.seconds or 0.0


def _shown(body: bytes, is_json: bool) -> msgspec.Raw | str | None:
    if is_json:
        return msgspec.Raw(body)
    return body.decode("utf-8", "replace") if body else None
