"""The talk between nodes, over links that lose, double and reorder, and through crashes, restarts and long silences."""

import msgspec
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

from llmgw_crdt import Clock, RecordMap, hlc_at
from llmgw_crdt.messages import Beat, Deltas, Hello, Whole, body_of, parse_message
from llmgw_crdt.sync import PeerView, Sync, SyncConfig, covers
from llmgw_crdt.testing import meaning_of, shown_by

SMALL = SyncConfig(retention=100.0, collect_every=5.0, backlog=6, batch=2, deferred=3)
"""Limits small enough to be met all the time."""


class Net:
    """Some nodes, their clocks, and the messages between them: under way until `deliver` takes one."""

    def __init__(self, names, config=SMALL, now=1000.0, skews=()):
        self.config, self.now, self.skews = config, now, dict(skews)
        self.clocks = {name: Clock(name) for name in names}
        self.syncs = {name: Sync(RecordMap(name), now, config) for name in names}
        self.under_way = []
        self.cut = set()
        for name in names:
            for other in names:
                if other != name:
                    self.step(name, self.syncs[name].connected(other, now))

    def records(self, name):
        return self.syncs[name].records

    def time(self, name):
        return self.now + self.skews.get(name, 0.0)

    def step(self, sender, step):
        for to, message in step.sends:
            self.under_way.append((sender, to, message))
        for delta in step.fresh:
            self.clocks[sender].observe(delta.hlc, self.time(sender))
        return step

    def write(self, name, id, fields):
        delta = self.records(name).write(self.clocks[name].tick(self.time(name)), "k", id, fields)
        self.step(name, self.syncs[name].publish([delta], self.time(name)))
        return delta

    def delete(self, name, id):
        delta = self.records(name).delete(self.clocks[name].tick(self.time(name)), "k", id)
        if delta:
            self.step(name, self.syncs[name].publish([delta], self.time(name)))
        return delta

    def deliver(self, which=0, keep=False):
        sender, to, message = self.under_way[which] if keep else self.under_way.pop(which)
        if {sender, to} & self.cut:
            return None
        message = parse_message(msgspec.json.decode(msgspec.json.encode(body_of(message))))
        return self.step(to, self.syncs[to].receive(message, self.time(to)))

    def settle(self, limit=2000):
        """Deliver everything; messages that beget messages for ever are a failure."""
        for _ in range(limit):
            if not self.under_way:
                return
            self.deliver()
        raise AssertionError(f"still talking after {limit} messages: {self.under_way[:3]}")

    def tick(self, seconds=1.0):
        self.now += seconds
        for name, sync in self.syncs.items():
            self.step(name, sync.tick(self.time(name)))

    def pass_time(self, seconds, settle=True):
        for _ in range(int(seconds)):
            self.tick()
            if settle:
                self.settle()

    def restart(self, name, dump, heard=None):
        records = RecordMap(name)
        records.merge(dump)
        self.clocks[name] = Clock(name, records.horizon)
        self.syncs[name] = Sync(records, self.time(name), self.config, heard)
        for other in self.syncs:
            if other != name:
                self.step(name, self.syncs[name].connected(other, self.time(name)))


BRIEF = SyncConfig(retention=20.0, collect_every=5.0, backlog=6, batch=2, deferred=3)

changes = st.lists(
    st.tuples(st.integers(0, 3), st.sampled_from("xy"), st.sampled_from(["p", "q", "delete"])), min_size=1, max_size=6
)
"""(node, id, field to write or "delete") in the order in which they are made."""


class Talking(RuleBasedStateMachine):
    """2 to 4 nodes with skewed clocks write, delete, crash and forget, are cut off for longer or shorter than the
    retention; messages are lost, doubled and reordered at will. Then it is quiet, and all must be the same."""

    @initialize(count=st.integers(2, 4))
    def begin(self, count):
        self.names = "abcd"[:count]
        self.net = Net(self.names, BRIEF, skews={"b": 30.0, "c": -90.0})
        self.snapshots = {name: self.net.records(name).dump() for name in self.names}
        self.made = []
        self.change(script=[(0, "x", "p"), (1, "x", "q")])

    def name(self, who):
        return self.names[who % len(self.names)]

    @rule(script=changes)
    def change(self, script):
        for who, record, action in script:
            name = self.name(who)
            delta = self.net.delete(name, record) if action == "delete" else self.net.write(name, record, {action: who})
            if delta:
                self.made.append(delta)

    @rule(fates=st.lists(st.tuples(st.integers(0, 10**6), st.sampled_from(["go", "go", "double", "lose"])), min_size=1))
    def messages(self, fates):
        for which, fate in fates:
            if not self.net.under_way:
                return
            which %= len(self.net.under_way)
            if fate == "lose":
                self.net.under_way.pop(which)
            else:
                self.net.deliver(which, keep=fate == "double")

    @rule()
    def settle(self):
        self.net.settle()

    @rule(seconds=st.sampled_from([0.1, 1.0, 4.0, 30.0]))
    def wait(self, seconds):
        self.net.tick(seconds)

    @rule(who=st.integers(0, 3))
    def cut_off_or_reconnect(self, who):
        self.net.cut ^= {self.name(who)}

    @rule()
    def outlast_the_retention(self):
        self.net.tick(BRIEF.retention + 1)
        self.net.tick(BRIEF.collect_every)

    @rule(who=st.integers(0, 3), deleted=st.sampled_from("xy"))
    def delete_and_outlast_the_retention(self, who, deleted):
        """Those that are not cut off go on talking meanwhile, and collect."""
        self.change(script=[(who, deleted, "delete")])
        self.net.pass_time(BRIEF.retention + BRIEF.collect_every + 1)

    @rule(who=st.integers(0, 3))
    def store(self, who):
        self.snapshots[self.name(who)] = self.net.records(self.name(who)).dump()

    @rule(who=st.integers(0, 3), heard=st.booleans())
    def crash(self, who, heard):
        """The node comes back with what it had stored last: it has lost deltas, its own among them."""
        name = self.name(who)
        self.net.restart(name, self.snapshots[name], self.net.syncs[name].heard if heard else None)

    @rule(who=st.integers(0, 3), which=st.integers(0, 10**6))
    def replay(self, who, which):
        """An old delta comes from the log once more."""
        name = self.name(who)
        self.net.step(name, self.net.syncs[name].publish([self.made[which % len(self.made)]], self.net.time(name)))

    @invariant()
    def memory_is_bounded(self):
        for sync in self.net.syncs.values():
            assert len(sync._backlog) <= BRIEF.backlog
            assert sum(map(len, sync._backlog._chains.values())) == len(sync._backlog)
            assert all(len(peer.deferred) <= BRIEF.deferred for peer in sync._peers.values())
            assert sync._peers.keys() <= set(self.names)

    def teardown(self):
        self.net.cut = set()
        # Skewed by up to 120 s, and more than 60 s ahead is deferred: time enough for that to pass, and for repairs.
        self.net.under_way.clear()
        self.net.pass_time(70)
        states = [(shown_by(s.records), s.records.vector, s.records.digest()) for s in self.net.syncs.values()]
        assert [states[0]] * len(states) == states
        for name, sync in self.net.syncs.items():
            assert all(view.same and view.liveness == "alive" for view in sync.peers(self.net.time(name)))
        assert [] == [s.records for s in self.net.syncs.values() if s.records.tombstones and self.is_due(s)]

    def is_due(self, sync):
        """Whether a replica holds a tombstone whose retention is long over, and nothing is missing before it. (What an
        author has lost for good is missing until it writes again.)
        """
        if not covers(sync.records.vector, sync.records.dump()["seen"]):
            return False
        graves = [sync.records.tombstone("k", name) for name in "xy"]
        now = self.net.time(sync.records.node) - BRIEF.retention - BRIEF.collect_every - 1
        return any(grave and grave.stamp[0] < hlc_at(now) for grave in graves)


def quick(examples):
    return settings(
        max_examples=examples, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
    )


def test_after_any_trouble_all_converge():
    """Any loss, duplication, reordering, crash or absence, then quiet: same records, vectors and digests everywhere."""
    run_state_machine_as_test(Talking, settings=quick(60))


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_after_any_trouble_all_converge_at_length():
    """The same over many more courses of events."""
    run_state_machine_as_test(Talking, settings=quick(1500))


def kinds(net):
    return [type(message).__name__ for _, _, message in net.under_way]


def test_a_write_is_pushed_at_once_and_acknowledged():
    """One message there, one back; the acknowledgement makes the vector agreed."""
    net = Net("ab")
    net.settle()
    delta = net.write("a", "x", {"p": 1})
    assert ["Deltas"] == kinds(net)
    step = net.deliver()
    assert ((delta,), frozenset({("k", "x")}), ["Beat"]) == (step.fresh, step.changed, kinds(net))
    net.settle()
    assert [PeerView("b", "alive", 0.0, 0.0, same=True)] == net.syncs["a"].peers(net.now)
    assert {"a": delta.hlc} == net.syncs["a"]._peers["b"].agreed


def test_a_lost_push_is_repaired_by_the_next_heartbeat():
    """The heartbeat says what is there, so who lacks something asks, and gets it from the backlog."""
    net = Net("ab")
    net.settle()
    net.write("a", "x", {"p": 1})
    net.under_way.clear()
    net.tick(1.0)
    assert ["Beat", "Beat"] == kinds(net)
    sent = []
    while net.under_way:
        sent.append(kinds(net)[0])
        net.deliver()
    assert "Whole" not in sent
    assert {"p": 1} == net.records("b").get("k", "x").fields


def test_a_peer_beyond_the_backlog_gets_the_whole_state():
    """More changes than are kept: one whole state instead of a gap."""
    net = Net("ab")
    net.settle()
    for n in range(SMALL.backlog + 1):
        net.write("a", f"x{n}", {"n": n})
    net.under_way.clear()
    net.tick(2.0)
    wholes = 0
    while net.under_way:
        wholes += isinstance(net.under_way[0][2], Whole)
        net.deliver()
    assert (1, net.records("a").digest()) == (wholes, net.records("b").digest())


def test_a_repair_goes_batch_by_acknowledged_batch():
    """No message is larger than a batch, and the next one waits for the acknowledgement."""
    net = Net("ab", SyncConfig(batch=2))
    net.settle()
    for n in range(7):
        net.write("a", f"x{n}", {"n": n})
    net.under_way.clear()
    net.tick(2.0)
    sizes = []
    while net.under_way:
        message = net.under_way[0][2]
        if isinstance(message, Deltas):
            sizes.append(len(message.deltas))
            assert 1 == kinds(net).count("Deltas")
        net.deliver()
    assert ([2, 2, 2, 1], 7) == (sizes, len(list(net.records("b").records("k"))))


def test_a_difference_that_vectors_do_not_show_is_mended():
    """The author lost its last delta and wrote another: equal vectors, unequal digests, an exchange of whole states."""
    net = Net("ab", SyncConfig())
    net.settle()
    net.write("a", "x", {"p": 1})
    net.settle()
    kept = net.records("a").dump()
    net.write("a", "x", {"q": 2})
    net.settle()
    net.restart("a", kept)
    net.under_way.clear()
    net.now += 5
    net.write("a", "x", {"p": 3})
    net.settle()
    assert net.records("a").vector == net.records("b").vector
    net.pass_time(3)
    assert net.records("a").get("k", "x").fields == net.records("b").get("k", "x").fields == {"p": 3, "q": 2}


def test_silence_is_told_by_its_length():
    """Alive, suspect, dead and retired, by the seconds since the last message; one word is enough to be alive again."""
    net = Net("ab", SyncConfig(retention=1000.0))
    net.settle()
    sync = net.syncs["a"]
    at = [sync.liveness("b", net.now + silent) for silent in (3.0, 3.1, 10.1, 1000.1)]
    assert ["alive", "suspect", "dead", "retired"] == at
    sync.receive(Beat(net.syncs["b"]._status()), net.now + 2000)
    assert ("alive", {"b": net.now + 2000}) == (sync.liveness("b", net.now + 2000), sync.heard)


def test_the_dead_are_not_pushed_to_but_greeted_by_heartbeats():
    """A push to a dead peer is left to repair; heartbeats go on, so that it is found when it is back."""
    net = Net("ab")
    net.settle()
    net.now += SMALL.dead_after + 1
    net.write("a", "x", {"p": 1})
    assert [] == net.under_way
    net.pass_time(2)
    assert {"p": 1} == net.records("b").get("k", "x").fields


def test_heartbeats_go_at_their_interval():
    """`tick` may come more often than they are due."""
    net = Net("ab")
    net.settle()
    net.tick(1.0)
    net.under_way.clear()
    net.tick(0.5)
    assert [] == net.under_way
    net.tick(0.5)
    assert ["Beat", "Beat"] == kinds(net)


def test_a_delta_from_the_future_waits_for_its_time():
    """It is not applied, not claimed and shown as ahead; once the clock is near enough it is applied."""
    net = Net("ab", skews={"a": 100.0})
    net.settle()
    delta = net.write("a", "x", {"p": 1})
    net.settle()
    assert ({}, None) == (net.records("b").vector, net.records("b").get("k", "x"))
    assert 100 == round(net.syncs["b"].peers(net.now)[0].ahead)
    net.pass_time(41)
    assert ({"a": delta.hlc}, {"p": 1}) == (net.records("b").vector, net.records("b").get("k", "x").fields)
    assert 0 == net.syncs["b"].peers(net.now)[0].ahead


def test_a_flood_from_the_future_is_bounded_and_nothing_is_lost():
    """What does not fit is not kept, not claimed, and comes again; a whole state from the future is not taken."""
    net = Net("ab", skews={"a": 100.0})
    net.settle()
    for n in range(20):
        net.write("a", f"x{n}", {"n": n})
        net.settle()
    assert SMALL.deferred == len(net.syncs["b"]._peers["a"].deferred)
    net.pass_time(5)
    assert [] == list(net.records("b").records("k"))
    net.pass_time(45)
    assert (20, net.records("a").digest()) == (len(list(net.records("b").records("k"))), net.records("b").digest())


def test_tombstones_go_once_everyone_agrees_and_the_retention_is_over():
    """Collected on every node, at their own time; a node that is merely dead holds it up, a retired one does not."""
    net = Net("abc")
    net.settle()
    net.write("a", "x", {"p": 1})
    net.settle()
    net.cut = {"c"}
    net.delete("a", "x")
    net.pass_time(95)
    assert [1, 1] == [net.records(name).tombstones for name in "ab"]
    net.pass_time(25)
    assert ("retired", [0, 0]) == (
        net.syncs["a"].liveness("c", net.now),
        [net.records(name).tombstones for name in "ab"],
    )


def retired_node():
    """Three nodes of which `c` missed a deletion and its collection, and wrote alone meanwhile."""
    net = Net("abc")
    net.settle()
    old = net.write("a", "x", {"p": 1})
    net.settle()
    net.cut = {"c"}
    net.delete("a", "x")
    net.write("c", "x", {"p": "patched alone"})
    net.write("c", "alone", {"p": 2})
    net.pass_time(130)
    return net, old


def test_a_retired_node_comes_back_from_a_whole_state():
    """Its deltas are left alone until it has the floor; what died meanwhile dies there, what it created alone stays."""
    net, old = retired_node()
    net.cut = set()
    net.under_way.clear()
    sync = net.syncs["a"]
    pushed = Deltas(net.syncs["c"]._status(), tuple(net.syncs["c"]._backlog._arrived))
    step = sync.receive(pushed, net.now)
    assert ((), ["Whole"]) == (step.fresh, [type(m).__name__ for _, m in step.sends])
    net.step("a", step)
    net.settle()
    net.pass_time(3)
    assert [["alone"]] * 3 == [[r.id for r in net.records(name).records("k")] for name in "abc"]
    net.step("c", net.syncs["c"].publish([old], net.now))
    net.pass_time(3)
    assert [None] * 3 == [net.records(name).get("k", "x") for name in "abc"]


def test_two_sides_that_have_retired_each_other_come_together():
    """Neither waits for the other to begin, and what each created alone is there afterwards."""
    net = Net("ab")
    net.settle()
    net.write("a", "both", {})
    net.settle()
    net.cut = {"a", "b"}
    for name in "ab":
        net.write(name, f"dead-{name}", {})
        net.delete(name, f"dead-{name}")
        net.write(name, f"of-{name}", {})
    net.pass_time(130)
    assert [0, 0] == [net.records(name).tombstones for name in "ab"]
    net.cut = set()
    net.pass_time(3)
    assert [["both", "of-a", "of-b"]] * 2 == [sorted(r.id for r in net.records(name).records("k")) for name in "ab"]


def test_a_restart_retires_no_one_and_remembers_who_was_heard():
    """Known authors count as heard at the start, or when the last run says."""
    net = Net("abc")
    net.settle()
    net.write("b", "x", {})
    net.settle()
    dump = net.records("a").dump()
    restored = RecordMap("a")
    restored.merge(dump)
    assert {"b": 5000.0} == Sync(restored, 5000.0, SMALL).heard
    assert {"b": 4000.0, "c": 10.0} == Sync(restored, 5000.0, SMALL, {"b": 4000.0, "c": 10.0}).heard


def test_a_node_that_lost_what_it_had_holds_up_collection_again():
    """What was agreed with it is void once its vector goes back behind that."""
    net = Net("ab")
    net.settle()
    net.write("a", "x", {})
    net.settle()
    assert net.syncs["a"]._peers["b"].agreed
    net.restart("b", RecordMap("b").dump())
    net.under_way.clear()
    net.syncs["a"].receive(Beat(net.syncs["b"]._status()), net.now)
    assert {} == net.syncs["a"]._peers["b"].agreed


def test_a_second_node_of_the_same_name_is_refused():
    """A cloned data folder is told to its operator instead of corrupting the chain."""
    net = Net("ab")
    with pytest.raises(ValueError, match="another node calls itself a too: give one of the two a data folder"):
        net.syncs["a"].receive(Hello(net.syncs["a"]._status()), net.now)


def test_what_is_published_twice_is_pushed_once():
    """A delta that came back from the log is no news to anyone; a new one from there is applied and pushed."""
    net = Net("abc")
    net.settle()
    delta = net.write("a", "x", {"p": 1})
    assert ((), ()) == (net.syncs["a"].publish([delta], net.now).sends, net.syncs["a"].publish([], net.now).sends)
    foreign = RecordMap("elsewhere").write(net.clocks["a"].tick(net.now), "k", "y", {"p": 2})
    step = net.syncs["a"].publish([foreign], net.now)
    assert (["b", "c"], frozenset({("k", "y")})) == ([to for to, _ in step.sends], step.changed)
    assert meaning_of([delta, foreign]) == shown_by(net.records("a"))
    assert "<Sync a: 2 peers, <Backlog 2 of 6 deltas by 2 nodes>>" == repr(net.syncs["a"])


def test_vectors_cover_each_other_author_by_author():
    """One covers the other if it lacks nothing of it."""
    assert [True, False, True] == [covers({"a": 2}, {"a": 1}), covers({"a": 2}, {"b": 1}), covers({}, {})]
