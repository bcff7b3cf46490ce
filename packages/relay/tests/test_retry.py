from collections.abc import Iterator

import pytest

from llmgw_domain import errors
from llmgw_domain.errors import GatewayError
from llmgw_relay.retry import RULES, RetryBudget, Rule, may_retry, most_telling, rule_of, unprocessed


def classes() -> Iterator[type[GatewayError]]:
    """The whole tree."""
    for kind in vars(errors).values():
        if isinstance(kind, type) and issubclass(kind, GatewayError) and kind is not GatewayError:
            yield kind


STOP = Rule(False, False, None)
ELSEWHERE = Rule(False, True, "overloaded")
AGAIN = Rule(True, True, "overloaded")
EXPECTED = {
    errors.Conflict: Rule(True, False, None),
    errors.ContextTooLong: Rule(False, False, "context_too_long"),
    errors.ContentRefused: Rule(False, False, "refused"),
    errors.ModelRefused: Rule(False, True, None),
    errors.RateLimited: AGAIN,
    errors.Overloaded: AGAIN,
    errors.QuotaExhausted: ELSEWHERE,
    errors.AccountRejected: ELSEWHERE,
    errors.AccountForbidden: Rule(False, True, None),
    errors.UpstreamNotFound: Rule(False, True, None),
    errors.UpstreamFailed: AGAIN,
    errors.UpstreamReset: ELSEWHERE,
    errors.UpstreamTruncated: AGAIN,
    errors.UpstreamMalformed: AGAIN,
    errors.UpstreamUnreachable: ELSEWHERE,
    errors.UpstreamTimeout: ELSEWHERE,
    errors.UpstreamSilent: ELSEWHERE,
    errors.UpstreamStalled: ELSEWHERE,
    errors.NoAccount: Rule(False, False, "overloaded"),
}


def test_the_table_holds_for_every_error():
    """What is not named here stops: the request is wrong, or the gateway is."""
    found = {kind: rule_of(kind()) for kind in classes()}
    assert {kind: EXPECTED.get(kind, STOP) for kind in found} == found
    assert set(RULES) - {GatewayError} <= set(EXPECTED)


def test_what_may_be_asked_elsewhere_is_what_the_errors_say_of_themselves():
    """`retryable` is told to clients, so it and the table are one opinion."""
    assert {k for k in classes() if k.retryable} == {k for k in classes() if may_retry(k(), 1, 3, None)}


def test_a_storm_of_retries_is_bounded():
    """Where every attempt fails, one call in ten is tried again, after the few of the beginning."""
    budget, spent = RetryBudget(share=0.1, reserve=10.0), 0
    for _ in range(10_000):
        budget.call()
        while budget.spend():
            spent += 1
    assert 1000 <= spent <= 1010
    assert "<RetryBudget 0.9 left>" == repr(budget)


def test_a_quiet_time_saves_up_no_storm():
    """However long nothing failed."""
    budget = RetryBudget(share=0.1, reserve=10.0)
    for _ in range(10_000):
        budget.call()
    assert 10 == sum(budget.spend() for _ in range(100))


@pytest.mark.parametrize(
    ("error", "attempts", "remaining", "expected"),
    [
        (errors.RateLimited(), 1, None, True),
        (errors.UpstreamReset(), 2, 5.0, True),
        (errors.UpstreamReset(), 3, None, False),
        (errors.RateLimited(), 1, 0.0, False),
        (errors.BadRequest(), 1, None, False),
        (errors.NoAccount(), 1, None, False),
    ],
)
def test_only_what_another_account_can_cure_is_retried(error, attempts, remaining, expected):
    """A retry needs a retryable error, an attempt left of three, and time."""
    assert may_retry(error, attempts, 3, remaining) is expected


@pytest.mark.parametrize(
    ("error", "word", "expected"),
    [
        (errors.UpstreamFailed(), False, False),
        (errors.BadRequest(), True, True),
        (errors.Conflict(), False, False),
        (errors.AccountRejected(), False, True),
        (errors.RateLimited(), False, True),
    ],
)
def test_the_provider_s_own_word(error, word, expected):
    """It counts, but where it speaks of an account, another one is another matter."""
    error.should_retry = word
    assert may_retry(error, 1, 3, None) is expected


def test_the_last_error_that_is_nobodys_own_affair_is_told():
    """A bad key of one account hides behind the overload of the other; alone it is told."""
    bad_key, overload = errors.AccountRejected(), errors.Overloaded()
    assert most_telling([overload, bad_key]) is overload
    assert most_telling([bad_key, overload]) is overload
    assert most_telling([bad_key]) is bad_key


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (errors.UpstreamUnreachable(), True),
        (errors.RateLimited(), True),
        (errors.AccountRejected(), True),
        (errors.UpstreamNotFound(), True),
        (errors.UpstreamReset(), False),
        (errors.UpstreamTimeout(), False),
        (errors.Overloaded(), False),
        (errors.UpstreamMalformed(), False),
    ],
)
def test_what_proves_that_nothing_was_done(error, expected):
    """The provider was not reached, or refused before it looked at the request; any doubt means that it may have."""
    assert expected == unprocessed(error)
