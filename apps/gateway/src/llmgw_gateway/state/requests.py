"""The request log of a node: in the database, or nowhere."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from llmgw_admin.requests import LogSlice, RequestLog
from llmgw_domain import Event
from llmgw_domain.errors import BadRequest, StoreUnavailable
from llmgw_eventstore import StoreAway
from llmgw_eventstore.requests import Logged, RequestFilters
from llmgw_gateway.state.log import Database
from llmgw_postgres.requests import PgRequests

_MOST_AFTER = 1100
"""Characters: ids have up to 1000 bytes, and a moment stands before them."""


class DatabaseRequests:
    """Reads the table that the facts are folded into. Every method raises `StoreUnavailable`."""

    def __init__(self, requests: PgRequests, prepared: Callable[[], bool]) -> None:
        """`prepared`: whether the schema is there."""
        self._requests = requests
        self._prepared = prepared

    async def page(self, after: str | None, limit: int, filters: RequestFilters) -> LogSlice:
        """Raises `BadRequest` too."""
        before = None if after is None else _position(after)
        with self._reading():
            found = await self._requests.page(limit + 1, filters, before)
        page = tuple(found[:limit])
        return LogSlice(page, f"{page[-1].at!r}~{page[-1].id}" if len(found) > limit else None)

    async def find(self, id: str) -> Logged | None:
        with self._reading():
            return await self._requests.find(id)

    async def told(self, logged: Logged) -> Sequence[Event]:
        with self._reading():
            return await self._requests.told(logged)

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            if not self._prepared():
                raise StoreAway("the database is not ready yet")
            yield
        except StoreAway as error:
            raise StoreUnavailable(
                "The request log can't be read now: the database is away.", retry_after=5.0, detail=str(error)
            ) from None

    def __repr__(self) -> str:
        return f"<DatabaseRequests {self._requests!r}>"


class NoRequests:
    """The request log of a node without a database: there is none, and whoever asks is told so."""

    async def page(self, after: str | None, limit: int, filters: RequestFilters) -> LogSlice:
        raise _nowhere()

    async def find(self, id: str) -> Logged | None:
        raise _nowhere()

    async def told(self, logged: Logged) -> Sequence[Event]:
        raise _nowhere()

    def __repr__(self) -> str:
        return "<NoRequests>"


def requests_of(database: Database) -> RequestLog:
    """The request log in this database."""
    if database.replicas is None:
        return NoRequests()
    return DatabaseRequests(PgRequests(database.replicas), database.prepared.is_set)


def _position(after: str) -> tuple[float, str]:
    """Where a page ended. Raises `BadRequest`."""
    moment, _, call = after.partition("~")
    try:
        at = float(moment)
    except ValueError:
        at = math.nan
    if not math.isfinite(at) or not call or len(after) > _MOST_AFTER:
        raise BadRequest(f"'after' must be the 'next' of a page, not {after[:40]!r}.", param="after")
    return at, call


def _nowhere() -> StoreUnavailable:
    return StoreUnavailable("There is no request log: the gateway runs without a database.")
