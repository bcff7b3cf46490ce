"""What is made of an account's limits."""

import pytest

from llmgw_domain.limits import Allowance, RateLimits, Window

SPENT, LEFT = Allowance(remaining=0, reset=20.0), Allowance(remaining=1, reset=40.0)


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        (RateLimits(), None),
        (RateLimits(retry_after=3.0, requests=SPENT), 3.0),
        (RateLimits(requests=SPENT, tokens=LEFT), 20.0),
        (RateLimits(requests=SPENT, output_tokens=Allowance(remaining=0, reset=50.0)), 50.0),
        (RateLimits(tokens=Allowance(remaining=0)), None),
        (RateLimits(windows=(Window(name="5h", status="rejected", reset=9.0), Window(name="7d", reset=99.0))), 9.0),
    ],
)
def test_how_long_to_wait(limits: RateLimits, expected: float | None) -> None:
    """What was asked for, else until the last of what is spent is back."""
    assert expected == limits.wait
