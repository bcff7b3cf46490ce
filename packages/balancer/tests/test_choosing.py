from collections import Counter
from random import Random

import pytest

from llmgw_balancer import Balancer, Exclusion, Wanted
from llmgw_balancer.testing import Clock, candidate, tier
from llmgw_domain.signals import Signal


def balancer() -> Balancer:
    return Balancer(clock=Clock(), rand=Random(2).random)


def name(pick) -> str | None:
    return pick.candidate and pick.candidate.account.id


def session(number: int, prefix: bytes | None = b"p") -> Wanted:
    return Wanted(prefix=prefix, session=f"s{number}", tokens=1000)


def test_a_session_belongs_to_the_same_account_everywhere():
    """Whatever else a node has seen, as long as no bound is reached."""
    tiers, clock = [tier("abcdefghij")], Clock()
    one, two = (Balancer(clock=clock, rand=Random(seed).random) for seed in (1, 2))
    for n in range(200):  # Elsewhere others have come, of whom this prefix is as small a part.
        one.choose(tiers, session(1000 + n, b"%d" % (n % 40))).lease.release()
        two.choose(tiers, session(2000 + n, b"%d" % (n % 50))).lease.release()
    for n in range(10):
        clock.now += 5
        assert name(one.choose(tiers, session(n))) == name(two.choose(tiers, session(n)))


def test_sessions_of_a_prefix_are_divided_over_few_accounts():
    """Six of twenty."""
    known, tiers = balancer(), [tier([f"a{n}" for n in range(20)])]
    for n in range(400):  # of other prefixes, so that this one has no large part
        known.choose(tiers, session(n, b"%d" % n)).lease.release()
    counts = Counter()
    for n in range(12):
        pick = known.choose(tiers, session(n))
        pick.lease.release()
        counts[name(pick)] += 1
    assert 2 < len(counts) <= 6


@pytest.mark.parametrize("by", ["hash", "least"])
@pytest.mark.parametrize("prefixes", [1, 5])
def test_a_prefix_of_many_sessions_is_on_many_accounts(prefixes, by):
    """Evenly, in a large pool too, where not all of them are ranked for each session; and each session stays where it
    belongs, as long as its hash decides."""
    (known, clock), tiers = alone() if by == "least" else (balancer(), Clock()), [tier([f"a{n}" for n in range(60)])]
    counts = Counter()
    for n in range(1800):
        clock.now += 0.1
        pick = known.choose(tiers, session(n, b"%d" % (n % prefixes)))
        known.bound(name(pick), f"s{n}")
        pick.lease.release()
        counts[name(pick)] += 1
        assert by == pick.by
    assert 60 == len(counts)
    assert max(counts.values()) <= (33 if by == "least" else 50)


def alone() -> tuple[Balancer, Clock]:
    """A balancer whose sessions have gone on, and met nobody else's."""
    clock = Clock()
    known = Balancer(clock=clock, rand=Random(2).random)
    for _ in range(11):
        known.bound("a", "known")
    return known, clock


def test_while_it_is_alone_the_one_with_the_least_of_three_takes_a_session():
    """The three are the same for all sessions of a prefix; it is not the session that decides among them."""
    (known, clock), tiers = alone(), [tier("abcdefghij")]
    picks = []
    for n in range(12):
        for other in range(40):  # that this prefix has no large part
            clock.now += 0.2
            known.choose(tiers, session(1000 + 40 * n + other, b"%d" % other)).lease.release()
        pick = known.choose(tiers, session(n))
        picks.append(name(pick))
        assert ("least", 3) == (pick.by, len(pick.scores))
        assert pick.scores[0].share == min(score.share for score in pick.scores)
        known.bound(name(pick), f"s{n}")
    assert 3 == len(set(picks))
    assert {4} == set(Counter(picks).values())


def test_tokens_count_as_much_as_sessions():
    """An account with one session of many tokens is full, another with none is not."""
    (known, clock), tiers = alone(), [tier("abc")]
    first = known.choose(tiers, Wanted(prefix=b"p", session="s", tokens=500_000))
    known.bound(name(first), "s")
    first.lease.release()
    others = []
    for n in range(6):
        clock.now += 2
        pick = known.choose(tiers, session(n, b"p"))
        pick.lease.release()
        known.bound(name(pick), f"s{n}")
        others.append(name(pick))
    assert name(first) not in others


def test_once_others_are_met_the_session_decides():
    """As it does on their nodes, and where many come at once."""
    tiers = [tier("abcdefghij")]
    fresh = Balancer(clock=Clock(), rand=Random(9).random)
    expected = [name(fresh.choose(tiers, session(n, b"%d" % n))) for n in range(10)]

    (crowded, _), (met, clock) = alone(), alone()
    found = [name(crowded.choose(tiers, session(n + 1000, b"%d" % n))) for n in range(20)]  # more than ten in a second
    assert expected == [name(crowded.choose(tiers, session(n, b"%d" % n))) for n in range(10)], found
    met.met()
    for n, belongs in enumerate(expected):
        clock.now += 5
        pick = met.choose(tiers, session(n, b"%d" % n))
        assert (belongs, "hash", 1) == (name(pick), pick.by, len(pick.scores))


def test_a_session_that_is_cold_returns_while_it_can():
    """To where it was, if that is under its bounds."""
    (known, clock), tiers = alone(), [tier("abcdefghij")]
    for last in "abcdefghij":
        clock.now += 5
        pick = known.choose(tiers, Wanted(prefix=b"p", session=f"s{last}", tokens=1000, last=last))
        assert (last, "before") == (name(pick), pick.by)
    for n in range(30):
        known.bound("a", f"more{n}")
    assert name(known.choose(tiers, Wanted(prefix=b"p", session="y", tokens=1000, last="a"))) != "a"
    assert name(known.choose(tiers, Wanted(prefix=b"p", session="y", tokens=1000, last="gone"))) in set("abcdefghij")


def test_a_session_without_a_prefix_is_ranked_by_itself():
    """Where no cache could be shared, sessions go everywhere."""
    known, tiers = balancer(), [tier("abcdefghij")]
    picks = Counter(name(known.choose(tiers, session(n, None))) for n in range(200))
    assert set("abcdefghij") == set(picks)


def test_a_call_that_is_alone_goes_where_there_is_least_to_do():
    """For its weight; equals are drawn by lot."""
    known, tiers = balancer(), [(*tier("ab"), candidate("c", weight=2.0))]
    assert "load" == known.choose([tier("ef")], Wanted()).by
    assert {"a": 10, "b": 10, "c": 20} == Counter(name(known.choose(tiers, Wanted())) for _ in range(40))


def test_the_next_in_order_is_taken_where_a_bound_is_reached():
    """What was passed over stands in the scores; the order is that of the session."""
    known, tiers = balancer(), [tier("abcd")]
    first = name(known.choose(tiers, session(1)))
    of = next(of for of in tiers[0] if of.account.id == first)
    for _ in range(30):
        known.take(of)
    pick = known.choose(tiers, session(1))
    assert first != name(pick)
    assert [(first, False), (name(pick), True)] == [(score.account, score.free) for score in pick.scores]
    assert pick.scores[0].load >= pick.scores[0].bound
    assert {} == pick.excluded


def test_where_nobody_is_under_the_bounds_the_least_loaded_serves():
    """A bound is a preference: a call is not refused for it."""
    known, tiers = balancer(), [tier("ab", weight=1.0)]
    outside = tier("ab")
    for _ in range(20):
        known.take(outside[0])
    for _ in range(30):
        known.take(outside[1])
    pick = known.choose([tiers[0][1:]], session(1))
    assert "b" == name(pick)


def test_a_later_tier_serves_only_where_the_first_cannot():
    """Load is no reason; that everybody is barred is one, and each says why."""
    known = balancer()
    tiers = [tier("ab", max_concurrency=1), tier("c", pool="q")]
    assert [{"a", "b"}, "c"] == [
        {name(known.choose(tiers, session(n))) for n in (1, 2)},
        name(known.choose(tiers, session(3))),
    ]
    assert {"a": Exclusion.FULL, "b": Exclusion.FULL} == known.choose(tiers, session(4)).excluded
    nobody = known.choose(tiers, Wanted(session="s", tried={"a", "b", "c"}))
    assert (None, None, {"a", "b", "c"}) == (nobody.candidate, nobody.lease, set(nobody.excluded))
    assert (None, {}) == (known.choose([(), ()], session(1)).candidate, known.choose([], session(1)).excluded)


@pytest.mark.parametrize("resting", [50, 99])
def test_in_a_large_pool_whoever_can_serve_is_found(resting):
    """Also where nearly all accounts rest."""
    known, candidates = balancer(), tier([f"a{n}" for n in range(100)])
    for of in candidates[:resting]:
        known.hear(of, Signal(verdict="pause", whole=True, seconds=60.0, reason="r"))
    for n in range(20):
        pick = known.choose([candidates], session(n))
        assert int(name(pick)[1:]) >= resting
        assert set(pick.excluded.values()) <= {Exclusion.PAUSED}


def test_few_scores_are_kept():
    """The first eight that could have served."""
    known, candidates = balancer(), tier([f"a{n}" for n in range(40)])
    for of in candidates[1:]:
        for _ in range(40):
            known.take(of)
    pick = known.choose([candidates], Wanted())
    assert 8 == len(pick.scores)


def test_accounts_that_went_are_not_chosen_with_what_was_known_of_them():
    """One that comes back under its name is another member."""
    known, tiers = balancer(), [tier("ab")]
    known.choose(tiers, session(1)).lease.release()
    known.retain(())
    pick = known.choose(tiers, session(1))
    pick.lease.release()
    assert {"a", "b"} >= set(known.states()) >= {name(pick)}
    assert 0 == known.in_flight
