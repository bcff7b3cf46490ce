"""Names of lost fields."""

import pytest

from llmgw_protocols.messages.losses import Losses


@pytest.mark.parametrize(
    ("family", "expected"),
    [
        ("openai", ("top_p", "messages.name", "reasoning_effort")),
        ("google", ("topP", "contents.name", "thinkingConfig")),
        ("anthropic", ("top_p", "messages.name", "thinking")),
    ],
)
def test_names(family: str, expected: tuple[str, ...]) -> None:
    """Each loss is named once, in the client's words."""
    losses = Losses(family)
    for name in ("top_p", "messages.name", "top_p", "reasoning_effort"):
        losses.add(name)
    assert expected == losses.names()


def test_client_text() -> None:
    """A name that a client made up can't break out of a header."""
    losses = Losses("openai")
    losses.add("a\r\nx: y,é" + "z" * 100)
    assert losses.names() == ("a??x??y??" + "z" * 71,)


def test_unsupported() -> None:
    """A refusal names the client's field."""
    assert Losses("google").unsupported("n", "One.").param == "candidateCount"
