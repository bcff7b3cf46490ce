"""Tests of Gemini's errors in both directions."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from llmgw_domain import errors
from llmgw_protocols.gemini.errors import error_envelope, fault_in_band, fault_of, owns_error

RETRY = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "46.5s"}


def quota(quota_id: str, value: str = "10") -> dict[str, Any]:
    return {"@type": "x/QuotaFailure", "violations": [{"quotaId": quota_id, "quotaValue": value}]}


def body(message: str = "m", status: str = "X", details: list[Any] | None = None, wrap: bool = False) -> bytes:
    error = {"error": {"code": 0, "message": message, "status": status, "details": details or []}}
    return msgspec.json.encode([error] if wrap else error)


@pytest.mark.parametrize(
    ("status", "raw", "expected"),
    [
        (400, body("Invalid value at 'contents'"), errors.BadRequest),
        (400, body("API key not valid. Please pass a valid API key."), errors.AccountRejected),
        (400, body("no", details=[{"reason": "API_KEY_INVALID"}]), errors.AccountRejected),
        (
            400,
            body("The input token count (9) exceeds the maximum number of tokens allowed (8)."),
            errors.ContextTooLong,
        ),
        (400, body("Please enable billing", "FAILED_PRECONDITION"), errors.QuotaExhausted),
        (400, body("User location is not supported for the API use.", "FAILED_PRECONDITION"), errors.AccountForbidden),
        (401, body(), errors.AccountRejected),
        (403, body(), errors.AccountForbidden),
        (403, body("Your API key was reported as leaked."), errors.AccountRejected),
        (403, body("Permission denied: Consumer 'projects/1' has been suspended."), errors.AccountRejected),
        (403, body("no", details=[{"reason": "BILLING_DISABLED"}]), errors.QuotaExhausted),
        (429, body("Your prepayment credits are depleted."), errors.QuotaExhausted),
        (429, body("You exceeded your current quota, please check your plan and billing details."), errors.RateLimited),
        (404, body(), errors.UpstreamNotFound),
        (409, body(), errors.Conflict),
        (413, body(), errors.TooLarge),
        (429, body(details=[quota("RequestsPerMinutePerProject"), RETRY]), errors.RateLimited),
        (429, body(details=[quota("RequestsPerDayPerProject"), RETRY]), errors.QuotaExhausted),
        (429, body(details=[quota("InputTokensPerMinute", "0")]), errors.QuotaExhausted),
        (429, body("Quota exceeded for metric: x, limit: 0, model: y"), errors.QuotaExhausted),
        (429, body("limit: 1000000"), errors.RateLimited),
        (499, body(), errors.ClientGone),
        (500, body(wrap=True), errors.UpstreamFailed),
        (502, b"<html>bad gateway</html>", errors.UpstreamFailed),
        (503, body("The model is overloaded."), errors.Overloaded),
        (504, body(), errors.UpstreamTimeout),
        (418, body(), errors.BadRequest),
    ],
)
def test_classes(status: int, raw: bytes, expected: type[errors.GatewayError]) -> None:
    """A refusal's class follows its status, its words and its details; the status that it had is kept."""
    error = fault_of(status, {}, raw)
    assert (expected, status) == (type(error), error.upstream_status)


@pytest.mark.parametrize("wrap", [False, True])
def test_a_requests_fault_is_told_in_googles_words(wrap: bool) -> None:
    """What is wrong with the request is passed on, whether or not the error came in an array."""
    assert fault_of(400, {}, body("Bad role", wrap=wrap)).message == "Bad role"


def test_an_accounts_fault_is_told_in_ours() -> None:
    """What is the account's affair stays in the log."""
    error = fault_of(403, {}, body("Project 1234 is disabled."))
    assert (errors.AccountForbidden.default_message(), "Project 1234 is disabled.") == (
        error.message,
        error.upstream_message,
    )


@pytest.mark.parametrize(
    ("headers", "details", "expected"), [({}, [RETRY], 46.5), ({"retry-after": "3"}, [], 3.0), ({}, [], None)]
)
def test_retry_after(headers: dict[str, str], details: list[Any], expected: float | None) -> None:
    """The delay stands in RetryInfo, else in the header."""
    assert expected == fault_of(429, headers, body(details=details)).retry_after


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b'{"code":503,"message":"m","status":"UNAVAILABLE"}', errors.Overloaded),
        (b'{"message":"m","status":"RESOURCE_EXHAUSTED"}', errors.RateLimited),
        (b'{"message":"m"}', errors.UpstreamFailed),
        (b'"oops"', errors.UpstreamFailed),
    ],
)
def test_in_band(raw: bytes, expected: type[errors.GatewayError]) -> None:
    """An error inside of an answer has the status that it names, and 500 without one."""
    assert expected is type(fault_in_band(Raw(raw)))


@given(st.integers(400, 599), st.binary(max_size=80))
def test_any_body_is_survived(status: int, raw: bytes) -> None:
    """No refusal makes the reader fail."""
    assert isinstance(fault_of(status, {}, raw), errors.GatewayError)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (errors.InvalidField("bad"), {"code": 400, "message": "bad", "status": "INVALID_ARGUMENT"}),
        (errors.UnknownKey("k"), {"code": 401, "message": "k", "status": "UNAUTHENTICATED"}),
        (errors.KeyNotAllowed("k"), {"code": 403, "message": "k", "status": "PERMISSION_DENIED"}),
        (errors.UnknownModel("u"), {"code": 404, "message": "u", "status": "NOT_FOUND"}),
        (errors.UpstreamFailed("f"), {"code": 502, "message": "f", "status": "UNAVAILABLE"}),
        (errors.NoAccount("n"), {"code": 503, "message": "n", "status": "UNAVAILABLE"}),
        (errors.UpstreamStalled("s"), {"code": 504, "message": "s", "status": "DEADLINE_EXCEEDED"}),
        (errors.GatewayError("g"), {"code": 500, "message": "g", "status": "INTERNAL"}),
        (
            errors.RateLimited("r", retry_after=1.2),
            {
                "code": 429,
                "message": "r",
                "status": "RESOURCE_EXHAUSTED",
                "details": [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "2s"}],
            },
        ),
    ],
)
def test_envelope(error: errors.GatewayError, expected: dict[str, Any]) -> None:
    """An error is told as Google tells it, with the HTTP status as its code."""
    assert {"error": expected} == error_envelope(error)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"error":{"code":400,"message":"m","status":"INVALID_ARGUMENT"}}', True),
        (b'{"error":{"code":"400","message":"m","status":"INVALID_ARGUMENT"}}', False),
        (b'{"error":{"code":400,"message":"m"}}', False),
        (b'[{"error":{"code":400,"message":"m","status":"INVALID_ARGUMENT"}}]', False),
        (b"<html>", False),
    ],
)
def test_whether_the_envelope_is_googles(body: bytes, expected: bool) -> None:
    """Clients can read an error as it came only with the code and the status that they look for."""
    assert expected == owns_error(body)


@pytest.mark.parametrize("raw", [b'{"error":{"message":"\xff"}}', b'"\xff"'])
def test_invalid_utf8_is_survived(raw: bytes) -> None:
    """A refusal whose JSON is no UTF-8 is read as text."""
    assert isinstance(fault_of(500, {}, raw), errors.UpstreamFailed)
    assert isinstance(fault_in_band(Raw(raw)), errors.GatewayError)
    assert not owns_error(raw)
