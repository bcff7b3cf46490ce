"""The log of state, backwards."""

from __future__ import annotations

import msgspec

from llmgw_domain import Event, uuid7
from llmgw_postgres.history import PgHistory
from llmgw_postgres.replicas import Replicas


def event(number: int, subject: str, actor: str = "admin:a") -> Event:
    return Event(
        id=uuid7(1_700_000_000.0 + number, number),
        hlc=number << 16,
        node="n",
        v=1,
        kind="state.written",
        tenant="",
        actor=actor,
        cause=None,
        subject=subject,
        body=msgspec.Raw(b"{}"),
    )


async def test_the_newest_come_first_and_pages_do_not_move(store, pools):
    """A second page goes on below the first, whatever was appended meanwhile; filters narrow both."""
    written = [event(n, f"account/{n % 2}", f"admin:{n % 3}") for n in range(1, 11)]
    await store.append("state", [*written, event(20, "accounts-of-another-kind/0")])
    async with Replicas(pools, []) as replicas:
        history = PgHistory(replicas)
        first = await history.recent(4, kind="account")
        await store.append("state", [event(11, "account/1")])
        second = await history.recent(4, kind="account", before=first[-1].position)
        assert [10, 9, 8, 7, 6, 5, 4, 3] == [stored.event.hlc >> 16 for stored in (*first, *second)]
        assert [8, 2] == [s.event.hlc >> 16 for s in await history.recent(9, subject="account/0", actor="admin:2")]
        assert [20, 11, 10] == sorted((s.event.hlc >> 16 for s in await history.recent(9, hlc=10 << 16)), reverse=True)


async def test_events_are_found_by_their_stamps(store, pools):
    """Those that are not there are left out."""
    await store.append("state", [event(1, "key/a"), event(2, "key/a")])
    async with Replicas(pools, []) as replicas:
        found = await PgHistory(replicas).stamped([(1 << 16, "n"), (2 << 16, "other"), (9, "n")])
    assert [event(1, "key/a")] == found
