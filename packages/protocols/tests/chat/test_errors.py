"""Providers' refusals read into our tree, and ours written for clients."""

from typing import Any

import msgspec
import pytest

from llmgw_domain import errors as e
from llmgw_protocols.chat import CHAT


def fault(status: int, body: Any = b"", **headers: str) -> e.GatewayError:
    data = body if isinstance(body, bytes) else msgspec.json.encode(body)
    return CHAT.fault(status, {k.replace("_", "-"): v for k, v in headers.items()}, data)


def openai(code: Any = None, message: str = "words", **more: Any) -> dict[str, Any]:
    return {"error": {"message": message, "type": "t", "param": None, "code": code, **more}}


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (400, openai(), e.BadRequest),
        (400, openai("context_length_exceeded"), e.ContextTooLong),
        (400, openai(message="This model's maximum context length is 8192 tokens."), e.ContextTooLong),
        (400, openai("content_filter"), e.ContentRefused),
        (400, openai("content_policy_violation"), e.ContentRefused),
        (400, openai("invalid_api_key"), e.AccountRejected),
        (401, openai("invalid_api_key"), e.AccountRejected),
        (402, openai(), e.QuotaExhausted),
        (403, openai(), e.AccountForbidden),
        (404, openai("model_not_found"), e.UpstreamNotFound),
        (408, openai(), e.UpstreamTimeout),
        (409, openai(), e.Conflict),
        (413, openai(), e.TooLarge),
        (418, openai(), e.BadRequest),
        (422, openai(), e.Unprocessable),
        (400, openai(message="This model's maximum prompt length is 131072 tokens"), e.ContextTooLong),
        (400, openai("tool_use_failed"), e.BadRequest),
        (400, openai(message="`inputs` tokens + `max_new_tokens` must be <= 8193"), e.ContextTooLong),
        (400, {"error": {"message": "too long", "type": "too_many_prompt_tokens", "code": 400}}, e.ContextTooLong),
        (
            400,
            {"code": "Client specified an invalid argument", "error": "Incorrect API key provided"},
            e.AccountRejected,
        ),
        (400, openai(innererror={"code": "ResponsibleAIPolicyViolation"}), e.ContentRefused),
        (400, openai("billing_hard_limit_reached"), e.QuotaExhausted),
        (403, {"error": {"code": 403, "message": "m", "metadata": {"reasons": ["violence"]}}}, e.ContentRefused),
        (403, openai(message="Your team doesn't have any credits."), e.QuotaExhausted),
        (403, openai(message="Key limit exceeded (total limit)."), e.QuotaExhausted),
        (429, openai(message="Your team has used all available credits."), e.QuotaExhausted),
        (403, openai(message="Your team reached its monthly spending limit."), e.QuotaExhausted),
        (403, openai(message="Content violates usage guidelines."), e.ContentRefused),
        (400, openai(message="Your organization has been disabled."), e.AccountRejected),
        (400, openai(message="Your organization must be verified to stream this model."), e.AccountForbidden),
        (400, openai(message="Your organization must be verified to generate summaries."), e.BadRequest),
        (429, openai("1309"), e.QuotaExhausted),
        (429, openai("1310"), e.QuotaExhausted),
        (401, openai("account_deactivated"), e.AccountRejected),
        (422, openai(message="maximum context length"), e.ContextTooLong),
        (429, openai("1113"), e.QuotaExhausted),
        (429, openai(message="Rate limit reached on requests per day (RPD)"), e.RateLimited),
        (429, openai(type="usage_limit_reached"), e.QuotaExhausted),
        (429, openai("rate_limit_exceeded"), e.RateLimited),
        (429, openai("insufficient_quota"), e.QuotaExhausted),
        (498, openai(), e.Overloaded),
        (500, openai("server_error"), e.UpstreamFailed),
        (500, openai(message="Incorrect API key provided, not enough balance"), e.UpstreamFailed),
        (500, openai("insufficient_quota"), e.UpstreamFailed),
        (502, b"<html>", e.UpstreamFailed),
        (503, openai(), e.Overloaded),
        (504, b"", e.UpstreamTimeout),
        (529, openai(), e.Overloaded),
    ],
)
def test_classes(status: int, body: Any, expected: type[e.GatewayError]) -> None:
    """Status and code tell the class; the provider's status is kept."""
    error = fault(status, body)
    assert expected is type(error)
    assert status == error.upstream_status


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (openai(message="say this"), "say this"),
        (
            {"detail": [{"loc": ["body", "messages", 0], "msg": "bad"}, {"msg": "worse"}]},
            "body.messages.0: bad; worse",
        ),
        ({"detail": "plain"}, "plain"),
        ({"object": "error", "message": "say this", "type": "x", "code": 400}, "say this"),
        ({"error": "flat"}, "flat"),
        ({"error": "Bad", "message": "better"}, "better"),
        ([openai(message="in a list")], "in a list"),
        ({"statusCode": 400, "message": "gateway"}, "gateway"),
        (b"plain text", "plain text"),
        (b"x" * 2000, "x" * 500),
        (b'"text"', "text"),
        (b"\xff", "\ufffd"),
    ],
)
def test_messages_about_the_request_are_passed_on(body: Any, expected: str) -> None:
    """Whatever its shape, a body's words about the request reach the client."""
    assert expected == fault(400, body).message


@pytest.mark.parametrize("body", [b"", {}, {"error": {}}, [], None])
def test_no_words_give_ours(body: Any) -> None:
    """Without words of the provider there are those of the class."""
    assert e.BadRequest.default_message() == fault(400, body).message


def test_messages_about_the_account_are_not() -> None:
    """What is the account's affair goes to the log, in the provider's words, and to the client in ours."""
    error = fault(401, openai(message="Incorrect API key provided: sk-abcd1234efgh5678."))
    assert e.AccountRejected.default_message() == error.message
    assert error.upstream_message == "Incorrect API key provided: [hidden]."


def test_what_the_model_made_wrong_may_be_asked_again() -> None:
    """A call that does not fit its schema is refused as the request's fault, which it is not."""
    refused = {
        "error": {"message": "Tool call validation failed", "code": "tool_use_failed", "failed_generation": "{}"}
    }
    assert (True, "Tool call validation failed") == (fault(400, refused).should_retry, fault(400, refused).message)
    assert fault(400, openai()).should_retry is None


def test_what_a_provider_behind_the_provider_said() -> None:
    """OpenRouter's own words are only that it was refused."""
    body = {"error": {"message": "Provider returned error", "code": 400, "metadata": {"raw": '{"error":"no"}'}}}
    assert 'Provider returned error: {"error":"no"}' == fault(400, body).message
    body["error"]["metadata"] = {"raw": {"odd": 1}}
    assert "Provider returned error" == fault(400, body).message


def test_param_and_wait() -> None:
    """The wrong field's name and the time to wait are kept."""
    assert fault(400, openai(param="messages[0]")).param == "messages[0]"
    assert fault(429, openai(), retry_after_ms="1500").retry_after == 1.5
    assert fault(429, openai(), retry_after="20").retry_after == 20.0


def test_error_body() -> None:
    """The envelope has its four members, and the status is the error's."""
    error = e.InvalidField("wrong", param="n")
    expected = {"error": {"message": "wrong", "type": "invalid_request_error", "param": "n", "code": "invalid_value"}}
    assert expected == msgspec.json.decode(CHAT.error_body(error, "r"))
    assert CHAT.status_of(error) == 400


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (openai(), True),
        (openai("c", param="n"), True),
        (openai(400), False),
        ({"error": {"message": "m", "type": ""}}, False),
        ({"error": {"message": "m"}}, False),
        ({"object": "error", "message": "m", "type": "t"}, False),
        ([], False),
        (b"<html>", False),
        (b"[" * 100_000, False),
    ],
)
def test_whether_the_envelope_is_openais(body: Any, expected: bool) -> None:
    """Clients can read an error as it came only with texts where OpenAI has texts."""
    assert expected == CHAT.owns_error(body if isinstance(body, bytes) else msgspec.json.encode(body))


def test_an_unknown_model_keeps_its_status_and_words():
    """OpenAI's Responses say it with 400; another account may know the model all the same."""
    body = b'{"error":{"message":"The requested model \'x\' does not exist.","code":"model_not_found"}}'
    error = CHAT.fault(400, {}, body)
    assert (400, "model_not_found", True) == (error.status, error.code, error.retryable)
    assert "'x' does not exist" in error.message
    assert 404 == CHAT.fault(404, {}, body).status
