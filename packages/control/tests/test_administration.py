from __future__ import annotations

import hashlib
from typing import Any

import msgspec
import pytest

from llmgw_control import (
    AccountRecord,
    KeyRecord,
    ModelRecord,
    PolicyRecord,
    Records,
    Refused,
    TargetRecord,
)
from llmgw_control.refusal import Conflict, Forbidden, FromFile, NotWritable, Outdated, UnknownRecord
from llmgw_control.testing import OPERATOR, OWNER, VIEWER, Desk, ReversedSealing
from llmgw_control.views import SYSTEM, Proposal
from llmgw_domain import Event, Provider, Secret
from llmgw_domain.errors import UnknownKey
from llmgw_domain.models import Fallback
from llmgw_domain.prices import TokenPrices

FILE = Records(
    accounts=(AccountRecord(id="filed", provider="openai", pool="filed", credential="env:FILED"),),
    models=(ModelRecord(name="filed", targets=(TargetRecord(pool="filed", model="gpt"),)),),
    keys=(KeyRecord(id="filed", value="env:FILED_KEY"),),
)


def desk(**options: object) -> Desk:
    """One with an account, a model, a policy and a key in its log."""
    made = Desk(**options)  # type: ignore[arg-type]
    admin = made.administration
    admin.create("account", "a", {"provider": "openai", "pool": "p", "credential": "sk-plain"}, OWNER)
    admin.create("model", "vendor/m", {"targets": [{"pool": "p", "model": "gpt"}]}, OWNER)
    admin.create("policy", "narrow", {"models": ["vendor/*"]}, OWNER)
    admin.create("key", "k", {"policy": "narrow"}, OWNER)
    return made


def reasons(refused: pytest.ExceptionInfo[Refused]) -> list[tuple[str, str]]:
    return [(r.path, r.message) for r in refused.value.reasons]


def written(event: Event) -> dict[str, Any]:
    """The fields that an event sets, but for that of its birth."""
    fields: dict[str, Any] = msgspec.json.decode(event.body)["fields"]
    return {name: value for name, value in fields.items() if name != "v"}


# --- what a command does ----------------------------------------------------------------------------------------------


def test_a_command_is_journalled_merged_and_published() -> None:
    """The event names who, what and why; the catalog that is published has the change."""
    made = Desk()
    fields = {"provider": "openai", "pool": "p", "credential": "env:A", "weight": 2}
    done = made.administration.create("account", "a", fields, OWNER, cause="req-1")
    (event,) = made.journal.events
    assert ("state.written", "account/a", "admin:owner", "req-1", "n1", "default", 1) == (
        event.kind,
        event.subject,
        event.actor,
        event.cause,
        event.node,
        event.tenant,
        event.v,
    )
    assert (event,) == done.events
    body = msgspec.json.decode(event.body)
    assert (0, [event.hlc, "n1"], {**fields, "v": 1}) == (body["after"], body["incarnation"], body["fields"])
    assert ["a"] == [*made.published[-1].accounts]
    assert done.catalog == made.published[-1].version
    assert (Secret("a-secret"), 2.0) == (made.catalog.accounts["a"].credential, made.catalog.accounts["a"].weight)


def test_deltas_are_what_the_record_map_would_have_written() -> None:
    """A command's deltas, applied to another replica, give the same state as they did here, chained without a gap."""
    made, other = desk(), Desk("n2")
    made.administration.patch("account", "a", {"weight": 3.0}, OWNER)
    made.administration.delete("key", "k", OWNER)
    other.receive(made.journal.events)
    assert made.replica.map.digest() == other.replica.map.digest()
    assert made.replica.map.vector == other.replica.map.vector
    assert made.catalog.version == other.catalog.version
    assert made.replica.map.vector["n1"] == made.journal.events[-1].hlc


def test_a_key_is_made_and_its_text_shown_once() -> None:
    """The text has 200 random bits, authenticates, and is kept as a hash that is not shown whole."""
    made = desk()
    done = made.administration.create("key", None, {"tenant": "acme"}, OPERATOR)
    assert done.secret is not None
    assert ("gw-", 43) == (done.secret[:3], len(done.secret))
    assert done.view is not None
    key = made.catalog.key_for(done.secret)
    assert (done.view.id, "acme") == (key.id, key.tenant)
    assert "acme" == done.events[0].tenant
    assert "sha256:" + hashlib.sha256(done.secret.encode()).hexdigest()[:8] + "..." == done.view.fields["hash"]
    assert done.secret not in repr(done)
    assert made.administration.patch("key", key.id, {"enabled": False}, OPERATOR).events[0].tenant == "acme"


def test_a_key_of_elsewhere_comes_as_a_hash() -> None:
    """A key that exists already is taken by its hash; its text is never taken."""
    made = desk()
    given = "sha256:" + hashlib.sha256(b"sk-litellm").hexdigest().upper()
    assert None is made.administration.create("key", "old", {"hash": given}, OWNER).secret
    assert "old" == made.catalog.key_for("sk-litellm").id
    with pytest.raises(Refused) as refused:
        made.administration.create("key", "other", {"value": "sk-litellm-2"}, OWNER)
    assert "value" == reasons(refused)[0][0]


def test_tokens_authenticate_administrators() -> None:
    """A token's text is its bearer's identity and role, until it is disabled or deleted."""
    made = Desk()
    admin = made.administration
    first = admin.create("token", "root", {"role": "owner"}, SYSTEM)
    second = admin.create("token", "eve", {"role": "viewer"}, OWNER)
    assert first.secret is not None
    assert second.secret is not None
    assert first.secret.startswith("gwa-")
    assert ("admin:root", "owner") == msgspec.structs.astuple(admin.actor_of(first.secret))  # type: ignore[arg-type]
    assert ("admin:eve", "viewer") == msgspec.structs.astuple(admin.actor_of(second.secret))  # type: ignore[arg-type]
    admin.switch("token", "eve", enabled=False, actor=OWNER)
    assert [None, None, None] == [admin.actor_of(text) for text in (second.secret, "gwa-none", "")]


def test_the_last_owners_token_stays() -> None:
    """It can't be deleted, disabled or made less; a second owner frees it."""
    made = Desk()
    admin = made.administration
    admin.create("token", "root", {"role": "owner"}, SYSTEM)
    for last in (
        lambda: admin.delete("token", "root", OWNER),
        lambda: admin.switch("token", "root", enabled=False, actor=OWNER),
        lambda: admin.patch("token", "root", {"role": "viewer"}, OWNER),
    ):
        with pytest.raises(Refused, match="last owner"):
            last()
    admin.create("token", "second", {"role": "owner"}, OWNER)
    admin.delete("token", "root", OWNER)
    with pytest.raises(UnknownRecord):
        admin.get("token", "root")


def test_a_token_can_not_be_given_a_text() -> None:
    """Neither at its making nor later."""
    made = Desk()
    with pytest.raises(Refused):
        made.administration.create("token", "t", {"role": "owner", "hash": "sha256:" + "0" * 64}, OWNER)
    made.administration.create("token", "t", {"role": "owner"}, OWNER)
    with pytest.raises(Refused):
        made.administration.patch("token", "t", {"hash": "sha256:" + "0" * 64}, OWNER)


def test_patching_is_merging() -> None:
    """Null puts a default back, objects are merged, what is not named stays; nothing changed is nothing written."""
    made = desk()
    admin = made.administration
    admin.patch("account", "a", {"deadlines": {"gap_seconds": 5}, "weight": 3, "max_concurrency": 7}, OWNER)
    done = admin.patch("account", "a", {"deadlines": {"total_seconds": 9}, "weight": None}, OWNER)
    assert done.view is not None
    fields = done.view.fields
    assert (5, 9, 1.0, 7) == (
        fields["deadlines"]["gap_seconds"],
        fields["deadlines"]["total_seconds"],
        fields["weight"],
        fields["max_concurrency"],
    )
    count = len(made.journal.events)
    assert () == admin.patch("account", "a", {"weight": 1.0}, OWNER).events
    assert count == len(made.journal.events)


def test_what_is_shown_can_be_given_back() -> None:
    """A whole record, read and sent back, changes nothing: neither its credential nor its hash."""
    made = desk()
    for kind, name in (("account", "a"), ("key", "k"), ("model", "vendor/m"), ("policy", "narrow")):
        before = made.catalog
        made.administration.patch(kind, name, made.administration.get(kind, name).fields, OWNER)
        assert before.version == made.catalog.version


def test_credentials_given_in_plain_are_sealed() -> None:
    """Each form of a credential is sealed whole, shown as a reference, and used as what it was."""
    made = Desk()
    admin = made.administration
    keys = {"access_key_id": "AKIA", "secret_access_key": "aws-secret"}
    admin.create(
        "account", "aws", {"provider": "bedrock", "pool": "b", "credential": keys, "region": "eu-west-1"}, OWNER
    )
    account = {"provider": "openai", "pool": "p", "credential": "sk-1", "proxy": "http://u:pw@proxy:3128"}
    admin.create("account", "proxied", account, OWNER)
    shown = [admin.get("account", each).fields for each in ("aws", "proxied")]
    assert {"access_key_id": "sealed:k1", "secret_access_key": "sealed:k1", "session_token": None} == shown[0][
        "credential"
    ]
    assert ("sealed:k1", "sealed:k1") == (shown[1]["credential"], shown[1]["proxy"])
    assert ("aws-secret",) == made.catalog.accounts["aws"].secrets()
    assert Secret("http://u:pw@proxy:3128") == made.catalog.accounts["proxied"].proxy
    admin.patch("account", "aws", {"credential": {"secret_access_key": "another"}}, OWNER)
    assert ("another",) == made.catalog.accounts["aws"].secrets()


def test_the_shown_form_of_another_value_is_no_value() -> None:
    """`sealed:KEYID` says how a value is shown; where it is not this record's, nothing is guessed."""
    made = desk()
    with pytest.raises(Refused) as refused:
        made.administration.patch("account", "a", {"credential": "sealed:other"}, OWNER)
    assert "credential" == reasons(refused)[0][0]


# --- refusals ---------------------------------------------------------------------------------------------------------


def test_roles() -> None:
    """A viewer changes nothing; an operator switches, and makes and changes keys; the rest is the owner's."""
    made = desk()
    admin = made.administration
    admin.switch("account", "a", drain=True, actor=OPERATOR)
    admin.create("key", "mine", {}, OPERATOR)
    admin.patch("key", "mine", {"enabled": False}, OPERATOR)
    count = len(made.journal.events)
    for forbidden in (
        lambda: admin.create("key", "x", {}, VIEWER),
        lambda: admin.switch("account", "a", enabled=False, actor=VIEWER),
        lambda: admin.patch("account", "a", {"weight": 2}, OPERATOR),
        lambda: admin.delete("key", "mine", OPERATOR),
        lambda: admin.create("token", "t", {"role": "owner"}, OPERATOR),
        lambda: admin.adopt_file(OPERATOR),
        lambda: admin.reseal(made.sealing, made.sealing, OPERATOR),
    ):
        with pytest.raises(Forbidden):
            forbidden()
    assert count == len(made.journal.events)


def test_a_version_that_differs_is_told() -> None:
    """Two administrators who read the same version: the second one's change is refused, and tells the version now."""
    made = desk()
    read = made.administration.get("account", "a").version
    now = made.administration.patch("account", "a", {"weight": 2}, OWNER, read).view
    assert now is not None
    assert now.version != read
    with pytest.raises(Outdated, match=now.version):
        made.administration.patch("account", "a", {"weight": 3}, OWNER, read)
    with pytest.raises(Outdated):
        made.administration.delete("account", "a", OWNER, read)
    made.administration.delete("key", "k", OWNER, made.administration.get("key", "k").version)


def test_unknown_and_taken_names_are_told() -> None:
    """404 for what is not there, 409 for what is there already."""
    admin = desk().administration
    with pytest.raises(UnknownRecord):
        admin.get("account", "b")
    with pytest.raises(UnknownRecord):
        admin.get("secret", "session")
    with pytest.raises(UnknownRecord):
        admin.create("node", "b", {}, OWNER)
    with pytest.raises(UnknownRecord):
        admin.list("nodes")
    with pytest.raises(UnknownRecord):
        admin.patch("model", "b", {}, OWNER)
    with pytest.raises(UnknownRecord):
        admin.switch("account", "b", enabled=True, actor=OWNER)
    with pytest.raises(Conflict):
        admin.create("model", "vendor/m", {"targets": [{"pool": "p", "model": "x"}]}, OWNER)


def test_wrong_types_are_all_told_by_field() -> None:
    """Every field that is wrong is named, at its depth; no value is quoted."""
    with pytest.raises(Refused) as refused:
        Desk().administration.create(
            "account",
            "a",
            {"provider": 1, "weight": "x", "max_concurrancy": 2, "deadlines": {"gap_seconds": "soon"}, "pool": "p"},
            OWNER,
        )
    told = dict(reasons(refused))
    assert {"provider", "weight", "max_concurrancy", "deadlines.gap_seconds"} == set(told)
    assert "did you mean 'max_concurrency'?" in told["max_concurrancy"]
    assert "soon" not in str(refused.value)


@pytest.mark.parametrize(
    "fields",
    [
        {"provider": "openai", "pool": "p"},
        {"provider": "openay", "pool": "p", "credential": "env:A"},
        {"provider": "anthropic", "pool": "p", "credential": "env:A"},
        {"provider": "openai", "pool": "p", "credential": "file:/nowhere"},
        {"provider": "openai", "pool": "p", "credential": "two words"},
        {"provider": "openai", "pool": "p", "credential": "env:A", "weight": 0},
        {"provider": "openai", "pool": "p", "credential": "env:A", "weight": 10**400},
        {"provider": "openai", "pool": "p", "credential": "env:A", "v": 2},
        {"provider": "openai", "pool": "p", "credential": "\ud800"},
        {"provider": "openai", "pool": "p", "credential": {"private_key": object()}},
    ],
    ids=range(10),
)
def test_what_makes_no_sound_record_is_refused(fields: dict[str, object]) -> None:
    """Meaning is checked by a trial: a refused record leaves nothing behind."""
    made = desk()
    before, count = made.catalog, len(made.journal.events)
    with pytest.raises(Refused):
        made.administration.create("account", "b", fields, OWNER)
    assert (before, count, {}) == (made.catalog, len(made.journal.events), made.administration.quarantine())


def test_what_others_need_can_not_be_taken_away() -> None:
    """A policy that keys name, the last account of a pool that a model leads to: refused, naming who needs it."""
    made = desk()
    with pytest.raises(Refused) as refused:
        made.administration.delete("policy", "narrow", OWNER)
    assert "key/k: policy" == reasons(refused)[0][0]
    with pytest.raises(Refused) as refused:
        made.administration.delete("account", "a", OWNER)
    assert "model/vendor/m: targets[0].pool" == reasons(refused)[0][0]
    with pytest.raises(Refused):
        made.administration.patch("account", "a", {"pool": "elsewhere"}, OWNER)
    made.administration.delete("key", "k", OWNER)
    made.administration.delete("policy", "narrow", OWNER)
    made.administration.delete("model", "vendor/m", OWNER)
    made.administration.delete("account", "a", OWNER)
    assert {} == made.catalog.accounts


def test_the_default_policy_can_be_changed_but_not_deleted() -> None:
    """Without it its keys would get the built-in one, which allows more."""
    made = desk()
    made.administration.create("policy", "default", {"models": []}, OWNER)
    with pytest.raises(Refused, match="change it instead"):
        made.administration.delete("policy", "default", OWNER)


def test_a_journal_that_is_full_changes_nothing() -> None:
    """The refusal says so; the replica, the catalog and what is read are as before."""
    made = desk()
    before = made.catalog, made.replica.map.digest(), made.replica.map.vector, len(made.published)
    made.journal.full = True
    for command in (
        lambda: made.administration.patch("account", "a", {"weight": 5}, OWNER),
        lambda: made.administration.delete("key", "k", OWNER),
        lambda: made.administration.create(
            "account", "b", {"provider": "openai", "pool": "p", "credential": "x"}, OWNER
        ),
    ):
        with pytest.raises(NotWritable, match="No space left"):
            command()
    after = made.catalog, made.replica.map.digest(), made.replica.map.vector, len(made.published)
    assert before == after
    assert before[0] is after[0]
    made.journal.full = False
    made.administration.patch("account", "a", {"weight": 5}, OWNER)
    assert 5.0 == made.catalog.accounts["a"].weight


def test_a_clock_that_is_off_refuses() -> None:
    """Commands of a node whose clock is wrong would win, or lose, against everybody's: they are refused."""
    made = desk()
    made.trouble = "its clock is 90 s ahead of the database's"
    with pytest.raises(NotWritable, match="90 s ahead"):
        made.administration.switch("key", "k", enabled=False, actor=OWNER)
    assert "k" == made.administration.get("key", "k").id


def test_without_a_master_key_nothing_is_sealed_and_nothing_written() -> None:
    """A secret that can't be sealed is not kept in any other way."""
    made = desk()
    made.sealing.broken = True
    with pytest.raises(NotWritable, match="no master key"):
        made.administration.patch("account", "a", {"credential": "sk-new"}, OWNER)
    made.administration.patch("account", "a", {"credential": "env:NEW"}, OWNER)


# --- the file ---------------------------------------------------------------------------------------------------------


def test_records_of_the_file_are_read_only_but_for_their_switches() -> None:
    """409 names the file; enable and drain work, and live in the log by the record's id."""
    made = Desk(file=FILE)
    admin = made.administration
    view = admin.get("account", "filed")
    assert ("file", True, False, False) == (view.origin, view.enabled, view.drain, view.shadows)
    for command in (
        lambda: admin.patch("account", "filed", {"weight": 2}, OWNER),
        lambda: admin.delete("account", "filed", OWNER),
        lambda: admin.create("account", "filed", {}, OWNER),
    ):
        with pytest.raises(FromFile, match=r"gateway\.toml"):
            command()
    done = admin.switch("account", "filed", enabled=False, drain=True, actor=OPERATOR)
    assert "switch/account:filed" == done.events[0].subject
    assert done.view is not None
    assert (False, True) == (done.view.enabled, done.view.drain)
    assert done.view.version != view.version
    account = made.catalog.accounts["filed"]
    assert (False, True) == (account.enabled, account.drain)
    admin.switch("account", "filed", enabled=True, drain=False, actor=OPERATOR)
    assert view.version == admin.get("account", "filed").version
    assert () == admin.switch("account", "filed", enabled=True, actor=OPERATOR).events


def test_a_key_of_the_file_is_revoked_by_its_switch() -> None:
    """It no longer authenticates, though the file still has it."""
    made = Desk(file=FILE)
    assert "filed" == made.catalog.key_for("filed_key-secret").id
    made.administration.switch("key", "filed", enabled=False, actor=OPERATOR)
    with pytest.raises(UnknownKey):
        made.catalog.key_for("filed_key-secret")


def test_only_what_has_a_switch_is_switched() -> None:
    """Models have none, and keys can't be drained."""
    made = desk()
    for kind, name, switch in (("model", "vendor/m", "enabled"), ("key", "k", "drain")):
        with pytest.raises(Refused, match="no such switch"):
            made.administration.switch(kind, name, actor=OWNER, **{switch: True})


def test_adopting_the_file_copies_it_into_the_log() -> None:
    """The catalog stays as it is, and as it is switched, once the file's records are gone."""
    made = Desk(file=FILE)
    admin = made.administration
    admin.switch("account", "filed", drain=True, actor=OWNER)
    before = made.catalog.version
    done = admin.adopt_file(OWNER)
    assert {"account/filed", "model/filed", "key/filed"} == {event.subject for event in done.events}
    assert (before, True) == (made.catalog.version, admin.get("account", "filed").shadows)
    assert () == admin.adopt_file(OWNER).events
    made.compiler.feed(made.replica.overlay(Records(), "gateway.toml"))
    assert (before, "log") == (made.catalog.version, admin.get("account", "filed").origin)


def test_a_file_whose_key_can_not_be_read_is_not_adopted() -> None:
    """It is refused with the reason, and nothing of the file is copied."""
    made = Desk(file=Records(keys=(KeyRecord(id="lost", value="file:/nowhere"), KeyRecord(id="k", value="env:K"))))
    with pytest.raises(Refused) as refused:
        made.administration.adopt_file(OWNER)
    assert ["key/lost: value"] == [path for path, _ in reasons(refused)]
    assert [] == made.journal.events


# --- dry runs, upkeep -------------------------------------------------------------------------------------------------


def test_a_dry_run_tells_and_does_nothing() -> None:
    """The catalog's version, every difference and every reason, of several changes together."""
    made = desk()
    before, count = made.catalog, len(made.journal.events)
    diff = made.administration.try_out(
        [
            Proposal(
                action="create",
                kind="account",
                id="b",
                fields={"provider": "openai", "pool": "q", "credential": "sk-canary"},
            ),
            Proposal(action="create", kind="model", id="n", fields={"targets": [{"pool": "q", "model": "x"}]}),
            Proposal(action="patch", kind="account", id="a", fields={"weight": 4}),
            Proposal(action="delete", kind="policy", id="narrow"),
            Proposal(action="create", kind="model", id="wrong", fields={"targets": 1}),
        ]
    )
    assert ["key/k: policy", "model/wrong: targets"] == sorted(reason.path for reason in diff.reasons)
    by_ref = {f"{each.kind}/{each.id}": each for each in diff.differences}
    assert {"account/a", "account/b", "model/n", "policy/narrow"} == set(by_ref)
    changed = by_ref["account/a"]
    assert changed.before is not None
    assert changed.after is not None
    assert (1.0, 4.0) == (changed.before["weight"], changed.after["weight"])
    assert (None, None) == (by_ref["account/b"].before, by_ref["policy/narrow"].after)
    assert "sk-canary" not in repr(diff)
    assert (True, count) == (before is made.catalog, len(made.journal.events))
    assert diff.catalog != before.version


def test_a_dry_run_foretells_the_version() -> None:
    """What is tried out and then done has the version that was foretold."""
    made = desk()
    foretold = made.administration.try_out([Proposal(action="patch", kind="account", id="a", fields={"weight": 4})])
    assert foretold.catalog == made.administration.patch("account", "a", {"weight": 4}, OWNER).catalog


def test_resealing_changes_the_key_and_nothing_else() -> None:
    """Every sealed value, in whatever form, opens with the new key alone; the catalog is the same."""
    made = desk()
    keys = {"access_key_id": "AKIA", "secret_access_key": "aws-secret"}
    fields = {"provider": "bedrock", "pool": "b", "credential": keys, "region": "eu-west-1"}
    made.administration.create("account", "aws", fields, OWNER)
    session = made.administration.session_secret()
    new = ReversedSealing("k2")
    old_seal, made.compiler._reveal = made.sealing, ReversedSealing("k2", ["k1"]).reveal
    before = made.catalog.version
    done = made.administration.reseal(old_seal, new, OWNER)
    assert ["account/a", "account/aws", "secret/session"] == [event.subject for event in done.events]
    assert b"sealed:v1:k1" not in b"".join(bytes(event.body) for event in done.events)
    assert (before, session) == (made.catalog.version, made.administration.session_secret())
    assert "sealed:k2" == made.administration.get("account", "a").fields["credential"]
    assert () == made.administration.reseal(old_seal, new, OWNER).events


def test_the_session_secret_is_made_once() -> None:
    """It is sealed in the log, and the same for every node that has heard of it."""
    made, other = Desk(), Desk("n2")
    secret = made.administration.session_secret()
    assert secret == made.administration.session_secret()
    assert 1 == len(made.journal.events)
    other.receive(made.journal.events)
    assert secret == other.administration.session_secret()
    assert [] == other.journal.events


# --- reading ----------------------------------------------------------------------------------------------------------


def test_lists_go_on_where_they_ended() -> None:
    """Pages by id, whatever comes in between; the file's records stand among the log's."""
    made = Desk(file=FILE)
    for name in ("z", "b", "a", "m"):
        made.administration.create("key", name, {}, OWNER)
    first, after = made.administration.list("key", limit=2)
    made.administration.create("key", "aa", {}, OWNER)
    second, more = made.administration.list("key", after=after, limit=3)
    assert (["a", "b"], "b") == ([view.id for view in first], after)
    assert (["filed", "m", "z"], None) == ([view.id for view in second], more)
    assert ([], None) == made.administration.list("price")


def test_views_show_every_field() -> None:
    """Defaults included, the id apart."""
    view = desk().administration.get("policy", "narrow")
    assert set(PolicyRecord.__struct_fields__) - {"id"} == set(view.fields)
    assert (None, None, "log", ()) == (view.enabled, view.drain, view.origin, view.quarantined)


def test_prices_are_kept_and_checked() -> None:
    """A price has a model pattern, a day and whole nano-USD, and is part of the catalog from its creation on."""
    made = desk()
    before = made.catalog.version
    fields = {
        "provider": "openai",
        "model": "gpt-5*",
        "effective_from": "2026-01-31",
        "prices": {"uncached_input": 1250, "output": 10_000, "cache_read": 125},
    }
    done = made.administration.create("price", "gpt-5", fields, OWNER)
    assert before != done.catalog == made.published[-1].version
    found = made.catalog.prices.of(Provider.OPENAI, "gpt-5-mini", 1_769_817_600)
    assert (
        TokenPrices(uncached_input=1250, output=10_000, cache_read=125, cache_write_5m=1250, cache_write_1h=1250)
        == found
    )
    assert made.catalog.prices.of(Provider.OPENAI, "gpt-5-mini", 1_769_817_599) is None
    for wrong in ({"effective_from": "31.1.2026"}, {"provider": "me"}, {"model": "**"}, {"prices": {"output": -1}}):
        with pytest.raises(Refused):
            made.administration.patch("price", "gpt-5", wrong, OWNER)
    assert 10_000 == made.administration.get("price", "gpt-5").fields["prices"]["output"]
    with pytest.raises(Refused, match="same models from the same day"):
        made.administration.create("price", "another", fields, OWNER)
    made.administration.delete("price", "gpt-5", OWNER)
    assert before == made.catalog.version


# --- fallbacks --------------------------------------------------------------------------------------------------------


def test_a_fallback_needs_its_model() -> None:
    """One to a name that nobody has is refused, and so is to take away a model that others fall back on."""
    made = desk()
    admin = made.administration
    fields = {"targets": [{"pool": "p", "model": "gpt"}], "fallbacks": [{"model": "spare", "on": ["overloaded"]}]}
    with pytest.raises(Refused) as refused:
        admin.create("model", "m", fields, OWNER)
    assert [("fallbacks[0].model", "there is no model 'spare'")] == reasons(refused)
    admin.create("model", "spare", {"targets": fields["targets"]}, OWNER)
    admin.create("model", "m", fields, OWNER)
    assert (Fallback(model="spare", on=frozenset({"overloaded"})),) == made.catalog.models["m"].fallbacks
    with pytest.raises(Refused) as refused:
        admin.delete("model", "spare", OWNER)
    assert [("model/m: fallbacks[0].model", "there is no model 'spare'")] == reasons(refused)
    admin.patch("model", "m", {"fallbacks": None}, OWNER)
    admin.delete("model", "spare", OWNER)
    assert ((), {}) == (made.catalog.models["m"].fallbacks, admin.quarantine())


# --- why an account is disabled ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a", "filed"])
def test_an_account_is_disabled_with_a_reason(name: str) -> None:
    """By the gateway itself, of the log or of the file: the reason is in the event and the view until it is enabled."""
    made = desk(file=FILE)
    admin = made.administration
    before = admin.get("account", name)
    why = "disabled by the gateway: credit spent"
    done = admin.switch("account", name, enabled=False, reason=why, actor=SYSTEM, cause="req-1")
    assert done.view is not None
    assert (False, why) == (done.view.enabled, done.view.fields["disabled_reason"])
    assert not made.catalog.accounts[name].enabled
    [event] = done.events
    assert ("system", "req-1", why) == (event.actor, event.cause, written(event)["disabled_reason"])
    done = admin.switch("account", name, enabled=True, actor=OPERATOR)
    assert {"enabled": True, "disabled_reason": None} == written(done.events[0])
    assert (True, None) == (made.catalog.accounts[name].enabled, admin.get("account", name).fields["disabled_reason"])
    assert before.fields == admin.get("account", name).fields


def test_the_first_reason_stands() -> None:
    """Many calls find out the same, and an operator may have been there before: one event, and his reason."""
    made = desk()
    admin = made.administration
    admin.switch("account", "a", enabled=False, reason="moved", actor=OPERATOR)
    assert () == admin.switch("account", "a", enabled=False, reason="key rejected", actor=SYSTEM).events
    assert "moved" == admin.get("account", "a").fields["disabled_reason"]
    admin.patch("account", "a", {"disabled_reason": "moved away"}, OWNER)
    assert "moved away" == admin.get("account", "a").fields["disabled_reason"]
    admin.switch("account", "a", drain=True, actor=OPERATOR)
    assert "moved away" == admin.get("account", "a").fields["disabled_reason"]


def test_patching_enables_without_the_reason() -> None:
    """`enabled` and its reason are written together, whoever writes them; a reason to be enabled is none."""
    admin = desk().administration
    admin.patch("account", "a", {"enabled": False, "disabled_reason": "moved"}, OWNER)
    done = admin.patch("account", "a", {"enabled": True}, OWNER)
    assert {"enabled": True, "disabled_reason": None} == written(done.events[0])
    for fields in ({"disabled_reason": "x"}, {"enabled": True, "disabled_reason": "x"}):
        with pytest.raises(Refused) as refused:
            admin.patch("account", "a", fields, OWNER)
        assert "disabled_reason" == reasons(refused)[0][0]
    with pytest.raises(Refused):
        admin.create(
            "account", "b", {"provider": "openai", "pool": "p", "credential": "x", "disabled_reason": "x"}, OWNER
        )


@pytest.mark.parametrize(
    ("kind", "name", "wanted"),
    [
        ("key", "k", {"enabled": False, "reason": "leaked"}),
        ("account", "a", {"enabled": True, "reason": "x"}),
        ("account", "a", {"drain": True, "reason": "x"}),
        ("account", "a", {"enabled": False, "reason": ""}),
        ("account", "a", {"enabled": False, "reason": "two\nlines"}),
        ("account", "a", {"enabled": False, "reason": "x" * 201}),
    ],
)
def test_a_reason_is_a_line_and_goes_with_disabling_an_account(kind: str, name: str, wanted: dict[str, Any]) -> None:
    """Anything else is refused, and nothing is changed."""
    made = desk()
    before = made.catalog
    with pytest.raises(Refused) as refused:
        made.administration.switch(kind, name, actor=OWNER, **wanted)
    assert ("reason", before) == (reasons(refused)[0][0], made.catalog)
