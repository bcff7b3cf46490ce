import pytest

from llmgw_simulator.limits import Bucket, Denied, Meter


def test_an_allowance_fills_evenly():
    """In a minute from nothing to all, and never above it."""
    bucket = Bucket(60.0, now=0.0)
    bucket.take(60.0, now=0.0)
    assert [0.0, 15.0, 60.0, 60.0] == [bucket.meter(now).remaining for now in (0.0, 15.0, 60.0, 600.0)]


def test_what_is_short_says_when_there_is_enough():
    """And nothing is taken by asking."""
    bucket = Bucket(60.0, now=0.0)
    bucket.take(50.0, now=0.0)
    expected = Denied("tokens", Meter(60.0, 10.0, 50.0), 30.0, wait=20.0)
    assert [expected, expected] == [bucket.denial("tokens", 30.0, now=0.0) for _ in range(2)]
    assert bucket.denial("tokens", 30.0, now=20.0) is None


def test_what_is_larger_than_the_limit_can_never_be_had():
    """So there is no wait to tell."""
    denial = Bucket(60.0, now=0.0).denial("tokens", 61.0, now=0.0)
    assert (61.0, None) == (denial.wants, denial.wait)


def test_it_may_owe_some():
    """The tokens of an answer are known at its end; what is owed is paid before anything else."""
    bucket = Bucket(60.0, now=0.0)
    bucket.take(90.0, now=0.0)
    assert Meter(60.0, 0.0, 90.0) == bucket.meter(0.0)
    assert 31.0 == pytest.approx(bucket.denial("requests", 1.0, now=0.0).wait)


def test_a_clock_that_goes_back_gives_nothing():
    """Nor does it take anything away."""
    bucket = Bucket(60.0, now=100.0)
    bucket.take(60.0, now=100.0)
    assert [0.0, 10.0] == [bucket.meter(now).remaining for now in (50.0, 110.0)]
