"""Nodes that talk over links which lose, double and reorder, and end with the same records."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmgw_crdt import Clock, RecordMap
from llmgw_crdt.clock import hlc_at
from llmgw_crdt.messages import Beat, Status, body_of, parse_message
from llmgw_crdt.sync import Sync, SyncConfig

NAMES = "abcd"
CONFIG = SyncConfig(heartbeat=1.0, collect_every=5.0, retention=60.0, backlog=6, batch=3, deferred=4)


class World:
    """Some nodes, their clocks, and what is on the way between them. Messages go through JSON, as on a wire."""

    def __init__(self, count: int = 3, seed: int = 1, skews: tuple[float, ...] = (0.0, 20.0, -30.0, 5.0)) -> None:
        self.now = 1_000.0
        self.random = random.Random(seed)
        self.names = NAMES[:count]
        self.skews = dict(zip(self.names, skews, strict=False))
        self.records = {name: RecordMap(name) for name in self.names}
        self.clocks = {name: Clock(name) for name in self.names}
        self.nodes = {name: Sync(self.records[name], self.now, CONFIG) for name in self.names}
        self.on_the_way: list[tuple[str, dict]] = []
        for one in self.names:
            for other in self.names:
                if one != other:
                    self.nodes[one].expect(other, self.now)

    def send(self, sends) -> None:
        self.on_the_way += [(to, body_of(message)) for to, message in sends]

    def write(self, name: str, record: str, value: int) -> None:
        delta = self.records[name].write(self._tick(name), "k", record, {"f": value})
        self.send(self.nodes[name].publish([delta], self.now).sends)

    def delete(self, name: str, record: str) -> None:
        delta = self.records[name].delete(self._tick(name), "k", record)
        if delta:
            self.send(self.nodes[name].publish([delta], self.now).sends)

    def _tick(self, name: str) -> int:
        self.clocks[name].observe(self.records[name].horizon, self.now)
        return self.clocks[name].tick(self.now + self.skews[name])

    def deliver(self, *, loss: float = 0.0, doubled: float = 0.0, shuffle: bool = False) -> None:
        batch, self.on_the_way = self.on_the_way, []
        if shuffle:
            self.random.shuffle(batch)
        for to, body in batch:
            if self.random.random() < loss:
                continue
            for _ in range(2 if self.random.random() < doubled else 1):
                self.send(self.nodes[to].receive(parse_message(body), self.now).sends)

    def tick(self, seconds: float = 1.0) -> None:
        self.now += seconds
        for name in self.names:
            self.send(self.nodes[name].tick(self.now).sends)

    def quiet(self, rounds: int = 40) -> None:
        """Time passes, nothing is written, and links are whole."""
        for _ in range(rounds):
            self.tick()
            while self.on_the_way:
                self.deliver()

    @property
    def digests(self) -> set[str]:
        return {records.digest() for records in self.records.values()}


steps = st.lists(
    st.tuples(
        st.sampled_from(["write", "delete", "deliver", "lose", "tick"]),
        st.integers(0, 3),
        st.sampled_from("xyz"),
        st.integers(0, 9),
    ),
    max_size=30,
)


def _run(count: int, seed: int, script) -> World:
    world = World(count, seed)
    for what, who, record, value in script:
        name = world.names[who % count]
        match what:
            case "write":
                world.write(name, record, value)
            case "delete":
                world.delete(name, record)
            case "deliver":
                world.deliver(loss=0.3, doubled=0.3, shuffle=True)
            case "lose":
                world.on_the_way.clear()
            case "tick":
                world.tick(value * 0.7)
    return world


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 4), st.integers(0, 2**16), steps)
def test_whatever_links_do_all_agree_once_it_is_quiet(count, seed, script):
    """Loss, duplicates and reordering; then some heartbeats, and every node has the same records."""
    world = _run(count, seed, script)
    world.quiet()
    assert len(world.digests) == 1
    assert all(view.same for name in world.names for view in world.nodes[name].peers(world.now))


@pytest.mark.slow
@settings(max_examples=3000, deadline=None)
@given(st.integers(2, 4), st.integers(0, 2**16), steps)
def test_whatever_links_do_all_agree_at_length(count, seed, script):
    """The same, many more times."""
    world = _run(count, seed, script)
    world.quiet()
    assert len(world.digests) == 1


def test_a_change_is_pushed_at_once():
    """No heartbeat is waited for."""
    world = World()
    world.quiet(3)
    world.write("a", "x", 1)
    world.deliver()
    assert [1, 1, 1] == [world.records[name].get("k", "x").fields["f"] for name in world.names]


def test_who_was_away_for_long_gets_the_whole_state():
    """The backlog does not reach back; what it deleted and made itself is not lost."""
    world = World(2)
    for number in range(20):
        world.records["a"].write(world._tick("a"), "k", f"r{number}", {"f": number})
    world.records["b"].write(world._tick("b"), "k", "own", {"f": 0})
    world.quiet()
    assert len(world.digests) == 1
    assert 21 == len(list(world.records["b"].records("k")))


def test_tombstones_go_once_all_have_agreed_and_not_before():
    """One node that is away holds them up, until it is retired; nothing comes back with it."""
    world = World(3)
    world.write("a", "x", 1)
    world.quiet(5)
    world.delete("b", "x")
    old = [parse_message(body) for _, body in world.on_the_way]
    world.quiet(5)
    assert [1, 1, 1] == [records.tombstones for records in world.records.values()]
    world.quiet(120)
    assert [0, 0, 0] == [records.tombstones for records in world.records.values()]
    for message in old:
        world.nodes["c"].receive(message, world.now)
    assert world.records["c"].get("k", "x") is None


def test_silence_is_told_by_its_length():
    """Alive, suspect, dead, retired; and alive again with the first word."""
    world = World(2)
    world.quiet(2)
    seen = []
    for seconds in (0.0, 4.0, 11.0, 61.0):
        seen.append(world.nodes["a"].liveness("b", world.now + seconds))
    assert ["alive", "suspect", "dead", "retired"] == seen


def test_a_delta_from_the_future_waits_for_its_time():
    """Applied now it would win over all that is written until then; what is kept of these is bounded."""
    world = World(2, skews=(0.0, 300.0))
    for number in range(10):
        world.write("b", f"r{number}", number)
    world.deliver()
    assert [] == list(world.records["a"].records("k"))
    (view,) = world.nodes["a"].peers(world.now)
    assert 290 < view.ahead < 310
    assert len(world.nodes["a"]._peers["b"].deferred) <= CONFIG.deferred
    world.now += 300.0
    world.quiet()
    assert 10 == len(list(world.records["a"].records("k")))


def test_two_nodes_of_one_name_are_told_apart():
    """A copied data folder is an operator's mistake, and said."""
    world = World(2)
    with pytest.raises(ValueError, match="calls itself a too"):
        world.nodes["a"].receive(Beat(Status("a", {}, "", {})), world.now)


def test_memory_is_bounded_by_what_is_configured():
    """However much is written while a peer is away."""
    world = World(2)
    for number in range(500):
        world.write("a", f"r{number % 7}", number)
        world.on_the_way.clear()
    assert len(world.nodes["a"]._backlog) <= CONFIG.backlog
    assert hlc_at(world.now) > 0
