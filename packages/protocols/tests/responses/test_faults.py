"""Errors of a Responses provider."""

import pytest

from llmgw_domain.errors import (
    AccountRejected,
    BadRequest,
    ContentRefused,
    ContextTooLong,
    GatewayError,
    RateLimited,
    UpstreamFailed,
    UpstreamTimeout,
)
from llmgw_protocols.responses import faults


def test_a_refusal_is_read_as_in_chat() -> None:
    """The status and the code tell the class, the provider's words about the request reach the client."""
    body = b'{"error":{"message":"too long","type":"t","param":"input","code":"context_length_exceeded"}}'
    error = faults.fault(400, {}, body)
    assert (type(error), error.message, error.param) == (ContextTooLong, "too long", "input")
    assert type(faults.fault(401, {}, b'{"error":{"message":"no","code":"invalid_api_key"}}')) is AccountRejected


def test_its_own_envelope() -> None:
    """OpenAI's envelope is the dialect's own, xAI's is not."""
    assert faults.owns_error(b'{"error":{"message":"m","type":"t"}}')
    assert not faults.owns_error(b'{"code":"c","error":"m"}')


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("server_error", UpstreamFailed),
        ("rate_limit_exceeded", RateLimited),
        ("invalid_prompt", BadRequest),
        ("bio_policy", ContentRefused),
        ("misalignment_policy_violation", ContentRefused),
        ("image_content_policy_violation", ContentRefused),
        ("data_residency_mismatch", BadRequest),
        ("vector_store_timeout", UpstreamTimeout),
        ("unsupported_image_media_type", BadRequest),
        ("what is new", UpstreamFailed),
    ],
)
def test_codes_of_failed_responses(code: str, expected: type[GatewayError]) -> None:
    """A failed response has no status; its code tells what failed."""
    error = b'{"code":"%b","message":"words"}' % code.encode()
    assert type(faults.failed(error, "failed")) is expected
    assert type(faults.in_band(b'{"type":"error","code":"%b","message":"words"}' % code.encode())) is expected


@pytest.mark.parametrize("nothing", [b"", b"null", b"{}"])
def test_a_failure_without_words(nothing: bytes) -> None:
    """A response may fail, or be cancelled, and say no more."""
    error = faults.failed(nothing, "cancelled")
    assert type(error) is UpstreamFailed
    assert error.upstream_message == "The provider ended its response with status 'cancelled'."
