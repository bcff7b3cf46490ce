"""How much a model is to think."""

from typing import Any

import pytest

from llmgw_domain.chat import ChatRequest, Reasoning, Text, Thinking, Tool, ToolCall, ToolChoice, ToolResult
from llmgw_protocols.losses import Losses
from llmgw_protocols.messages.models import Capabilities, capabilities
from llmgw_protocols.messages.thinking import ThinkingPlan, fits, plan
from llmgw_protocols.messages.turns import WireTurn

OLDEST, BUDGET, BOTH, ADAPTIVE, ALWAYS = (
    "claude-3-5-sonnet",
    "claude-sonnet-4-5",
    "claude-opus-4-6",
    "claude-opus-4-8",
    "claude-opus-5-5",
)
SHOWN = {"type": "adaptive", "display": "summarized"}


def _plan(model: str, wish: Reasoning | None, limit: int = 32_000, **fields: Any) -> tuple[ThinkingPlan, Any]:
    losses = Losses("openai")
    request = ChatRequest(model="m", turns=(), reasoning=wish, **fields)
    return plan(request, capabilities(model), limit, losses), losses.names()


def _enabled(budget: int) -> dict[str, object]:
    return {"type": "enabled", "budget_tokens": budget}


@pytest.mark.parametrize(
    ("model", "wish", "thinking", "effort", "lossy"),
    [
        (BUDGET, None, None, None, ()),
        (BUDGET, Reasoning(effort="none"), None, None, ()),
        (BUDGET, Reasoning(effort="minimal"), _enabled(1024), None, ()),
        (BUDGET, Reasoning(effort="high"), _enabled(16_384), None, ()),
        (BUDGET, Reasoning(budget=5), _enabled(1024), None, ()),
        (BUDGET, Reasoning(mode="enabled"), _enabled(8192), None, ()),
        (ADAPTIVE, Reasoning(mode="disabled"), {"type": "disabled"}, None, ()),
        (ADAPTIVE, Reasoning(effort="xhigh"), SHOWN, "xhigh", ()),
        (ADAPTIVE, Reasoning(effort="minimal"), SHOWN, "low", ()),
        (ADAPTIVE, Reasoning(budget=9000), SHOWN, "high", ()),
        (ADAPTIVE, Reasoning(budget=30_000), SHOWN, "xhigh", ()),
        (ADAPTIVE, Reasoning(mode="adaptive", show=False), {"type": "adaptive", "display": "omitted"}, None, ()),
        (ADAPTIVE, Reasoning(mode="disabled", effort="xhigh"), {"type": "disabled"}, "xhigh", ()),
        ("claude-opus-5", Reasoning(mode="disabled", effort="xhigh"), {"type": "disabled"}, "high", ()),
        ("claude-opus-5", Reasoning(mode="disabled", effort="none"), {"type": "disabled"}, None, ()),
        (BOTH, Reasoning(effort="xhigh"), SHOWN, "high", ()),
        (BOTH, Reasoning(budget=3000), _enabled(3000), None, ()),
        (ALWAYS, Reasoning(effort="none"), None, "low", ("reasoning_effort",)),
        (OLDEST, Reasoning(effort="high"), None, None, ("reasoning_effort",)),
        (OLDEST, Reasoning(effort="none"), None, None, ()),
        (BUDGET, Reasoning(budget=0), None, None, ()),
        (BUDGET, Reasoning(show=True), None, None, ()),
        (ADAPTIVE, Reasoning(show=False), None, None, ()),
        (ADAPTIVE, Reasoning(show=True), SHOWN, None, ()),
    ],
)
def test_plan(model: str, wish: Reasoning | None, thinking: object, effort: str | None, lossy: object) -> None:
    """The wish in the terms of each generation of models."""
    made, lost = _plan(model, wish)
    assert (thinking, effort, lossy, 32_000) == (made.thinking, made.effort, lost, made.max_tokens)


def test_an_effort_for_a_model_without_any() -> None:
    """A model that thinks by itself and takes no effort thinks, and the effort is named."""
    losses = Losses("openai")
    request = ChatRequest(model="m", turns=(), reasoning=Reasoning(effort="low"))
    made = plan(request, Capabilities(efforts=()), 100, losses)
    assert (SHOWN, None, ("reasoning_effort",)) == (made.thinking, made.effort, losses.names())


@pytest.mark.parametrize(
    ("limit", "budget", "expected"),
    [
        (20_000, 4000, (20_000, 4000)),
        (1000, 4000, (5000, 4000)),
        (60_000, 60_000, (64_000, 60_000)),
        (63_999, 80_000, (64_000, 63_999)),
    ],
)
def test_room(limit: int, budget: int, expected: tuple[int, int]) -> None:
    """The limit grows by the budget up to the model's own, and then the budget shrinks."""
    made, _ = _plan(BUDGET, Reasoning(budget=budget), limit)
    assert made.thinking is not None
    assert expected == (made.max_tokens, made.thinking["budget_tokens"])


def test_forced_call() -> None:
    """A forced call rules out a budget: the call stays, the thinking goes and is named."""
    made, lost = _plan(BUDGET, Reasoning(effort="high"), tools=(Tool(name="f"),), tool_choice=ToolChoice("required"))
    assert (made.thinking, lost) == (None, ("reasoning_effort",))


@pytest.mark.parametrize(
    ("model", "first", "expected"),
    [
        (BUDGET, Text("x"), False),
        (BUDGET, Thinking("t", "s"), True),
        (ADAPTIVE, Text("x"), True),
    ],
)
def test_fits(model: str, first: Any, expected: bool) -> None:
    """In a tool loop a budget demands the thinking that led to the calls."""
    made, _ = _plan(model, Reasoning(effort="low"))
    turns = [
        WireTurn("user", [Text("Hi")]),
        WireTurn("assistant", [first, ToolCall("i", "f", "")]),
        WireTurn("user", [ToolResult("i", ())]),
    ]
    assert expected == fits(made, turns)
