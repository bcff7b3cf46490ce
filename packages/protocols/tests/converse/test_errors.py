"""Bedrock's refusals, of an answer and inside a stream."""

import msgspec
import pytest

from llmgw_domain.errors import (
    AccountForbidden,
    AccountRejected,
    BadRequest,
    ContentRefused,
    ContextTooLong,
    GatewayError,
    Overloaded,
    QuotaExhausted,
    RateLimited,
    TooLarge,
    UpstreamFailed,
    UpstreamNotFound,
    UpstreamTimeout,
)
from llmgw_protocols.converse.errors import body_error, fault, stream_error

AT = ":http://internal.amazon.com/coral/com.amazon.bedrock/"


def _fault(status: int, name: str = "", **body: object) -> GatewayError:
    return fault(status, {"x-amzn-errortype": name} if name else {}, msgspec.json.encode(body))


@pytest.mark.parametrize(
    ("status", "name", "message", "expected"),
    [
        (400, "ValidationException" + AT, "wrong", BadRequest),
        (400, "ValidationException", "Input is too long for requested model.", ContextTooLong),
        (400, "ValidationException", "Input Tokens Exceeded: Number of input tokens exceeds maximum.", ContextTooLong),
        (400, "ValidationException", "The maximum tokens you requested exceeds the model limit of 4096.", BadRequest),
        (400, "ValidationException", "Output blocked by content filtering policy", ContentRefused),
        (400, "", "The provided model identifier is invalid.", BadRequest),
        (400, "ServiceQuotaExceededException", "quota", QuotaExhausted),
        (403, "AccessDeniedException", "You don't have access to the model.", AccountForbidden),
        (
            403,
            "AccessDeniedException",
            "Authentication failed: Please make sure your API Key is valid.",
            AccountRejected,
        ),
        (403, "UnrecognizedClientException", "invalid", AccountRejected),
        (403, "InvalidSignatureException", "expired", AccountRejected),
        (403, "ExpiredTokenException" + AT, "expired", AccountRejected),
        (403, "", "The security token included in the request is expired", AccountRejected),
        (404, "ResourceNotFoundException", "none", UpstreamNotFound),
        (408, "ModelTimeoutException", "slow", UpstreamTimeout),
        (413, "", "large", TooLarge),
        (424, "ModelErrorException", "broke", UpstreamFailed),
        (429, "ThrottlingException", "Too many requests, please wait before trying again.", RateLimited),
        (429, "ThrottlingException", "Too many tokens per day, please wait before trying again.", QuotaExhausted),
        (429, "ModelNotReadyException", "loading", RateLimited),
        (500, "InternalServerException", "oops", UpstreamFailed),
        (503, "ServiceUnavailableException", "busy", Overloaded),
        (502, "", "<html>", UpstreamFailed),
    ],
)
def test_classes(status: int, name: str, message: str, expected: type[GatewayError]) -> None:
    """The name decides, then the status; words count only where there is no other sign."""
    error = _fault(status, name, message=message)
    assert expected is type(error)
    assert (status, message) == (error.upstream_status, error.upstream_message)


@pytest.mark.parametrize(
    ("original", "expected"), [(429, RateLimited), (503, Overloaded), (500, UpstreamFailed), (400, UpstreamFailed)]
)
def test_what_failed_behind_bedrock(original: int, expected: type[GatewayError]) -> None:
    """A model's error with a status of its own is classed by that one, as far as it is no request's."""
    error = _fault(424, "ModelErrorException", message="failed", originalStatusCode=original)
    assert expected is type(error)


def test_what_the_client_is_told() -> None:
    """A request's fault is told in Bedrock's words without the account's number; an account's fault is not told."""
    said = "No arn:aws:bedrock:us-east-1:123456789012:inference-profile/x"
    error = _fault(400, "ValidationException", message=said)
    assert "No arn:aws:bedrock:us-east-1:[hidden]:inference-profile/x" == error.message
    assert "secret" not in _fault(403, "AccessDeniedException", message="secret").message


@pytest.mark.parametrize(
    "body", [b'{"Message":"no"}', b'{"__type":"com.amazon.coral#ThrottlingException","message":"no"}']
)
def test_other_forms_of_a_body(body: bytes) -> None:
    """The message may be written large, and the name may stand in the body."""
    error = fault(429, {}, body)
    assert (RateLimited, "no") == (type(error), error.upstream_message)


@pytest.mark.parametrize("body", [b"", b"<html>", b"\xff", b"[" * 5000, b'{"message":1}'])
def test_any_body_is_borne(body: bytes) -> None:
    """What is no error of Bedrock's is classed by its status."""
    assert Overloaded is type(fault(503, {"retry-after": "3"}, body))
    assert 3 == fault(503, {"retry-after": "3"}, body).retry_after


@pytest.mark.parametrize(
    ("name", "body", "expected", "status"),
    [
        ("throttlingException", {"message": "slow down"}, RateLimited, 429),
        ("validationException", {"message": "wrong"}, BadRequest, 400),
        ("serviceUnavailableException", {"message": "busy"}, Overloaded, 503),
        ("internalServerException", {"message": "oops"}, UpstreamFailed, 500),
        ("modelStreamErrorException", {"originalMessage": "m", "originalStatusCode": 503}, Overloaded, 424),
        ("somethingNewException", {}, UpstreamFailed, 500),
    ],
)
def test_inside_a_stream(name: str, body: object, expected: type[GatewayError], status: int) -> None:
    """An exception's type stands for its status."""
    error = stream_error(name, msgspec.json.encode(body))
    assert (expected, status) == (type(error), error.upstream_status)


def test_an_error_without_a_payload() -> None:
    """An `error` message of a stream has its words in a header."""
    error = stream_error("InternalFailure", b"", "the wire broke")
    assert (UpstreamFailed, "the wire broke") == (type(error), error.upstream_message)


def test_a_body_without_an_answer() -> None:
    """A status of 200 does not make an error an answer."""
    assert (UpstreamFailed, "no") == (type(body_error("no")), body_error("no").upstream_message)
