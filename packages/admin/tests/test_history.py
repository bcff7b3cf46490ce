from __future__ import annotations

from typing import Any

import msgspec
import pytest

from llmgw_admin.history import Filters, changes, instant
from llmgw_admin.testing import MemoryHistory
from llmgw_domain import Event
from llmgw_domain.errors import BadRequest


def stamp(ms: int, node: str = "n1") -> tuple[int, str]:
    return (ms << 16, node)


def event(ms: int, subject: str, fields: dict[str, Any] | None, *, node: str = "n1", **more: Any) -> Event:
    """A state event of the moment `ms`; without fields a deletion."""
    body = {
        "after": 0,
        "incarnation": more.get("incarnation", stamp(ms, node)),
        "fields": fields or {},
        "previous": more.get("previous", {}),
    }
    return Event(
        id=f"{ms}-{node}",
        hlc=ms << 16,
        node=node,
        v=1,
        kind="state.deleted" if fields is None else "state.written",
        tenant="default",
        actor=more.get("actor", "admin:owner"),
        cause=None,
        subject=subject,
        body=msgspec.Raw(msgspec.json.encode(body)),
    )


LOG = [
    event(1000, "account/a", {"pool": "p", "weight": 1.0}),
    event(2000, "model/x/y", {"targets": []}, actor="admin:other"),
    event(3000, "account/a", {"pool": "q"}, incarnation=stamp(1000), previous={"pool": stamp(1000)}, node="n2"),
    event(
        4000, "account/a", {"pool": "r", "ca": "file:c"}, incarnation=stamp(1000), previous={"pool": stamp(3000, "n2")}
    ),
    event(5000, "account/a", None, incarnation=stamp(1000)),
]


async def trail(**filters: Any) -> list[tuple[str, str]]:
    found, _ = await changes(MemoryHistory(LOG), None, 100, Filters(**filters))
    return [(change.id, change.action) for change in found]


async def test_what_was_before_is_found_by_its_stamp() -> None:
    """Each change says from what to what, also across nodes; a field that is new had nothing before."""
    found, _ = await changes(MemoryHistory(LOG), None, 100, Filters(subject="account/a"))
    told = [[(c.field, c.before, c.after) for c in change.changes] for change in found]
    assert [
        [],
        [("ca", None, "file:c"), ("pool", "q", "r")],
        [("pool", "p", "q")],
        [("pool", None, "p"), ("weight", None, 1.0)],
    ] == told


async def test_a_switch_is_told_of_the_record_that_it_switches() -> None:
    """What an operator switches of a file's record is found under that record, whatever the log calls it."""
    log = [
        event(1, "switch/model:a/b:c", {"enabled": False, "v": 1}),
        event(2, "switch/account:a", {"drain": True}),
        event(3, "account/a", {"pool": "p"}),
    ]
    found, _ = await changes(MemoryHistory(log), None, 100, Filters(subject="account/a"))
    assert [("created", "account/a"), ("switched", "account/a")] == [(c.action, c.subject) for c in found]
    found, _ = await changes(MemoryHistory(log), None, 100, Filters(kind="model"))
    assert [("model/a/b:c", [("enabled", None, False)])] == [
        (c.subject, [(part.field, part.before, part.after) for part in c.changes]) for c in found
    ]


async def test_the_newest_comes_first_with_what_was_done() -> None:
    """Creations, changes and deletions are told apart."""
    expected = ["deleted", "changed", "changed", "created", "created"]
    assert expected == [action for _, action in await trail()]


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"kind": "model"}, ["2000-n1"]),
        ({"kind": "mod"}, []),
        ({"subject": "model/x/y"}, ["2000-n1"]),
        ({"actor": "admin:other"}, ["2000-n1"]),
        ({"since": 4.0}, ["5000-n1", "4000-n1"]),
        ({"since": 4.001, "actor": "admin:owner", "kind": "account"}, ["5000-n1"]),
    ],
)
async def test_filters_hold_together(filters: dict[str, Any], expected: list[str]) -> None:
    """What is answered fits every filter; the moment of `since` is in."""
    assert expected == [event_id for event_id, _ in await trail(**filters)]


async def test_pages_follow_each_other() -> None:
    """The `next` of each page leads to the following one, and the last has none; filters hold over pages."""
    history = MemoryHistory(LOG)
    seen: list[list[str]] = []
    after: str | None = None
    while True:
        found, after = await changes(history, after, 2, Filters(kind="account"))
        seen.append([change.id for change in found])
        if after is None:
            break
    assert [["5000-n1", "4000-n1"], ["3000-n2", "1000-n1"]] == seen


async def test_an_invented_cursor_is_refused() -> None:
    """What is no `next` of a page is a wrong request."""
    with pytest.raises(BadRequest):
        await changes(MemoryHistory(LOG), "x", 2, Filters())


async def test_what_is_not_in_the_log_any_more_is_null() -> None:
    """A previous value whose event was compacted away is not invented."""
    found, _ = await changes(MemoryHistory(LOG[2:]), None, 100, Filters(since=3.0))
    assert [("pool", None, "q")] == [(c.field, c.before, c.after) for c in found[-1].changes]


async def test_no_secret_is_in_the_trail() -> None:
    """Sealed texts are shown by their key's id, at any depth; what is no reference or not known is hidden."""
    sealed = "sealed:v1:abcd1234:SECRETDATA"
    log = [
        event(1, "account/a", {"credential": sealed, "v": 1}),
        event(2, "account/b", {"credential": {"access_key_id": "env:A", "secret_access_key": sealed}}),
        event(3, "account/c", {"credential": "SECRETDATA", "pool": "p", "from_later": "SECRETDATA"}),
        event(4, "key/k", {"hash": "sha256:12345678SECRETDATA", "policy": "p"}),
        event(5, "secret/session", {"value": "SECRETDATA"}),
        event(6, "later/l", {"value": "SECRETDATA"}),
    ]
    found, _ = await changes(MemoryHistory(log), None, 100, Filters())
    assert b"SECRETDATA" not in msgspec.json.encode(found)
    shown = {change.subject: {c.field: c.after for c in change.changes} for change in found}
    assert {
        "account/a": {"credential": "sealed:abcd1234"},
        "account/b": {"credential": {"access_key_id": "env:A", "secret_access_key": "sealed:abcd1234"}},
        "account/c": {"credential": "***", "pool": "p", "from_later": "***"},
        "key/k": {"hash": "sha256:12345678...", "policy": "p"},
        "secret/session": {"value": "***"},
        "later/l": {"value": "***"},
    } == shown


def test_moments_are_told_in_utc() -> None:
    """RFC 3339 with milliseconds."""
    assert "2026-11-25T15:00:00.250Z" == instant(1795618800.25)
