import math

import pytest

from llmgw_affinity import Standing
from llmgw_balancer import Balancer, Exclusion, Outcome, Wanted
from llmgw_domain import Account, Candidate, Provider, Route, Secret, Target
from llmgw_domain.models import Model
from llmgw_domain.signals import Signal
from llmgw_relay.candidates import Candidates


def account(name: str, **more) -> Account:
    return Account(id=name, provider=Provider.OPENAI, base_url="", credential=Secret("s"), pool="p", **more)


def among(balancer: Balancer, *accounts: Account, targets: int = 1, **wanted) -> Candidates:
    made = tuple(Target(pool="p", model=f"up{n}") for n in range(targets))
    tiers = tuple(tuple(Candidate(a, target.model, target) for a in accounts) for target in made)
    asked = Wanted(**{"prefix": None, "session": "s", "tokens": 10, "tried": (), **wanted})
    configured = {a.id: a for a in accounts}
    return Candidates(balancer, Route(Model(name="m", targets=made), tiers), asked, configured, lambda: configured)


@pytest.fixture
def balancer():
    return Balancer(clock=lambda: 0.0, rand=lambda: 0.0)


def test_an_account_stands_as_the_balancer_says(balancer):
    """In affinity's words; one that is not of the route is gone."""
    accounts = [account("free"), account("full", max_concurrency=1), account("off", enabled=False), account("pausing")]
    asked = among(balancer, *accounts, tried=["tried"])
    balancer.take(asked.by_account["full"])
    pause = Signal(verdict="pause", whole=True, seconds=9.0, reason="requests")
    balancer.hear(asked.by_account["pausing"], pause)
    assert Standing(0.0) == asked.standing("free")
    assert Standing(math.inf, "full") == asked.standing("full")
    assert Standing(None, "disabled") == asked.standing("off")
    assert Standing(None, "removed") == asked.standing("gone")
    assert ("cooldown", True) == ((paused := asked.standing("pausing")).trouble, 9.0 <= paused.wait < 12.0)


def test_what_was_tried_is_not_looked_at_again(balancer):
    """Nobody knows when it would do better."""
    asked = among(balancer, account("a"), account("b"), tried=["a"])
    assert Standing(math.inf, "failed") == asked.standing("a")
    assert {"a": Exclusion.TRIED} == asked.excluded()
    assert "b" == asked.choose().candidate.account.id


def test_only_those_that_can_read_it_are_asked(balancer):
    """The others are unfit, whoever is free."""
    asked = among(balancer, account("a"), account("b"), only=frozenset({"b"}))
    assert {"a": Exclusion.UNFIT} == asked.excluded()
    assert "b" == asked.choose().candidate.account.id


def test_an_account_of_several_targets_serves_the_first(balancer):
    """It is one account all the same."""
    asked = among(balancer, account("a"), targets=2)
    taken = asked.take("a")
    assert "up0" == taken.candidate.model
    taken.give_back()
    assert 0 == balancer.in_flight


def test_a_rejected_account_is_the_last_resort(balancer):
    """Where it is all that there is, it is tried; what answers is trusted again."""
    asked = among(balancer, account("a"), account("off", enabled=False))
    rejection = Signal(verdict="disable", whole=True, seconds=None, reason="key")
    balancer.hear(asked.by_account["a"], rejection)
    assert (None, None) == (asked.choose().candidate, asked.soonest())
    tried = asked.last_resort()
    assert "a" == tried.candidate.account.id
    balancer.learn(tried.lease, Outcome.ANSWERED)
    tried.give_back()
    assert {"off": Exclusion.DISABLED} == asked.excluded()
    assert asked.last_resort() is None
