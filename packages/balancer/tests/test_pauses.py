import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmgw_balancer import BalanceConfig, Pause
from llmgw_balancer.pauses import Pauses, mark_of
from llmgw_balancer.testing import account
from llmgw_domain import Secret
from llmgw_domain.accounts import AwsKeys, ServiceAccount
from llmgw_domain.signals import Signal

A = account("a")


def signal(verdict="pause", seconds=None, *, whole=False) -> Signal:
    return Signal(verdict=verdict, whole=whole, seconds=seconds, reason="r")


def pauses() -> Pauses:
    return Pauses(BalanceConfig())


def until(known: Pauses, model: str | None = "m", now: float = 0.0) -> float | None:
    rest = known.at(A, model, now)
    return None if rest is None else rest.until


def test_a_model_rests_or_all_of_the_account():
    """Other models go on being served; what is about the whole account is about every one."""
    known = pauses()
    known.hear(A, "m", signal(seconds=10), 0.0)
    assert (10.0, None, None) == (until(known), until(known, "other"), until(known, None))
    known.hear(A, "m", signal(seconds=30, whole=True), 0.0)
    assert [30.0] * 3 == [until(known), until(known, "other"), until(known, None)]
    assert (None, None) == (until(known, now=30.0), until(known, None, now=30.0))


@given(st.lists(st.tuples(st.floats(0, 50), st.none() | st.floats(-10, 10_000), st.booleans()), max_size=20))
def test_a_longer_rest_is_never_shortened(steps):
    """Whatever is said after it."""
    known, now, longest = pauses(), 0.0, 0.0
    for passed, seconds, told in steps:
        now += passed
        if told:
            known.relearn(Pause(account="a", model="m", verdict="pause", seconds=seconds or 0, reason="r"), now)
        else:
            known.hear(A, "m", signal(seconds=seconds), now)
        assert (until(known, now=now) or now) >= longest or longest <= now
        longest = max(longest, until(known, now=now) or 0.0)


@pytest.mark.parametrize(
    ("verdict", "seconds", "expected"),
    [
        ("pause", 1e9, 3600),
        ("pause", -5.0, None),
        ("pause", math.nan, 2),
        ("overloaded", 1e9, 600),
        ("exhausted", 7 * 86400.0, 7 * 86400),
        ("exhausted", math.inf, 8 * 86400),
        ("disable", 5.0, 3600),
    ],
)
def test_what_a_provider_says_is_heeded_within_bounds(verdict, seconds, expected):
    """A rest that can't be meant is cut; no time is known where it is no number."""
    known = pauses()
    known.hear(A, "m", signal(verdict, seconds), 0.0)
    assert expected == until(known)


@pytest.mark.parametrize(
    ("verdict", "lengths"),
    [
        ("pause", [2, 4, 8, 16, 32, 60, 60]),
        ("overloaded", [1, 2, 4, 8, 16, 32, 60]),
        ("exhausted", [300, 600, 1200, 2400, 3600, 3600, 3600]),
    ],
)
def test_a_rest_of_unsaid_length_doubles(verdict, lengths):
    """From one refusal to the next, until the account answers."""
    known, now, found = pauses(), 0.0, []
    for _ in lengths:
        known.hear(A, "m", signal(verdict), now)
        found.append(until(known, now=now) - now)
        now += found[-1]
    assert lengths == found
    known.answered("a", "m", now, now)
    known.hear(A, "m", signal(verdict), now)
    assert lengths[0] == until(known, now=now) - now


def test_a_rejection_ends_with_another_credential():
    """Or another address: nothing else is about what the provider refused."""
    known = pauses()
    known.hear(A, "m", signal("disable", whole=True), 0.0)
    assert known.at(account("a", weight=2.0), "m", 0.0) is not None
    assert known.at(account("a", credential=Secret("new")), "m", 0.0) is None
    assert known.at(A, "m", 0.0) is None


def test_one_call_in_an_hour_tries_a_rejected_account():
    """The next one waits an hour for what it tells; its answer ends the rejection."""
    known = pauses()
    known.hear(A, "m", signal("disable"), 0.0)
    known.taken("a", "m", 3600.0)
    assert 7200.0 == until(known, now=3600.0)
    known.answered("a", "m", 10.0, 3601.0)
    assert 7200.0 == until(known, now=3601.0)
    known.answered("a", "m", 3600.0, 3601.0)
    assert until(known, now=3601.0) is None


def test_two_that_tell_each_other_do_not_make_a_rest_longer():
    """Telling takes a moment, which is no news."""
    one, two = pauses(), pauses()
    one.hear(A, "m", signal(seconds=10), 0.0)
    for n in range(20):
        teller, hearer = (one, two) if n % 2 == 0 else (two, one)
        for pause in list(teller.of("a", n * 0.1)):
            hearer.relearn(pause, n * 0.1 + 0.1)
    assert until(one, now=2.0) <= 10.0
    assert until(two, now=2.0) <= 10.2


def test_little_is_remembered():
    """Clients choose names of models; of one account 64 are known. Accounts that are gone are forgotten."""
    known = pauses()
    for n in range(200):
        known.hear(A, f"m{n}", signal(seconds=5.0), float(n))
    assert 64 >= len(list(known._rests["a"]))
    known.hear(account("b"), "m", signal(), 0.0)
    known.retain({"b"})
    assert ("b",) == known.accounts()
    known.resume("b")
    assert () == known.accounts()


def test_a_mark_tells_credentials_apart():
    """Of every kind, without telling what they are."""
    credentials = [
        Secret("k"),
        Secret("l"),
        AwsKeys(access_key_id="k", secret_access_key=Secret("s")),
        AwsKeys(access_key_id="l", secret_access_key=Secret("s")),
        ServiceAccount(client_email="e", private_key=Secret("p"), private_key_id="k", project="x"),
        ServiceAccount(client_email="e", private_key=Secret("p"), private_key_id="l", project="x"),
    ]
    marks = [mark_of(account("a", credential=credential)) for credential in credentials]
    assert len(credentials) == len(set(marks))
    assert mark_of(account("a")) == mark_of(account("b"))
    assert mark_of(account("a")) != mark_of(account("a", base_url="http://y"))


def test_who_comes_after_a_rest_is_paced():
    """The first one tells whether there is room; the next come one by one, and soon as many as like."""
    known, taken = pauses(), []
    known.hear(A, "m", signal(seconds=10), 0.0)
    for tick in range(1000, 1300):
        now = tick / 100
        if known.at(A, "m", now) is None:
            known.taken("a", "m", now)
            taken.append(now)
    assert [10.0, 10.2, 10.36] == [pytest.approx(at, abs=0.02) for at in taken[:3]]
    assert 12 <= sum(at < 11.0 for at in taken) < 25
    assert len(taken) > 200


def test_a_refusal_among_the_first_is_a_rest_again():
    """Whoever is let through later is none of those that waited. What is paced is no rest to tell of."""
    known = pauses()
    known.hear(A, "m", signal(seconds=10), 0.0)
    known.taken("a", "m", 10.0)
    assert [] == list(known.of("a", 10.1))
    known.hear(A, "m", signal(seconds=10), 10.1)
    assert 20.1 == until(known, now=10.1)
    known.taken("a", "m", 40.0)
    assert until(known, now=40.0) is None
