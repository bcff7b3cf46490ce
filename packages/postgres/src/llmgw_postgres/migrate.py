"""Migrations: numbered SQL files that go forward only, each applied once, in its own transaction.

Two releases run side by side while a cluster is rolled, so a migration only adds: what the previous release reads and
writes keeps working. Where that can't be, the file says which migration a release must know to run on the schema
(`-- needs: NUMBER`), and an older release refuses to start instead of failing later. Files are known by checksum: one
that was edited after it was applied is refused.

Processes that start together take turns (a session advisory lock). The schema `llmgw` belongs to the role that
migrates; the gateway uses the same one, since it makes partitions and rebuilds projections.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from functools import cache
from importlib import resources

import msgspec

from llmgw_eventstore import StoreError
from llmgw_postgres.config import Conninfo, PostgresConfig
from llmgw_postgres.errors import translated
from llmgw_postgres.partitions import make_months
from llmgw_postgres.pools import Connection, Connector
from llmgw_postgres.queries import query

_FILE = re.compile(r"(\d{4})_(\w+)\.sql")
_NEEDS = re.compile(r"^-- needs: (\d+)$", re.MULTILINE)

_SECONDS = 600.0
"""Longest statement of a migration: an index on a large table takes its time."""


class SchemaMismatch(StoreError):
    """The database's schema does not fit this release."""


class Migration(msgspec.Struct, frozen=True, order=True):
    """One file. `needs`: a release that does not know the migration of that number can't run on the schema any more."""

    number: int
    name: str
    sql: str
    needs: int | None

    @property
    def checksum(self) -> str:
        return hashlib.sha256(self.sql.encode()).hexdigest()

    def __str__(self) -> str:
        return f"{self.number:04}_{self.name}"


class Applied(msgspec.Struct, frozen=True):
    """What the database remembers of a migration."""

    number: int
    name: str
    checksum: str
    needs: int | None


@cache
def migrations() -> tuple[Migration, ...]:
    """Those of this release, in their order."""
    folder = resources.files("llmgw_postgres").joinpath("migrations")
    return tuple(sorted(parse(file.name, file.read_text()) for file in folder.iterdir() if file.name.endswith(".sql")))


def parse(file: str, sql: str) -> Migration:
    """A migration from its file's name and text."""
    match = _FILE.fullmatch(file)
    if match is None:
        raise ValueError(f"{file}: a migration is named NNNN_name.sql")
    needs = _NEEDS.search(sql)
    return Migration(int(match[1]), match[2], sql, int(needs[1]) if needs else None)


def outstanding(known: Sequence[Migration], applied: Iterable[Applied]) -> list[Migration]:
    """What is still to be applied; raises `SchemaMismatch` where this release can't run on the schema."""
    by_number = {migration.number: migration for migration in known}
    done: set[int] = set()
    for row in applied:
        if row.needs is not None and row.needs not in by_number:
            raise SchemaMismatch(
                f"the database's schema (migration {row.number:04}_{row.name}) needs a release that knows migration "
                f"{row.needs:04}; this one does not: upgrade this node"
            )
        own = by_number.get(row.number)
        if own is not None and own.checksum != row.checksum:
            raise SchemaMismatch(
                f"migration {own} is not what was applied to the database: this release's files were changed, or "
                f"{row.number:04}_{row.name} came from elsewhere; install a released version"
            )
        done.add(row.number)
    return [migration for migration in known if migration.number not in done]


async def migrate(
    conninfo: Conninfo, config: PostgresConfig | None = None, known: Sequence[Migration] | None = None
) -> list[str]:
    """Brings the schema up to this release and makes the partitions of the next months; names what was applied.

    Raises `StoreAway`, `SchemaMismatch`, `StatementRefused`.
    """
    known = migrations() if known is None else known
    connector = Connector(conninfo, config or PostgresConfig(), statement_seconds=_SECONDS)
    with translated():
        connection = await connector.connect()
        try:
            applied = await _bring_up(connection, known) if outstanding(known, await _applied(connection)) else []
            await make_months(connection)
        finally:
            await connection.close()
    return applied


async def _bring_up(connection: Connection, known: Sequence[Migration]) -> list[str]:
    await connection.execute(query("migrate", "lock"))
    await connection.execute(query("migrate", "prepare"))
    # Looked at again under the lock: another process may just have done it.
    todo = outstanding(known, await _applied(connection))
    for migration in todo:
        async with connection.transaction():
            await connection.execute(migration.sql.encode())
            await connection.execute(
                query("migrate", "remember"),
                {
                    "number": migration.number,
                    "name": migration.name,
                    "checksum": migration.checksum,
                    "needs": migration.needs,
                },
            )
    return [str(migration) for migration in todo]


async def _applied(connection: Connection) -> list[Applied]:
    found = await (await connection.execute(query("migrate", "exists"))).fetchone()
    if found is None or not found[0]:
        return []
    return [Applied(*row) for row in await (await connection.execute(query("migrate", "applied"))).fetchall()]
