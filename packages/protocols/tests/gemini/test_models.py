"""Tests of what models' names tell."""

import pytest

from llmgw_domain import Provider
from llmgw_domain.advertised import Advertised
from llmgw_domain.chat import Reasoning
from llmgw_protocols.dialect import TargetFacts
from llmgw_protocols.gemini.models import Thinking, thinking_for, traits_at, traits_of

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


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("gemini-3-pro-preview", False),
        ("gemini-3.1-pro", False),
        ("gemini-3.7-flash", False),
        ("models/gemini-4-argon", False),
        ("gemini-3-flash", True),
        ("gemini-3.1-flash-lite", True),
        ("gemini-3.6-flash", True),
        ("gemini-4-neon", True),
    ],
)
def test_minimal(model: str, expected: bool) -> None:
    """Some models have no level below LOW."""
    assert expected == traits_of(model).minimal


@pytest.mark.parametrize(
    ("model", "said", "wish", "expected"),
    [
        ("gemini-3-flash", None, Reasoning(effort="low"), Thinking(level="LOW")),
        ("gemini-3-flash", Advertised(), Reasoning(effort="low"), Thinking(level="LOW")),
        ("gemma-5", Advertised(thinks=False), Reasoning(effort="low"), Thinking(exact=False)),
        (FLASH25, Advertised(thinks=True), Reasoning(effort="low"), Thinking(budget=2048)),
        (OLD, Advertised(thinks=True), Reasoning(effort="low"), Thinking(budget=2048)),
    ],
)
def test_googles_word(model: str, said: Advertised | None, wish: Reasoning, expected: Thinking) -> None:
    """Whether a model thinks is as Google says; an old model that thinks has a budget."""
    facts = TargetFacts(provider=Provider.GOOGLE, model=model, advertised=said)
    assert expected == thinking_for(wish, traits_at(facts))
