from collections import Counter
from random import Random

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from llmgw_balancer import Exclusion, Slots, acquire
from llmgw_domain import Account, Candidate, Provider, Secret, Target


def candidate(id: str, *, limit: int | None = None, enabled: bool = True, weight: float = 1.0) -> Candidate:
    account = Account(
        id=id,
        provider=Provider.OPENAI,
        base_url="http://x",
        credential=Secret("k"),
        pool="p",
        max_concurrency=limit,
        enabled=enabled,
        weight=weight,
    )
    return Candidate(account, "m", Target(pool="p", model="m"))


def name(pick) -> str | None:
    return pick.candidate and pick.candidate.account.id


def test_the_account_with_fewer_leases_wins():
    """A call goes where fewer calls are in flight."""
    slots = Slots()
    slots.take("a")
    assert name(acquire([[candidate("a"), candidate("b")]], slots, lambda: 0.0)) == "b"


def test_load_is_leases_per_weight():
    """An account of twice the weight takes twice the calls."""
    slots = Slots()
    tier = [candidate("a", weight=2.0), candidate("b")]
    rand = Random(1).random
    assert Counter(name(acquire([tier], slots, rand)) for _ in range(30)) == {"a": 20, "b": 10}


def test_equals_are_drawn_by_lot():
    """Idle accounts of equal weight share a burst of separate calls instead of the first one taking all."""
    rand = Random(7).random
    picks = Counter()
    for _ in range(300):
        pick = acquire([[candidate(x) for x in "abc"]], Slots(), rand)
        picks[name(pick)] += 1
    assert min(picks.values()) > 70


def test_a_later_tier_serves_only_when_the_first_has_no_free_account():
    """Fallback accounts are not used while a better one is free."""
    slots = Slots()
    tiers = [[candidate("a", limit=1)], [candidate("b")]]
    assert [name(acquire(tiers, slots, lambda: 0.0)) for _ in range(3)] == ["a", "b", "b"]


def test_exclusions_carry_their_reason():
    """When nothing is free the pick says why for each account, and no lease is taken."""
    slots = Slots()
    slots.take("full")
    draining = candidate("leaving")
    draining = msgspec.structs.replace(draining, account=msgspec.structs.replace(draining.account, drain=True))
    tier = [candidate("full", limit=1), candidate("off", enabled=False), candidate("tried"), draining]
    pick = acquire([tier], slots, lambda: 0.0, tried={"tried"})
    assert (pick.candidate, pick.lease) == (None, None)
    assert pick.excluded == {
        "full": Exclusion.FULL,
        "off": Exclusion.DISABLED,
        "tried": Exclusion.TRIED,
        "leaving": Exclusion.DRAINING,
    }
    assert slots.total == 1


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), max_size=60), st.integers(1, 3))
def test_no_account_ever_exceeds_its_concurrency(steps, limit):
    """However calls come and go, no account holds more leases than its limit."""
    slots, held = Slots(), []
    tier = [candidate(x, limit=limit) for x in "abc"]
    rand = Random(3).random
    for _, release in steps:
        if release and held:
            held.pop().release()
        else:
            pick = acquire([tier], slots, rand)
            if pick.lease:
                held.append(pick.lease)
        assert all(slots.held(x) <= limit for x in "abc")
    assert slots.total == len(held)


def test_an_account_in_doubt_is_the_last_resort():
    """It is passed over within its tier and for the tiers below, and taken when nothing else is left."""
    tiers = [[candidate("a"), candidate("b")], [candidate("c")]]
    doubted = {"a"}.__contains__
    pick = acquire(tiers, Slots(), lambda: 0.0, doubted=doubted)
    assert ("b", {"a": Exclusion.DOUBTED}) == (name(pick), pick.excluded)
    pick = acquire(tiers, Slots(), lambda: 0.0, ["b"], doubted)
    assert ("c", {"a": Exclusion.DOUBTED, "b": Exclusion.TRIED}) == (name(pick), pick.excluded)
    assert "a" == name(acquire(tiers, Slots(), lambda: 0.0, ["b", "c"], doubted))
    assert "a" == name(acquire(tiers, Slots(), lambda: 0.0, doubted={"a", "b", "c"}.__contains__))
