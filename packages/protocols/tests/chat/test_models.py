"""What models can do with reasoning, by their names."""

import pytest

from llmgw_domain import Provider
from llmgw_domain.chat import Effort, Reasoning
from llmgw_protocols.chat import models

OPENAI, AZURE, OTHER = Provider.OPENAI, Provider.AZURE, Provider.OPENAI_COMPATIBLE


@pytest.mark.parametrize(
    ("reasoning", "expected"),
    [
        (None, None),
        (Reasoning(mode="disabled"), "none"),
        (Reasoning(mode="disabled", effort="high"), "none"),
        (Reasoning(effort="max"), "max"),
        (Reasoning(effort="low", budget=30000), "low"),
        (Reasoning(mode="adaptive"), None),
        (Reasoning(budget=0), "none"),
        (Reasoning(budget=-1), None),
        (Reasoning(budget=1024), "low"),
        (Reasoning(budget=1025), "medium"),
        (Reasoning(budget=8192), "medium"),
        (Reasoning(budget=24576), "high"),
        (Reasoning(budget=24577), "xhigh"),
    ],
)
def test_effort_of(reasoning: Reasoning | None, expected: Effort | None) -> None:
    """An effort is taken as it is, a budget by the table, a disabled mode as none."""
    assert expected == models.effort_of(reasoning)


@pytest.mark.parametrize(
    ("effort", "provider", "model", "expected"),
    [
        ("high", OTHER, "llama", ("high", False)),
        (None, OPENAI, "gpt-5", (None, False)),
        ("high", OPENAI, "gpt-4.1-mini", (None, True)),
        ("none", OPENAI, "gpt-4o", (None, False)),
        ("none", OPENAI, "o3", ("low", True)),
        ("none", OPENAI, "gpt-5-mini", ("minimal", True)),
        ("none", OPENAI, "gpt-5.1", ("none", False)),
        ("none", OPENAI, "gpt-6-astra", ("low", True)),
        ("none", OPENAI, "gpt-6.1-sol", ("low", True)),
        ("none", AZURE, "o4-mini", ("low", True)),
        ("minimal", OPENAI, "gpt-5.6", ("low", False)),
        ("minimal", OPENAI, "gpt-6-astra", ("low", False)),
        ("minimal", AZURE, "gpt-5.6", ("low", False)),
        ("minimal", OPENAI, "gpt-5", ("minimal", False)),
        ("max", OPENAI, "gpt-5", ("high", False)),
        ("max", OPENAI, "gpt-5.6", ("max", False)),
    ],
)
def test_fitting(effort: Effort | None, provider: Provider, model: str, expected: tuple[str | None, bool]) -> None:
    """An effort that a model does not take becomes the nearest one."""
    assert expected == models.fitting(effort, provider, model)


@pytest.mark.parametrize(
    ("effort", "provider", "model", "expected"),
    [
        (None, OPENAI, "gpt-4.1", False),
        (None, OPENAI, "o4-mini", True),
        (None, OPENAI, "gpt-5", True),
        (None, OPENAI, "openai/gpt-5-nano", True),
        (None, OPENAI, "gpt-5-chat-latest", False),
        (None, OPENAI, "gpt-5.1", False),
        (None, OPENAI, "gpt-5.2", False),
        (None, OPENAI, "gpt-5.4", False),
        (None, OPENAI, "gpt-5.6", True),
        (None, OPENAI, "gpt-6-astra", True),
        (None, AZURE, "gpt-5-mini", True),
        ("none", AZURE, "gpt-5.5", False),
        ("low", OPENAI, "gpt-5.2", True),
        (None, OPENAI, "gpt-5.5", True),
        ("none", OPENAI, "gpt-5.5", False),
        ("high", OTHER, "gpt-5", False),
        (None, OPENAI, "sim/gpt", False),
    ],
)
def test_reasons(effort: Effort | None, provider: Provider, model: str, expected: bool) -> None:
    """Some models always reason, some by default, some on demand."""
    assert expected == models.reasons(effort, provider, model)


@pytest.mark.parametrize(
    ("provider", "model", "expected"),
    [
        (OPENAI, "gpt-4.1", "max_completion_tokens"),
        (AZURE, "gpt-4.1", "max_tokens"),
        (AZURE, "our-deployment", "max_tokens"),
        (AZURE, "o4-mini", "max_completion_tokens"),
        (AZURE, "gpt-5-mini", "max_completion_tokens"),
        (OTHER, "gpt-5", None),
    ],
)
def test_limit_name(provider: Provider, model: str, expected: str | None) -> None:
    """Models that can reason refuse the old name, older API versions of Azure the new one."""
    assert expected == models.limit_name(provider, model)


def test_other_traits() -> None:
    """Breakpoints, tools beside an effort, and reasoning that must come back."""
    assert [models.takes_breakpoints(*m) for m in ((OPENAI, "gpt-5.5"), (OPENAI, "gpt-5.6"), (OTHER, "gpt-5.6"))] == [
        False,
        True,
        False,
    ]
    assert [
        models.refuses_tools_with_effort(*m) for m in ((OPENAI, "gpt-5.1"), (OPENAI, "gpt-5.4"), (OTHER, "gpt-5.4"))
    ] == [False, True, False]
    assert [
        models.wants_reasoning_back(*m) for m in ((OTHER, "deepseek-chat"), (OTHER, "Kimi-K2"), (OPENAI, "deepseek"))
    ] == [True, True, False]


@pytest.mark.parametrize(
    ("model", "expected"),
    [("gpt-5-mini", (5, 0)), ("gpt-5.4", (5, 4)), ("openai/gpt-4.1-nano", (4, 1)), ("o3", None), ("my-gpt-5", None)],
)
def test_versions(model: str, expected: tuple[int, int] | None) -> None:
    """GPT models say their version in their names."""
    assert expected == models.gpt_version(model)
