"""Tests of naming what was lost."""

import pytest

from llmgw_protocols.gemini.losses import Losses


@pytest.mark.parametrize(
    ("family", "expected"),
    [
        ("openai", ("response_format", "logit_bias")),
        ("anthropic", ("output_config.format", "logit_bias")),
        ("google", ("generationConfig.responseMimeType", "logit_bias")),
    ],
)
def test_names_are_the_clients(family: str, expected: tuple[str, ...]) -> None:
    """A loss is told once, under the name that the client's own dialect has for it."""
    losses = Losses(family)
    for field in ("response_format", "logit_bias", "response_format"):
        losses.add(field)
    assert expected == losses.names()


def test_odd_names_are_safe_in_a_header() -> None:
    """Unknown names can't break out of a header."""
    losses = Losses("openai")
    losses.add("a\r\nb: c,")
    assert losses.names() == ("a??b??c?",)


def test_a_refusal_names_the_clients_field() -> None:
    """A refused field is named as the client wrote it."""
    assert Losses("google").refusal("messages", "Why.").param == "contents"
