"""Which record a model's name leads to."""

import pytest

from llmgw_protocols.messages.models import capabilities


@pytest.mark.parametrize(
    ("same", "as_"),
    [
        ("claude-sonnet-4-5-20250929", "claude-sonnet-4-5"),
        ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", "claude-sonnet-4-5"),
        ("anthropic/claude-sonnet-4.5", "claude-sonnet-4-5"),
        ("claude-sonnet-4-20250514", "claude-sonnet-4-0"),
        ("claude-opus-4-8", "claude-opus-4-8"),
        ("claude-3-5-haiku-latest", "claude-3-5-sonnet-20240620"),
        ("claude-opus-4-9", "claude-comet-9"),
        ("claude-opus-4-10", "claude-comet-9"),
        ("whatever", "claude-comet-9"),
    ],
)
def test_name(same: str, as_: str) -> None:
    """Platform prefixes, dates and dots don't matter; an unknown minor version is a newer model."""
    assert capabilities(as_) == capabilities(same)


def test_samplers() -> None:
    """Sampling ends with the 4.6 generation, and unknown models have none."""
    names = ["claude-haiku-4-5", "claude-opus-4-6", "claude-opus-4-7", "claude-sonnet-5", "claude-next"]
    assert [capabilities(n).sampling for n in names] == [True, True, False, False, False]


@pytest.mark.parametrize(
    ("model", "wanted", "given"),
    [
        ("claude-opus-4-8", "xhigh", "xhigh"),
        ("claude-opus-4-6", "xhigh", "high"),
        ("claude-opus-4-6", "max", "max"),
        ("claude-opus-4-8", "minimal", "low"),
        ("claude-sonnet-4-5", "high", None),
    ],
)
def test_effort(model: str, wanted: str, given: str | None) -> None:
    """An effort that a model lacks becomes the next lower one."""
    assert given == capabilities(model).effort(wanted)
