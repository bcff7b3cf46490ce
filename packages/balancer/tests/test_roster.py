import msgspec
import pytest

from llmgw_balancer import BalanceConfig, Circuit, OtherLoad
from llmgw_balancer.pauses import Pauses
from llmgw_balancer.roster import Roster, alone
from llmgw_balancer.testing import Clock, account, candidate
from llmgw_domain import Deadlines, Secret
from llmgw_domain.signals import Signal


def roster(others=alone) -> tuple[Roster, Pauses, list[str]]:
    config, heard = BalanceConfig(), []
    pauses = Pauses(config)
    made = Roster(config=config, pauses=pauses, others=others, clock=Clock(), changed=lambda: heard.append("changed"))
    return made, pauses, heard


def test_an_account_joins_its_pool_when_it_is_first_seen():
    """And is the same one from then on, also with other deadlines."""
    made, _, _ = roster()
    of = account("a", weight=2.0)
    member = made.member(of)
    again = made.member(msgspec.structs.replace(of, deadlines=Deadlines(connect=1.0)))
    assert member is again
    assert 2.0 == member.pool.weight


@pytest.mark.parametrize("change", [{"weight": 3.0}, {"enabled": False}, {"drain": True}, {"credential": Secret("n")}])
def test_a_changed_record_takes_the_place_of_the_old_one(change):
    """With its circuit and its load; the pool's sums follow."""
    made, _, _ = roster()
    lease = made.grant(candidate("a"), made.member(account("a")), 5, 1000.0)
    changed = account("a", **change)
    member = made.member(changed)
    assert changed is member.account
    serves = changed.enabled and not changed.drain
    assert (1 if serves else 0, changed.weight if serves else 0.0) == (member.pool.load, member.pool.weight)
    lease.release()
    assert 0 == member.load == member.pool.load


def test_another_credential_ends_a_rejection():
    """The account is fit again as soon as its new record is seen."""
    made, pauses, _ = roster()
    member = made.member(account("a"))
    pauses.hear(account("a"), "m", Signal(verdict="disable", whole=True, seconds=None, reason="key"), 1000.0)
    member.pool.reconsider(member, 1000.0)
    assert not member.fit
    assert made.member(account("a", credential=Secret("new"))).fit


def test_an_account_moves_to_another_pool():
    """It counts there, and no more where it was."""
    made, _, _ = roster()
    before = made.member(account("a")).pool
    after = made.member(account("a", pool="q")).pool
    assert (0.0, 1.0, {}) == (before.weight, after.weight, before.members)


def test_what_an_account_has_outlives_its_record():
    """Calls of an account that is gone and comes back still count, and are released once."""
    made, _, heard = roster()
    made.member(account("a")).breaker.circuit = Circuit.PROBATION
    lease = made.grant(candidate("a"), made.member(account("a")), 0, 1000.0)
    assert (True, 1) == (lease.probe, made.slots.probes("a"))
    assert made.retain((), 1000.0)
    assert not made.retain((), 1000.0)
    member = made.member(account("a"))
    assert 1 == member.load
    lease.release()
    assert (0, 0, ["changed"]) == (member.load, made.slots.probes("a"), heard)


def test_sessions_that_are_bound_are_load_for_a_while():
    made, _, _ = roster()
    member = made.member(account("a"))
    made.bindings.bind("s", "a", 1000.0)
    assert 1 == member.load
    made.settle(1060.0)
    assert 0 == member.load


def test_what_others_have_is_heard():
    """It is counted when the account is looked at."""
    told = {"a": OtherLoad(leases=4, spent=10)}
    made, _, _ = roster(lambda name: told[name])
    member = made.member(account("a"))
    made.hear_others(member)
    assert (4, 4, 10.0) == (member.load, member.pool.load, member.pool.spent(1000.0))
    told["a"] = OtherLoad(leases=1)
    made.hear_others(member)
    assert (1, 1, 0.0) == (member.load, member.pool.load, member.pool.spent(1000.0))


def test_a_circuit_is_reset():
    made, _, _ = roster()
    member = made.member(account("a"))
    for _ in range(3):
        member.breaker.failed(1000.0, 1000.0, lambda: 0.5)
    made.reset(member, 1000.0)
    assert Circuit.CLOSED is member.breaker.at(1000.0)
