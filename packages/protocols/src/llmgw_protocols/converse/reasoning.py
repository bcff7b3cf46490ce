"""How much a model is to think, of models on Bedrock that are not Claude: each family has a field of its own."""

from __future__ import annotations

from typing import Any

from llmgw_domain.chat import ChatRequest, Reasoning
from llmgw_protocols.converse.models import Traits
from llmgw_protocols.losses import Losses
from llmgw_protocols.messages.thinking import effort_of

_LEVELS = {"minimal": "low", "low": "low", "medium": "medium", "high": "high", "xhigh": "high", "max": "high"}


def fields(request: ChatRequest, traits: Traits, losses: Losses) -> dict[str, Any]:
    """The additional request fields that say it; none where the client said nothing about it."""
    wish = request.reasoning
    if wish is None or (wish.mode is None and wish.effort is None and wish.budget is None):
        return {}
    off = wish.mode == "disabled" or wish.effort == "none" or wish.budget == 0
    if traits.thinking == "nova":
        return {"reasoningConfig": {"type": "disabled"}} if off else _nova(request, wish, losses)
    if traits.thinking == "gpt-oss":
        if off:
            losses.add("reasoning_effort")
        return {"reasoning_effort": "low" if off else _level(wish)}
    if not off:
        losses.add("reasoning_effort")
    return {}


def _level(wish: Reasoning) -> str:
    effort = effort_of(wish.budget) if wish.budget is not None else wish.effort
    return _LEVELS[effort or "medium"]


def _nova(request: ChatRequest, wish: Reasoning, losses: Losses) -> dict[str, Any]:
    level = _level(wish)
    if level == "high" and any(v is not None for v in (request.max_tokens, request.temperature, request.top_p)):
        # At its highest effort Nova refuses a limit and samplers. What the client set there is kept.
        losses.add("reasoning_effort")
        level = "medium"
    return {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": level}}
