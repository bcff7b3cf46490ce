import pytest

from llmgw_simulator.dialects.denials import denied, duration
from llmgw_simulator.limits import Denied, Meter

METER = Meter(limit=1000.0, remaining=100.0, reset=54.0)
DIALECTS = (
    "chat",
    "responses",
    "completions",
    "azure",
    "messages",
    "gemini",
    "bedrock",
    "vertex",
    "vertex-claude",
)


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("name", ["requests", "tokens", "output-tokens", "concurrency"])
@pytest.mark.parametrize("wait", [2.25, None])
def test_every_limit_is_a_429_in_every_dialect(dialect, name, wait):
    """With a message, and never an earlier time than there is enough."""
    refusal = denied(dialect, Denied(name, METER, 300.0, wait), "the-model")
    assert (429, True) == (refusal.status, bool(str(refusal)))
    assert refusal.retry_after is None or wait is None or refusal.retry_after >= wait


def test_openai_tells_the_limit_the_use_and_the_wait():
    """In the words that clients parse; what is too large for the limit is told that instead."""
    refusal = denied("chat", Denied("tokens", METER, 300.0, 12.0), "gpt-5")
    assert (
        "Rate limit reached for gpt-5 in organization org-simulated on tokens per min (TPM): Limit 1000, Used 900, "
        "Requested 300. Please try again in 12s." in str(refusal)
    )
    assert "Request too large for gpt-5" in str(denied("chat", Denied("tokens", METER, 3000.0, None), "gpt-5"))


def test_anthropic_tells_whole_seconds():
    """Rounded up, as its header has no fractions."""
    refusal = denied("messages", Denied("tokens", METER, 300.0, 2.25), "claude")
    assert (3.0, True) == (refusal.retry_after, "1,000 input tokens per minute" in str(refusal))


def test_google_tells_the_quota():
    """As a detail, and when to retry in the message."""
    refusal = denied("gemini", Denied("requests", METER, 1.0, 2.25), "gemini-2.5-flash")
    assert "Please retry in 2.25s." in str(refusal)
    assert "GenerateRequestsPerMinutePerProjectPerModel" == refusal.details[0]["violations"][0]["quotaId"]


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(0.12, "120ms"), (0.0, "0ms"), (1.5, "1.5s"), (12.0, "12s"), (59.9996, "60s"), (360.0, "6m0s"), (90.5, "1m30.5s")],
)
def test_openais_durations(seconds, expected):
    """As its headers and messages write them."""
    assert expected == duration(seconds)
