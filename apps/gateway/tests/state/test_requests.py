"""The request log of a node: pages, and what is told where it can't be read."""

from __future__ import annotations

import pytest

from llmgw_domain import Event
from llmgw_domain.errors import BadRequest, StoreUnavailable
from llmgw_eventstore import StoreAway
from llmgw_eventstore.requests import Attempt, Logged, Request, RequestFilters
from llmgw_gateway.state.requests import DatabaseRequests, NoRequests


def logged(call: str, at: float) -> Logged:
    told = Attempt(
        request_id=call,
        at=at,
        tenant="t",
        key="k",
        dialect="chat",
        model="m",
        account="a",
        provider="openai",
        target_model="m",
        attempt=1,
    )
    return Logged(id=call, row=Request(opened_at=at, last=told))


class Table:
    """The database's, as far as it is asked."""

    def __init__(self, *rows: Logged) -> None:
        self.rows = rows
        self.away = False

    async def page(self, limit: int, filters: RequestFilters, before: tuple[float, str] | None = None) -> list[Logged]:
        self._look()
        return [row for row in self.rows if before is None or (row.at, row.id) < before][:limit]

    async def find(self, id: str) -> Logged | None:
        self._look()
        return next((row for row in self.rows if row.id == id), None)

    async def told(self, logged: Logged) -> list[Event]:
        self._look()
        return []

    def _look(self) -> None:
        if self.away:
            raise StoreAway("gone")


async def test_a_page_says_where_the_next_begins() -> None:
    """Also among requests of one moment; the last page has no next."""
    at = 1_764_000_000.123456
    log = DatabaseRequests(Table(logged("c~3", at), logged("c2", at), logged("c1", 7.0)), lambda: True)  # type: ignore[arg-type]
    pages, after = [], None
    for _ in range(3):
        page = await log.page(after, 1, RequestFilters())
        pages.append([row.id for row in page.requests])
        after = page.next
    assert ([["c~3"], ["c2"], ["c1"]], None) == (pages, after)


@pytest.mark.parametrize("after", ["", "x", "1.0", "1.0~", "nan~c", "inf~c", "1~" + "c" * 2000])
async def test_a_page_begins_where_one_ended(after: str) -> None:
    """And nowhere else."""
    log = DatabaseRequests(Table(), lambda: True)  # type: ignore[arg-type]
    with pytest.raises(BadRequest, match="'next' of a page"):
        await log.page(after, 1, RequestFilters())


@pytest.mark.parametrize("prepared", [True, False])
async def test_a_database_that_is_away_is_unavailable(prepared: bool) -> None:
    """So is one whose schema is not there yet: whoever asks is told to come back."""
    table = Table(logged("c1", 1.0))
    table.away = prepared
    log = DatabaseRequests(table, lambda: prepared)  # type: ignore[arg-type]
    for ask in (log.page(None, 1, RequestFilters()), log.find("c1"), log.told(logged("c1", 1.0))):
        with pytest.raises(StoreUnavailable, match="database is away"):
            await ask


async def test_without_a_database_there_is_no_log() -> None:
    """And coming back does not help."""
    log = NoRequests()
    for ask in (log.page(None, 1, RequestFilters()), log.find("c1"), log.told(logged("c1", 1.0))):
        with pytest.raises(StoreUnavailable, match="without a database") as refused:
            await ask
        assert None is refused.value.retry_after
