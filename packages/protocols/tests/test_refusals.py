"""Refusals' bodies of every shape, read for their names and words."""

from typing import Any

import msgspec
import pytest

from llmgw_protocols.refusals import Refusal, details_of, error_of, quotas_of, read

QUOTA = {"quotaMetric": "x/requests", "quotaId": "RequestsPerDay", "quotaValue": "25"}


@pytest.mark.parametrize(
    ("body", "names", "words"),
    [
        ({"error": {"message": "m", "type": "Tokens", "code": "rate"}}, {"tokens", "rate"}, "m"),
        ({"error": {"message": "m", "code": 429}}, {"429"}, "m"),
        ({"type": "error", "error": {"type": "t", "message": "m", "details": {"error_code": "c"}}}, {"t", "c"}, "m"),
        (
            {
                "error": {
                    "code": 429,
                    "message": "m",
                    "status": "S",
                    "details": [{"reason": "R"}, {"violations": [QUOTA]}],
                }
            },
            {"429", "s", "r"},
            "m\nRequestsPerDay limit: 25",
        ),
        ([{"error": {"message": "in a list"}}], set(), "in a list"),
        ({"error": {"message": "m", "metadata": {"raw": "theirs", "limit_source": "daily"}}}, {"daily"}, "m\ntheirs"),
        ({"code": "c", "error": "flat"}, {"c"}, "flat"),
        ({"message": "m", "__type": "com.amazon#ThrottlingException"}, {"throttlingexception"}, "m"),
        ({"detail": "d", "code": None, "type": ["no name"]}, set(), "d"),
        (b"plain", set(), "plain"),
        (b'"text"', set(), '"text"'),
        (b"\xff", set(), "\ufffd"),
        (b"", set(), ""),
    ],
)
def test_read(body: Any, names: set[str], words: str) -> None:
    """Names are lower-case and without addresses; every message is among the words."""
    raw = body if isinstance(body, bytes) else msgspec.json.encode(body)
    assert Refusal(names=frozenset(names), words=words) == read({}, raw)


def test_the_header_of_aws() -> None:
    """The exception stands in a header, with an address behind a colon."""
    refusal = read({"x-amzn-errortype": "ThrottlingException:http://internal/coral/"}, b'{"message":"slow"}')
    assert Refusal(names=frozenset({"throttlingexception"}), words="slow") == refusal


@pytest.mark.parametrize("body", [b'{"error":' * 100_000, b'{"error":"' + b"x" * 300_000 + b'"}', b"[" * 300_000])
def test_what_is_too_long_or_too_deep_is_text(body: bytes) -> None:
    """Its beginning is looked at, and no more."""
    refusal = read({}, body)
    assert error_of(body) is None
    assert (frozenset(), 4096) == (refusal.names, len(refusal.words))


@pytest.mark.parametrize("details", [None, 3, "x", [3, None], [{"violations": 3}], [{"violations": [3, None]}]])
def test_details_that_are_none(details: Any) -> None:
    """Anything may stand where details are expected."""
    assert [] == quotas_of({"details": details})
    assert all(isinstance(detail, dict) for detail in details_of({"details": details}))
