"""What holds over several nodes, whatever their administrators do at the same time and however the events travel."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llmgw_control import AccountRecord, Compiler, Records
from llmgw_control.refusal import Conflict, FromFile, NotWritable, Refused, UnknownRecord
from llmgw_control.testing import OWNER, Desk
from llmgw_domain import Event
from llmgw_domain.errors import UnknownKey

FILE = Records(accounts=(AccountRecord(id="a", provider="openai", pool="p", credential="env:A"),))

NODES = ("n1", "n2", "n3")
ACCOUNT = {"provider": "openai", "pool": "p", "credential": "sk-x"}

Command = Callable[[Desk], Any]
COMMANDS: list[Command] = [
    lambda d: d.administration.create("account", "a", ACCOUNT, OWNER),
    lambda d: d.administration.create("account", "b", {**ACCOUNT, "provider": "anthropic"}, OWNER),
    lambda d: d.administration.create("account", "c", {**ACCOUNT, "pool": "q", "provider": "anthropic"}, OWNER),
    lambda d: d.administration.patch("account", "a", {"pool": "q"}, OWNER),
    lambda d: d.administration.patch("account", "c", {"provider": "openai", "weight": 2}, OWNER),
    lambda d: d.administration.switch("account", "a", enabled=False, drain=True, actor=OWNER),
    lambda d: d.administration.delete("account", "a", OWNER),
    lambda d: d.administration.create("policy", "s", {"models": ["m"]}, OWNER),
    lambda d: d.administration.patch("policy", "s", {"models": [], "hide_accounts": True}, OWNER),
    lambda d: d.administration.delete("policy", "s", OWNER),
    lambda d: d.administration.create("policy", "default", {"models": []}, OWNER),
    lambda d: d.administration.create("key", "k", {"policy": "s"}, OWNER),
    lambda d: d.administration.create("key", "l", {"tenant": d.replica.map.node}, OWNER),
    lambda d: d.administration.create("key", "same-" + d.replica.map.node, {"hash": "sha256:" + "0" * 64}, OWNER),
    lambda d: d.administration.patch("key", "l", {"policy": "s"}, OWNER),
    lambda d: d.administration.switch("key", "k", enabled=False, actor=OWNER),
    lambda d: d.administration.switch("key", "k", enabled=True, actor=OWNER),
    lambda d: d.administration.delete("key", "k", OWNER),
    lambda d: d.administration.delete("key", "l", OWNER),
    lambda d: d.administration.create("model", "m", {"targets": [{"pool": "p", "model": "x"}]}, OWNER),
    lambda d: d.administration.patch("model", "m", {"targets": [{"pool": "q", "model": "x", "api": "chat"}]}, OWNER),
    lambda d: d.administration.delete("model", "m", OWNER),
    lambda d: d.administration.create("token", "t", {"role": "owner"}, OWNER),
    lambda d: d.administration.delete("token", "t", OWNER),
    lambda d: d.administration.switch("account", "a", enabled=False, reason=d.replica.map.node, actor=OWNER),
    lambda d: d.administration.switch("account", "a", enabled=True, actor=OWNER),
    lambda d: d.administration.create(
        "model",
        "n",
        {"targets": [{"pool": "p", "model": "x"}], "fallbacks": [{"model": "m", "on": ["refused"]}]},
        OWNER,
    ),
]

STEPS = st.lists(
    st.tuples(st.sampled_from(NODES), st.integers(-len(NODES), len(COMMANDS) - 1), st.floats(-100, 100)), max_size=40
)


def run(
    desks: dict[str, Desk], steps: list[tuple[str, int, float]], random: Random
) -> tuple[list[Event], dict[str, str]]:
    """Every event that was written, and the texts of keys by the event that made them.

    A negative command is a delivery: some of the others' events, in any order, some of them twice.
    """
    texts: dict[str, str] = {}
    for node, number, skew in steps:
        desk = desks[node]
        desk.now = 1_800_000_000.0 + skew
        if number < 0:
            known = [event for other in desks.values() for event in other.journal.events]
            desk.receive(random.choices(known, k=len(known)) if known else [])
            continue
        before = desk.catalog
        try:
            done = COMMANDS[number](desk)
        except (Conflict, FromFile, Refused, UnknownRecord):
            assert before is desk.catalog
            continue
        assert done.catalog == desk.catalog.version
        if done.secret:
            texts[done.events[0].id] = done.secret
    return [event for desk in desks.values() for event in desk.journal.events], texts


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(STEPS, st.randoms(use_true_random=False))
def test_nodes_agree_once_they_have_heard_of_each_other(steps: list[tuple[str, int, float]], random: Random) -> None:
    """Any commands, clocks off by minutes, any delivery: one catalog, the same as afresh, and no revoked key in it."""
    desks = {node: Desk(node, seed=i) for i, node in enumerate(NODES)}
    events, texts = run(desks, steps, random)
    for desk in desks.values():
        random.shuffle(events)
        desk.receive(events)
        afresh = Compiler(desk.sealing.reveal)
        afresh.feed(desk.replica.everything())
        assert afresh.compile() == desk.catalog
        assert dict(afresh.reasons) == dict(desk.compiler.reasons)
    assert 1 == len({desk.catalog.version for desk in desks.values()})
    first = desks["n1"]
    for event in events:
        if event.id in texts and event.subject.startswith("key/"):
            authenticates(first, event, texts[event.id])
    version = first.catalog.version
    assert version == first.receive(random.sample(events, len(events))).version


@pytest.mark.slow
def test_nodes_agree_in_many_more_cases() -> None:
    """The same, for two thousand histories, and longer ones."""
    long = STEPS.flatmap(lambda head: STEPS.map(lambda tail: head + tail))
    check = test_nodes_agree_once_they_have_heard_of_each_other.hypothesis.inner_test  # type: ignore[attr-defined]
    given(long, st.randoms(use_true_random=False))(settings(max_examples=2_000, deadline=None)(check))()


def authenticates(desk: Desk, made: Event, text: str) -> None:
    """A text authenticates only while the very record that it was made for lives, is enabled and sound."""
    held = desk.replica.map.get("key", made.subject.removeprefix("key/"))
    lives = held is not None and held.incarnation == (made.hlc, made.node)
    if not (lives and held and held.fields.get("enabled", True)):
        with pytest.raises(UnknownKey):
            desk.catalog.key_for(text)
    elif ("key", held.id) not in desk.compiler.reasons:
        assert held.id == desk.catalog.key_for(text).id


@given(STEPS, st.randoms(use_true_random=False))
def test_a_deletion_is_never_undone(steps: list[tuple[str, int, float]], random: Random) -> None:
    """A key that was deleted stays so, whatever of its earlier life comes late or again."""
    desks = {node: Desk(node, seed=i) for i, node in enumerate(NODES)}
    events, texts = run(desks, steps, random)
    desk = desks["n1"]
    desk.receive(events)
    made = next((event for event in events if event.id in texts and event.subject == "key/k"), None)
    if made is None or desk.replica.map.get("key", "k") is None:
        return
    live = next(e for e in events if (e.hlc, e.node) == desk.replica.map.get("key", "k").incarnation)  # type: ignore[union-attr]
    desk.administration.delete("key", "k", OWNER)
    for _ in range(2):
        desk.receive(random.choices(events, k=2 * len(events)))
        assert None is desk.replica.map.get("key", "k")
    again = desk.administration.create("key", "k", {}, OWNER)
    desk.receive(events)
    with pytest.raises(UnknownKey):
        desk.catalog.key_for(texts[live.id])
    assert again.secret is None or ("key", "k") in desk.compiler.reasons or desk.catalog.key_for(again.secret)


@given(STEPS, st.randoms(use_true_random=False))
def test_each_node_has_its_own_file_over_the_same_log(steps: list[tuple[str, int, float]], random: Random) -> None:
    """With a file on one node alone the log is still the same on all, and each compiles what counts there."""
    desks = {node: Desk(node, file=FILE if node == "n2" else None, seed=i) for i, node in enumerate(NODES)}
    events, _ = run(desks, steps, random)
    for desk in desks.values():
        desk.receive(random.sample(events, len(events)))
    assert 1 == len({desk.replica.map.digest() for desk in desks.values()})
    assert desks["n1"].catalog == desks["n3"].catalog
    source = desks["n2"].replica.get("account", "a")
    assert source is not None
    assert "file" == source.origin


@pytest.mark.parametrize("file", [None, FILE])
@pytest.mark.parametrize(("later", "expected"), [(200, (True, None)), (-200, (False, "by n1"))])
def test_of_switches_at_once_the_later_one_counts_with_its_reason(
    file: Records | None, later: int, expected: tuple[bool, str | None]
) -> None:
    """No enabled account has a reason, and none has that of a switch that does not count."""
    one, two = Desk("n1", file), Desk("n2", file, now=1_800_001_000.0 + later)
    if file is None:
        one.administration.create("account", "a", ACCOUNT, OWNER)
    one.administration.switch("account", "a", enabled=False, actor=OWNER)
    before = len(one.journal.events)
    two.receive(one.journal.events)
    one.now += 1000
    one.administration.switch("account", "a", enabled=True, actor=OWNER)
    one.administration.switch("account", "a", enabled=False, reason="by n1", actor=OWNER)
    two.administration.switch("account", "a", enabled=True, actor=OWNER)
    one.receive(two.journal.events)
    two.receive(one.journal.events[before:])
    views = [desk.administration.get("account", "a") for desk in (one, two)]
    assert [expected, expected] == [(view.enabled, view.fields["disabled_reason"]) for view in views]


def test_there_is_no_half_catalog() -> None:
    """A reader that took a catalog before a command has all of it as it was; one that takes it after, all of it new."""
    desk = Desk()
    for command in COMMANDS[:1] + COMMANDS[7:8] + COMMANDS[11:12]:
        command(desk)
    before = desk.published[-1]
    held = dict(before.keys), before.policies.copy(), before.accounts.copy()
    desk.administration.delete("key", "k", OWNER)
    desk.administration.delete("policy", "s", OWNER)
    desk.administration.patch("account", "a", {"pool": "elsewhere"}, OWNER)
    assert held == (before.keys, before.policies, before.accounts)
    assert {} == desk.published[-1].keys
    desk.journal.full = True
    with pytest.raises(NotWritable):
        desk.administration.create("key", "k", {}, OWNER)
    assert desk.published[-1] is desk.catalog
