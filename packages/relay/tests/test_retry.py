import pytest

from llmgw_domain import errors
from llmgw_relay.retry import may_retry, most_telling, unprocessed


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
