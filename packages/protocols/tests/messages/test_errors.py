"""What refusals mean, and how clients are told."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmgw_domain import errors as e
from llmgw_protocols.messages import MESSAGES
from llmgw_protocols.messages._wire import WireError
from llmgw_protocols.messages.errors import stream_error


def _body(kind: str, message: str, **more: object) -> bytes:
    return msgspec.json.encode({"type": "error", "error": {"type": kind, "message": message, **more}})


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (400, _body("invalid_request_error", "max_tokens: too low"), e.BadRequest),
        (400, _body("invalid_request_error", "prompt is too long: 9 tokens > 8 maximum"), e.ContextTooLong),
        (400, _body("invalid_request_error", "Your credit balance is too low."), e.QuotaExhausted),
        (
            400,
            _body("invalid_request_error", "x", details={"error_code": "enforced_spend_limit_reached"}),
            e.QuotaExhausted,
        ),
        (400, _body("invalid_request_error", "Output blocked by content filtering policy"), e.ContentRefused),
        (400, _body("invalid_request_error", "This organization has been disabled."), e.AccountRejected),
        (429, _body("rate_limit_error", "pay", details={"error_code": "credits_required"}), e.QuotaExhausted),
        (429, _body("rate_limit_error", "odd", details=["credits_required"]), e.RateLimited),
        (401, _body("authentication_error", "invalid x-api-key"), e.AccountRejected),
        (402, _body("billing_error", "pay"), e.QuotaExhausted),
        (403, _body("permission_error", "no"), e.AccountForbidden),
        (404, _body("not_found_error", "model: x"), e.UpstreamNotFound),
        (408, b"", e.UpstreamTimeout),
        (409, _body("conflict_error", "busy"), e.Conflict),
        (413, _body("request_too_large", "big"), e.TooLarge),
        (418, b"teapot", e.BadRequest),
        (422, _body("invalid_request_error", "hm"), e.Unprocessable),
        (429, _body("rate_limit_error", "slow"), e.RateLimited),
        (
            429,
            _body("rate_limit_error", "cap", details={"error_code": "enforced_spend_limit_reached"}),
            e.QuotaExhausted,
        ),
        (429, _body("rate_limit_error", "cap", details={"error_code": "ramp_limit_exceeded"}), e.RateLimited),
        (500, _body("api_error", "oops"), e.UpstreamFailed),
        (502, b"<html>Bad gateway</html>", e.UpstreamFailed),
        (503, b"", e.Overloaded),
        (504, _body("timeout_error", "late"), e.UpstreamTimeout),
        (529, _body("overloaded_error", "Overloaded"), e.Overloaded),
    ],
)
def test_fault(status: int, body: bytes, expected: type[e.GatewayError]) -> None:
    """Status, type and the few telling messages decide the class."""
    fault = MESSAGES.fault(status, {}, body)
    assert (expected, status) == (type(fault), fault.upstream_status)


def test_message_about_request() -> None:
    """What is about the request is told in the provider's own words."""
    assert MESSAGES.fault(400, {}, _body("invalid_request_error", "top_k: no")).message == "top_k: no"


def test_message_about_account() -> None:
    """What is about the account stays in the log."""
    fault = MESSAGES.fault(401, {}, _body("authentication_error", "key sk-1 is bad"))
    assert (e.AccountRejected.default_message(), "key sk-1 is bad") == (fault.message, fault.upstream_message)


def test_retry_after() -> None:
    """The provider's own wait is kept."""
    assert MESSAGES.fault(429, {"retry-after": "7"}, b"").retry_after == 7.0


@given(st.integers(400, 599), st.binary(max_size=200))
def test_any_body(status: int, body: bytes) -> None:
    """No body makes the reading of a refusal fail."""
    assert status == MESSAGES.fault(status, {}, body).upstream_status


@pytest.mark.parametrize(
    ("kind", "expected", "status"),
    [
        ("overloaded_error", e.Overloaded, 529),
        ("rate_limit_error", e.RateLimited, 429),
        ("api_error", e.UpstreamFailed, 500),
        ("invalid_request_error", e.BadRequest, 400),
        ("billing_error", e.QuotaExhausted, 402),
        ("new_error", e.UpstreamFailed, 500),
        (None, e.UpstreamFailed, 500),
    ],
)
def test_stream_error(kind: str | None, expected: type[e.GatewayError], status: int) -> None:
    """An error inside of an answer is classed by its type."""
    error = stream_error(WireError(kind, "m"))
    assert (expected, status) == (type(error), error.upstream_status)


@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [
        (e.InvalidField("x"), 400, "invalid_request_error"),
        (e.UnknownKey(), 401, "authentication_error"),
        (e.KeyNotAllowed(), 403, "permission_error"),
        (e.UnknownModel("x"), 404, "not_found_error"),
        (e.MethodNotAllowed(), 405, "invalid_request_error"),
        (e.Conflict(), 409, "conflict_error"),
        (e.TooLarge(), 413, "request_too_large"),
        (e.RateLimited(), 429, "rate_limit_error"),
        (e.ClientGone(), 499, "invalid_request_error"),
        (e.GatewayError(), 500, "api_error"),
        (e.UpstreamFailed(), 502, "api_error"),
        (e.NoAccount(), 503, "api_error"),
        (e.UpstreamTimeout(), 504, "timeout_error"),
        (e.Overloaded(), 529, "overloaded_error"),
    ],
)
def test_envelope(error: e.GatewayError, status: int, kind: str) -> None:
    """Clients get Anthropic's envelope, type and status."""
    expected = {"type": "error", "error": {"type": kind, "message": error.message}, "request_id": "req-1"}
    assert (status, expected) == (
        MESSAGES.status_of(error),
        msgspec.json.decode(MESSAGES.error_body(error, "req-1")),
    )


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"type":"error","error":{"type":"invalid_request_error","message":"m"}}', True),
        (b'{"type":"error","error":{"type":"BadRequest","message":"m"}}', False),
        (b'{"error":{"type":"invalid_request_error","message":"m"}}', False),
        (b'{"type":"error"}', False),
        (b"<html>", False),
    ],
)
def test_whether_the_envelope_is_anthropics(body: bytes, expected: bool) -> None:
    """Clients can read an error as it came only with a type that their SDK knows."""
    assert expected == MESSAGES.owns_error(body)
