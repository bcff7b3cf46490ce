from __future__ import annotations

from llmgw_control import Reason, Refused


def test_the_message_names_every_reason() -> None:
    """A refusal's text lists each path with its message."""
    refusal = Refused([Reason("accounts[0].pool", "unknown"), Reason("models", "none")])
    assert "accounts[0].pool: unknown; models: none" == refusal.message


def test_an_empty_refusal_has_the_default_message() -> None:
    """Without reasons the class's own words are the message."""
    assert "The configuration is not valid." == Refused([]).message
