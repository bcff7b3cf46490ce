"""Rate limits as providers tell them."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmgw_domain.limits import Allowance, RateLimits, Window
from llmgw_domain.servers import Server
from llmgw_protocols.ratelimits import read
from llmgw_protocols.retry_after import LONGEST

NOW = 1_800_000_000.0  # 2027-01-15T08:00:00Z


def openai(kind: str, limit: str, remaining: str, reset: str = "") -> dict[str, str]:
    parts = {"limit": limit, "remaining": remaining, "reset": reset}
    return {f"x-ratelimit-{part}-{kind}": value for part, value in parts.items() if value}


def test_nothing_said() -> None:
    """Other headers say nothing of limits."""
    assert read({}, b"", NOW) is None
    assert read({"x-request-id": "1", "x-ratelimit-tokens-query-cost": "64", "x-ratelimit-key": "k"}, b"", NOW) is None


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        (  # OpenAI
            openai("requests", "3000", "2999", "20ms") | openai("tokens", "250000", "249983", "6m0s"),
            RateLimits(
                requests=Allowance(limit=3000, remaining=2999, reset=0.02),
                tokens=Allowance(limit=250000, remaining=249983, reset=360.0),
            ),
        ),
        (  # a kind that is not known, and one that is counted in another way
            openai("input-images", "50", "25", "1h2m3.5s") | openai("tokens_usage_based", "4", "1", "3ms"),
            RateLimits(
                windows=(
                    Window(name="input-images", used=0.5, reset=3723.5),
                    Window(name="tokens_usage_based", used=0.75, reset=0.003),
                )
            ),
        ),
        (  # Azure
            openai("requests", "120", "119", "500")
            | openai("tokens", "0", "0", "0")
            | {"x-ratelimit-renewalperiod-requests": "60", "x-ratelimit-abusepenalty-active": "False"},
            RateLimits(requests=Allowance(limit=120, remaining=119, reset=500.0, window=60.0)),
        ),
        ({"x-ratelimit-remaining-tokens": "-1", "x-ratelimit-limit-tokens": "-1"}, None),
        (  # Anthropic
            {
                "anthropic-ratelimit-requests-limit": "4000",
                "anthropic-ratelimit-requests-remaining": "0",
                "anthropic-ratelimit-requests-reset": "2027-01-15T08:00:30Z",
                "anthropic-ratelimit-input-tokens-limit": "400000",
                "anthropic-ratelimit-output-tokens-remaining": "7",
                "anthropic-ratelimit-tokens-reset": "2027-01-15T08:00:00+01:00",
            },
            RateLimits(
                requests=Allowance(limit=4000, remaining=0, reset=30.0),
                tokens=Allowance(reset=0.0),
                input_tokens=Allowance(limit=400000),
                output_tokens=Allowance(remaining=7),
            ),
        ),
        (  # Anthropic's subscriptions, and its priority tier
            {
                "anthropic-ratelimit-unified-status": "allowed_warning",
                "anthropic-ratelimit-unified-reset": "1800000060",
                "anthropic-ratelimit-unified-representative-claim": "five_hour",
                "anthropic-ratelimit-unified-5h-utilization": "0.93",
                "anthropic-ratelimit-unified-5h-reset": "1800000060",
                "anthropic-ratelimit-unified-5h-surpassed-threshold": "0.9",
                "anthropic-ratelimit-unified-7d_oi-status": "rejected",
                "anthropic-ratelimit-unified-7d_oi-reset": "1800000120000",
                "anthropic-priority-input-tokens-limit": "100",
                "anthropic-priority-input-tokens-remaining": "50",
            },
            RateLimits(
                windows=(
                    Window(name="unified", status="allowed_warning", reset=60.0),
                    Window(name="5h", used=0.93, reset=60.0),
                    Window(name="7d_oi", status="rejected", reset=120.0),
                    Window(name="priority-input-tokens", used=0.5),
                )
            ),
        ),
        (  # OpenAI's subscriptions
            {
                "x-codex-primary-used-percent": "100",
                "x-codex-primary-window-minutes": "300",
                "x-codex-primary-reset-after-seconds": "90",
                "x-codex-secondary-used-percent": "12.5",
                "x-codex-secondary-reset-at": "1800003600",
            },
            RateLimits(
                windows=(
                    Window(name="primary", used=1.0, reset=90.0),
                    Window(name="secondary", used=0.125, reset=3600.0),
                )
            ),
        ),
        (  # a threshold that was passed; what may be bought beyond
            {
                "anthropic-ratelimit-unified-5h-surpassed-threshold": "true",
                "anthropic-ratelimit-unified-7d-utilization": "0.4",
                "anthropic-ratelimit-unified-7d-surpassed-threshold": "0.75",
                "anthropic-ratelimit-unified-overage-status": "rejected",
                "anthropic-ratelimit-unified-overage-disabled-reason": "out_of_credits",
            },
            RateLimits(
                windows=(
                    Window(name="5h", used=1.0),
                    Window(name="7d", used=0.75),
                    Window(name="overage", status="rejected"),
                )
            ),
        ),
        (  # credits beyond the windows of OpenAI's subscriptions, and windows of some models
            {
                "x-codex-credits-has-credits": "True",
                "x-codex-credits-unlimited": "False",
                "x-codex-bengalfox-primary-used-percent": "3",
                "x-codex-secondary-reset-at": "",
            },
            RateLimits(windows=(Window(name="credits", status="allowed"), Window(name="bengalfox-primary", used=0.03))),
        ),
        ({"x-codex-credits-has-credits": "False", "x-codex-credits-balance": ""}, None),
        (  # Mistral: of several of one kind the shortest
            openai("req-minute", "100", "92") | openai("req-10-second", "60", "58") | openai("tokens-month", "10", "4"),
            RateLimits(
                requests=Allowance(limit=60, remaining=58, window=10.0),
                tokens=Allowance(limit=10, remaining=4, window=2_592_000.0),
                windows=(Window(name="req-minute", used=pytest.approx(0.08)),),
            ),
        ),
        (  # Cerebras
            openai("requests-day", "14400", "14399", "33011.38"),
            RateLimits(requests=Allowance(limit=14400, remaining=14399, reset=33011.38, window=86400.0)),
        ),
        (  # Together
            {"x-ratelimit-limit": "2", "x-ratelimit-remaining": "0", "x-ratelimit-reset": "1"},
            RateLimits(requests=Allowance(limit=2, remaining=0, reset=1.0)),
        ),
        (  # OpenRouter
            {"x-ratelimit-limit": "20", "x-ratelimit-remaining": "0", "x-ratelimit-reset": "1800000030000"},
            RateLimits(requests=Allowance(limit=20, remaining=0, reset=30.0)),
        ),
        ({"x-should-retry": "false"}, RateLimits(should_retry=False)),
        ({"x-should-retry": "TRUE "}, RateLimits(should_retry=True)),
        ({"x-should-retry": "maybe"}, None),
        ({"retry-after-ms": "250", "retry-after": "3"}, RateLimits(retry_after=0.25)),
        ({"retry-after": "Fri, 15 Jan 2027 08:01:00 GMT"}, RateLimits(retry_after=60.0)),
    ],
)
def test_headers(headers: dict[str, str], expected: RateLimits | None) -> None:
    """Each provider's spelling comes to the same structure, resets as seconds from now."""
    assert expected == read(headers, b"", NOW)


@pytest.mark.parametrize(
    "reset", ["-5", "nan", "inf", "soon", "-6m0s", "6m-1s", "2031-01-01T00:00:00Z", "1e15", "9" * 5000]
)
def test_a_reset_that_makes_no_sense(reset: str) -> None:
    """The rest of the limit is kept."""
    expected = RateLimits(tokens=Allowance(limit=5, remaining=4))
    assert expected == read(openai("tokens", "5", "4", reset), b"", NOW)


def test_a_reset_that_is_over() -> None:
    """It is now, not before."""
    limits = read(openai("tokens", "5", "0", "2027-01-15T07:00:00Z"), b"", NOW)
    assert limits is not None
    assert limits.tokens is not None
    assert 0.0 == limits.tokens.reset == limits.wait


def test_what_a_server_counts_by() -> None:
    """Groq's requests are counted by the day, which only its documentation says."""
    server = Server(rate_windows={"requests": 86400.0, "tokens": 60.0})
    limits = read(openai("requests", "14400", "1") | openai("tokens", "6000", "1"), b"", NOW, server)
    assert limits is not None
    assert limits.requests is not None
    assert limits.tokens is not None
    assert (86400.0, 60.0) == (limits.requests.window, limits.tokens.window)


def google(delay: Any) -> bytes:
    details = [{"@type": "type.googleapis.com/google.rpc.Help"}, {"retryDelay": delay}]
    return msgspec.json.encode({"error": {"code": 429, "message": "Please retry in 3s.", "details": details}})


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (google("46s"), 46.0),
        (b"[" + google("10.5s") + b"]", 10.5),
        (google(46), 3.0),
        (google("-46s"), 3.0),
        (b'{"error":{"type":"usage_limit_reached","resets_in_seconds":120}}', 120.0),
        (b'{"error":{"type":"usage_limit_reached","resets_at":1800000030}}', 30.0),
        (b'{"error":{"resets_in_seconds":1e300}}', None),
        (b'{"error":{"message":"Please try again in 20s. Contact us at..."}}', 20.0),
        (b'{"error":{"message":"Please try again in 7m26.4s."}}', 446.4),
        (b'{"error":{"message":"Please try again in 330ms."}}', 0.33),
        (b'{"error":{"message":"Please retry after 7 seconds."}}', 7.0),
        (b'{"error":{"message":"Please retry in 48.939935699s."}}', 48.939935699),
        (b'{"message":"Try again in 2 minutes and 3 seconds"}', 123.0),
        (b"Rate limited, wait 1 hour", 3600.0),
        (b'{"error":"try again in 9999999 days"}', None),
        (b'{"error":{"message":"Please retry shortly, or add your own key"}}', None),
        (b'{"error":{"message":"retry 3 models"}}', None),
        (b"[]", None),
        (b"", None),
    ],
)
def test_bodies(body: bytes, expected: float | None) -> None:
    """A refusal says in a field or in words when to come back."""
    limits = read({}, body, NOW)
    assert expected == (None if limits is None else pytest.approx(limits.retry_after))


def test_headers_win_over_bodies() -> None:
    """They are meant for machines."""
    limits = read({"retry-after": "1"}, google("46s"), NOW)
    assert limits is not None
    assert 1.0 == limits.retry_after


NAMES = [
    "retry-after",
    "retry-after-ms",
    "x-should-retry",
    "x-ratelimit-reset",
    "x-ratelimit-limit-tokens",
    "x-ratelimit-remaining-req-10-second",
    "x-ratelimit-renewalperiod-tokens",
    "anthropic-ratelimit-tokens-reset",
    "anthropic-ratelimit-unified-5h-reset",
    "x-codex-primary-reset-at",
]
VALUES = st.one_of(
    st.text(max_size=20),
    st.integers().map(str),
    st.floats().map(str),
    st.datetimes().map(lambda at: at.isoformat() + "Z"),
    st.from_regex(r"(\d{1,30}(\.\d{1,5})?(h|m|s|ms)){1,3}", fullmatch=True),
)


@given(
    st.dictionaries(st.one_of(st.sampled_from(NAMES), st.text(max_size=30)), VALUES),
    st.one_of(st.binary(max_size=50), VALUES.map(lambda v: f'{{"error":{{"message":"try again in {v}"}}}}'.encode())),
    st.floats(min_value=0, max_value=4e9),
)
def test_nothing_raises_and_nothing_is_nonsense(headers: dict[str, str], body: bytes, now: float) -> None:
    """Whatever a provider sends: counts are no negatives, times are within a year."""
    limits = read(headers, body, now)
    if limits is None:
        return
    allowances = [a for a in (limits.requests, limits.tokens, limits.input_tokens, limits.output_tokens) if a]
    counts = [n for a in allowances for n in (a.limit, a.remaining) if n is not None]
    times = [a.reset for a in allowances] + [w.reset for w in limits.windows] + [limits.retry_after, limits.wait]
    assert all(n >= 0 for n in counts)
    assert all(0 <= t <= LONGEST for t in times if t is not None)
