"""Where sessions are pinned, in PostgreSQL: `projections` folds the facts into the table, here it is read and swept.

A pin that has expired is not found any more, whether it has been swept or not.
"""

from __future__ import annotations

from collections.abc import Collection

import msgspec
from psycopg.rows import TupleRow

from llmgw_affinity import Pin
from llmgw_eventstore.projection import differences, project
from llmgw_postgres.pools import Connection, Pools
from llmgw_postgres.queries import query
from llmgw_postgres.replicas import Replicas
from llmgw_postgres.store import event_of
from llmgw_relay.pin_facts import PINS, Arrival, Pinned

_UNLIKE = 1000
"""Rows of a replay that are looked at more closely."""


class PgPins:
    """The pins of the cluster, as the primary has them. The pools are its caller's, who opens and closes them."""

    def __init__(self, pools: Pools) -> None:
        self._pools = pools

    async def get(self, keys: Collection[str]) -> dict[str, Pin]:
        """The pins of these sessions, as far as there are any. Raises `StoreAway`."""
        async with self._pools.reads.connection() as connection:
            rows = await connection.execute(query("pins", "by_keys"), {"keys": list(keys)})
            pins = [msgspec.json.decode(row[0], type=Pin) for row in await rows.fetchall()]
            return {pin.key: pin for pin in pins}

    async def forgotten(self, after: int) -> tuple[list[Pin], int]:
        """What was forgotten behind this position of the log, and the last position there is. Raises `StoreAway`."""
        async with self._pools.reads.connection() as connection:
            row = await (await connection.execute(query("pins", "forgotten"), {"after": after})).fetchone()
            assert row is not None
            upto, pins = row
            return msgspec.json.decode(pins, type=list[Pin]), upto

    async def sweep(self, limit: int = 5_000) -> int:
        """Removes up to `limit` pins that have expired, and tells how many there were: a job of one node, to be
        repeated until it is fewer than `limit`. Raises `StoreAway`.
        """
        async with self._pools.writes.connection() as connection:
            return (await connection.execute(query("pins", "sweep"), {"limit": limit})).rowcount

    def __repr__(self) -> str:
        return f"<PgPins {self._pools.reads!r} {self._pools.writes!r}>"


class PgSessions:
    """The sessions of the cluster, for those who look at them. Reads through `replicas`; raises `StoreAway`."""

    def __init__(self, replicas: Replicas) -> None:
        self._replicas = replicas

    async def page(
        self,
        limit: int,
        *,
        after: str | None = None,
        key: str | None = None,
        tenant: str | None = None,
        account: str | None = None,
        actor: str | None = None,
    ) -> list[Pinned]:
        """Up to `limit` sessions in the order of their keys, behind the key `after`; `account` served them last, and
        `actor` had them placed there. What is forgotten is not among them."""
        parameters = {
            "limit": limit, "after": after, "key": key, "tenant": tenant, "account": account, "actor": actor,
        }  # fmt: skip

        async def work(connection: Connection) -> list[TupleRow]:
            return await (await connection.execute(query("pins", "page"), parameters)).fetchall()

        return [
            Pinned(
                tenant=tenant_of,
                pin=msgspec.json.decode(pin, type=Pin),
                arrival=msgspec.json.decode(arrival, type=Arrival),
                expires=expires,
            )
            for tenant_of, pin, arrival, expires in await self._replicas.read(work)
        ]

    def __repr__(self) -> str:
        return f"<PgSessions {self._replicas!r}>"


class Unlike(msgspec.Struct, frozen=True):
    """Rows by key that a replay and the live table have otherwise, as the one and as the other has them."""

    anew: dict[str, Pinned]
    live: dict[str, Pinned]


async def unlike(connection: Connection) -> Unlike:
    """Where the live table differs from that of a replay, for up to a thousand rows."""
    found = Unlike({}, {})
    rows = await connection.execute(query("pins", "unlike"), {"limit": _UNLIKE})
    for key, anew, live in await rows.fetchall():
        if anew is not None:
            found.anew[key] = msgspec.json.decode(anew, type=Pinned)
        if live is not None:
            found.live[key] = msgspec.json.decode(live, type=Pinned)
    return found


async def unexplained(connection: Connection, rows: Unlike, upto: int) -> list[str]:
    """What of it is wrong, a line for each row.

    A live row may say more than a replay, which passes over what has expired since it was told. It must say all that
    the replay does, and nothing that was never told in the log up to `upto`.
    """
    both = rows.anew.keys() & rows.live.keys()
    told = await _told(connection, both, upto) if both else {}
    right = {key for key in both if _between(rows.anew[key], rows.live[key], told[key])}
    return differences(
        {f"pins {key}": row for key, row in rows.anew.items() if key not in right},
        {f"pins {key}": row for key, row in rows.live.items() if key not in right},
    )


def _between(least: Pinned, found: Pinned, most: Pinned) -> bool:
    return least.merged(found) == found and found.merged(most) == most


async def _told(connection: Connection, keys: Collection[str], upto: int) -> dict[str, Pinned]:
    """What all facts tell of these sessions, however old they are."""
    rows = await connection.execute(query("pins", "facts"), {"keys": list(keys), "upto": upto})
    return project(PINS, [event_of(row[1:]) for row in await rows.fetchall()]).rows
