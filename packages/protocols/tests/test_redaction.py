"""Credentials in a provider's words."""

import pytest

from llmgw_protocols.redaction import hide_secrets, holds_secret


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Incorrect API key provided: sk-proj-abc***xyz.", "Incorrect API key provided: [hidden]."),
        ("key AIzaSyA1234567890abcdefghij is bad", "key [hidden] is bad"),
        ("in organization org-AbCdEfGh12", "in organization [hidden]"),
        ("The task-oriented model sk-1 is fine", "The task-oriented model sk-1 is fine"),
    ],
)
def test_what_looks_like_a_key_is_hidden(text: str, expected: str) -> None:
    """Keys and organisations' ids are taken out, other words stay."""
    assert expected == hide_secrets(text)
    assert (text != expected) == holds_secret(text.encode())
