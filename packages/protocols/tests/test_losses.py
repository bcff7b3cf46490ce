"""Names of lost fields."""

import pytest

from llmgw_protocols.losses import Losses, bare_name


@pytest.mark.parametrize(
    ("family", "expected"),
    [
        ("openai", ("top_p", "messages.name", "reasoning_effort", "logit_bias")),
        ("google", ("topP", "contents.name", "thinkingConfig", "logit_bias")),
        ("anthropic", ("top_p", "messages.name", "thinking", "logit_bias")),
    ],
)
def test_names_are_the_clients(family: str, expected: tuple[str, ...]) -> None:
    """Each loss is named once, in the client's words."""
    losses = Losses(family)
    for name in ("top_p", "messages.name", "top_p", "reasoning_effort", "logit_bias"):
        losses.add(name)
    assert expected == losses.names()


def test_names_are_safe_in_a_header() -> None:
    """A name that a client made up can't break out of a header."""
    losses = Losses("openai")
    losses.add("a\r\nx: y,é[0]" + "z" * 100)
    assert losses.names() == ("a??x??y??[0]" + "z" * 68,)


def test_a_refusal_names_the_clients_field() -> None:
    """A refused field is named as the client wrote it."""
    assert Losses("google").unsupported("n", "One.").param == "candidateCount"


@pytest.mark.parametrize(
    ("field", "family", "expected"),
    [
        ("generationConfig.response_modalities", "google", "responsemodalities"),
        ("safetySettings", "google", "safetysettings"),
        ("mcp_servers", "anthropic", "mcp_servers"),
    ],
)
def test_bare_names(field: str, family: str, expected: str) -> None:
    """Google's names are compared without their path and spelling, others as they are."""
    assert expected == bare_name(field, family)
