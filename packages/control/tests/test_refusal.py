from __future__ import annotations

from llmgw_control import Reason, Refused
from llmgw_control.refusal import Conflict, Forbidden, FromFile, NotWritable, Outdated, UnknownRecord
from llmgw_domain.errors import GatewayError


def test_the_message_names_every_reason() -> None:
    """A refusal's text lists each path with its message."""
    refusal = Refused([Reason("accounts[0].pool", "unknown"), Reason("models", "none")])
    assert "accounts[0].pool: unknown; models: none" == refusal.message


def test_an_empty_refusal_has_the_default_message() -> None:
    """Without reasons the class's own words are the message."""
    assert "The configuration is not valid." == Refused([]).message


def test_every_refusal_has_its_status_and_code() -> None:
    """What an edge answers with, and none of them is worth another try as it is."""
    refusals: list[type[GatewayError]] = [UnknownRecord, Conflict, Outdated, FromFile, NotWritable, Forbidden]
    assert [
        (404, "record_not_found"),
        (409, "record_exists"),
        (412, "version_differs"),
        (409, "record_from_file"),
        (503, "not_writable"),
        (403, "role_not_allowed"),
    ] == [(each.status, each.code) for each in refusals]
    assert not any(each.retryable for each in refusals)


def test_a_reason_without_a_path_is_its_message() -> None:
    """It is about the whole record."""
    assert "it is the last one" == str(Reason("", "it is the last one"))
