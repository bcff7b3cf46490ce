from __future__ import annotations

import logging

import msgspec
import pytest

from llmgw_admin.refusal import PathTakesOther, UnsupportedMedia, refusal_of
from llmgw_control.refusal import Conflict, Forbidden, FromFile, NotWritable, Outdated, Reason, Refused, UnknownRecord
from llmgw_domain.errors import GatewayError, InvalidField, InvalidJson, NotFound, TooLarge


@pytest.mark.parametrize(
    ("error", "status", "type", "code"),
    [
        (InvalidJson(), 400, "invalid_request_error", "invalid_json"),
        (InvalidField(), 400, "invalid_request_error", "invalid_value"),
        (Refused([Reason("pool", "missing")]), 400, "invalid_request_error", "configuration_refused"),
        (Forbidden(), 403, "permission_error", "role_not_allowed"),
        (NotFound(), 404, "invalid_request_error", "not_found"),
        (UnknownRecord.named("account", "a"), 404, "invalid_request_error", "record_not_found"),
        (PathTakesOther("PUT", ("GET", "PATCH")), 405, "invalid_request_error", "method_not_allowed"),
        (Conflict.named("account", "a"), 409, "invalid_request_error", "record_exists"),
        (FromFile.of("account", "a", "gateway.toml"), 409, "invalid_request_error", "record_from_file"),
        (Outdated.of("account", "a", "v2"), 412, "invalid_request_error", "version_differs"),
        (TooLarge(), 413, "invalid_request_error", "request_too_large"),
        (UnsupportedMedia(), 415, "invalid_request_error", "unsupported_media_type"),
        (NotWritable(), 503, "server_error", "not_writable"),
    ],
)
def test_every_refusal_has_its_status_and_code(error: GatewayError, status: int, type: str, code: str) -> None:
    """The one table of what operators are told, by the kind of the refusal."""
    told = refusal_of(error)
    assert (status, type, code, error.message) == (told.status, told.type, told.code, told.message)


def test_the_envelope_leaves_out_what_there_is_not() -> None:
    """param and reasons stand in it where there are some."""
    bare = msgspec.to_builtins(refusal_of(NotFound("gone")).envelope())
    assert {"error": {"type": "invalid_request_error", "code": "not_found", "message": "gone"}} == bare
    full = refusal_of(Refused([Reason("pool", "missing"), Reason("weight", "below 0")])).envelope()
    assert ["pool", "weight"] == [reason.path for reason in full.error.reasons or ()]
    assert "limit" == refusal_of(InvalidField(param="limit")).envelope().error.param


def test_headers_go_with_the_answer() -> None:
    """405 says what the path takes, 503 when to come back."""
    assert {"allow": "GET, PATCH"} == refusal_of(PathTakesOther("PUT", ("GET", "PATCH"))).headers
    assert {"retry-after": "1"} == refusal_of(NotWritable(retry_after=0.2)).headers


def test_a_surprise_is_logged_and_not_told(caplog: pytest.LogCaptureFixture) -> None:
    """What nobody foresaw is a 500 without detail; the log has the traceback."""
    with caplog.at_level(logging.ERROR):
        told = refusal_of(ValueError("sk-secret"))
    assert (500, "server_error", False) == (told.status, told.type, "sk-secret" in told.message)
    assert caplog.records[0].exc_info is not None
