"""Whose reasoning it is."""

import pytest

from llmgw_protocols.chat import formats


@pytest.mark.parametrize(
    ("family", "model", "expected"),
    [
        ("", "claude-sonnet-4-5", "anthropic-claude-v1"),
        ("", "google/gemini-3-pro", "google-gemini-v1"),
        ("", "gpt-5", "openai-responses-v1"),
        ("", "llama", "unknown"),
        ("", "", "unknown"),
        ("google", "claude-sonnet-4-5", "google-gemini-v1"),
    ],
)
def test_format_of(family: str, model: str, expected: str) -> None:
    """The family says whose reasoning it is; where it is unknown, the model's name may."""
    assert expected == formats.format_of(family, model)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("anthropic-claude-v1", "anthropic"), ("google-gemini-v1", "google"), ("unknown", ""), (None, "")],
)
def test_family_of(name: str | None, expected: str) -> None:
    """Only formats that are known name a family."""
    assert expected == formats.family_of(name)
