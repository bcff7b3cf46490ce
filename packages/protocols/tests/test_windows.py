"""Subscriptions' windows: which one refuses. The table of all providers' refusals is in `test_signals`."""

import pytest

from llmgw_domain.limits import RateLimits, Window
from llmgw_domain.signals import Signal
from llmgw_protocols.windows import has_subscription, refused, used_up

HOUR, DAY = 3600.0, 86400.0


def limits(*windows: Window, retry_after: float | None = None) -> RateLimits:
    return RateLimits(windows=windows, retry_after=retry_after)


def exhausted(reason: str, seconds: float | None, *, whole: bool = True) -> Signal:
    return Signal(verdict="exhausted", whole=whole, seconds=seconds, reason=reason)


REJECTED = Window(name="unified", status="rejected", reset=2 * HOUR)
CLAIM = "anthropic-ratelimit-unified-representative-claim"


@pytest.mark.parametrize(
    ("headers", "told", "expected"),
    [
        ({}, None, None),
        ({}, limits(), None),
        ({}, limits(Window(name="tokens-month", used=1.0, reset=DAY)), None),
        ({}, limits(Window(name="5h", used=0.99, reset=HOUR, status="allowed")), None),
        ({}, limits(Window(name="5h", used=1.0, reset=HOUR)), exhausted("5h", HOUR)),
        ({}, limits(Window(name="5h", used=1.0), retry_after=70.0), exhausted("5h", 70.0)),
        ({}, limits(Window(name="5h", used=1.0, reset=0.0)), exhausted("5h", None)),
        ({}, limits(Window(name="5h", used=1.0, reset=6.5 * HOUR), retry_after=70.0), exhausted("5h", 70.0)),
        ({}, limits(Window(name="7d", used=1.0, reset=7.5 * DAY)), exhausted("7d", 7.5 * DAY)),
        ({}, limits(Window(name="7d", used=1.0, reset=8.5 * DAY)), exhausted("7d", None)),
        ({}, limits(REJECTED), exhausted("unified", 2 * HOUR)),
        ({}, limits(Window(name="unified", status="rejected")), None),
        ({CLAIM: "five_hour"}, limits(REJECTED), exhausted("5h", 2 * HOUR)),
        ({CLAIM: "seven_day_sonnet"}, limits(REJECTED), exhausted("7d_sonnet", 2 * HOUR, whole=False)),
        ({CLAIM: "five_hour"}, limits(Window(name="5h", used=0.5, reset=HOUR)), None),
    ],
)
def test_refused(headers: dict[str, str], told: RateLimits | None, expected: Signal | None) -> None:
    """What is flagged counts, then what is claimed, then the sooner end; an end that can't be is passed over."""
    assert expected == refused(headers, told)


def test_used_up_needs_an_end() -> None:
    """In advance nothing is believed that has no end: the refusal will come soon enough."""
    assert used_up(limits(Window(name="5h", used=1.0))) is None
    assert exhausted("5h", HOUR) == used_up(limits(Window(name="5h", used=1.0, reset=HOUR)))


def test_has_subscription() -> None:
    """Windows that all models share are what subscriptions have, and others have not."""
    assert has_subscription(limits(Window(name="primary", used=0.0)))
    assert not has_subscription(limits(Window(name="priority-input-tokens", used=0.0)))
    assert not has_subscription(None)
