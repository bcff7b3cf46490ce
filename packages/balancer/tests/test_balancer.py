from __future__ import annotations

import math
from random import Random
from time import process_time

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from llmgw_balancer import BalanceConfig, Balancer, Circuit, Exclusion, OtherLoad, Outcome, Pause, Wanted
from llmgw_balancer.testing import Clock, candidate, tier
from llmgw_domain import Secret, Target
from llmgw_domain.signals import Signal

PAUSE = Signal(verdict="pause", whole=True, seconds=20.0, reason="requests")
DISABLE = Signal(verdict="disable", whole=True, seconds=None, reason="key")


def made(**config) -> tuple[Balancer, Clock]:
    clock = Clock()
    return Balancer(clock=clock, rand=Random(1).random, config=BalanceConfig(**config)), clock


def fail(balancer: Balancer, of, times: int = 3) -> None:
    for _ in range(times):
        lease = balancer.take(of)
        lease.release()
        balancer.learn(lease, Outcome.FAILED)


def test_what_is_chosen_is_counted_in_the_same_step():
    """The next choice sees the account as taken; a lease that comes back makes room, and says so."""
    balancer, _ = made()
    heard = []
    balancer.changed = lambda: heard.append(balancer.in_flight)
    tiers = [tier("ab", max_concurrency=1)]
    picks = [balancer.choose(tiers, Wanted()) for _ in range(3)]
    assert {"a", "b", None} == {pick.candidate and pick.candidate.account.id for pick in picks}
    assert {"a": Exclusion.FULL, "b": Exclusion.FULL} == picks[2].excluded
    assert (2, 1) == (balancer.in_flight, balancer.held("a"))
    picks[0].lease.release()
    picks[0].lease.release()
    assert [1] == heard


def test_an_account_says_how_long_it_cannot_serve():
    """Zero seconds where it can, its rest, infinity where that depends on others, None where an operator must see to
    it.
    """
    balancer, clock = made()
    free, resting, full, off, rejected = tier("abcde")
    full, off = candidate("c", max_concurrency=0), candidate("d", enabled=False)
    balancer.hear(resting, PAUSE)
    balancer.hear(rejected, DISABLE)
    waits = [balancer.wait(of) for of in (free, resting, full, off, rejected)]
    assert [0.0, 20.0, math.inf, None, None] == waits
    words = [balancer.why(of) for of in (free, resting, full, off, rejected)]
    assert [None, "paused", "full", "disabled", "rejected"] == words
    clock.now += 20
    assert 0.0 == balancer.wait(resting)


def test_the_soonest_of_several_is_known():
    """Of those that the call wants; None where nobody will ever serve it."""
    balancer, _ = made()
    a, b, c = tier("abc")
    balancer.hear(a, PAUSE)
    balancer.hear(b, Signal(verdict="overloaded", whole=False, seconds=5.0, reason="overloaded"))
    balancer.hear(c, DISABLE)
    assert 5.0 == balancer.soonest([(a,), (b, c)], Wanted())
    assert 20.0 == balancer.soonest([(a,), (b, c)], Wanted(tried={"b"}))
    assert balancer.soonest([(c,)], Wanted()) is None


def test_tokens_are_counted_when_a_call_begins_and_corrected_when_it_ends():
    """What it did not use is free again, for it is told once."""
    balancer, _ = made()
    of = candidate("a", tokens_per_minute=1000)
    lease = balancer.take(of, 900)
    assert Exclusion.TOKENS is balancer.why(of, 200)
    lease.release()
    balancer.learn(lease, Outcome.ANSWERED, tokens=100)
    balancer.learn(lease, Outcome.ANSWERED, tokens=100)
    assert balancer.why(of, 900) is None
    assert (100, 100) == (balancer.states()["a"].tokens, balancer.loads()["a"].spent)


def test_a_rejected_account_is_tried_once_an_hour():
    """One call; the others wait for what it tells. An answer opens the account again, as does another credential."""
    balancer, clock = made()
    of = candidate("a")
    balancer.hear(of, DISABLE)
    assert balancer.take(of) is None
    assert balancer.wait(candidate("a", credential=Secret("other"))) == 0.0
    balancer.hear(of, DISABLE)
    clock.now += 3600
    lease = balancer.take(of)
    assert balancer.take(of) is None
    balancer.learn(lease, Outcome.ANSWERED)
    assert balancer.take(of) is not None


def test_rests_outlive_a_restart():
    """As many seconds as were left. A shorter one that is told changes nothing; those of the dead are not told."""
    balancer, clock = made()
    balancer.hear(candidate("a"), PAUSE)
    clock.now += 5
    [told] = balancer.pauses()
    assert Pause(account="a", verdict="pause", seconds=15.0, reason="requests") == told
    again, _ = made()
    again.relearn([told])
    assert (15.0, Exclusion.PAUSED) == (again.wait(candidate("a")), again.why(candidate("a")))
    again.relearn([Pause(account="a", verdict="pause", seconds=3.0, reason="tokens")])
    assert 15.0 == again.wait(candidate("a"))
    clock.now += 15
    assert [] == balancer.pauses()


def test_an_operator_knows_better():
    """What was held against an account is forgotten, and whoever waits hears of it."""
    balancer, _ = made()
    of, heard = candidate("a"), []
    fail(balancer, of)
    balancer.hear(of, DISABLE)
    balancer.changed = lambda: heard.append(True)
    balancer.resume("a")
    assert (0.0, Circuit.CLOSED, [True]) == (balancer.wait(of), balancer.states()["a"].circuit, heard)


def test_states_say_what_people_want_to_know():
    """The word, the circuit, averages, and what the account has."""
    balancer, _ = made(most_ejected=0.5)
    a, b = tier("ab")
    lease = balancer.take(b, 7)
    balancer.learn(lease, Outcome.ANSWERED, first_byte=0.5)
    balancer.bound("b", "s")
    fail(balancer, a)
    states = balancer.states()
    assert ("open", Circuit.OPEN, 3, 1.0) == (
        states["a"].word,
        states["a"].circuit,
        states["a"].failures,
        states["a"].error_rate,
    )
    shown = states["b"]
    assert ("ok", 0.5, 1, 1, 1, 7, 1.0) == (
        shown.word,
        shown.first_byte,
        shown.leases,
        shown.bindings,
        shown.requests,
        shown.tokens,
        shown.share,
    )


def test_other_workers_count():
    """Their calls fill the account, and their tokens its minute."""
    told = {"a": OtherLoad(leases=1, tokens=900, spent=900)}
    balancer = Balancer(clock=Clock(), rand=lambda: 0.0, others=lambda name: told.get(name, OtherLoad()))
    assert Exclusion.FULL is balancer.why(candidate("a", max_concurrency=1))
    assert Exclusion.TOKENS is balancer.why(candidate("a", tokens_per_minute=1000), 200)
    assert balancer.why(candidate("b", max_concurrency=1)) is None


def test_what_is_told_of_loads_is_by_model_too():
    """An account with nothing is not told of."""
    balancer, clock = made()
    lease = balancer.take(candidate("a", model="m"), 5)
    balancer.why(candidate("b"))
    model = OtherLoad(leases=1, requests=1, tokens=5)
    assert {"a": OtherLoad(leases=1, requests=1, tokens=5, spent=5, models={"m": model})} == balancer.loads()
    lease.release()
    balancer.learn(lease, Outcome.ANSWERED, tokens=123_456)
    assert 120_000 == balancer.loads()["a"].spent
    clock.now += 3 * 3600
    assert {} == balancer.loads()


SIGNALS = st.builds(
    Signal,
    verdict=st.sampled_from(["pause", "exhausted", "overloaded", "disable"]),
    whole=st.booleans(),
    seconds=st.none() | st.floats(0, 10_000),
    reason=st.just("r"),
)
_QUICKLY = (Phase.reuse, Phase.generate, Phase.shrink)
NAMES = st.sampled_from("abcde")


class Facade(RuleBasedStateMachine):
    """Everything that a worker does with its balancer, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.balancer = Balancer(clock=self.clock, rand=Random(3).random)
        target = Target(pool="p", model="m", max_concurrency=3)
        self.all = {
            **{name: candidate(name, target=target, max_concurrency=4, tokens_per_minute=5000) for name in "abc"},
            **{name: candidate(name, pool="q", weight=2.0) for name in "de"},
        }
        self.tiers = [tuple(self.all[name] for name in "abc"), tuple(self.all[name] for name in "de")]
        self.leases: list = []
        for _ in range(11):
            self.balancer.bound("a", "known")  # It goes on, so this worker is alone until it meets somebody.

    def _keep(self, lease) -> None:
        if lease is not None:
            self.leases.append(lease)

    def _rests(self) -> dict:
        return {(p.account, p.model): (self.clock.now + p.seconds, p.verdict) for p in self.balancer.pauses()}

    @rule(name=NAMES, tokens=st.integers(0, 3000))
    def take(self, name, tokens):
        word = self.balancer.why(self.all[name], tokens)
        lease = self.balancer.take(self.all[name], tokens)
        assert (word is None) == (lease is not None)
        self._keep(lease)

    @rule(
        prefix=st.sampled_from([None, b"p", b"q"]),
        session=st.sampled_from(["", "s", "t"]),
        tried=st.sets(NAMES),
        last=st.none() | NAMES,
    )
    def choose(self, prefix, session, tried, last):
        wanted = Wanted(prefix=prefix, session=session, tried=tried, tokens=100, last=last)
        pick = self.balancer.choose(self.tiers, wanted)
        assert (pick.candidate is None) == (pick.lease is None) == (pick.by is None)
        assert len({score.account for score in pick.scores}) == len(pick.scores)
        if pick.candidate is not None:
            assert pick.candidate.account.id not in tried
            self.balancer.bound(pick.candidate.account.id, session or "u")
        self._keep(pick.lease)

    @precondition(lambda self: self.leases)
    @rule(data=st.data(), again=st.booleans())
    def release(self, data, again):
        lease = self.leases.pop(data.draw(st.integers(0, len(self.leases) - 1)))
        lease.release()
        if again:
            lease.release()

    @precondition(lambda self: self.leases)
    @rule(
        data=st.data(),
        outcome=st.sampled_from(Outcome),
        signal=st.none() | SIGNALS,
        tokens=st.none() | st.integers(0, 10_000),
    )
    def learn(self, data, outcome, signal, tokens):
        lease = self.leases[data.draw(st.integers(0, len(self.leases) - 1))]
        before = self._rests()
        self.balancer.learn(lease, outcome, signal, first_byte=0.1, tokens=tokens)
        self._only_longer(before, answered=outcome is Outcome.ANSWERED)

    @rule(name=NAMES, signal=SIGNALS)
    def hear(self, name, signal):
        before = self._rests()
        self.balancer.hear(self.all[name], signal)
        self._only_longer(before)

    @rule(name=NAMES, model=st.sampled_from([None, "m"]), seconds=st.floats(0, 1e6))
    def relearn(self, name, model, seconds):
        before = self._rests()
        self.balancer.relearn([Pause(account=name, model=model, verdict="exhausted", seconds=seconds, reason="r")])
        self._only_longer(before)

    def _only_longer(self, before, *, answered=False) -> None:
        """Only a rejection that a call was to try is ended by an answer."""
        after = self._rests()
        for scope, (until, verdict) in before.items():
            if not (answered and verdict == "disable"):
                assert after[scope][0] >= until - 1e-6

    @rule(seconds=st.sampled_from([0.5, 3.0, 70.0, 4000.0]))
    def pass_time(self, seconds):
        self.clock.now += seconds

    @rule()
    def meet(self):
        self.balancer.met()

    @rule(name=NAMES)
    def resume(self, name):
        self.balancer.resume(name)

    @rule(names=st.sets(NAMES))
    def retain(self, names):
        self.balancer.retain(names)
        assert names >= set(self.balancer.states())
        assert names >= {pause.account for pause in self.balancer.pauses()}

    @invariant()
    def leases_are_counted(self):
        held = {name: sum(lease.account == name for lease in self.leases) for name in self.all}
        assert held == {name: self.balancer.held(name) for name in self.all}
        assert len(self.leases) == self.balancer.in_flight

    @invariant()
    def pools_add_up(self):
        states = self.balancer.states()
        roster = self.balancer._roster
        for pool in roster._pools.values():
            fit = [member for member in pool.members.values() if member.fit]
            assert pool.load == sum(member.load for member in fit) >= 0
            assert pool.weight == sum(member.account.weight for member in fit)
            spent = sum(member.spent(self.clock.now) for member in fit)
            assert pool.spent(self.clock.now) == pytest.approx(spent, abs=0.1)
            assert sum(member.heeded for member in pool.members.values()) <= len(pool.members) / 2
        for state in states.values():
            assert min(state.leases, state.bindings, state.requests, state.tokens, state.failures) >= 0
            assert 0 <= state.error_rate <= 1
            assert 0 < state.share <= 1

    def teardown(self):
        for lease in self.leases:
            lease.release()
            self.balancer.learn(lease, Outcome.LEFT)
        assert 0 == self.balancer.in_flight == sum(self.balancer._roster.slots.probes(name) for name in self.all)
        self.balancer.retain(())
        self.clock.now += 100
        assert ({}, {}, []) == (self.balancer.states(), self.balancer.loads(), self.balancer.pauses())
        assert 0 == len(self.balancer._roster.bindings)
        assert {} == self.balancer._rates._windows == self.balancer._roster.slots._models


Facade.TestCase.settings = settings(max_examples=40, stateful_step_count=30, deadline=None, phases=_QUICKLY)
test_whatever_is_done_in_whatever_order_adds_up = Facade.TestCase


@pytest.mark.slow
def test_it_adds_up_in_many_orders():
    """The same with a thousand runs."""
    machine = type("Many", (Facade.TestCase,), {})
    machine.settings = settings(max_examples=1000, stateful_step_count=60, deadline=None, phases=_QUICKLY)
    machine("runTest").runTest()


@pytest.mark.bench
@pytest.mark.parametrize("by", ["hash", "least"])
@pytest.mark.parametrize("prefixes", [1, 40, 500])
def test_how_long_a_choice_takes(prefixes, by):
    """Over 1,000 accounts with load, each for a session that was never seen; of processor time. A prefix is on all of
    them where it is the only one, on a few where there are five hundred.
    """
    balancer, clock = made()
    tiers = [tier([f"a{n}" for n in range(1000)])]
    for _ in range(11 if by == "least" else 0):
        balancer.bound("a1", "known")
    seconds = 0.0015 if by == "least" else 0.0001

    def choose(n):
        clock.now += seconds
        pick = balancer.choose(tiers, Wanted(prefix=b"%d" % (n % prefixes), session=f"s{n}", tokens=1000))
        balancer.bound(pick.candidate.account.id, f"s{n}")
        return pick

    for n in range(5000):
        choose(n)
    began = process_time()
    picks = [choose(5000 + n) for n in range(5000)]
    each = (process_time() - began) / 5000
    print(f"choose over 1,000 accounts, {prefixes} prefixes, by {by}: {each * 1e6:.1f} us")
    assert {by} == {pick.by for pick in picks}
    assert each < 100e-6
