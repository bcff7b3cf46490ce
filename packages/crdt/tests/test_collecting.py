"""No resurrection: after any collection, replicas show what all deltas that they have received mean."""

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from llmgw_crdt import Clock, RecordMap
from llmgw_crdt.testing import meaning_of, shown_by

RETENTION = 100.0
NAMES = "abc"
SKEWS = {"a": 0.0, "b": 180.0, "c": -240.0, "z": 0.0}
members = st.sampled_from(NAMES)


def changes(names):
    """(node, id, field to write or "delete") in the order in which they are made."""
    change = st.tuples(st.sampled_from(names), st.sampled_from(["x", "y"]), st.sampled_from(["p", "q", "delete"]))
    return st.lists(change, min_size=1, max_size=6)


class Collecting(RuleBasedStateMachine):
    """Three nodes write, delete, hear any delta ever made (again), exchange whole states, agree, and collect, in any
    interleaving. Beside each replica stands the plain set of deltas that it has received."""

    @initialize()
    def begin(self):
        self.now = 1000.0
        self.records = {name: RecordMap(name) for name in NAMES}
        self.clocks = {name: Clock(name) for name in NAMES}
        self.received = {name: {} for name in NAMES}
        self.agreed = {name: {other: {} for other in NAMES if other != name} for name in NAMES}
        self.made = []
        self.change(script=[("a", "x", "p")])

    @rule(script=changes(NAMES))
    def change(self, script):
        for who, record, action in script:
            if action == "delete":
                self.delete(who, record)
            else:
                self.note(who, self.records[who].write(self.tick(who), "k", record, {action: len(self.made)}))

    @rule(who=members, which=st.lists(st.integers(0, 10**6), min_size=1, max_size=4))
    def hear(self, who, which):
        """Deltas come: new, again, late, or replayed from long ago."""
        for index in which:
            self.take(who, self.made[index % len(self.made)])

    @rule(who=members)
    def replay_everything(self, who):
        """All that this node has received comes once more, backwards."""
        for delta in reversed([d for d in self.made if d.stamp in self.received[who]]):
            self.take(who, delta)

    @rule(giver=members, taker=members)
    def whole(self, giver, taker):
        self.records[taker].merge(self.records[giver].dump())
        self.received[taker] |= self.received[giver]

    @rule(one=members, other=members)
    def repair(self, one, other):
        """Two nodes exchange what the other lacks, and find that they have the same."""
        self.whole(one, other)
        self.whole(other, one)
        self.agree(one, other)

    @rule(one=members, other=members)
    def agree(self, one, other):
        mine, theirs = self.records[one], self.records[other]
        if one != other and mine.vector == theirs.vector and mine.digest() == theirs.digest():
            self.agreed[one][other] = self.agreed[other][one] = mine.vector

    @rule(seconds=st.sampled_from([1.0, 50.0, 1000.0]))
    def wait(self, seconds):
        self.now += seconds

    @rule(who=members)
    def collect(self, who):
        self.records[who].collect(self.agreed[who].values(), self.now, RETENTION)

    @rule(who=members, away=members, deleted=st.lists(st.tuples(members, st.sampled_from(["x", "y"])), max_size=2))
    def collect_once_all_agree(self, who, away, deleted):
        """Collection with all conditions met or, if `away` is another node, with that one's agreement as it was."""
        for owner, record in deleted:
            self.delete(owner, record)
        for one in NAMES:
            for other in NAMES:
                if away not in (one, other) or away == who:
                    self.repair(one, other)
        self.now += 2 * RETENTION + 500
        self.collect(who)

    @invariant()
    def shows_what_was_received(self):
        for name, records in self.records.items():
            assert meaning_of(self.received[name].values()) == shown_by(records)

    @invariant()
    def claims_only_what_was_received(self):
        for name, records in self.records.items():
            claimed = {d.stamp for d in self.made if d.hlc <= records.vector.get(d.node, 0)}
            assert claimed <= self.received[name].keys()

    def teardown(self):
        for _ in range(2):
            for one in self.records:
                for other in self.records:
                    self.records[other].merge(self.records[one].dump())
                    self.received[other] |= self.received[one]
        assert 1 == len({(r.digest(), str(sorted(r.vector.items()))) for r in self.records.values()})
        self.shows_what_was_received()

    def delete(self, who, record):
        deletion = self.records[who].delete(self.tick(who), "k", record)
        if deletion:
            self.note(who, deletion)

    def note(self, who, delta):
        self.made.append(delta)
        self.received[who][delta.stamp] = delta

    def take(self, who, delta):
        self.records[who].apply(delta)
        self.clocks[who].observe(delta.hlc, self.now)
        self.received[who][delta.stamp] = delta

    def tick(self, who):
        return self.clocks[who].tick(self.now + SKEWS[who])


class CollectingWithRetired(Collecting):
    """A fourth node writes and hears as well, but is retired: nobody asks what it has before collecting.

    What it made alone may be anything; yet no incarnation of which a node has received the deletion is ever live there
    again, and all end with the same records.
    """

    @initialize()
    def begin(self):
        super().begin()
        self.records["z"] = RecordMap("z")
        self.clocks["z"] = Clock("z")
        self.received["z"] = {}

    @rule(script=changes(["z"]))
    def change_alone(self, script):
        self.change(script=script)

    @rule(which=st.lists(st.integers(0, 10**6), min_size=1, max_size=4))
    def hear_alone(self, which):
        self.hear(who="z", which=which)

    @rule(giver=members)
    def come_back(self, giver):
        self.whole(giver, "z")
        self.whole("z", giver)

    @invariant()
    def shows_what_was_received(self):
        """Weaker than for members: what is live was never deleted, as far as was received."""
        for name, records in self.records.items():
            buried = {(d.kind, d.id, d.incarnation) for d in self.received[name].values() if d.deleted}
            live = {(*key, incarnation) for key, (incarnation, _) in shown_by(records).items()}
            assert set() == live & buried


def quick(examples):
    return settings(
        max_examples=examples, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
    )


@pytest.mark.parametrize("machine", [Collecting, CollectingWithRetired])
def test_nothing_that_was_deleted_ever_comes_back(machine):
    """Any interleaving of writes, deletions, replays, whole states, agreement and collection."""
    run_state_machine_as_test(machine, settings=quick(120))


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("machine", [Collecting, CollectingWithRetired])
def test_nothing_that_was_deleted_ever_comes_back_at_length(machine):
    """The same over many more interleavings."""
    run_state_machine_as_test(machine, settings=quick(3000))


def buried(name="a", at=10) -> tuple[RecordMap, list]:
    """A replica that has created and deleted a record, and its deltas."""
    records = RecordMap(name)
    return records, [records.write(at << 16, "k", "x", {"p": 1}), records.delete((at + 1) << 16, "k", "x")]


def test_a_tombstone_waits_for_its_retention_and_for_everyone():
    """It goes once both have passed, neither alone; a node of which nothing is known holds it up."""
    records, deltas = buried()
    known = {"a": deltas[1].hlc}
    assert 0 == records.collect([known], 100.0, RETENTION)
    assert 0 == records.collect([known, {}], 101.0, RETENTION)
    assert 0 == records.collect([{"a": deltas[0].hlc}], 101.0, RETENTION)
    assert (1, {}) == (records.tombstones, records.floor)
    assert 1 == records.collect([known], 101.0, RETENTION)
    assert (0, known) == (records.tombstones, records.floor)


def test_after_collection_replayed_deltas_are_void():
    """Neither the creation nor a late patch of the dead incarnation brings it back; a new incarnation lives."""
    records, deltas = buried()
    late = RecordMap("b")
    late.apply(deltas[0])
    patch = late.write(9 << 40, "k", "x", {"p": 2})
    records.collect([], 1000.0, RETENTION)
    assert [False] * 3 == [records.apply(delta) for delta in (*deltas, patch)]
    assert records.get("k", "x") is None
    records.write(1, "k", "x", {"p": 3})
    assert {"p": 3} == records.get("k", "x").fields


def test_the_floor_kills_where_the_deletion_was_never_heard():
    """A node that slept through deletion and collection loses the record by the dump, and can't bring it back."""
    records, deltas = buried()
    records.collect([], 1000.0, RETENTION)
    sleeper = RecordMap("b")
    sleeper.apply(deltas[0])
    alone = sleeper.write(1, "k", "alone", {"p": 1})
    assert set() == records.merge(sleeper.dump()) - {("k", "alone")}
    assert records.get("k", "x") is None
    assert {("k", "x")} == sleeper.merge(records.dump())
    assert (records.floor, records.digest()) == (sleeper.floor, sleeper.digest())
    assert alone.stamp == sleeper.get("k", "alone").incarnation


def test_what_an_author_made_before_the_deletion_must_be_here_before_the_tombstone_goes():
    """A gap before the deletion may hold an earlier life of the same id, so the tombstone stays until it is filled."""
    other = RecordMap("b")
    creation = other.write(5 << 16, "k", "x", {"p": "of b"})
    later = other.write(6 << 16, "k", "y", {})
    records, _ = buried()
    records.apply(later)
    assert 0 == records.collect([], 1000.0, RETENTION)
    records.apply(creation)
    assert 1 == records.collect([], 1000.0, RETENTION)
    assert (False, None) == (records.apply(creation), records.get("k", "x"))


def test_an_outlived_incarnation_that_was_only_patched_holds_up_collection():
    """Who patched it is known, its creation is not here: as long as it is missing, only the tombstone refuses it."""
    author, patcher = RecordMap("r"), RecordMap("b")
    patcher.apply(author.write(5 << 16, "k", "x", {"p": 1}))
    patch = patcher.write(6 << 16, "k", "x", {"p": 2})
    records, _ = buried()
    records.apply(patch)
    assert 0 == records.collect([], 1000.0, RETENTION)
    assert (False, None) == (records.apply(patch), records.get("k", "x"))


def test_what_was_never_received_is_not_under_the_floor():
    """Though a later delta of its author is here and the tombstone goes, what is in the gap is taken when it comes."""
    records, deltas = buried()
    other = RecordMap("b")
    seen, missing, early = (other.write(n << 16, "k", f"of b {n}", {"p": n}) for n in (20, 30, 40))
    records.apply(seen)
    records.apply(early)
    assert (1, {"a": deltas[1].hlc, "b": seen.hlc}) == (records.collect([], 1000.0, RETENTION), records.floor)
    assert (True, {"p": 30}) == (records.apply(missing), records.get("k", "of b 30").fields)


def test_what_a_retired_node_made_alone_is_not_lost():
    """Nobody deleted it: the floor covers only what was received."""
    records, _ = buried()
    retired = RecordMap("z")
    alone = retired.write(5 << 16, "k", "other", {"p": 1})
    records.collect([], 1000.0, RETENTION)
    assert (True, {"p": 1}) == (records.apply(alone), records.get("k", "other").fields)
