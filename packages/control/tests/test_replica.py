from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmgw_control import AccountRecord, KeyRecord, ModelRecord, PolicyRecord, Records, Replica, TargetRecord
from llmgw_control.replica import DELETED, WRITTEN, Draft, delta_of
from llmgw_control.sources import Changed, Source
from llmgw_crdt import Clock, Delta, RecordMap
from llmgw_domain import Event
from llmgw_domain.servers import Server

FILE = Records(
    accounts=(AccountRecord(id="a", provider="openai", pool="p", credential="env:A"),),
    models=(ModelRecord(name="vendor/m", targets=(TargetRecord(pool="p", model="x"),)),),
    keys=(KeyRecord(name="named", hash="sha256:" + "0" * 64),),
    policies=(PolicyRecord(id="open"),),
)


def event_of(delta: Delta, **changes: Any) -> Event:
    given: dict[str, Any] = {
        "id": f"{delta.node}-{delta.hlc}",
        "hlc": delta.hlc,
        "node": delta.node,
        "v": 1,
        "kind": DELETED if delta.deleted else WRITTEN,
        "tenant": "default",
        "actor": "admin:x",
        "cause": None,
        "subject": delta.subject,
        "body": msgspec.Raw(msgspec.json.encode(delta.body())),
    }
    return Event(**{**given, **changes})


def refs(changed: Changed) -> set[str]:
    return {"/".join(ref) for ref, _ in changed.items()}


def written(replica: Replica, kind: str, name: str, hlc: int = 0, **fields: Any) -> Changed:
    """Writes as another node does, and applies it here."""
    other = RecordMap("other")
    other.merge(replica.dump())
    return replica.apply([event_of(other.write(hlc, kind, name, {"v": 1, **fields}))])


# --- events -----------------------------------------------------------------------------------------------------------


def test_an_event_is_merged_and_what_changed_is_told() -> None:
    """From what it was to what it is; once more it changes nothing."""
    replica, other = Replica("n"), RecordMap("other")
    made = event_of(other.write(1, "model", "vendor/m", {"v": 1, "targets": []}))
    gone = other.delete(2, "model", "vendor/m")
    assert gone is not None
    ((ref, change),) = replica.apply([made]).items()
    assert (("model", "vendor/m"), None) == (ref, change.before)
    assert change.after is not None
    assert {"v": 1, "targets": []} == change.after.fields
    assert 0 == len(replica.apply([made]))
    ((_, change),) = replica.apply([event_of(gone)]).items()
    assert (True, None) == (change.before is not None, change.after)
    assert 0 == len(replica.apply([made, event_of(gone)]))


def test_several_changes_of_one_record_are_one() -> None:
    """From before the first to after the last."""
    replica, other = Replica("n"), RecordMap("other")
    events = [event_of(other.write(i, "policy", "p", {"v": 1, "models": [str(i)]})) for i in (1, 2, 3)]
    ((_, change),) = replica.apply(events).items()
    assert change.before is None
    assert change.after is not None
    assert ["3"] == change.after.fields["models"]


@pytest.mark.parametrize(
    "changes",
    [
        {"subject": "account"},
        {"body": msgspec.Raw(b"[]")},
        {"body": msgspec.Raw(b'{"after": 1, "incarnation": 1, "fields": {}, "previous": {}}')},
        {"body": msgspec.Raw(b"{")},
    ],
)
def test_an_event_that_is_no_delta_stops_no_other(changes: dict[str, Any]) -> None:
    """It is remembered by its id, with the reason, and what comes behind it is applied."""
    replica, other = Replica("n"), RecordMap("other")
    broken = event_of(other.write(1, "account", "a", {"v": 1}), id="broken", **changes)
    behind = event_of(other.write(2, "account", "b", {"v": 1}))
    assert {"account/b"} == refs(replica.apply([broken, behind]))
    assert ["broken"] == [*replica.rejected]


def test_facts_and_kinds_of_later_versions_change_nothing_that_is_served() -> None:
    """Facts are not for the replica; a kind that it does not know is kept for others, and passed over."""
    replica, other = Replica("n"), RecordMap("other")
    later = event_of(other.write(1, "webhook", "w", {"url": "x"}))
    fact = event_of(other.write(2, "request", "r", {}), kind="request.opened")
    assert (0, {}) == (len(replica.apply([later, fact])), replica.rejected)
    assert (True, False) == (replica.map.get("webhook", "w") is not None, replica.map.get("request", "r") is not None)
    assert 0 == len(replica.everything())


def test_a_whole_state_is_merged_like_its_events() -> None:
    """A dump changes what it differs in, and nothing the second time."""
    source, replica = Replica("m"), Replica("n")
    written(source, "account", "a", weight=1)
    written(source, "key", "k", policy="p")
    written(replica, "policy", "mine", models=[])
    assert {"account/a", "key/k"} == refs(replica.load(source.dump()))
    assert 0 == len(replica.load(source.dump()))
    assert {"account/a", "key/k", "policy/mine"} == refs(replica.everything())
    source.map.delete(1 << 60, "key", "k")
    ((ref, change),) = replica.load(source.dump()).items()
    assert (("key", "k"), None, "k") == (ref, change.after, change.before and change.before.id)


# --- the file ---------------------------------------------------------------------------------------------------------


def test_the_file_lies_over_the_log() -> None:
    """Its record is the one that counts here; the log's is held, and counts again without the file's."""
    replica = Replica("n")
    written(replica, "account", "a", provider="anthropic", pool="p", credential="env:B")
    assert {"account/a", "model/vendor/m", "key/named", "policy/open"} == refs(replica.overlay(FILE, "gateway.toml"))
    source = replica.get("account", "a")
    assert source is not None
    assert ("file", True, "openai") == (source.origin, source.shadows, source.fields["provider"])
    written(replica, "account", "a", weight=2)
    assert source.version == _version(replica)
    assert {"account/a", "model/vendor/m", "key/named", "policy/open"} == refs(
        replica.overlay(Records(), "gateway.toml")
    )
    source = replica.get("account", "a")
    assert source is not None
    assert ("log", "anthropic", 2) == (source.origin, source.fields["provider"], source.fields["weight"])


def _version(replica: Replica) -> str:
    source = replica.get("account", "a")
    assert source is not None
    return source.version


def test_a_new_file_changes_what_differs_and_what_refers() -> None:
    """A reference may lead to another secret now, so its record is looked at again; the rest is not."""
    replica = Replica("n")
    replica.overlay(FILE, "gateway.toml")
    assert {"account/a"} == refs(replica.overlay(FILE, "gateway.toml"))
    fewer = msgspec.structs.replace(FILE, policies=())
    assert {"account/a", "policy/open"} == refs(replica.overlay(fewer, "gateway.toml"))


def test_a_reload_looks_again_at_all_that_leads_outside() -> None:
    """Records of the log too: what the environment, files and servers say may be another now, sealed values may not."""
    replica = Replica("n")
    account = {"provider": "openai-compatible", "pool": "p", "base_url": "http://x"}
    written(replica, "account", "env", **account, credential="env:A")
    written(
        replica, "account", "aws", **account, credential={"access_key_id": "sealed:v1:k:x", "session_token": "file:x"}
    )
    written(replica, "account", "sealed", **account, credential="sealed:v1:k:x")
    written(replica, "account", "served", **account, credential="sealed:v1:k:x", server="groq")
    written(replica, "key", "k", hash="sha256:" + "0" * 64)
    assert {"account/env", "account/aws"} == refs(replica.overlay(Records(), "gateway.toml"))
    servers = Records(servers=(Server(name="groq"),))
    assert {"account/env", "account/aws", "account/served"} == refs(replica.overlay(servers, "gateway.toml"))
    assert {"account/env", "account/aws"} == refs(replica.overlay(servers, "gateway.toml"))


def test_switches_stand_above_the_file() -> None:
    """By the record's id, in the log, before and after the file has such a record; a broken one counts for nothing."""
    replica = Replica("n")
    written(replica, "switch", "account:a", drain=True, enabled="no")
    replica.overlay(FILE, "gateway.toml")
    record = replica.get("account", "a")
    assert record is not None
    assert (True, True) == (record.fields["enabled"], record.fields["drain"])
    ((ref, change),) = written(replica, "switch", "account:a", enabled=False).items()
    assert ("account", "a") == ref
    assert change.before is not None
    assert change.after is not None
    assert [True, False] == [change.before.fields["enabled"], change.after.fields["enabled"]]
    assert change.before.version != change.after.version
    replica.overlay(Records(), "gateway.toml")
    assert None is replica.get("account", "a")


def test_a_switch_is_for_records_of_the_file() -> None:
    """What stands in the log has fields of its own for it."""
    replica = Replica("n")
    written(replica, "account", "a", enabled=True)
    written(replica, "switch", "account:a", enabled=False)
    source = replica.get("account", "a")
    assert source is not None
    assert source.fields["enabled"]


def test_overlays_are_compared_by_their_digest() -> None:
    """It goes by what the file says, in any order of its records."""
    one, other = Replica("n"), Replica("m")
    one.overlay(FILE, "gateway.toml")
    more = AccountRecord(id="b", provider="openai", pool="p", credential="env:B")
    both = msgspec.structs.replace(FILE, accounts=(more, *FILE.accounts))
    other.overlay(both, "other.toml")
    assert one.overlay_digest() != other.overlay_digest()
    one.overlay(msgspec.structs.replace(FILE, accounts=(*FILE.accounts, more)), "gateway.toml")
    assert one.overlay_digest() == other.overlay_digest()


# --- drafts -----------------------------------------------------------------------------------------------------------

STEPS = st.lists(
    st.tuples(st.sampled_from(["write", "delete"]), st.sampled_from(["a", "b"]), st.sampled_from(["x", "y"])),
    max_size=8,
)


@given(STEPS, STEPS, st.floats(0, 2_000_000_000))
def test_a_draft_is_what_the_record_map_would_do(before: Any, steps: Any, now: float) -> None:
    """The same deltas, but for their times; and what would count is what counts once they are committed."""
    replica, twin = Replica("n"), RecordMap("n")
    for i, (what, name, field) in enumerate(before):
        other = RecordMap("other")
        other.merge(twin.dump())
        made = other.write(i, "account", name, {field: i}) if what == "write" else other.delete(i, "account", name)
        if made is not None:
            twin.apply(made)
            replica.commit([made])
    draft = Draft(replica, Clock("n"), now)
    for i, (what, name, field) in enumerate(steps):
        if what == "write":
            draft.write("account", name, {field: i})
        else:
            draft.delete("account", name)
    assert [_again(twin, delta) for delta in draft.deltas] == draft.deltas
    foretold = draft.changed()
    done = replica.commit(draft.deltas)
    assert (twin.vector, twin.digest()) == (replica.map.vector, replica.map.digest())
    assert refs(done) <= refs(foretold)
    for ref, change in foretold.items():
        assert _told(replica.get(*ref)) == _told(change.after)


def _told(source: Source | None) -> tuple[Any, str] | None:
    return None if source is None else (source.fields, source.version)


def _again(twin: RecordMap, delta: Delta) -> Delta | None:
    if delta.deleted:
        return twin.delete(delta.hlc, delta.kind, delta.id)
    return twin.write(delta.hlc, delta.kind, delta.id, delta.fields)


def test_a_draft_changes_nothing() -> None:
    """Until its deltas are committed the replica is as it was."""
    replica = Replica("n")
    written(replica, "account", "a", weight=1)
    before = replica.dump()
    draft = Draft(replica, Clock("n"), 0.0)
    draft.write("account", "a", {"weight": 2})
    draft.delete("account", "a")
    draft.write("account", "a", {"weight": 3})
    assert before == replica.dump()
    assert None is Draft(replica, Clock("n"), 0.0).held("account", "b")
    assert [("account/a", 3)] == [
        ("/".join(r), c.after.fields["weight"]) for r, c in draft.changed().items() if c.after
    ]


def test_a_draft_is_above_all_that_is_known() -> None:
    """A clock that runs behind, and was never told of the others, still writes what wins."""
    replica = Replica("n")
    far = event_of(RecordMap("other").write(1 << 62, "account", "a", {"v": 1, "weight": 1}))
    replica.apply([far])
    draft = Draft(replica, Clock("n"), 0.0)
    draft.write("account", "a", {"weight": 2})
    replica.commit(draft.deltas)
    source = replica.get("account", "a")
    assert source is not None
    assert 2 == source.fields["weight"]
    assert draft.deltas[0] == delta_of(event_of(draft.deltas[0]))
