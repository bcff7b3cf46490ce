from llmgw_balancer.ranking import Ranking
from llmgw_balancer.testing import account, tier
from llmgw_balancer.tiers import Tier, Tiers


class Joined:
    """Stands for a member of a pool."""

    def __init__(self, account):
        self.account = account
        self.pool = account.pool


def test_a_prefix_has_few_accounts_and_its_sessions_are_divided_over_them():
    """All of its sessions begin with one of the same four, and each has some; the others follow in one order."""
    made = Tiers(Joined).of(tier([f"a{n}" for n in range(10)]))
    orders = [list(made.order(b"prefix", b"session%d" % n, 4)) for n in range(100)]
    assert all(sorted(order) == list(range(10)) for order in orders)
    assert 4 == len({order[0] for order in orders})
    assert 1 == len({tuple(sorted(order[:4])) for order in orders}) == len({tuple(order[4:]) for order in orders})


def test_a_wider_prefix_moves_few_sessions():
    """Only those whose new account is a better one for them."""
    made = Tiers(Joined).of(tier([f"a{n}" for n in range(10)]))
    firsts = {
        width: [next(iter(made.order(b"prefix", b"session%d" % n, width))) for n in range(400)] for width in (4, 5, 10)
    }
    assert 0.1 < sum(a != b for a, b in zip(firsts[4], firsts[5], strict=True)) / 400 < 0.3
    assert firsts[10] == firsts_of_all(made)


def firsts_of_all(made: Tier) -> list[int]:
    return [made.ranking.best(b"prefix" + b"session%d" % n, range(10))[0] for n in range(400)]


def test_a_tier_is_worked_out_once():
    """The same object is known again; another of the same accounts shares their ranking; clearing forgets tiers."""
    tiers = Tiers(Joined)
    candidates = tier("abc")
    made = tiers.of(candidates)
    assert made is tiers.of(candidates)
    assert made.ranking is tiers.of(tier("abc")).ranking
    assert isinstance(made.ranking, Ranking)
    tiers.clear()
    assert made is not tiers.of(candidates)


def test_few_tiers_are_kept(monkeypatch):
    """What a pattern leads to is another object at each call."""
    monkeypatch.setattr("llmgw_balancer.tiers._KEPT", 8)
    tiers = Tiers(Joined)
    for n in range(20):
        tiers.of(tier([f"a{n}"]))
    assert len(tiers._known) == len(tiers._rankings) == 8
    assert account("a").id == "a"
