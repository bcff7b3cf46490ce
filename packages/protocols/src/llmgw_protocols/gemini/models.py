"""What is known of Gemini models by their names: how each is told to think, and what only newer ones take.

Up to 2.5 a model takes a budget of thinking tokens, from 3 on a level. A name without a version
(`gemini-flash-latest`, an alias) counts as current.
"""

from __future__ import annotations

import re

import msgspec

from llmgw_domain.chat import Effort, Reasoning
from llmgw_protocols.dialect import TargetFacts

_VERSION = re.compile(r"gemini-(\d+)(?:\.(\d+))?")
_NO_MINIMAL = re.compile(r"gemini-(3(\.1)?-pro|3\.7-flash|4-argon)")

_LEVELS: dict[Effort, str] = {
    "none": "MINIMAL",
    "minimal": "MINIMAL",
    "low": "LOW",
    "medium": "MEDIUM",
    "high": "HIGH",
    # No published model has XHIGH, so the highest level that all have stands for it.
    "xhigh": "HIGH",
    "max": "HIGH",
}
_ANY_BUDGET = (1, 24576)
_BUDGETS: dict[Effort, int] = {"none": 0, "minimal": 512, "low": 2048, "medium": 8192, "high": 24576}


class Traits(msgspec.Struct, frozen=True):
    """What a model takes. `budgets` are the least and the most thinking tokens; None where it takes levels."""

    thinks: bool = True
    minimal: bool = True
    can_stop_thinking: bool = True
    budgets: tuple[int, int] | None = None
    current: bool = True
    """Gemini 3 or newer: signed calls, media resolution by part, media in results, JSON output beside tools."""


class Thinking(msgspec.Struct, frozen=True):
    """Gemini's `thinkingConfig`; `exact` is False where the model can't do what was asked."""

    level: str | None = None
    budget: int | None = None
    exact: bool = True


def traits_of(model: str) -> Traits:
    """What the model of this name takes."""
    name = model.rpartition("/")[2].lower()
    found = _VERSION.match(name)
    if found is None or int(found[1]) >= 3:
        return Traits(minimal=not _NO_MINIMAL.match(name))
    if (int(found[1]), int(found[2] or 0)) < (2, 5):
        return Traits(thinks=False, current=False)
    if "pro" in name:
        return Traits(budgets=(128, 32768), can_stop_thinking=False, current=False)
    return Traits(budgets=(512 if "lite" in name else 1, 24576), current=False)


def traits_at(facts: TargetFacts) -> Traits:
    """What the model of a target takes: Google's word on whether it thinks outranks its name."""
    traits = traits_of(facts.model)
    thinks = None if facts.advertised is None else facts.advertised.thinks
    if thinks is None or thinks == traits.thinks:
        return traits
    # A model that thinks although its name tells that it is too old for a level has a budget.
    budgets = traits.budgets if traits.current else traits.budgets or _ANY_BUDGET
    return msgspec.structs.replace(traits, thinks=thinks, budgets=budgets)


def thinking_for(wish: Reasoning, traits: Traits) -> Thinking:
    """How to tell a model how much to think: by level or by budget, never both."""
    effort: Effort | None = "none" if wish.mode == "disabled" or wish.budget == 0 else wish.effort
    budget = None if effort == "none" else wish.budget
    if not traits.thinks:
        return Thinking(exact=effort in (None, "none") and budget is None)
    if traits.budgets is None:
        return _level(effort if budget is None else effort_of(budget), traits)
    return _budget(effort, budget, traits, traits.budgets)


def effort_of(budget: int) -> Effort:
    """The effort that a budget of thinking tokens stands for."""
    return "low" if budget <= 1024 else "medium" if budget <= 8192 else "high" if budget <= 24576 else "xhigh"


def _level(effort: Effort | None, traits: Traits) -> Thinking:
    if effort is None:
        return Thinking()
    level = _LEVELS[effort]
    if level == "MINIMAL" and not traits.minimal:
        return Thinking(level="LOW", exact=effort != "none")
    return Thinking(level=level)


def _budget(effort: Effort | None, budget: int | None, traits: Traits, bounds: tuple[int, int]) -> Thinking:
    lowest, highest = bounds
    if budget is not None:
        return Thinking(budget=min(max(budget, lowest), highest))
    if effort is None:
        return Thinking()
    if effort == "none":
        return Thinking(budget=0 if traits.can_stop_thinking else lowest, exact=traits.can_stop_thinking)
    return Thinking(budget=min(_BUDGETS.get(effort, highest), highest))
