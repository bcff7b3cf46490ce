import pytest

from llmgw_balancer import BalanceConfig, OtherLoad
from llmgw_balancer.pools import Member, Pool
from llmgw_balancer.testing import account


class Rests(dict):
    """Until when accounts rest, and whether they start slowly after that."""

    def __call__(self, of, now):
        rest = self.get(of.id)
        return None if rest is None or rest[0] <= now else rest


def pool_of(names: str, **config) -> tuple[Pool, Rests]:
    rests = Rests()
    pool = Pool(BalanceConfig(**config), rests)
    for name in names:
        pool.add(Member(account(name), pool, BalanceConfig(**config)), 0.0)
    return pool, rests


def fail(pool: Pool, name: str, now: float) -> None:
    member = pool.members[name]
    for _ in range(3):
        member.breaker.failed(now, now, lambda: 0.5)
    pool.judge(member, now)


def heeded(pool: Pool) -> set[str]:
    return {name for name, member in pool.members.items() if member.heeded}


def test_only_the_fit_count():
    """A rest takes an account's load, weight and tokens out of the pool, and its end brings them back."""
    pool, rests = pool_of("ab")
    a = pool.members["a"]
    a.weigh(leases=2, bindings=5)
    a.spend(0.0, 1000)
    a.told(OtherLoad(spent=500))
    assert (5, 2.0, 1500.0) == (pool.load, pool.weight, pool.spent(0.0))
    rests["a"] = 10.0, False
    pool.reconsider(a, 0.0)
    assert (0, 1.0, 0.0) == (pool.load, pool.weight, pool.spent(0.0))
    a.spend(5.0, 100)
    pool.settle(9.9)
    assert 1.0 == pool.weight
    pool.settle(10.0)
    assert (5, 2.0) == (pool.load, pool.weight)
    assert pytest.approx(a.spent(10.0)) == pool.spent(10.0)


def test_a_session_with_a_call_is_one():
    """Load is the larger of both, here and elsewhere."""
    pool, _ = pool_of("a")
    a = pool.members["a"]
    a.told(OtherLoad(leases=3, bindings=1))
    a.weigh(leases=2, bindings=4)
    assert (7, 7) == (a.load, pool.load)


def test_at_most_a_share_of_a_pool_is_ejected():
    """The worst are; of four two, and of one none. Who was closed again makes room for another."""
    pool, _ = pool_of("abcd")
    for name in "abc":
        fail(pool, name, 0.0)
    assert 2 == len(heeded(pool))
    assert 2.0 == pool.weight
    [left] = set("abc") - heeded(pool)
    gone = min(heeded(pool))
    member = pool.members[gone]
    for _ in range(3):
        member.breaker.answered(0.0, 0.5, None)
    pool.judge(member, 0.5)
    assert left in heeded(pool)
    alone, _ = pool_of("a")
    fail(alone, "a", 0.0)
    assert set() == heeded(alone)


def test_whoever_is_removed_is_not_missed():
    """Neither its load nor its circuit."""
    pool, _ = pool_of("abcd")
    pool.members["a"].weigh(leases=3, bindings=0)
    fail(pool, "a", 0.0)
    pool.remove(pool.members["a"], 0.0)
    assert (0, 3.0, set()) == (pool.load, pool.weight, heeded(pool))
    fail(pool, "b", 0.0)
    assert {"b"} == heeded(pool)


@pytest.mark.parametrize(("away", "ramp"), [(600.0, 30.0), (3.0, 3.0)])
def test_an_account_starts_slowly_after_an_absence(away, ramp):
    """Its share grows for as long as it was away, at most half a minute; a short pause is no absence."""
    pool, rests = pool_of("ab")
    a = pool.members["a"]
    rests["a"] = away, True
    pool.reconsider(a, 0.0)
    pool.settle(away)
    shares = [a.share(away + part * ramp) for part in (0.0, 0.5, 1.0)]
    assert [0.1, 0.5, 1.0] == pytest.approx(shares)
    rests["a"] = away + 100.0, False
    pool.reconsider(a, away + 50.0)
    pool.settle(away + 100.0)
    assert 1.0 == a.share(away + 100.0)
