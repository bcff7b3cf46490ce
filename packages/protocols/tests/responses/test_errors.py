"""Errors for Responses clients."""

import msgspec

from llmgw_domain.errors import InvalidField, Overloaded, QuotaExhausted
from llmgw_protocols.responses import errors


def test_a_refusal_has_openais_envelope() -> None:
    """The same as in Chat Completions."""
    error = InvalidField("No.", param="input")
    expected = {"error": {"message": "No.", "type": "invalid_request_error", "param": "input", "code": "invalid_value"}}
    assert expected == msgspec.json.decode(errors.error_body(error, "r"))


def test_the_status_is_the_errors_own() -> None:
    """OpenAI has no statuses of its own."""
    assert 503 == errors.status_of(Overloaded())


def test_a_failure_has_a_code_that_clients_know() -> None:
    """Where OpenAI has none, it is the server's error."""
    assert {"code": "insufficient_quota", "message": "Spent."} == errors.failure(QuotaExhausted("Spent."))
    assert "server_error" == errors.failure(Overloaded())["code"]
