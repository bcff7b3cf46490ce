"""How much a model is to think, in the terms of the model: an adaptive mode with an effort, or a budget of tokens."""

from __future__ import annotations

from typing import Any

import msgspec

from llmgw_domain.chat import ChatRequest, Reasoning, RedactedThinking, Thinking
from llmgw_protocols.losses import Losses
from llmgw_protocols.messages.models import Capabilities
from llmgw_protocols.messages.tools import forces
from llmgw_protocols.messages.turns import WireTurn

MIN_BUDGET = 1024
"""The least tokens that a budget may have."""
_BUDGETS = {"minimal": 1024, "low": 2048, "medium": 8192, "high": 16_384, "xhigh": 32_768, "max": 32_768}
_DEFAULT_EFFORT = "medium"


class ThinkingPlan(msgspec.Struct, frozen=True, kw_only=True):
    """The fields that a request gets; `max_tokens` is the limit that leaves room for the budget."""

    max_tokens: int
    thinking: dict[str, Any] | None = None
    effort: str | None = None

    @property
    def on(self) -> bool:
        return self.thinking is not None and self.thinking["type"] != "disabled"


def plan(request: ChatRequest, model: Capabilities, max_tokens: int, losses: Losses) -> ThinkingPlan:
    """What a request's wish for reasoning means for this model."""
    wish = request.reasoning
    if wish is None or not _says_how_much(wish, model):
        return ThinkingPlan(max_tokens=max_tokens)
    if wish.mode == "disabled" or wish.effort == "none" or wish.budget == 0:
        return _off(wish, model, max_tokens, losses)
    if not model.thinks:
        losses.add("reasoning_effort")
        return ThinkingPlan(max_tokens=max_tokens)
    if model.adaptive and (wish.budget is None or not model.budget):
        return _adaptive(wish, model, max_tokens, losses)
    return _budgeted(request, wish, model, max_tokens, losses)


def _says_how_much(wish: Reasoning, model: Capabilities) -> bool:
    """Whether a wish is more than about showing, which alone turns thinking on only where it is on by nature."""
    if wish.mode is not None or wish.effort is not None or wish.budget is not None:
        return True
    return bool(wish.show) and model.adaptive


def _off(wish: Reasoning, model: Capabilities, max_tokens: int, losses: Losses) -> ThinkingPlan:
    if model.disable:
        # An effort is about the whole answer, not only about thinking.
        effort = model.calm_effort(wish.effort) if wish.effort and wish.effort != "none" else None
        return ThinkingPlan(max_tokens=max_tokens, thinking={"type": "disabled"}, effort=effort)
    if not model.adaptive:
        return ThinkingPlan(max_tokens=max_tokens)
    losses.add("reasoning_effort")
    return ThinkingPlan(max_tokens=max_tokens, effort=model.effort("low"))


def _adaptive(wish: Reasoning, model: Capabilities, max_tokens: int, losses: Losses) -> ThinkingPlan:
    wanted = wish.effort or (effort_of(wish.budget) if wish.budget is not None else None)
    # The newest models hide their thinking unless asked, and clients of other dialects have no way to ask.
    display = "omitted" if wish.show is False else "summarized"
    effort = model.effort(wanted) if wanted else None
    if wanted and effort is None:
        losses.add("reasoning_effort")
    return ThinkingPlan(max_tokens=max_tokens, thinking={"type": "adaptive", "display": display}, effort=effort)


def effort_of(budget: int) -> str:
    """The effort that a budget of thinking tokens stands for."""
    for limit, effort in ((1024, "low"), (8192, "medium"), (24_576, "high")):
        if budget <= limit:
            return effort
    return "xhigh"


def _budgeted(
    request: ChatRequest, wish: Reasoning, model: Capabilities, max_tokens: int, losses: Losses
) -> ThinkingPlan:
    # A forced call rules out a budget. The client's code counts on the call, so the thinking gives way.
    if forces(request.tool_choice) and request.tools:
        losses.add("reasoning_effort")
        return ThinkingPlan(max_tokens=max_tokens)
    budget = wish.budget if wish.budget is not None else _BUDGETS[wish.effort or _DEFAULT_EFFORT]
    budget = max(budget, MIN_BUDGET)
    if budget >= max_tokens:
        max_tokens = max(max_tokens, min(max_tokens + budget, model.max_output))
        budget = min(budget, max_tokens - 1)
    if budget < MIN_BUDGET:
        losses.add("reasoning_effort")
        return ThinkingPlan(max_tokens=max_tokens)
    return ThinkingPlan(max_tokens=max_tokens, thinking={"type": "enabled", "budget_tokens": budget})


def fits(plan: ThinkingPlan, turns: list[WireTurn]) -> bool:
    """Whether the history allows the plan: in a tool loop a budget demands the thinking that led to the calls."""
    if plan.thinking is None or plan.thinking["type"] != "enabled":
        return True
    last = next((turn for turn in reversed(turns) if turn.role == "assistant"), None)
    if last is None or not last.calls or turns[-1].role == "assistant":
        return True
    return isinstance(last.blocks[0], Thinking | RedactedThinking)
