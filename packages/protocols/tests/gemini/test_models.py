"""Tests of what models' names tell."""

import pytest

from llmgw_domain.chat import Reasoning
from llmgw_protocols.gemini.models import Thinking, thinking_for, traits_of

FLASH3, PRO3, FLASH25, PRO25, OLD = (
    "gemini-3-flash-preview",
    "gemini-3-pro-preview",
    "gemini-2.5-flash",
    "models/gemini-2.5-pro",
    "gemini-2.0-flash",
)


@pytest.mark.parametrize(
    ("model", "wish", "expected"),
    [
        (FLASH3, Reasoning(effort="none"), Thinking(level="MINIMAL")),
        (FLASH3, Reasoning(effort="minimal"), Thinking(level="MINIMAL")),
        (FLASH3, Reasoning(effort="medium"), Thinking(level="MEDIUM")),
        (FLASH3, Reasoning(effort="max"), Thinking(level="HIGH")),
        (FLASH3, Reasoning(budget=2000), Thinking(level="MEDIUM")),
        (FLASH3, Reasoning(mode="disabled"), Thinking(level="MINIMAL")),
        (FLASH3, Reasoning(mode="adaptive"), Thinking()),
        (PRO3, Reasoning(effort="none"), Thinking(level="LOW", exact=False)),
        (PRO3, Reasoning(effort="minimal"), Thinking(level="LOW")),
        ("gemini-flash-latest", Reasoning(effort="low"), Thinking(level="LOW")),
        (FLASH25, Reasoning(effort="none"), Thinking(budget=0)),
        (FLASH25, Reasoning(effort="minimal"), Thinking(budget=512)),
        (FLASH25, Reasoning(effort="low"), Thinking(budget=2048)),
        (FLASH25, Reasoning(effort="xhigh"), Thinking(budget=24576)),
        (FLASH25, Reasoning(budget=100_000), Thinking(budget=24576)),
        (FLASH25, Reasoning(effort="low", budget=5000), Thinking(budget=5000)),
        (PRO25, Reasoning(effort="none"), Thinking(budget=128, exact=False)),
        (PRO25, Reasoning(effort="max"), Thinking(budget=32768)),
        ("gemini-2.5-flash-lite", Reasoning(budget=100), Thinking(budget=512)),
        (OLD, Reasoning(effort="high"), Thinking(exact=False)),
        (OLD, Reasoning(effort="none"), Thinking()),
    ],
)
def test_thinking_for(model: str, wish: Reasoning, expected: Thinking) -> None:
    """A wish becomes a level or a budget, as the model takes it, never both."""
    assert expected == thinking_for(wish, traits_of(model))


@pytest.mark.parametrize(
    ("model", "expected"),
    [(FLASH3, True), ("google/gemini-4-x", True), ("alias", True), (FLASH25, False), (OLD, False)],
)
def test_current(model: str, expected: bool) -> None:
    """Models from 3 on, and names that say nothing, count as current."""
    assert expected == traits_of(model).current
