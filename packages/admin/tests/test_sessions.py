"""What is said of sessions; over HTTP, see `api/test_sessions`."""

from __future__ import annotations

import pytest

from llmgw_admin.sessions import SessionFilters, UnknownSession
from llmgw_admin.testing import MemorySessions, a_session


async def test_a_session_that_is_not_there_is_not_found() -> None:
    """With what may have become of it."""
    sessions = MemorySessions([a_session(1)])
    with pytest.raises(UnknownSession, match="forgotten") as caught:
        await sessions.get(a_session(2).session)
    assert (404, "session_not_found") == (caught.value.status, caught.value.code)


async def test_without_filters_all_are_meant() -> None:
    """A page says where the next one begins."""
    sessions = MemorySessions([a_session(number) for number in (3, 1, 2)])
    first = await sessions.page(None, 2, SessionFilters())
    last = await sessions.page(first.next, 2, SessionFilters())
    assert [[a_session(1), a_session(2)], [a_session(3)], None] == [first.data, last.data, last.next]
