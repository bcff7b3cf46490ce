from llmgw_balancer.prefixes import Prefixes

POOLS = ("p",)


def counted(seconds: float = 60.0, **counts: int) -> Prefixes:
    prefixes = Prefixes(seconds)
    for name, count in counts.items():
        for _ in range(count):
            prefixes.count(name.encode(), POOLS, 0.0)
    return prefixes


def width(prefixes: Prefixes, name: str, now: float = 0.0, accounts: int = 20) -> int:
    return prefixes.width(name.encode(), POOLS, accounts, 4, now)


def test_a_prefix_of_few_sessions_is_on_few_accounts():
    """Also one that nobody has heard of."""
    prefixes = counted(small=10, rest=990)
    assert (4, 4) == (width(prefixes, "small"), width(prefixes, "unknown"))


def test_a_prefix_of_many_sessions_is_on_more():
    """So that none of its accounts has more than a part of its fair share from it."""
    prefixes = counted(large=300, middle=30, rest=670)
    assert (20, 8) == (width(prefixes, "large"), width(prefixes, "middle"))
    assert 3 == width(prefixes, "large", accounts=3) == width(prefixes, "unknown", accounts=3)


def test_a_few_sessions_prove_nothing():
    """Two of the first ten are chance; twenty of a hundred are a fifth."""
    assert 8 == width(counted(early=2, rest=8), "early", accounts=10)
    assert 10 == width(counted(early=20, rest=80), "early", accounts=10)


def test_a_prefix_may_come_from_other_pools():
    """Its sessions were served by another tier, and no session by this one."""
    assert 20 == counted(large=100).width(b"large", ("other",), 20, 4, 0.0)


def test_what_was_is_forgotten():
    """After one to two periods."""
    prefixes = counted(large=300, rest=700)
    assert 20 == width(prefixes, "large", 59.0)
    assert 20 == width(prefixes, "large", 61.0)
    assert 4 == width(prefixes, "large", 121.5)
    assert 4 == width(counted(large=300, rest=700), "large", 500.0)
