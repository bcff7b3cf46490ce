"""Connections to PostgreSQL: one pool for what someone waits for, one for work in the background, and single ones.

A gateway starts, and goes on, while its database is away: opening waits for nothing, a connection that can't be had in
time is `StoreAway`. After an error that condemns a server (shut down, demoted to a standby, connection lost) a pool
makes all its connections anew, so that a failover costs one failed call and not one for each connection.

Only the primary is taken for both pools, whichever of the hosts named it is. Every connection has its server end
long statements and idle transactions, whatever becomes of this process.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from types import TracebackType
from typing import Any, Self, cast

import psycopg
from psycopg import AsyncConnection
from psycopg.conninfo import make_conninfo
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from llmgw_eventstore import StoreAway
from llmgw_postgres.config import Conninfo, PostgresConfig
from llmgw_postgres.errors import first_line, meaning, moved

Connection = AsyncConnection[TupleRow]

_RECONNECT_SECONDS = 2.0
"""How long a pool tries for itself; then the next one who wants a connection sets it off again. psycopg's own default
doubles its pauses up to minutes, and a database that is back would not be noticed."""


class Connector:
    """Makes connections to one server, or to the primary among several; remembers why the last attempt failed."""

    def __init__(
        self, conninfo: Conninfo, config: PostgresConfig, *, statement_seconds: float, primary: bool = True
    ) -> None:
        self._conninfo = conninfo
        self._config = config
        self._statement_seconds = statement_seconds
        self._session = "read-write" if primary else "any"
        self.trouble = ""
        """Why the last attempt failed, or empty."""

    async def connect(self, conninfo: str = "", **kwargs: Any) -> Connection:
        """A connection in autocommit, its timeouts set. The arguments are the pool's, and not used."""
        try:
            connection = await AsyncConnection.connect(await self._address(), autocommit=True)
        except psycopg.Error as error:
            self.trouble = first_line(error)
            raise
        try:
            await self._configure(connection)
        except BaseException:
            await connection.close()
            raise
        self.trouble = ""
        return connection

    async def _address(self) -> str:
        try:
            return make_conninfo(
                await self._given(),
                connect_timeout=self._config.connect_seconds,
                target_session_attrs=self._session,
                application_name="llmgw",
                # A dead host is noticed in under 25 s, as with providers.
                keepalives_idle=10,
                keepalives_interval=5,
                keepalives_count=3,
                tcp_user_timeout=20_000,
            )
        except psycopg.ProgrammingError:
            # libpq's message quotes what it could not read, which may be a password.
            raise psycopg.OperationalError("database.url is no libpq URI or keyword string") from None

    async def _given(self) -> str:
        if isinstance(self._conninfo, str):
            return self._conninfo
        try:
            result = self._conninfo()
            return await result if inspect.isawaitable(result) else result
        except Exception as error:
            # Without its text, which may be about a password.
            raise psycopg.OperationalError(f"database.url can't be had: {type(error).__name__}") from error

    async def _configure(self, connection: Connection) -> None:
        config = self._config
        await connection.execute(
            "SELECT set_config('statement_timeout', %s, false),"
            " set_config('idle_in_transaction_session_timeout', %s, false)",
            (f"{self._statement_seconds * 1000:.0f}", f"{config.idle_in_transaction_seconds * 1000:.0f}"),
        )


class Pool:
    """Connections of one kind. Open and close it with `async with`."""

    def __init__(self, connector: Connector, name: str, size: int, checkout_seconds: float, use_seconds: float) -> None:
        """`use_seconds`: the longest that a connection may be used for at a time, the checkout included."""
        self._connector = connector
        self._use_seconds = use_seconds
        self._pool: AsyncConnectionPool[Connection] = AsyncConnectionPool(
            # The pool asks its connection class for connections and for nothing else.
            connection_class=cast(type[Connection], connector),
            min_size=1,
            max_size=size,
            open=False,
            name=f"llmgw-{name}",
            timeout=checkout_seconds,
            reconnect_timeout=_RECONNECT_SECONDS,
        )

    async def __aenter__(self) -> Self:
        await self._pool.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._pool.close()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """A connection in autocommit; a transaction that is left open is rolled back. Raises the store's errors.

        It may be used for `use_seconds`, then that is `StoreAway`: a server that is frozen, or behind a dead network,
        ends no statement by itself. Ending it from here takes up to 10 s more, which psycopg gives a cancellation.
        """
        try:
            async with asyncio.timeout(self._use_seconds), self._pool.connection() as connection:
                yield connection
        except TimeoutError:
            raise StoreAway(
                f"PostgreSQL did not finish within {self._use_seconds:g} s: it is overloaded or out of reach, or a "
                "synchronous standby is away"
            ) from None
        except PoolTimeout:
            raise StoreAway(f"PostgreSQL is away: {self._connector.trouble or 'every connection is in use'}") from None
        except psycopg.Error as error:
            if moved(error):
                await self._pool.drain()
            raise meaning(error) from error

    def __repr__(self) -> str:
        stats = self._pool.get_stats()
        return f"<Pool {self._pool.name} size={stats.get('pool_size', 0)} free={stats.get('pool_available', 0)}>"


class Pools:
    """The two pools of a control process, to the primary. `async with` opens them and waits for nothing."""

    def __init__(self, conninfo: Conninfo, config: PostgresConfig | None = None) -> None:
        self.config = config = config or PostgresConfig()
        self._conninfo = conninfo
        self.reads = Pool(
            Connector(conninfo, config, statement_seconds=config.read_seconds),
            "reads",
            config.read_connections,
            config.checkout_seconds,
            config.read_seconds + config.checkout_seconds,
        )
        """For what someone waits for."""
        self.writes = Pool(
            Connector(conninfo, config, statement_seconds=config.write_seconds),
            "writes",
            config.write_connections,
            config.checkout_seconds,
            config.append_seconds,
        )
        """For appends, projections and jobs."""
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        await self._stack.enter_async_context(self.reads)
        await self._stack.enter_async_context(self.writes)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    def connector(self, *, statement_seconds: float | None = None) -> Connector:
        """For connections outside of the pools: listening, session locks, migrations."""
        seconds = self.config.write_seconds if statement_seconds is None else statement_seconds
        return Connector(self._conninfo, self.config, statement_seconds=seconds)
