from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from llmgw_control import Replica
from llmgw_control._commands import Commands
from llmgw_control.refusal import Conflict, Refused
from llmgw_control.replica import Draft
from llmgw_crdt import Clock

ACCOUNT = {"provider": "openai", "pool": "p", "credential": "env:A"}


def desk() -> tuple[Commands, Draft, Replica]:
    replica = Replica("n")
    return (
        Commands(replica, lambda text: f"sealed:v1:k:{len(text)}", lambda n: bytes(n)),
        Draft(replica, Clock("n"), 0.0),
        replica,
    )


def paths(refused: Callable[[], Any]) -> list[str]:
    with pytest.raises(Refused) as caught:
        refused()
    return [reason.path for reason in caught.value.reasons]


def test_commands_of_one_draft_see_each_other() -> None:
    """What was created can be patched, what was deleted made anew, before any of it is committed."""
    commands, draft, replica = desk()
    commands.create(draft, "account", "a", ACCOUNT)
    with pytest.raises(Conflict):
        commands.create(draft, "account", "a", ACCOUNT)
    commands.patch(draft, "account", "a", {"weight": 2}, None)
    commands.delete(draft, "account", "a", None)
    commands.create(draft, "account", "a", {**ACCOUNT, "weight": 3})
    assert (4, None) == (len(draft.deltas), replica.get("account", "a"))
    held = draft.held("account", "a")
    assert held is not None
    assert {**ACCOUNT, "weight": 3, "v": 1} == held.fields


def test_the_name_may_stand_in_the_fields() -> None:
    """Or beside them, but not two names; keys, tokens and prices need none."""
    commands, draft, _ = desk()
    assert "a" == commands.create(draft, "account", None, {**ACCOUNT, "id": "a"}).id
    assert "m" == commands.create(draft, "model", None, {"name": "m", "targets": []}).id
    assert "key-aaaaaaaa" == commands.create(draft, "key", None, {}).id
    assert ["id"] == paths(lambda: commands.create(draft, "account", "b", {**ACCOUNT, "id": "c"}))
    assert ["id"] == paths(lambda: commands.create(draft, "account", None, ACCOUNT))
    assert ["id"] == paths(lambda: commands.create(draft, "account", None, {**ACCOUNT, "id": 7}))
    assert ["id"] == paths(lambda: commands.patch(draft, "account", "a", {"id": "b"}, None))
    commands.patch(draft, "account", "a", {"id": "a"}, None)


def test_null_is_the_default() -> None:
    """At the creation as in a change; where there is no default the field is missing."""
    commands, draft, _ = desk()
    commands.create(draft, "account", "a", {**ACCOUNT, "weight": None, "deadlines": None})
    commands.patch(draft, "account", "a", {"weight": 2.0, "deadlines": {"gap_seconds": 1, "total_seconds": 2}}, None)
    commands.patch(draft, "account", "a", {"weight": None, "deadlines": {"gap_seconds": None}}, None)
    source = draft.get("account", "a")
    assert source is not None
    assert (1.0, 2) == (source.fields["weight"], source.fields["deadlines"]["total_seconds"])
    assert None is source.fields["deadlines"].get("gap_seconds")
    assert ["pool"] == paths(lambda: commands.patch(draft, "account", "a", {"pool": None}, None))


def test_a_record_that_is_broken_can_be_mended_one_field_at_a_time() -> None:
    """A field that is given has to be right; the others are as they are."""
    commands, draft, replica = desk()
    draft.write("key", "k", {"v": 1, "tenant": 7, "later": "x"})
    replica.commit(draft.deltas)
    draft = Draft(replica, Clock("n"), 0.0)
    commands.switch(draft, "key", "k", enabled=False)
    commands.patch(draft, "key", "k", {"tenant": "acme"}, None)
    held = draft.held("key", "k")
    assert held is not None
    assert (False, "acme", "x") == (held.fields["enabled"], held.fields["tenant"], held.fields["later"])
    assert ["later"] == paths(lambda: commands.patch(draft, "key", "k", {"later": "y"}, None))


def test_what_is_refused_writes_nothing() -> None:
    """Neither the shape of a record nor what is no JSON gets into a draft."""
    commands, draft, _ = desk()
    assert ["v"] == paths(lambda: commands.create(draft, "account", "a", {**ACCOUNT, "v": 1}))
    assert [""] == paths(lambda: commands.create(draft, "account", "a", {**ACCOUNT, "pool": object()}))
    assert [""] == paths(lambda: commands.create(draft, "account", "a", {**ACCOUNT, "pool": "\ud800"}))
    assert [] == draft.deltas
