"""How a compatible server is asked to think: the wish for reasoning in the server's own fields."""

from __future__ import annotations

from typing import Any, get_args

from llmgw_domain.chat import Effort, Reasoning
from llmgw_domain.servers import Server
from llmgw_protocols.chat import models
from llmgw_protocols.losses import Losses

_LADDER: tuple[Effort, ...] = get_args(Effort)


def wish(reasoning: Reasoning | None, server: Server, losses: Losses) -> dict[str, Any]:
    """The fields that say it; an effort without a near equal there is told as lost."""
    asked = models.effort_of(reasoning)
    if reasoning is None or (asked is None and reasoning.mode != "enabled"):
        return {}
    if server.reasoning == "none":
        losses.add("reasoning_effort")
        return {}
    off = asked == "none"
    fields = _FORMS[server.reasoning](reasoning, asked, server, losses)
    return fields if off else {**fields, **server.reasoning_fields}


def nearest(asked: Effort, offered: tuple[Effort, ...]) -> tuple[Effort | None, bool]:
    """The effort to send for one that was asked, and whether the difference is a loss.

    What thinks stays thinking. The next step is near enough, and so is the highest for what lies above it.
    """
    if not offered or asked in offered:
        return asked, False
    active = [effort for effort in _LADDER if effort in offered and effort != "none"]
    if not active:
        return None, True
    if asked == "none":
        return active[0], True
    at = _LADDER.index(asked)
    best = min(active, key=lambda effort: abs(_LADDER.index(effort) - at))
    return best, abs(_LADDER.index(best) - at) > 1 and not (best == active[-1] and at > _LADDER.index(best))


def _level(asked: Effort | None, server: Server, losses: Losses) -> Effort | None:
    if asked is None:
        return None
    effort, differs = nearest(asked, server.efforts)
    if differs:
        losses.add("reasoning_effort")
    return effort


def _effort(_: Reasoning, asked: Effort | None, server: Server, losses: Losses) -> dict[str, Any]:
    level = _level(asked, server, losses)
    return {"reasoning_effort": level} if level else {}


def _switch(_: Reasoning, asked: Effort | None, server: Server, losses: Losses) -> dict[str, Any]:
    off, on = _SWITCHES[server.reasoning]
    if asked == "none":
        return off
    level = _level(asked, server, losses)
    return {**on, "reasoning_effort": level} if level else on


def _object(reasoning: Reasoning, asked: Effort | None, server: Server, losses: Losses) -> dict[str, Any]:
    if asked == "none":
        return {"reasoning": {"enabled": False}}
    said: dict[str, Any] = {}
    # Effort and budget exclude each other there; the budget is the exact one.
    if reasoning.budget is not None and reasoning.budget > 0 and reasoning.effort is None:
        said["max_tokens"] = reasoning.budget
    elif level := _level(asked, server, losses):
        said["effort"] = level
    else:
        said["enabled"] = True
    if reasoning.show is False:
        said["exclude"] = True
    return {"reasoning": said}


_SWITCHES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "thinking": ({"thinking": {"type": "disabled"}}, {"thinking": {"type": "enabled"}}),
    "enabled": ({"reasoning": {"enabled": False}}, {"reasoning": {"enabled": True}}),
    "template": (
        {"chat_template_kwargs": {"enable_thinking": False}},
        {"chat_template_kwargs": {"enable_thinking": True}},
    ),
}
"""What says no and yes, where an effort has a field of its own."""

_FORMS = {"effort": _effort, "object": _object, **dict.fromkeys(_SWITCHES, _switch)}
