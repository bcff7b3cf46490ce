"""Tables that are folded from the log, and can be folded from it again at any time.

A projection says which row an event belongs to and what becomes of that row. The fold is pure, and it does not mind
order or repeats: the same events give the same rows, however often and in whatever order they come. So a projection may
begin again from any earlier cursor, and nothing is counted twice.

Sums over rows are rollups. They are never added to by events, only by the change of a row: what its old form had given
is taken back, what its new form gives is added. So they are as indifferent to repeats as the rows are.

`Projector` runs one in memory: it reads the log, and keeps rows and cursor together as one snapshot, so that a crash
between the two can't be. A store that keeps the rows as tables folds them its own way, in the transaction that moves
its cursor, and is held to the same rows by `differences`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Generic, TypeVar

import msgspec

from llmgw_domain import Event
from llmgw_eventstore.codec import KINDS, Unreadable
from llmgw_eventstore.store import Cursor, EventStore, Log, TimelineChanged

Row = TypeVar("Row", bound=msgspec.Struct)
Group = tuple[str | int, ...]
Amounts = dict[str, int]


class Rollup(msgspec.Struct, Generic[Row], frozen=True):
    """Sums over the rows of a projection. `share` is what a row adds to which group; None if nothing, to none."""

    name: str
    share: Callable[[Row], tuple[Group, Amounts] | None]


class Projection(msgspec.Struct, Generic[Row], frozen=True, kw_only=True):
    """A table that is folded from a log.

    `key` is the row that an event belongs to, None if it does not concern this projection. `fold` gives the row's next
    form, and raises `Unreadable` for an event that it can't read. `version` is raised with every change of the fold or
    of the row: the table is then built anew.
    """

    name: str
    version: int
    log: Log
    row: type[Row]
    key: Callable[[Event], str | None]
    fold: Callable[[Row | None, Event], Row]
    rollups: tuple[Rollup[Row], ...] = ()

    def __repr__(self) -> str:
        return f"<Projection {self.name} version {self.version} of the {self.log} log>"


class Tables(Generic[Row]):
    """The rows of a projection by key, and the sums of its rollups by name and group."""

    def __init__(self, projection: Projection[Row], rows: Mapping[str, Row] | None = None) -> None:
        self.projection = projection
        self.rows: dict[str, Row] = dict(rows or {})
        self.sums: dict[str, dict[Group, Amounts]] = {rollup.name: {} for rollup in projection.rollups}
        self.unreadable: dict[str, str] = {}
        """Why an event was left out, by its id. An operator must hear of it: what it told is missing in the rows."""
        for row in self.rows.values():
            self._add(row, 1)

    def apply(self, event: Event) -> bool:
        """Fold an event in; whether anything changed."""
        try:
            event = KINDS.current(event)
            key = self.projection.key(event)
            if key is None:
                return False
            before = self.rows.get(key)
            after = self.projection.fold(before, event)
        except Unreadable as error:
            self.unreadable[event.id] = str(error)
            return False
        if after == before:
            return False
        if before is not None:
            self._add(before, -1)
        self.rows[key] = after
        self._add(after, 1)
        return True

    def dump(self) -> bytes:
        """The rows as JSON; the sums follow from them."""
        return msgspec.json.encode(self.rows)

    @classmethod
    def load(cls, projection: Projection[Row], data: bytes) -> Tables[Row]:
        """The tables of a dump; raises `msgspec.MsgspecError` for what is none of this version."""
        rows: dict[str, Row] = msgspec.json.decode(data, type=dict[str, projection.row])  # type: ignore[name-defined]
        return cls(projection, rows)

    def _add(self, row: Row, sign: int) -> None:
        for rollup in self.projection.rollups:
            share = rollup.share(row)
            if share is None:
                continue
            group, amounts = share
            sums = self.sums[rollup.name]
            total = sums.get(group, {})
            total = {name: total.get(name, 0) + sign * amount for name, amount in amounts.items()}
            if any(total.values()):
                sums[group] = total
            else:
                sums.pop(group, None)

    def __repr__(self) -> str:
        sums = "".join(f" {name}={len(groups)}" for name, groups in self.sums.items())
        return f"<Tables {self.projection.name}={len(self.rows)}{sums} unreadable={len(self.unreadable)}>"


def project(projection: Projection[Row], events: Iterable[Event]) -> Tables[Row]:
    """The tables of these events, from nothing."""
    tables = Tables(projection)
    for event in events:
        tables.apply(event)
    return tables


class Projector(Generic[Row]):
    """Keeps one projection up to date in memory. `resume` first, then `advance` again and again.

    `checkpoint` keeps what is there as a snapshot of the store, under the projection's name and version; what comes
    after it is folded again after a crash.
    """

    def __init__(self, store: EventStore, projection: Projection[Row]) -> None:
        self.tables = Tables(projection)
        self.cursor = Cursor()
        self._store = store
        self._projection = projection
        self._snapshot = f"{projection.name}.{projection.version}"

    async def resume(self) -> None:
        """Go on from the last checkpoint of this version; without one, from the beginning."""
        snapshot = await self._store.load_snapshot(self._snapshot)
        if snapshot is not None:
            cursor, body = snapshot
            self.tables, self.cursor = Tables.load(self._projection, body), cursor

    async def advance(self, limit: int = 1000) -> int:
        """Fold the next page of the log; how many events it had.

        On a new timeline it begins again from the beginning, over the rows that it has: what a lost event had told
        stays until a rebuild, for the nodes offer it again.
        """
        try:
            page = await self._store.read(self._projection.log, self.cursor, limit)
        except TimelineChanged as change:
            page = await self._store.read(self._projection.log, Cursor(change.timeline), limit)
        for stored in page.events:
            self.tables.apply(stored.event)
        self.cursor = page.cursor
        return len(page.events)

    async def checkpoint(self) -> None:
        """Keep the rows together with the cursor that they stand for."""
        await self._store.save_snapshot(self._snapshot, self.cursor, self.tables.dump())

    async def rebuild(self, limit: int = 1000) -> list[str]:
        """Fold the whole log anew, take the result, and return how the former rows differed from it up to there."""
        fresh = Projector(self._store, self._projection)
        while await fresh.advance(limit):
            pass
        while self.cursor < fresh.cursor and await self.advance(limit):
            pass
        former, self.tables, self.cursor = self.tables, fresh.tables, fresh.cursor
        return differences(fresh.tables.rows, former.rows)

    def __repr__(self) -> str:
        return f"<Projector {self._snapshot} at {self.cursor.timeline}:{self.cursor.position} {self.tables!r}>"


def differences(expected: Mapping[str, msgspec.Struct], found: Mapping[str, msgspec.Struct]) -> list[str]:
    """What sets two results apart, a line for each row, field by field; empty if they are the same."""
    lines = []
    for key in sorted(expected.keys() | found.keys()):
        if key not in found:
            lines.append(f"{key}: missing")
        elif key not in expected:
            lines.append(f"{key}: should not be there")
        elif fields := _unlike(expected[key], found[key]):
            lines.append(f"{key}: {', '.join(fields)}")
    return lines


def _unlike(expected: msgspec.Struct, found: msgspec.Struct) -> list[str]:
    return [
        f"{name} is {there!r}, should be {right!r}"
        for name in expected.__struct_fields__
        if (right := getattr(expected, name)) != (there := getattr(found, name, None))
    ]
