from __future__ import annotations

from typing import Any

import pytest

from llmgw_admin.history import Filters, changes
from llmgw_admin.log_history import HistoryAway, LogHistory
from llmgw_admin.testing import MemoryHistory
from llmgw_control.testing import OWNER, Desk
from llmgw_domain.errors import BadRequest
from llmgw_eventstore.memory import MemoryStore


async def stored(desk: Desk) -> MemoryStore:
    """The desk's journal, in a store."""
    store = MemoryStore()
    await store.append("state", desk.journal.events)
    return store


def busy(policies: int) -> Desk:
    """A desk where policies were made and changed."""
    desk = Desk()
    for n in range(policies):
        desk.administration.create("policy", f"p{n}", {"models": [f"m{n}"]}, OWNER)
    desk.administration.patch("policy", "p0", {"models": ["other"]}, OWNER)
    return desk


async def walked(history: Any, limit: int, filters: Filters) -> list[Any]:
    """Every page of a trail, one after the other."""
    pages, after = [], None
    while True:
        found, after = await changes(history, after, limit, filters)
        pages.append(found)
        if after is None:
            return pages


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 100])
@pytest.mark.parametrize("filters", [Filters(), Filters(subject="policy/p0"), Filters(kind="key")])
async def test_it_tells_what_a_history_in_memory_tells(limit: int, filters: Filters) -> None:
    """The same changes on the same pages, whatever the size of a page and the filters."""
    desk = busy(6)
    expected = await walked(MemoryHistory(desk.journal.events), limit, filters)
    assert expected == await walked(LogHistory(await stored(desk)), limit, filters)


async def test_a_long_log_is_read_to_its_end() -> None:
    """A trail over several reads of the store finds the oldest write as well as the newest."""
    history = LogHistory(await stored(busy(1500)))
    newest, _ = await changes(history, None, 1, Filters())
    [change] = newest[0].changes
    assert ("policy/p0", ["m0"], ["other"]) == (newest[0].subject, change.before, change.after)


async def test_a_store_that_is_away_is_told() -> None:
    """It is no empty trail, and it is said when to ask again."""
    store = await stored(busy(1))
    store.away = True
    with pytest.raises(HistoryAway) as away:
        await LogHistory(store).events(None, 10, Filters())
    assert (503, 1.0) == (away.value.status, away.value.retry_after)


async def test_a_cursor_of_another_timeline_is_refused() -> None:
    """After a failover positions mean other events: a page in the middle would be a wrong one."""
    store = await stored(busy(3))
    page = await LogHistory(store).events(None, 2, Filters())
    store.fail_over("state", 3)
    with pytest.raises(BadRequest, match="begin again"):
        await LogHistory(store).events(page.next, 2, Filters())


@pytest.mark.parametrize("after", ["x", "1", "1.", ".1", "-1.2", "1.x", "1." + "9" * 50])
async def test_an_invented_cursor_is_refused(after: str) -> None:
    """What is no `next` of a page is a wrong request."""
    with pytest.raises(BadRequest, match="after"):
        await LogHistory(await stored(busy(1))).events(after, 2, Filters())
