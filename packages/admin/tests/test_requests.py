import msgspec
import pytest

from llmgw_admin.requests import entry_of, found
from llmgw_admin.testing import MemoryRequestLog
from llmgw_domain import Usage
from llmgw_domain.errors import NotFound
from llmgw_eventstore.requests import RequestFilters
from llmgw_eventstore.testing import make_event

COMMON = {"tenant": "t", "key": "k", "dialect": "chat", "model": "gpt", "account": "a", "provider": "openai"}


def opened(number, call="c1", at=100.0, **more):
    body = {"request_id": call, "at": at, **COMMON, "target_model": "gpt-5", "attempt": 1, **more}
    return msgspec.structs.replace(make_event(number, kind="request.opened", body=body), subject=f"request/{call}")


def settled(number, call="c1", at=101.0, **more):
    body = {"request_id": call, "at": at, **COMMON, "stream": True, "outcome": "ok", "status": 200, "attempts": 1}
    event = make_event(number, kind="request.settled", body={**body, "duration": 1.0, **more})
    return msgspec.structs.replace(event, subject=f"request/{call}")


async def test_a_settled_request_has_its_numbers():
    """What the settlement says, and when the first attempt began."""
    session = {"key": "5e", "placement": "home", "reason": "free", "expected": 9, "observed": 9}
    more = {"usage": msgspec.to_builtins(Usage(uncached_input=3, output=4)), "session": session, "queued": 0.5}
    entry = entry_of(await found(MemoryRequestLog([opened(1, attempt=2), settled(2, attempts=2, **more)]), "c1"))
    assert ("c1", "1970-01-01T00:01:41.000Z", "1970-01-01T00:01:40.000Z") == (entry.id, entry.at, entry.opened_at)
    assert ("ok", 200, 2, 3, 9, 0.5) == (
        entry.outcome,
        entry.status,
        entry.attempts,
        entry.usage.uncached_input,
        entry.session.observed,
        entry.queued_seconds,
    )


async def test_an_open_request_has_what_is_known():
    """Its last attempt, and no end."""
    entry = entry_of(await found(MemoryRequestLog([opened(1), opened(2, attempt=2, account="b", at=102.0)]), "c1"))
    assert ("open", None, 2, "b", None) == (
        entry.outcome,
        entry.status,
        entry.attempts,
        entry.account,
        entry.duration_seconds,
    )


async def test_the_clients_id_finds_the_newest():
    """And says how many have it; one's own id finds that one, whoever else chose it."""
    log = MemoryRequestLog(
        [
            settled(1, "c1", request_id="mine"),
            settled(2, "c2", at=109.0, request_id="mine"),
            settled(3, "c3", at=110.0, request_id="c1"),
        ]
    )
    newest, exact = await found(log, "mine"), await found(log, "c1")
    assert [("c2", 2), ("c1", 1)] == [(newest.id, newest.matches), (exact.id, exact.matches)]


async def test_what_is_not_in_the_log_is_said_with_its_reasons():
    """It may be too new, too old, or never have been in."""
    with pytest.raises(NotFound, match=r"'nope'.*database is back.*valid key.*keep_months"):
        await found(MemoryRequestLog(), "nope")


async def test_the_log_in_memory_has_pages_and_filters():
    """As the one in the database: newest first, on from where the page before ended."""
    log = MemoryRequestLog([settled(n, f"c{n}", at=100.0 + n, model="odd" if n % 2 else "gpt") for n in range(1, 6)])
    first = await log.page(None, 2, RequestFilters(model="odd"))
    second = await log.page(first.next, 2, RequestFilters(model="odd"))
    assert [["c5", "c3"], ["c1"]] == [[logged.id for logged in page.requests] for page in (first, second)]
    assert None is second.next
