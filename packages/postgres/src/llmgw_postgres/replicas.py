"""Reads for dashboards: from streaming replicas when there are some, and never older than the reader's own writes.

An append says at which place of the write-ahead log its batch is (`Appended.lsn`). A replica that has not replayed that
yet is given a moment, then the primary is asked. A replica that fails is left out for a while. One that does not hear
from its primary shows the past for an unknown time: it is asked only if the primary is away as well.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from enum import Enum
from types import TracebackType
from typing import Self, TypeVar

from llmgw_eventstore import StoreAway
from llmgw_postgres.config import Conninfo, PostgresConfig
from llmgw_postgres.pools import Connection, Connector, Pool, Pools
from llmgw_postgres.queries import query

Result = TypeVar("Result")
Work = Callable[[Connection], Awaitable[Result]]
"""Reads that are done on one connection. May be begun again on another one."""

_LOOK_SECONDS = 0.005
"""Between two looks at a replica that is behind."""


_LONGEST_OUT_SECONDS = 60.0
"""That a replica is left out, however often it failed."""


class Standing(Enum):
    """How a replica is doing at the moment of a read."""

    FRESH = "streams, and shows the reader's writes"
    BEHIND = "does not show the reader's writes yet"
    STALE = "does not hear from its primary, and shows the reader's writes"
    NONE = "is no replica"


class Replica:
    """One replica and what is thought of it."""

    def __init__(self, conninfo: Conninfo, config: PostgresConfig, name: str) -> None:
        connector = Connector(conninfo, config, statement_seconds=config.read_seconds, primary=False)
        checkout, use = config.replica_checkout_seconds, config.read_seconds + config.replica_checkout_seconds
        self.pool = Pool(connector, name, config.read_connections, checkout, use)
        self.name = name
        self.out_until = 0.0
        """On the loop's clock: left out until then."""
        self.failures = 0
        """In a row."""
        self.reads = 0

    def __repr__(self) -> str:
        return f"<Replica {self.name} reads={self.reads}>"


class Replicas:
    """Where dashboards read. `async with` opens the replicas' pools; those of `pools` are the caller's."""

    def __init__(self, pools: Pools, replicas: Sequence[Conninfo] | None = None) -> None:
        config = pools.config
        addresses = config.replicas if replicas is None else replicas
        self._pools = pools
        self._config = config
        self.replicas = [Replica(address, config, f"replica-{number}") for number, address in enumerate(addresses, 1)]
        self._turn = 0
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        for replica in self.replicas:
            await self._stack.enter_async_context(replica.pool)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def read(self, work: Work[Result], lsn: str | None = None) -> Result:
        """Does `work` on a replica that shows everything up to `lsn`, else on the primary.

        Raises `StoreAway` when no server can be asked, and whatever `work` raises.
        """
        for replica in self._in_turn():
            try:
                async with replica.pool.connection() as connection:
                    if await self._standing(connection, lsn) is Standing.FRESH:
                        result = await work(connection)
                        replica.reads += 1
                        replica.failures = 0
                        return result
            except StoreAway:
                self._leave_out(replica)
        try:
            async with self._pools.reads.connection() as connection:
                return await work(connection)
        except StoreAway:
            return await self._of_the_past(work, lsn)

    async def _of_the_past(self, work: Work[Result], lsn: str | None) -> Result:
        """From any replica that has what the reader wrote: the primary is away, and an old picture better than none."""
        for replica in self.replicas:
            try:
                async with replica.pool.connection() as connection:
                    if await self._standing(connection, lsn) in (Standing.FRESH, Standing.STALE):
                        return await work(connection)
            except StoreAway:
                self._leave_out(replica)
        raise StoreAway("PostgreSQL is away: neither the primary nor a replica that has the reader's writes answers")

    async def _standing(self, connection: Connection, lsn: str | None) -> Standing:
        """How the replica is doing, after a moment to catch up where it is behind."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._config.replica_wait_seconds
        while True:
            row = await (await connection.execute(query("replicas", "state"), {"lsn": lsn})).fetchone()
            assert row is not None
            standing = _standing(*row)
            if standing is not Standing.BEHIND or loop.time() >= deadline:
                return standing
            await asyncio.sleep(_LOOK_SECONDS)

    def _in_turn(self) -> Iterator[Replica]:
        """The replicas that are not left out, each read beginning at the next one."""
        self._turn += 1
        now = asyncio.get_running_loop().time()
        for number in range(len(self.replicas)):
            replica = self.replicas[(self._turn + number) % len(self.replicas)]
            if replica.out_until <= now:
                yield replica

    def _leave_out(self, replica: Replica) -> None:
        """For longer each time: finding out that one is still away may cost a reader seconds."""
        seconds = min(self._config.replica_retry_seconds * 2**replica.failures, _LONGEST_OUT_SECONDS)
        replica.out_until = asyncio.get_running_loop().time() + seconds
        replica.failures += 1

    def __repr__(self) -> str:
        return f"<Replicas {self.replicas!r}>"


def _standing(in_recovery: bool, streaming: bool, shows: bool) -> Standing:
    if not in_recovery:
        return Standing.NONE
    if not shows:
        return Standing.BEHIND
    return Standing.FRESH if streaming else Standing.STALE
