"""The request log, the hourly usage and the pins of sessions as tables, folded from the log in SQL, and anew at will.

A batch of facts is folded at once, in the transaction that moves the checkpoint: after any crash the tables stand
where the checkpoint says. One node folds at a time; whoever finds the checkpoint taken leaves it. It is in the database
whose tables it is about, so a standby that takes over has both as of the same moment.

The rows are those of the pure folds in `llmgw_eventstore.requests` and `llmgw_relay.pin_facts`, which are their
specification. `replay` folds the whole log into tables beside the live ones, says in plain words where they differ, and
can put the new ones in place.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from llmgw_eventstore import StoreError
from llmgw_eventstore.projection import differences
from llmgw_eventstore.requests import REQUESTS, Request
from llmgw_postgres import pins
from llmgw_postgres.once import once_in_cluster
from llmgw_postgres.pools import Connection, Pools
from llmgw_postgres.queries import query
from llmgw_relay.pin_facts import PINS

VERSION = REQUESTS.version + PINS.version
"""Of the folds and their rows, raised with each of them. Tables of an earlier one are built anew."""

_BATCH = 5000
"""Events to a transaction: large enough that a set is worth it, small enough to be done in well under a second."""

END = 2**63 - 1
"""A position behind every event."""

_MOST_DIFFERENCES = 100
"""Of each table. Whoever has more needs a rebuild and not a longer list."""

_REPLAY_SECONDS = 600.0
"""Longest statement of a replay, which compares whole tables."""


class ReplayRunning(StoreError):
    """Another node replays the log right now: wait until it is done."""


class Tables(NamedTuple):
    """Where a fold puts its rows."""

    requests: str
    usage: str
    closed: str
    pins: str


LIVE = Tables("llmgw.requests", "llmgw.usage", "llmgw.closed", "llmgw.pins")
_ANEW = Tables("llmgw.requests_anew", "llmgw.usage_anew", "llmgw.closed_anew", "llmgw.pins_anew")


class Projections:
    """The tables `requests`, `usage` and `pins` of one database."""

    def __init__(self, pools: Pools) -> None:
        self._pools = pools

    async def advance(self, limit: int = _BATCH) -> int:
        """Folds the next batch; how many facts it had, 0 at the end of the log or while another node folds.

        Tables of an earlier version are built anew first; those of a later one are left to the nodes that know it.
        Raises `StoreAway`.
        """
        async with self._pools.writes.connection() as connection:
            await connection.execute(query("projections", "begin"), {"version": VERSION})
            async with connection.transaction():
                row = await (await connection.execute(query("projections", "take"))).fetchone()
                if row is None or row[0] > VERSION:
                    return 0
                if row[0] == VERSION:
                    count, upto = await fold(connection, LIVE, row[1], limit)
                    if count:
                        await connection.execute(query("projections", "move"), {"version": VERSION, "upto": upto})
                    return count
        try:
            await self.replay(repair=True)
        except ReplayRunning:
            pass  # by a node that noticed it too
        return 0

    async def replay(self, *, repair: bool = False, limit: int = _BATCH) -> list[str]:
        """Folds the whole log anew; how the live tables differ from that, a line for each row, at most 100 a table.

        With `repair` the new tables take the live ones' place. Raises `StoreAway`, `ReplayRunning`.
        """
        async with once_in_cluster(self._pools, "replay", statement_seconds=_REPLAY_SECONDS) as connection:
            if connection is None:
                raise ReplayRunning
            await connection.execute(query("projections", "begin"), {"version": VERSION})
            await connection.execute(query("projections", "shadow"))
            try:
                return await _replay(connection, repair, limit)
            finally:
                if not connection.closed:
                    await connection.execute(query("projections", "discard"))


async def _replay(connection: Connection, repair: bool, limit: int) -> list[str]:
    """Most of the log goes without holding anyone up; for the rest, and to compare, the live tables stand still."""
    position, count = 0, 1
    while count:
        async with connection.transaction():
            count, position = await fold(connection, _ANEW, position, limit)
    async with connection.transaction():
        row = await (await connection.execute(query("projections", "hold"))).fetchone()
        assert row is not None
        goal = max(position, row[1])
        await fold_all(connection, _ANEW, position, goal)
        if row[0] == VERSION:
            await fold_all(connection, LIVE, row[1], goal)
        found, pinned = await _compare(connection), await pins.unlike(connection)
        if repair:
            await connection.execute(query("projections", "swap"))
        if repair or row[0] == VERSION:
            await connection.execute(query("projections", "move"), {"version": VERSION, "upto": goal})
    # Mostly nothing, and may take long: nobody waits for it.
    return found + (await pins.unexplained(connection, pinned, goal))[:_MOST_DIFFERENCES]


async def fold_all(connection: Connection, tables: Tables, after: int, goal: int = END) -> int:
    """Folds everything behind `after` up to `goal`, in the caller's transaction; the last position."""
    count = 1
    while count:
        count, after = await fold(connection, tables, after, _BATCH, goal)
    return after


async def fold(connection: Connection, tables: Tables, after: int, limit: int, goal: int = END) -> tuple[int, int]:
    """Folds up to `limit` facts behind `after`, in the caller's transaction; their count and the last position."""
    bounds = {"after": after, "goal": goal, "limit": limit}
    row = await (await connection.execute(query("projections", "upto"), bounds)).fetchone()
    assert row is not None
    count, upto, closing = row
    if not count:
        return 0, after
    names, bounds = tables._asdict(), {"after": after, "upto": upto}
    if closing:
        await connection.execute(query("closing", "clear", **names), bounds)
        await connection.execute(query("closing", "fill", **names), bounds)
    else:
        await connection.execute(query("projections", "fold", **names), bounds)
        await connection.execute(query("projections", "prune", **names))
        await connection.execute(query("pins", "fold", **names), bounds)
    return count, upto


async def _compare(connection: Connection) -> list[str]:
    """The differences of the live tables from the new ones."""
    most = {"limit": _MOST_DIFFERENCES}
    expected: dict[str, msgspec.Struct] = {}
    found: dict[str, msgspec.Struct] = {}
    rows = await connection.execute(query("projections", "unlike_requests"), most)
    for request_id, in_anew, anew, in_live, live in await rows.fetchall():
        if in_anew:
            expected[f"requests {request_id}"] = msgspec.json.decode(anew, type=Request)
        if in_live:
            found[f"requests {request_id}"] = msgspec.json.decode(live, type=Request)
    lines = differences(expected, found)
    rows = await connection.execute(query("projections", "unlike_usage"), most)
    for group, anew, live in await rows.fetchall():
        lines.append(f"usage {group}: {_unlike(anew, live)}")
    return lines


def _unlike(anew: str | None, live: str | None) -> str:
    """How a row of usage differs."""
    if live is None:
        return "missing"
    if anew is None:
        return "should not be there"
    right, there = (msgspec.json.decode(row, type=dict[str, object]) for row in (anew, live))
    return ", ".join(
        f"{name} is {there[name]!r}, should be {right[name]!r}" for name in right if right[name] != there[name]
    )
