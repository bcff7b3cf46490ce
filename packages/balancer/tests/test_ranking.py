from collections import Counter

import pytest

from llmgw_balancer.ranking import SMALL, Ranking


def accounts(count: int, weight: float = 1.0) -> list[tuple[str, float]]:
    return [(f"a{n}", weight) for n in range(count)]


def key(n: int) -> bytes:
    return b"key%d" % n


@pytest.mark.parametrize("count", [1, 2, 10, SMALL, SMALL + 1, 300])
def test_every_account_comes_once(count):
    """The order is a permutation, always the same for a key, and another for another."""
    ranking, again = Ranking(accounts(count)), Ranking(accounts(count))
    orders = {tuple(ranking.order(key(n))) for n in range(20)}
    assert all(sorted(order) == list(range(count)) for order in orders)
    assert orders == {tuple(again.order(key(n))) for n in range(20)}
    assert count < 10 or len(orders) == 20


@pytest.mark.parametrize("count", [10, 200])
def test_an_account_that_goes_moves_only_its_own_keys(count):
    """Whoever was first for a key stays it; in a small pool all others keep their order as well."""
    before, after = Ranking(accounts(count)), Ranking(accounts(count)[:-1])
    for n in range(300):
        whole, left = list(before.order(key(n))), list(after.order(key(n)))
        if count <= SMALL:
            assert [place for place in whole if place != count - 1] == left
        elif whole[0] != count - 1:
            assert whole[0] == left[0]


@pytest.mark.parametrize("count", [10, 200])
def test_keys_are_spread_evenly(count):
    """As first and as second; what an account leaves is taken over by all others."""
    ranking = Ranking(accounts(count))
    orders = [list(ranking.order(key(n)))[:2] for n in range(100 * count)]
    for nth in (0, 1):
        counts = Counter(order[nth] for order in orders)
        # A large pool's accounts have arcs of a ring, which are less even.
        assert max(counts.values()) < (140 if count <= SMALL else 230)
        assert len(counts) == count
    heirs = Counter(order[1] for order in orders if order[0] == 0)
    assert len(heirs) >= min(count - 1, 25)


@pytest.mark.parametrize("count", [6, 60])
def test_weights_say_how_often_an_account_is_first(count):
    """An account of three times the weight has three times the keys."""
    ranking = Ranking([*accounts(count // 2, 3.0), *[(f"b{n}", 1.0) for n in range(count // 2)]])
    firsts = Counter(next(iter(ranking.order(key(n)))) < count // 2 for n in range(4000))
    assert 0.70 < firsts[True] / 4000 < 0.80


def test_some_are_ranked_among_themselves():
    """In the order that they have among all."""
    ranking = Ranking(accounts(10))
    among = [7, 2, 5]
    assert [place for place in ranking.order(b"k") if place in among] == ranking.best(b"k", among)
