from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmgw_control import Compiler, Pace
from llmgw_control.publishing import INTERVAL, Publisher, is_revocation, revokes
from llmgw_control.sources import Change, Changed, Source
from llmgw_domain import Catalog, Secret


def test_the_first_change_after_a_quiet_time_is_published_at_once() -> None:
    """Nobody waits who changes one thing."""
    pace = Pace()
    assert None is pace.due_in(5.0)
    pace.note(urgent=False)
    assert 0.0 == pace.due_in(5.0)
    pace.published(5.0)
    assert None is pace.due_in(5.0)


def test_a_burst_is_put_together() -> None:
    """What comes within a tenth of a second of a publish waits for its end."""
    pace = Pace()
    pace.published(5.0)
    pace.note(urgent=False)
    assert 0.06 == pytest.approx(pace.due_in(5.04))
    pace.note(urgent=False)
    assert 0.0 == pace.due_in(5.1)


def test_a_revocation_does_not_wait() -> None:
    """It takes with it what waits, and the pace goes on from there."""
    pace = Pace()
    pace.published(5.0)
    pace.note(urgent=False)
    pace.note(urgent=True)
    assert 0.0 == pace.due_in(5.01)
    pace.published(5.01)
    pace.note(urgent=False)
    assert INTERVAL == pytest.approx(pace.due_in(5.01))


def test_a_clock_that_jumps_back_delays_for_one_interval() -> None:
    """And no longer."""
    pace = Pace()
    pace.published(1e9)
    pace.note(urgent=False)
    assert INTERVAL == pace.due_in(0.0)


@given(st.lists(st.tuples(st.floats(0.0, 0.05), st.booleans()), max_size=200))
def test_at_most_ten_a_second_but_for_revocations(changes: list[tuple[float, bool]]) -> None:
    """Any two publishes that nobody hurried are a tenth of a second apart, and no change waits longer than that."""
    pace, now, publishes, waiting = Pace(), 0.0, list[tuple[float, bool]](), list[float]()
    for gap, urgent in changes:
        due = pace.due_in(now)
        while due is not None and due <= gap:
            now, gap = now + due, gap - due
            publishes.append((now, False))
            assert all(now - since <= INTERVAL + 1e-9 for since in waiting)
            pace.published(now)
            waiting.clear()
            due = pace.due_in(now)
        now += gap
        pace.note(urgent=urgent)
        waiting.append(now)
        if urgent:
            assert 0.0 == pace.due_in(now)
            publishes.append((now, True))
            pace.published(now)
            waiting.clear()
    unhurried = [at for at, hurried in publishes if not hurried]
    assert all(later - earlier >= INTERVAL - 1e-9 for earlier, later in pairwise(unhurried))


# --- publishing -------------------------------------------------------------------------------------------------------


def changed(kind: str, name: str, fields: dict[str, Any] | None, before: dict[str, Any] | None = None) -> Changed:
    made = Changed()
    was = None if before is None else Source(kind, name, before)
    made.note((kind, name), was, None if fields is None else Source(kind, name, fields))
    return made


def test_news_is_published_in_pace() -> None:
    """The first at once, a burst together, a revocation at once with all that waits; nothing when nothing came."""
    published: list[Catalog] = []
    publisher = Publisher(Compiler(Secret), published.append)
    assert None is publisher.take(Changed(), 0.0)
    assert None is publisher.take(changed("key", "a", KEY), 0.0)
    assert [1] == [len(each.keys) for each in published]
    other = {**KEY, "hash": "sha256:" + "1" * 64}
    assert 0.06 == pytest.approx(publisher.take(changed("key", "b", other), 0.04))
    assert None is publisher.take(changed("key", "a", None, before=KEY), 0.05)
    assert [["a"], ["b"]] == [[key.id for key in each.keys.values()] for each in published]
    assert INTERVAL == pytest.approx(publisher.take(changed("policy", "p", POLICY), 0.05))
    assert None is publisher.publish_due(0.2)
    assert None is publisher.publish_due(0.3)
    assert (3, {"default", "p"}) == (len(published), set(published[-1].policies))


# --- what is urgent ---------------------------------------------------------------------------------------------------

ACCOUNT = {"v": 1, "provider": "openai", "pool": "p", "credential": "env:A"}
KEY = {"v": 1, "hash": "sha256:" + "0" * 64}
POLICY = {"v": 1, "models": ["a", "b"], "endpoints": ["files"], "max_body_bytes": 9, "stored_responses": True}


def source(kind: str, fields: dict[str, Any] | None) -> Source | None:
    return None if fields is None else Source(kind, "x", fields)


@pytest.mark.parametrize(
    ("kind", "before", "after", "expected"),
    [
        ("key", KEY, None, True),
        ("key", KEY, {**KEY, "enabled": False}, True),
        ("key", {**KEY, "enabled": False}, KEY, False),
        ("key", KEY, {**KEY, "policy": "other"}, True),
        ("key", KEY, {**KEY, "hash": "sha256:" + "1" * 64}, True),
        ("key", KEY, {**KEY, "name": "ci"}, False),
        ("key", KEY, {**KEY, "hash": 7}, True),
        ("key", None, KEY, False),
        ("key", {"v": 1, "hash": 7}, KEY, False),
        ("account", ACCOUNT, None, True),
        ("account", ACCOUNT, {**ACCOUNT, "enabled": False}, True),
        ("account", ACCOUNT, {**ACCOUNT, "drain": True}, True),
        ("account", ACCOUNT, {**ACCOUNT, "credential": "env:B"}, True),
        ("account", ACCOUNT, {**ACCOUNT, "weight": 2}, False),
        ("account", {**ACCOUNT, "drain": True}, ACCOUNT, False),
        ("policy", POLICY, None, True),
        ("policy", POLICY, {**POLICY, "models": ["a"]}, True),
        ("policy", POLICY, {**POLICY, "models": ["a", "b", "c"]}, False),
        ("policy", POLICY, {**POLICY, "models": None}, False),
        ("policy", {**POLICY, "models": None}, POLICY, True),
        ("policy", POLICY, {**POLICY, "endpoints": []}, True),
        ("policy", POLICY, {**POLICY, "endpoints": ["*"]}, False),
        ("policy", POLICY, {**POLICY, "max_body_bytes": 8}, True),
        ("policy", POLICY, {**POLICY, "hide_accounts": True}, True),
        ("policy", POLICY, {**POLICY, "stored_responses": False}, True),
        ("policy", POLICY, {**POLICY, "json_heartbeats": True}, False),
        ("model", {"v": 1, "targets": []}, None, False),
    ],
)
def test_what_takes_a_right_away_is_a_revocation(kind: str, before: Any, after: Any, expected: bool) -> None:
    """Gone, off, drained, another secret or policy, anything less in a policy; breaking counts as gone."""
    assert expected is is_revocation(Change(source(kind, before), source(kind, after)))


def test_one_revocation_makes_all_of_it_urgent() -> None:
    """What changed together is published together."""
    changed = Changed()
    changed.note(("model", "x"), None, source("model", {"v": 1}))
    assert not revokes(changed)
    changed.note(("key", "x"), source("key", KEY), None)
    assert revokes(changed)
